# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver refuses wrong requests, reports errors for each page, and leaves nothing behind after a refusal."""

import ctypes
import errno
import fcntl
import mmap
import os
import signal
from collections.abc import Callable

import pytest

from testbed.dom0 import driver_device
from testbed.dom0.domains import Domain, Xen
from testbed.dom0.driver_device import ATTR_NORMAL_NC, PAGE_SIZE, Device
from testbed.dom0.refusals import error_of

BAD_FRAMES = (0x1, 0x100000, (1 << 40) - 1, (1 << 64) - 1)


@pytest.mark.parametrize("bad", BAD_FRAMES, ids=hex)
def test_errors_by_page(
    opened: Device, xen: Xen, domain: Domain, in_child: Callable[[Callable[[], object]], int], bad: int
) -> None:
    frames = [domain.frames[0], bad, domain.frames[1], domain.frames[2], bad]
    errors = (ctypes.c_int32 * 5)(*[77] * 5)
    address = opened.reserve(5)
    assert opened.map_into(address, domain.number, frames, ATTR_NORMAL_NC, errors) == 3
    assert (errors[0], errors[2], errors[3]) == (0, 0, 0)
    assert errors[1] == errors[4]
    assert errors[1] in (-errno.EINVAL, -errno.ENOENT, -errno.EPERM)
    assert [opened.query(address + page * PAGE_SIZE).translated for page in range(5)] == [1, 0, 1, 1, 0]
    theirs = xen.map(domain, domain.frames[:3])
    ctypes.memmove(address + 2 * PAGE_SIZE, b"one", 3)
    assert ctypes.string_at(theirs + PAGE_SIZE, 3) == b"one"
    xen.unmap(theirs, 3)
    driver_device.unmap(address, 5)

    def touch() -> None:
        inner = driver_device.Device()
        address = inner.reserve(2)
        inner.map_into(address, domain.number, [domain.frames[0], bad], ATTR_NORMAL_NC, errors)
        ctypes.string_at(address, 1)
        ctypes.string_at(address + PAGE_SIZE, 1)

    assert in_child(touch) == -signal.SIGBUS


@pytest.mark.parametrize("place", [0, 1, 15])
def test_all_or_nothing(opened: Device, domain: Domain, place: int) -> None:
    frames = domain.frames[:16]
    frames[place] = BAD_FRAMES[0]
    address = opened.reserve(16)
    assert error_of(opened.map_into, address, domain.number, frames, ATTR_NORMAL_NC) in (
        errno.EINVAL,
        errno.ENOENT,
    )
    assert not any(opened.query(address + page * PAGE_SIZE).translated for page in range(16))
    # the mapping can still be used
    assert opened.map_into(address, domain.number, domain.frames[:16], ATTR_NORMAL_NC) == 16
    driver_device.unmap(address, 16)


def test_errors_among_many(opened: Device, domain: Domain) -> None:
    """A request has more frames than a hypercall takes, with bad ones around the hypercall's end."""
    frames = domain.frames * 32
    bad = {0, 511, 512, 1023, 1500, 2047}
    errors = (ctypes.c_int32 * len(frames))()
    address = opened.reserve(len(frames))
    asked = [1 if page in bad else frame for page, frame in enumerate(frames)]
    assert opened.map_into(address, domain.number, asked, ATTR_NORMAL_NC, errors) == len(frames) - len(bad)
    assert {page for page, error in enumerate(errors) if error} == bad
    holes = {page for page in range(len(frames)) if not opened.query(address + page * PAGE_SIZE).translated}
    assert holes == bad
    driver_device.unmap(address, len(frames))


def test_none_of_them(opened: Device, domain: Domain) -> None:
    errors = (ctypes.c_int32 * 2)()
    address = opened.reserve(2)
    assert opened.map_into(address, domain.number, [1, 2], ATTR_NORMAL_NC, errors) == 0
    assert all(error < 0 for error in errors)
    driver_device.unmap(address, 2)


def test_no_such_domain(opened: Device, domain: Domain) -> None:
    address = opened.reserve(1)
    errors = (ctypes.c_int32 * 1)()
    for number in (domain.number + 1, 0x7FEF):
        assert error_of(opened.map_into, address, number, [0x40000], ATTR_NORMAL_NC) == errno.ESRCH
        assert opened.map_into(address, number, [0x40000], ATTR_NORMAL_NC, errors) == 0
        assert errors[0] == -errno.ESRCH
        driver_device.unmap(address, 1)
        address = opened.reserve(1)
    # Xen's numbers for itself and for the caller, and impossible numbers
    for number in (0x7FF0, 0x7FF1, 0x7FF2, 0x7FF4, 0x8000, 0xFFFF, 0x10000 | domain.number, 0xFFFFFFFF):
        assert error_of(opened.map_into, address, number, [0x40000], ATTR_NORMAL_NC) == errno.EINVAL, hex(
            number
        )
    # the caller's own number is not that of a foreign domain: the errors of Xen 4.17 and 4.20
    assert error_of(opened.map_into, address, 0, [0x40000], ATTR_NORMAL_NC) in (errno.ESRCH, errno.EPERM)
    driver_device.unmap(address, 1)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"flags": 1}, errno.EINVAL),
        ({"reserved": 1}, errno.EINVAL),
        ({"count": 0}, errno.EINVAL),
        ({"count": 1}, errno.EINVAL),
        ({"count": 3}, errno.EINVAL),
        ({"count": 1 << 31}, errno.EINVAL),
        ({"count": (1 << 18) + 1}, errno.EINVAL),
        ({"frames": 0}, errno.EFAULT),
        ({"frames": (1 << 64) - PAGE_SIZE}, errno.EFAULT),
        ({"errors": 8}, errno.EFAULT),
        ({"errors": (1 << 64) - PAGE_SIZE}, errno.EFAULT),
    ],
    ids=str,
)
def test_bad_arguments(opened: Device, domain: Domain, change: dict[str, int], number: int) -> None:
    address = opened.reserve(2)
    # as long as the largest wrong count whose frames the driver reads
    frames = (ctypes.c_uint64 * 3)(*domain.frames[:3])
    words = {"frames": ctypes.addressof(frames), **change}
    assert (
        error_of(opened.map_into, address, domain.number, domain.frames[:2], ATTR_NORMAL_NC, **words)
        == number
    )
    assert not opened.query(address).translated
    driver_device.unmap(address, 2)


def test_bad_addresses(opened: Device, domain: Domain) -> None:
    address = opened.reserve(2)
    other = driver_device.Device()
    anonymous = ctypes.create_string_buffer(2 * PAGE_SIZE)
    frames = domain.frames[:1]
    for wrong in (0, 1, address + 1, address + PAGE_SIZE, ctypes.addressof(anonymous), (1 << 64) - PAGE_SIZE):
        assert error_of(opened.map_into, wrong, domain.number, frames, ATTR_NORMAL_NC) == errno.EINVAL
    # a mapping that another open file made cannot be filled
    assert error_of(other.map_into, address, domain.number, domain.frames[:2], ATTR_NORMAL_NC) == errno.EINVAL
    other.close()
    driver_device.unmap(address, 2)
    assert (
        error_of(opened.map_into, address, domain.number, domain.frames[:2], ATTR_NORMAL_NC) == errno.EINVAL
    )


def test_a_mapping_is_filled_once(opened: Device, domain: Domain) -> None:
    address = opened.map(domain.number, domain.frames[:2], ATTR_NORMAL_NC)
    assert (
        error_of(opened.map_into, address, domain.number, domain.frames[2:4], ATTR_NORMAL_NC) == errno.EBUSY
    )
    assert opened.query(address).attr == ATTR_NORMAL_NC
    driver_device.unmap(address, 2)


def test_mmap_refuses(opened: Device) -> None:
    assert error_of(opened.reserve, 1, flags=mmap.MAP_PRIVATE) == errno.EINVAL
    assert error_of(opened.reserve, 1, offset=PAGE_SIZE) == errno.EINVAL
    assert error_of(opened.reserve, (1 << 18) + 1) == errno.EINVAL
    assert error_of(opened.reserve, 1, driver_device.READ_WRITE | mmap.PROT_EXEC) == errno.EACCES


def test_a_mapping_nobody_may_read(opened: Device, domain: Domain) -> None:
    address = opened.reserve(1, 0)
    assert (
        error_of(opened.map_into, address, domain.number, domain.frames[:1], ATTR_NORMAL_NC) == errno.EACCES
    )
    driver_device.unmap(address, 1)


@pytest.mark.parametrize("command", [0xDC03, 0xC010DC01, 0x8020DC00, 0x305000])
def test_unknown_ioctls(opened: Device, command: int) -> None:
    assert error_of(fcntl.ioctl, opened.fd, command, bytearray(64)) == errno.ENOTTY


def test_privileged_only(in_child: Callable[[Callable[[], object]], int]) -> None:
    def open_as_nobody() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        driver_device.Device()

    mode = os.stat(driver_device.DRIVER_PATH).st_mode
    assert mode & 0o777 == 0o600
    assert in_child(open_as_nobody) == errno.EACCES  # by the file's mode
    os.chmod(driver_device.DRIVER_PATH, 0o666)
    try:
        assert in_child(open_as_nobody) == errno.EPERM  # by the driver
    finally:
        os.chmod(driver_device.DRIVER_PATH, 0o600)
