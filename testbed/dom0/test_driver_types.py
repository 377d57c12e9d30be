# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver maps with the requested memory type, as the hardware's translation shows, or refuses."""

import ctypes
import errno
import mmap
import random
from collections.abc import Callable

import pytest

from testbed.dom0 import driver_device
from testbed.dom0.domains import Domain, Xen
from testbed.dom0.driver_device import ATTR_NORMAL_NC, ATTR_NORMAL_WB, PAGE_SIZE, READ_WRITE, Device
from testbed.dom0.refusals import error_of

INNER_SHAREABLE = 3


def pattern(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def attributes(opened: Device, address: int, pages: int, flags: int = 0) -> set[int]:
    """The attribute bytes of the pages; each page must have a translation."""
    queries = [opened.query(address + page * PAGE_SIZE, flags) for page in range(pages)]
    assert [query.translated for query in queries] == [1] * pages
    assert {query.fault for query in queries} == {0}
    return {query.attr for query in queries}


def test_features(opened: Device) -> None:
    features = opened.features()
    assert (features.abi, features.frame_size) == (3, PAGE_SIZE)
    assert (features.max_frames, features.kept_frames) == (1 << 18, 1024)
    given = {byte for byte in range(256) if features.attrs[byte // 64] >> (byte % 64) & 1}
    assert given == {ATTR_NORMAL_NC, ATTR_NORMAL_WB}


@pytest.mark.parametrize("attr", [ATTR_NORMAL_NC, ATTR_NORMAL_WB], ids=hex)
@pytest.mark.parametrize("count", [1, 16, 64])
def test_both_ways_and_by_the_tables(opened: Device, xen: Xen, domain: Domain, attr: int, count: int) -> None:
    frames = domain.frames[:count]
    size = count * PAGE_SIZE
    ours = opened.map(domain.number, frames, attr)
    theirs = xen.map(domain, frames)
    try:
        assert attributes(opened, ours, count, driver_device.QUERY_WRITE) == {attr}
        first, second = pattern(1, size), pattern(2, size)
        ctypes.memmove(ours, first, size)
        assert ctypes.string_at(theirs, size) == first
        ctypes.memmove(theirs, second, size)
        assert ctypes.string_at(ours, size) == second
        assert attributes(opened, ours, count) == {attr}
        assert attributes(opened, theirs, count) == {ATTR_NORMAL_WB}
        assert opened.query(ours).shareability in (2, INNER_SHAREABLE)
    finally:
        xen.unmap(theirs, count)
        driver_device.unmap(ours, count)


def test_frames_in_the_order_asked_for(opened: Device, xen: Xen, domain: Domain) -> None:
    frames = random.Random(3).sample(domain.frames, 32)
    ours, theirs = opened.map(domain.number, frames, ATTR_NORMAL_NC), xen.map(domain, domain.frames)
    for page, frame in enumerate(frames):
        ctypes.memmove(ours + page * PAGE_SIZE, frame.to_bytes(8, "little"), 8)
    for frame in frames:
        place = theirs + (frame - domain.frames[0]) * PAGE_SIZE
        assert int.from_bytes(ctypes.string_at(place, 8), "little") == frame
    xen.unmap(theirs, len(domain.frames))
    driver_device.unmap(ours, len(frames))


def test_a_frame_twice(opened: Device, domain: Domain) -> None:
    frames = [domain.frames[5]] * 2
    ours = opened.map(domain.number, frames, ATTR_NORMAL_NC)
    ctypes.memmove(ours, b"seen", 4)
    assert ctypes.string_at(ours + PAGE_SIZE, 4) == b"seen"
    driver_device.unmap(ours, 2)


def test_every_other_type_is_refused(opened: Device, domain: Domain) -> None:
    address = opened.reserve(1)
    for attr in [*sorted(set(range(256)) - {ATTR_NORMAL_NC, ATTR_NORMAL_WB}), 0x144, 0xFFFFFFFF]:
        refused = error_of(opened.map_into, address, domain.number, domain.frames[:1], attr)
        assert refused == errno.EOPNOTSUPP, hex(attr)
        assert not opened.query(address).translated
    driver_device.unmap(address, 1)


@pytest.mark.parametrize("attr", [ATTR_NORMAL_NC, ATTR_NORMAL_WB], ids=hex)
def test_mprotect_keeps_the_type(opened: Device, domain: Domain, attr: int) -> None:
    ours = opened.map(domain.number, domain.frames[:4], attr)
    for protection in (mmap.PROT_READ, 0, READ_WRITE):
        driver_device.protect(ours, 4, protection)
        readable = opened.query(ours)
        writable = opened.query(ours, driver_device.QUERY_WRITE)
        assert (readable.translated, readable.attr) == ((1, attr) if protection else (0, 0))
        assert protection == READ_WRITE or not writable.translated
    ctypes.memmove(ours, b"written", 7)
    assert opened.query(ours, driver_device.QUERY_WRITE).attr == attr
    assert error_of(driver_device.protect, ours, 4, mmap.PROT_EXEC) == errno.EACCES
    driver_device.unmap(ours, 4)


def test_read_only(
    opened: Device, xen: Xen, domain: Domain, in_child: Callable[[Callable[[], object]], int]
) -> None:
    address = opened.reserve(2, mmap.PROT_READ)
    assert opened.map_into(address, domain.number, domain.frames[:2], ATTR_NORMAL_NC) == 2
    assert opened.query(address).attr == ATTR_NORMAL_NC
    assert not opened.query(address, driver_device.QUERY_WRITE).translated
    driver_device.unmap(address, 2)


def test_query_of_other_memory(opened: Device) -> None:
    touched = ctypes.create_string_buffer(b"\1" * PAGE_SIZE)
    assert opened.query(ctypes.addressof(touched)).attr == ATTR_NORMAL_WB
    empty = opened.reserve(1)
    query = opened.query(empty)
    assert (query.translated, query.attr, query.shareability) == (0, 0, 0)
    assert query.fault in range(0b000100, 0b001000)  # a translation fault of some level
    driver_device.unmap(empty, 1)


@pytest.mark.parametrize(
    ("address", "flags", "number"),
    [
        ((1 << 64) - PAGE_SIZE, 0, errno.EFAULT),  # the kernel's half
        (0xFFFF000000000000, 1, errno.EFAULT),
        (0, 2, errno.EINVAL),
    ],
)
def test_query_refuses(opened: Device, address: int, flags: int, number: int) -> None:
    assert error_of(opened.query, address, flags) == number
