# SPDX-License-Identifier: GPL-2.0-or-later
"""The patches of ``driver/rfc-v2``: privcmd's ioctl with a memory type, and xl's key that uses it.

They run only in a dom0 that has them: ``scripts/testbed test --rfc-v2``.
"""

import ctypes
import errno
import mmap
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from testbed.dom0 import driver_device
from testbed.dom0.domains import Domain, Xen
from testbed.dom0.driver_device import ATTR_NORMAL_NC, ATTR_NORMAL_WB, PAGE_SIZE, QUERY_WRITE, Device
from testbed.dom0.privcmd import DEFAULT, UNCACHED, Privcmd
from testbed.dom0.refusals import error_of

GUEST = Path("/host/guest")
CONSOLE = Path("/var/log/xen/console/guest-rfc-v2.log")
INSTALLED = Path("/opt/rfc-v2")
FIRST_RING, RINGS = 0x39000, 0x1000  # xen xen/include/public/arch-arm.h: GUEST_MAGIC_BASE, GUEST_MAGIC_SIZE
WITHIN_S = 300
LINE = re.compile(r"(map|unmap|flush) (\d+) (0x[0-9a-f]+) (\d+)((?: 0x[0-9a-f]+)*)( -)?")
XL_PATHS = {
    "PATH": f"{INSTALLED}/bin:{os.environ['PATH']}",
    "LD_LIBRARY_PATH": f"{INSTALLED}/lib:{os.environ.get('LD_LIBRARY_PATH', '')}",
}


@pytest.fixture
def privcmd() -> Iterator[Privcmd]:
    with Privcmd() as opened:
        yield opened


def attributes(opened: Device, address: int, pages: int, flags: int = 0) -> set[int]:
    queries = [opened.query(address + page * PAGE_SIZE, flags) for page in range(pages)]
    assert [query.translated for query in queries] == [1] * pages
    return {query.attr for query in queries}


@pytest.mark.parametrize(("memtype", "attr"), [(UNCACHED, ATTR_NORMAL_NC), (DEFAULT, ATTR_NORMAL_WB)])
def test_the_memory_type(
    opened: Device, xen: Xen, domain: Domain, privcmd: Privcmd, memtype: int, attr: int
) -> None:
    count = len(domain.frames)
    address = privcmd.reserve(count)
    assert privcmd.map_v3(address, domain.number, domain.frames, memtype) == [0] * count
    assert attributes(opened, address, count) == {attr}
    ctypes.memset(address, 0x5A, count * PAGE_SIZE)
    assert attributes(opened, address, count, QUERY_WRITE) == {attr}
    other = xen.map(domain, domain.frames)
    assert ctypes.string_at(other, count * PAGE_SIZE) == b"\x5a" * count * PAGE_SIZE
    assert attributes(opened, other, count) == {ATTR_NORMAL_WB}, "the type is of one mapping"
    xen.unmap(other, count)
    for protection in (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE):
        driver_device.protect(address, count, protection)
        assert attributes(opened, address, count) == {attr}, "mprotect keeps it"
    driver_device.unmap(address, count)


def test_v2_maps_as_ever(opened: Device, domain: Domain, privcmd: Privcmd) -> None:
    address = privcmd.reserve(4)
    assert privcmd.map_v2(address, domain.number, domain.frames[:4]) == [0] * 4
    assert attributes(opened, address, 4) == {ATTR_NORMAL_WB}
    driver_device.unmap(address, 4)


@pytest.mark.parametrize("memtype", [2, 3, 0x44, 0xFF, 0xFFFF])
def test_types_without_a_name(opened: Device, domain: Domain, privcmd: Privcmd, memtype: int) -> None:
    address = privcmd.reserve(1)
    assert error_of(privcmd.map_v3, address, domain.number, domain.frames[:1], memtype) == errno.EOPNOTSUPP
    assert not opened.query(address).translated
    assert privcmd.map_v3(address, domain.number, domain.frames[:1], UNCACHED) == [0], "nothing was changed"
    driver_device.unmap(address, 1)


@pytest.mark.parametrize("first", [UNCACHED, DEFAULT])
def test_a_mapping_is_made_once(opened: Device, domain: Domain, privcmd: Privcmd, first: int) -> None:
    address = privcmd.reserve(2)
    bad = 0x3FFFF  # no frame of the guest
    assert privcmd.map_v3(address, domain.number, [domain.frames[0], bad], first) == [0, -errno.EINVAL]
    before = attributes(opened, address, 2)
    place, frames = address + PAGE_SIZE, domain.frames[1:2]
    for memtype in (UNCACHED, DEFAULT):
        assert error_of(privcmd.map_v3, place, domain.number, frames, memtype) == errno.EINVAL
    assert error_of(privcmd.map_v2, place, domain.number, frames) == errno.EINVAL
    assert attributes(opened, address, 2) == before
    driver_device.unmap(address, 2)


def test_a_restricted_file(domain: Domain, privcmd: Privcmd) -> None:
    address = privcmd.reserve(1)
    privcmd.restrict(domain.number + 1)
    assert error_of(privcmd.map_v3, address, domain.number, domain.frames[:1], UNCACHED) == errno.EPERM
    driver_device.unmap(address, 1)
    with Privcmd() as other:
        other.restrict(domain.number)
        address = other.reserve(1)
        assert other.map_v3(address, domain.number, domain.frames[:1], UNCACHED) == [0]
        driver_device.unmap(address, 1)


def test_frames_that_fail(opened: Device, domain: Domain, privcmd: Privcmd) -> None:
    address = privcmd.reserve(3)
    frames = [domain.frames[0], 0x3FFFF, domain.frames[1]]
    assert privcmd.map_v3(address, domain.number, frames, UNCACHED) == [0, -errno.EINVAL, 0]
    assert (
        attributes(opened, address, 1) == attributes(opened, address + 2 * PAGE_SIZE, 1) == {ATTR_NORMAL_NC}
    )
    driver_device.unmap(address, 3)


class Event(NamedTuple):
    what: str
    domain: int
    frame: int
    pages: int
    types: frozenset[int]


class Built(NamedTuple):
    """A guest that xl built: its number, and what the libraries did."""

    domid: int
    events: list[Event]

    def of(self, what: str) -> list[Event]:
        return [each for each in self.events if each.what == what and not is_ring(each)]


def is_ring(event: Event) -> bool:
    return FIRST_RING <= event.frame < FIRST_RING + RINGS


def xl(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["xl", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **XL_PATHS, **environment},
    )


def complaints(said: str) -> list[str]:
    """What xl says but for this: dom0 has no QEMU, and a guest on Arm needs none."""
    return [line for line in said.splitlines() if "qemu-xen is unavailable" not in line]


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "rfc-v2.cfg"
    file.write_text(
        f'name = "rfc-v2"\nmemory = 128\nvcpus = 1\nkernel = "{GUEST}/kernel"\nramdisk = "{GUEST}/initrd"\n'
        'extra = "console=hvc0 loglevel=4 rdinit=/init"\n'
    )
    CONSOLE.unlink(missing_ok=True)
    yield file
    xl("destroy", "rfc-v2")


def build(config: Path, log: Path, *words: str, **environment: str) -> Built:
    done = xl(
        "create", "-q", str(config), *words,
        LD_PRELOAD=f"{INSTALLED}/lib/map_types.so", MAP_TYPES_LOG=str(log), **environment,
    )  # fmt: skip
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    found = [LINE.fullmatch(line) for line in log.read_text().splitlines()]
    assert all(found), log.read_text()
    events = [
        Event(
            line[1],
            int(line[2]),
            int(line[3], 16),
            int(line[4]),
            frozenset(int(word, 16) for word in line[5].split()),
        )
        for line in found
        if line
    ]
    return Built(int(xl("domid", "rfc-v2").stdout), events)


def check(built: Built, attr: int, *, flushed: bool) -> None:
    """Check what libxenguest did, and that the guest runs."""
    mapped, unmapped = built.of("map"), built.of("unmap")
    assert {each.domain for each in built.events} == {built.domid}
    assert {each.types for each in mapped} == {each.types for each in unmapped} == {frozenset({attr})}
    assert Counter(each.frame for each in mapped) == Counter(each.frame for each in unmapped)
    pages = sum(each.pages for each in mapped)
    assert pages * PAGE_SIZE >= (GUEST / "kernel").stat().st_size + (GUEST / "initrd").stat().st_size
    rings = [each for each in built.events if is_ring(each) and each.what == "map"]
    assert rings
    assert {each.types for each in rings} == {frozenset({ATTR_NORMAL_WB})}
    if flushed:
        beside = {"unmap": 1, "map": -1} if attr == ATTR_NORMAL_NC else {"unmap": 1}
        for index, event in enumerate(built.events):
            if event.what in beside and not is_ring(event):
                flush = built.events[index + beside[event.what]]
                assert (flush.what, flush.frame, flush.pages) == ("flush", event.frame, event.pages)
    else:
        assert not [each for each in built.events if each.what == "flush"]
    end = time.monotonic() + WITHIN_S
    while not (CONSOLE.exists() and "guest: in user space" in CONSOLE.read_text(errors="replace")):
        assert time.monotonic() < end
        time.sleep(0.5)


def test_xl_with_the_key(config: Path, tmp_path: Path) -> None:
    check(build(config, tmp_path / "log", "build_uncached=1"), ATTR_NORMAL_NC, flushed=True)


def test_xl_without_the_key(config: Path, tmp_path: Path) -> None:
    check(build(config, tmp_path / "log"), ATTR_NORMAL_WB, flushed=True)


def test_as_the_rfc_without_a_flush(config: Path, tmp_path: Path) -> None:
    built = build(config, tmp_path / "log", "build_uncached=1", MAP_TYPES_NO_FLUSH="1")
    check(built, ATTR_NORMAL_NC, flushed=False)


def test_the_key_is_kept(config: Path, tmp_path: Path) -> None:
    done = xl("create", "-q", "-p", str(config), "build_uncached=1")
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    assert '"build_uncached": "True"' in xl("list", "-l", "rfc-v2").stdout
