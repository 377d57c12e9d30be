# SPDX-License-Identifier: GPL-2.0-or-later
"""What an open file is limited to: one domain, reading, a part of dom0's memory."""

import ctypes
import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.dom0 import driver_device
from testbed.dom0.domains import Domain, Xen
from testbed.dom0.driver_device import ATTR_NORMAL_NC, ATTR_NORMAL_WB, MAP_REPLACE, PAGE_SIZE, Device

MOST_FRAMES = 1 << 18
KEPT = 1024
DOMID_FIRST_RESERVED = 0x7FF0


def error_of(body: Callable[..., object], *arguments: object, **named: object) -> int:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (its number is compared)
        body(*arguments, **named)
    return caught.value.errno or 0


def available() -> int:
    """Pages of dom0's memory that are available."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 4
    raise AssertionError("no MemAvailable")


def of_dom0(xen: Xen) -> int:
    """Pages that Xen counts as dom0's."""
    info = xen.host.hypercalls.domain(0)
    assert info is not None
    return int(info.tot_pages)


def test_one_domain(xen: Xen, domain: Domain, opened: Device) -> None:
    other = xen.create(4)
    try:
        before = opened.map(other.number, other.frames, ATTR_NORMAL_WB)
        opened.restrict(domain.number)
        opened.restrict(domain.number)  # again is no change
        assert error_of(opened.restrict, other.number) == errno.EINVAL
        assert error_of(opened.map, other.number, other.frames, ATTR_NORMAL_NC) == errno.EPERM
        address = opened.map(domain.number, domain.frames[:4], ATTR_NORMAL_NC)
        # an attempt to replace is refused before anything is unmapped
        assert error_of(opened.replace, address, other.number, other.frames, ATTR_NORMAL_NC) == errno.EPERM
        ctypes.memset(address, 0x5A, 4 * PAGE_SIZE)
        assert ctypes.string_at(before, 1) == b"\0", "a mapping from before stays"
        assert opened.query(address).attr == ATTR_NORMAL_NC
        assert opened.features().abi == 3
        for mapped in (address, before):
            opened.unmap(mapped, 4)
        another = Device()
        another.unmap(another.map(other.number, other.frames, ATTR_NORMAL_WB), 4)
        another.close()
    finally:
        other.destroy()
        assert other.gone()


def test_an_inherited_file_is_restricted(
    xen: Xen, domain: Domain, opened: Device, in_child: Callable[[Callable[[], None]], int]
) -> None:
    other = xen.create(4)
    try:
        opened.restrict(domain.number)
        assert (
            in_child(lambda: opened.unmap(opened.map(domain.number, domain.frames, ATTR_NORMAL_NC), 64)) == 0
        )
        assert in_child(lambda: void(opened.map(other.number, other.frames, ATTR_NORMAL_NC))) == errno.EPERM
        assert in_child(lambda: opened.restrict(other.number)) == errno.EINVAL
    finally:
        other.destroy()
        assert other.gone()


def void(value: object) -> None:
    """Ignore a value."""


@pytest.mark.parametrize(("domid", "reserved"), [(DOMID_FIRST_RESERVED, 0), (0x10000, 0), (1, 1)])
def test_bad_restrictions(opened: Device, domain: Domain, domid: int, reserved: int) -> None:
    assert error_of(opened.restrict, domid, reserved) == errno.EINVAL
    opened.unmap(opened.map(domain.number, domain.frames, ATTR_NORMAL_NC), 64)


@pytest.mark.parametrize("attr", [ATTR_NORMAL_NC, ATTR_NORMAL_WB])
def test_a_file_that_is_open_for_reading(domain: Domain, opened: Device, attr: int) -> None:
    written = opened.map(domain.number, domain.frames[:2], ATTR_NORMAL_WB)
    ctypes.memset(written, 0xA5, 2 * PAGE_SIZE)
    opened.unmap(written, 2)
    reader = Device(read_only=True)
    try:
        assert error_of(reader.reserve, 2) == errno.EACCES
        assert error_of(reader.reserve, 2, mmap.PROT_READ, mmap.MAP_PRIVATE) == errno.EINVAL
        address = reader.reserve(2, mmap.PROT_READ)
        assert reader.map_into(address, domain.number, domain.frames[:2], attr) == 2
        assert ctypes.string_at(address, 2 * PAGE_SIZE) == b"\xa5" * (2 * PAGE_SIZE)
        assert reader.query(address).attr == attr
        assert not reader.query(address, driver_device.QUERY_WRITE).translated
        assert error_of(driver_device.protect, address, 2, driver_device.READ_WRITE) == errno.EACCES
        reader.map_into(address, domain.number, domain.frames[2:4], attr, flags=MAP_REPLACE)
        assert ctypes.string_at(address, 1) == b"\0"
        reader.unmap(address, 2)
    finally:
        reader.close()


def test_more_than_there_is(xen: Xen, domain: Domain) -> None:
    """A mapping for which dom0 would have to give up nearly all its memory fails, and takes no daemon with it."""
    total = os.sysconf("SC_PHYS_PAGES")
    frames = (domain.frames * (MOST_FRAMES // len(domain.frames)))[:MOST_FRAMES]
    opened = Device()
    try:
        address = opened.reserve(MOST_FRAMES)
        try:
            opened.map_into(address, domain.number, frames, ATTR_NORMAL_NC)
        except OSError as error:
            assert error.errno == errno.ENOMEM  # noqa: PT017
        opened.unmap(address, MOST_FRAMES)
    finally:
        opened.close()
    assert xen.bindings.store.read("/local/domain/0/name") is not None, "xenstored is there"
    assert available() > total // 32


def test_kept_pages_are_a_part_of_what_is_available(xen: Xen, domain: Domain) -> None:
    before, free = of_dom0(xen), available()
    frames = (domain.frames * (KEPT // len(domain.frames)))[:KEPT]
    files = [Device() for _ in range(24)]
    try:
        for each in files:
            each.unmap(each.map(domain.number, frames, ATTR_NORMAL_NC), KEPT)
        assert before - of_dom0(xen) <= free // 16 + KEPT
    finally:
        for each in files:
            each.close()
