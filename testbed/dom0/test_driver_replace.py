# SPDX-License-Identifier: GPL-2.0-or-later
"""Replacing the frames of a mapping: the new ones are mapped, the old ones released."""

import ctypes
import errno
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from testbed.dom0 import driver_device
from testbed.dom0.domains import Domain, Xen
from testbed.dom0.driver_device import ATTR_NORMAL_NC, ATTR_NORMAL_WB, MAP_REPLACE, PAGE_SIZE, Device
from testbed.dom0.refusals import error_of


@pytest.fixture
def other(xen: Xen) -> Iterator[Domain]:
    """A second domain."""
    domain = xen.create(64)
    yield domain
    domain.destroy()
    assert domain.gone()


def shown(opened: Device, address: int, pages: int) -> list[int]:
    return [opened.query(address + page * PAGE_SIZE).translated for page in range(pages)]


def write(place: int, pages: int, seed: int) -> bytes:
    """Fill each page with different bytes; return them."""
    data = random.Random(seed).randbytes(pages * PAGE_SIZE)
    ctypes.memmove(place, data, len(data))
    return data


def read_by_others(xen: Xen, domain: Domain, frames: Sequence[int]) -> bytes:
    place = xen.map(domain, frames)
    try:
        return ctypes.string_at(place, len(frames) * PAGE_SIZE)
    finally:
        xen.unmap(place, len(frames))


@pytest.mark.parametrize("new", [ATTR_NORMAL_NC, ATTR_NORMAL_WB], ids=hex)
@pytest.mark.parametrize("old", [ATTR_NORMAL_NC, ATTR_NORMAL_WB], ids=hex)
def test_the_new_ones_are_shown_with_their_type(
    opened: Device, xen: Xen, domain: Domain, old: int, new: int
) -> None:
    address = opened.map(domain.number, domain.frames[:16], old)
    first = write(address, 16, 1)
    opened.replace(address, domain.number, domain.frames[20:36], new)
    assert {opened.query(address + page * PAGE_SIZE).attr for page in range(16)} == {new}
    second = write(address, 16, 2)
    assert read_by_others(xen, domain, domain.frames[:16]) == first
    assert read_by_others(xen, domain, domain.frames[20:36]) == second
    driver_device.unmap(address, 16)


def test_fewer_leave_the_last_pages_empty(
    opened: Device, xen: Xen, domain: Domain, in_child: Callable[[Callable[[], object]], int]
) -> None:
    address = opened.map(domain.number, domain.frames[:16], ATTR_NORMAL_NC)
    opened.replace(address, domain.number, domain.frames[30:35], ATTR_NORMAL_NC)
    assert shown(opened, address, 16) == [1] * 5 + [0] * 11
    opened.replace(address, domain.number, domain.frames[40:50], ATTR_NORMAL_NC)
    assert shown(opened, address, 16) == [1] * 10 + [0] * 6
    data = write(address, 10, 3)
    assert read_by_others(xen, domain, domain.frames[40:50]) == data

    def touch() -> None:
        inner = driver_device.Device()
        address = inner.map(domain.number, domain.frames[:2], ATTR_NORMAL_NC)
        inner.replace(address, domain.number, domain.frames[:1], ATTR_NORMAL_NC)
        ctypes.string_at(address, 1)
        ctypes.string_at(address + PAGE_SIZE, 1)

    assert in_child(touch) == -signal.SIGBUS
    driver_device.unmap(address, 16)


@pytest.mark.parametrize("attr", [ATTR_NORMAL_NC, ATTR_NORMAL_WB], ids=hex)
def test_the_same_frames_again_and_in_any_order(opened: Device, xen: Xen, domain: Domain, attr: int) -> None:
    """A frame that is mapped again at its old place is held once: `domain` must be gone at the end."""
    chance = random.Random(6)
    address = opened.map(domain.number, domain.frames, attr)
    for turn in range(20):
        frames = domain.frames if turn % 3 == 0 else chance.sample(domain.frames, chance.randint(1, 64))
        opened.replace(address, domain.number, frames, attr)
        data = write(address, len(frames), turn)
        assert read_by_others(xen, domain, frames) == data
    opened.replace(address, domain.number, [domain.frames[0]] * 64, attr)
    opened.replace(address, domain.number, [domain.frames[0]] * 64, attr)
    driver_device.unmap(address, 64)


def test_those_that_were_shown_are_let_go_of(opened: Device, domain: Domain, other: Domain) -> None:
    address = opened.map(other.number, other.frames, ATTR_NORMAL_NC)
    other.destroy()
    time.sleep(0.2)
    assert other.xen.exists(other.number), "its frames are mapped: it has to be dying"
    opened.replace(address, domain.number, domain.frames[:3], ATTR_NORMAL_NC)
    assert other.gone()
    driver_device.unmap(address, 64)


def test_a_frame_that_cannot_be_shown_leaves_a_hole(opened: Device, domain: Domain, other: Domain) -> None:
    """The hole does not show the old frame."""
    address = opened.map(other.number, other.frames[:5], ATTR_NORMAL_NC)
    errors = (ctypes.c_int32 * 5)()
    frames = [domain.frames[0], 1, domain.frames[1], 1 << 40, domain.frames[2]]
    assert opened.map_into(address, domain.number, frames, ATTR_NORMAL_NC, errors, flags=MAP_REPLACE) == 3
    assert [error == 0 for error in errors] == [True, False, True, False, True]
    assert shown(opened, address, 5) == [1, 0, 1, 0, 1]
    other.destroy()
    assert other.gone()
    opened.replace(address, domain.number, domain.frames[5:10], ATTR_NORMAL_NC)
    assert shown(opened, address, 5) == [1] * 5
    driver_device.unmap(address, 5)


def test_what_fails_maps_nothing(opened: Device, domain: Domain, other: Domain) -> None:
    address = opened.map(other.number, other.frames[:5], ATTR_NORMAL_NC)
    frames = [*domain.frames[:4], 1]
    assert error_of(opened.replace, address, domain.number, frames, ATTR_NORMAL_NC)
    assert shown(opened, address, 5) == [0] * 5
    other.destroy()
    assert other.gone()
    assert error_of(opened.replace, address, domain.number, domain.frames[:5], ATTR_NORMAL_NC) == errno.EINVAL
    opened.map_into(address, domain.number, domain.frames[:5], ATTR_NORMAL_WB)
    assert {opened.query(address + page * PAGE_SIZE).attr for page in range(5)} == {ATTR_NORMAL_WB}
    driver_device.unmap(address, 5)


def test_what_is_refused_changes_nothing(opened: Device, xen: Xen, domain: Domain) -> None:
    frames, number = domain.frames[:4], domain.number
    empty, address = opened.reserve(4), opened.map(number, frames, ATTR_NORMAL_NC)
    data = write(address, 4, 9)
    elsewhere = driver_device.Device()
    for place, asked, attr, other, error in (
        (empty, frames, ATTR_NORMAL_NC, {}, errno.EINVAL),
        (address, domain.frames[:5], ATTR_NORMAL_NC, {}, errno.EINVAL),
        (address, [], ATTR_NORMAL_NC, {}, errno.EINVAL),
        (address, frames, 0x04, {}, errno.EOPNOTSUPP),
        (address, frames, ATTR_NORMAL_NC, {"flags": MAP_REPLACE | 2}, errno.EINVAL),
        (address, frames, ATTR_NORMAL_NC, {"frames": 8}, errno.EFAULT),
        (address + PAGE_SIZE, frames[:3], ATTR_NORMAL_NC, {}, errno.EINVAL),
    ):
        words = {"flags": MAP_REPLACE, **other}
        assert error_of(opened.map_into, place, number, asked, attr, None, **words) == error
    assert error_of(elsewhere.replace, address, number, frames, ATTR_NORMAL_NC) == errno.EINVAL
    assert error_of(opened.map_into, address, number, frames, ATTR_NORMAL_NC) == errno.EBUSY
    elsewhere.close()
    assert shown(opened, address, 4) == [1] * 4
    assert read_by_others(xen, domain, frames) == data
    driver_device.unmap(empty, 4)
    driver_device.unmap(address, 4)


def test_killed_at_many_points(domain: Domain, other: Domain) -> None:
    """A child that replaces frames all the time, with many hypercalls in one ioctl, is killed at some moment."""
    chance = random.Random(11)
    for _ in range(10):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            opened = driver_device.Device()
            address = opened.map(domain.number, domain.frames * 24, ATTR_NORMAL_NC)
            os.write(writer, b"y")
            while True:
                for shift, each in ((1, other), (0, domain), (1, domain)):
                    frames = (each.frames[shift:] + each.frames[:shift]) * 24
                    opened.replace(address, each.number, frames, ATTR_NORMAL_NC)
        os.close(writer)
        assert os.read(reader, 1) == b"y"
        os.close(reader)
        time.sleep(chance.uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
