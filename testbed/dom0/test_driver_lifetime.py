# SPDX-License-Identifier: GPL-2.0-or-later
"""No page and no mapping outlives its process or its munmap, whatever happens in between."""

import ctypes
import errno
import mmap
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from testbed.dom0 import driver_device
from testbed.dom0.domains import Domain, Xen
from testbed.dom0.driver_device import ATTR_NORMAL_NC, ATTR_NORMAL_WB, PAGE_SIZE, Device
from testbed.dom0.memory import accounted
from testbed.dom0.refusals import error_of

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
MADV_DONTNEED, MADV_DOFORK, MADV_REMOVE = 4, 11, 9


def held_by_child(domain: Domain, frames: Sequence[int], attr: int) -> int:
    """Fork a child that maps frames and sleeps; return it once it has mapped them."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            opened = driver_device.Device()
            address = opened.map(domain.number, frames, attr)
            ctypes.memset(address, 0x5A, len(frames) * PAGE_SIZE)
            os.write(writer, b"y")
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 1) == b"y"
    os.close(reader)
    return child


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("attr", [ATTR_NORMAL_NC, ATTR_NORMAL_WB], ids=hex)
def test_killed_then_destroyed(domain: Domain, attr: int) -> None:
    kill(held_by_child(domain, domain.frames, attr))
    domain.destroy()
    assert domain.gone()


def test_destroyed_then_killed(xen: Xen, domain: Domain) -> None:
    child = held_by_child(domain, domain.frames, ATTR_NORMAL_NC)
    domain.destroy()
    time.sleep(0.2)
    assert xen.exists(domain.number), "its frames are mapped: it has to be dying"
    kill(child)
    assert domain.gone()


def test_closed_then_unmapped(xen: Xen, domain: Domain) -> None:
    opened = driver_device.Device()
    address = opened.map(domain.number, domain.frames, ATTR_NORMAL_NC)
    opened.close()
    ctypes.memset(address, 1, 64 * PAGE_SIZE)
    assert subprocess.run(["rmmod", "xen_coldline"], stderr=subprocess.DEVNULL, check=False).returncode
    domain.destroy()
    time.sleep(0.2)
    assert xen.exists(domain.number)
    driver_device.unmap(address, 64)
    assert domain.gone()


def test_killed_at_many_points(domain: Domain) -> None:
    """A child that maps and unmaps all the time is killed at some moment; several times."""
    chance = random.Random(4)
    for _ in range(12):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            opened = driver_device.Device()
            os.write(writer, b"y")
            while True:
                for attr in (ATTR_NORMAL_NC, ATTR_NORMAL_WB):
                    driver_device.unmap(opened.map(domain.number, domain.frames, attr), 64)
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        time.sleep(chance.uniform(0, 0.05))
        kill(child)
    domain.destroy()
    assert domain.gone()


@pytest.mark.parametrize("attr", [ATTR_NORMAL_NC, ATTR_NORMAL_WB], ids=hex)
def test_killed_inside_a_long_ioctl(domain: Domain, attr: int) -> None:
    """The same with many hypercalls in one ioctl, so that the signal comes between two of them."""
    chance = random.Random(5)
    frames = domain.frames * 128
    before = None
    for _ in range(6):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            opened = driver_device.Device()
            os.write(writer, b"y")
            while True:
                driver_device.unmap(opened.map(domain.number, frames, attr), len(frames))
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        time.sleep(chance.uniform(0, 0.4))
        kill(child)
        if before is not None:  # once the balloon has grown
            assert accounted() == before
        before = accounted()


def less(before: tuple[int, int], pages: int) -> tuple[int, int]:
    """Return dom0's accounts minus some pages, of memory or of address space without memory."""
    memory, space = before
    return memory - (0 if space else pages * PAGE_SIZE // 1024), space


@pytest.fixture
def whole(domain: Domain) -> Iterator[tuple[int, int]]:
    """dom0's accounts with nothing mapped and no pages kept, once the balloon has grown."""
    opened = driver_device.Device()
    driver_device.unmap(opened.map(domain.number, domain.frames * 32, ATTR_NORMAL_NC), 64 * 32)
    opened.close()
    before = accounted()
    yield before
    assert accounted() == before


def test_no_page_is_lost(whole: tuple[int, int], domain: Domain) -> None:
    opened = driver_device.Device()
    driver_device.unmap(opened.map(domain.number, domain.frames, ATTR_NORMAL_NC), 64)
    before = accounted()
    assert before == less(whole, 64), "a file keeps the pages of a mapping for the next"
    errors = (ctypes.c_int32 * 64)()
    bad = [*domain.frames[:63], 1]
    for turn in range(20):
        address = opened.reserve(64)
        assert error_of(opened.map_into, address, domain.number, bad, ATTR_NORMAL_NC)
        assert error_of(
            opened.map_into, address, domain.number, domain.frames, ATTR_NORMAL_NC, None, address=8
        )
        assert error_of(
            opened.map_into, address, domain.number, domain.frames, ATTR_NORMAL_NC, None, errors=8
        )
        opened.map_into(address, domain.number, bad if turn % 2 else domain.frames, ATTR_NORMAL_NC, errors)
        assert accounted() == before
        driver_device.unmap(address, 64)
        assert accounted() == before
    kill(held_by_child(domain, domain.frames, ATTR_NORMAL_NC))
    assert accounted() == before
    opened.close()


def test_what_a_file_keeps_has_a_bound(whole: tuple[int, int], domain: Domain) -> None:
    opened = driver_device.Device()
    kept = opened.features().kept_frames
    address = opened.map(domain.number, domain.frames * 32, ATTR_NORMAL_NC)
    assert kept < 64 * 32
    assert accounted() == less(whole, 64 * 32)
    other = opened.map(domain.number, domain.frames, ATTR_NORMAL_WB)
    driver_device.unmap(address, 64 * 32)
    assert accounted() == less(whole, kept + 64)
    driver_device.unmap(other, 64)
    assert accounted() == less(whole, kept)
    elsewhere = driver_device.Device()
    driver_device.unmap(elsewhere.map(domain.number, domain.frames, ATTR_NORMAL_NC), 64)
    assert accounted() == less(whole, kept + 64), "each file keeps its own"
    elsewhere.close()
    assert accounted() == less(whole, kept)
    opened.close()


def test_kept_pages_go_back_when_memory_is_wanted(whole: tuple[int, int], domain: Domain) -> None:
    """The kernel asks every shrinker; pages that cost no memory stay."""
    opened = driver_device.Device()
    kept = opened.features().kept_frames
    driver_device.unmap(opened.map(domain.number, domain.frames * (kept // 64), ATTR_NORMAL_NC), kept)
    assert accounted() == less(whole, kept)
    DROP_CACHES.write_text("2\n")
    end = time.monotonic() + 20
    while accounted() != whole and time.monotonic() < end:
        pass
    assert accounted() == whole
    driver_device.unmap(opened.map(domain.number, domain.frames, ATTR_NORMAL_NC), 64)
    assert accounted() == less(whole, 64), "it keeps pages again"
    opened.close()


def test_pages_go_back_with_the_last_mapping(whole: tuple[int, int], domain: Domain) -> None:
    opened = driver_device.Device()
    addresses = [opened.map(domain.number, domain.frames, ATTR_NORMAL_NC) for _ in range(2)]
    opened.close()
    driver_device.unmap(addresses[0], 64)
    assert accounted() == less(whole, 128), "a mapping holds its file, and that what it keeps"
    driver_device.unmap(addresses[1], 64)


def test_several_threads_share_a_file(whole: tuple[int, int], domain: Domain) -> None:
    opened = driver_device.Device()
    seen = []

    def often() -> None:
        for _ in range(40):
            address = opened.map(domain.number, domain.frames, ATTR_NORMAL_NC)
            ctypes.memset(address, 0x5A, 64 * PAGE_SIZE)
            seen.append(ctypes.string_at(address, 64 * PAGE_SIZE) == b"\x5a" * (64 * PAGE_SIZE))
            driver_device.unmap(address, 64)

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 160
    opened.close()


def test_part_of_a_mapping(opened: Device, domain: Domain) -> None:
    address = opened.map(domain.number, domain.frames[:4], ATTR_NORMAL_NC)
    for start, pages in ((0, 1), (1, 1), (3, 1), (1, 3)):
        part = address + start * PAGE_SIZE
        assert error_of(driver_device.unmap, part, pages) == errno.EINVAL
        assert error_of(driver_device.protect, part, pages, mmap.PROT_READ) == errno.EINVAL
    for old, new in ((4, 5), (4, 3), (0, 4)):  # grow, shrink, double
        assert error_of(driver_device.move, address, old, new, MREMAP_MAYMOVE, 0) in (
            errno.EFAULT,
            errno.EINVAL,
        )
    for advice in (MADV_DONTNEED, MADV_DOFORK, MADV_REMOVE):
        assert error_of(driver_device.advise, address, 4, advice) in (errno.EINVAL, errno.ENODEV)
    assert [opened.query(address + page * PAGE_SIZE).attr for page in range(4)] == [ATTR_NORMAL_NC] * 4
    driver_device.unmap(address, 4)


def test_a_mapping_that_moves(opened: Device, xen: Xen, domain: Domain) -> None:
    address = opened.map(domain.number, domain.frames[:4], ATTR_NORMAL_NC)
    ctypes.memmove(address, b"moving", 6)
    elsewhere = opened.reserve(4)
    assert driver_device.move(address, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere
    assert ctypes.string_at(elsewhere, 6) == b"moving"
    assert opened.query(elsewhere).attr == ATTR_NORMAL_NC
    assert not opened.query(address).translated
    assert error_of(driver_device.move, elsewhere, 4, 4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0) == errno.EINVAL
    domain.destroy()
    time.sleep(0.2)
    assert xen.exists(domain.number), "the moved mapping has to hold its frames"
    ctypes.memset(elsewhere, 7, 4 * PAGE_SIZE)
    driver_device.unmap(elsewhere, 4)
    assert domain.gone()


def test_children_do_not_inherit(
    opened: Device, domain: Domain, in_child: Callable[[Callable[[], object]], int]
) -> None:
    address = opened.map(domain.number, domain.frames[:1], ATTR_NORMAL_NC)
    assert in_child(lambda: ctypes.string_at(address, 1)) == -signal.SIGSEGV
    ctypes.memset(address, 1, PAGE_SIZE)
    driver_device.unmap(address, 1)


def test_system_calls_read_and_write_it(opened: Device, domain: Domain) -> None:
    """The kernel can copy through the mapping; system calls that need the page itself are refused."""
    address = opened.map(domain.number, domain.frames[:1], ATTR_NORMAL_NC)
    reader, writer = os.pipe()
    os.write(writer, b"through the kernel")
    view = (ctypes.c_char * PAGE_SIZE).from_address(address)
    assert os.readv(reader, [memoryview(view).cast("B")[:18]]) == 18
    assert ctypes.string_at(address, 18) == b"through the kernel"
    os.close(reader)
    os.close(writer)
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    assert error_of(os.pread, memory, 8, address) == errno.EIO
    os.close(memory)
    driver_device.unmap(address, 1)
