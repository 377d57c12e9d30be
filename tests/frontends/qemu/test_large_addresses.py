# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses of 52 bits on QEMU's core ``max``: FEAT_LPA2, and FEAT_LPA with pages of 64 KiB.

QEMU walks the tables on its own (target/arm/ptw.c): a page that is not where coldline takes it to be is an access
that cannot be followed, of which there is none. Expected events follow from the code and the tables.
"""

from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.arm import MemoryType
from tests.frontends.qemu import test_stage2 as guests
from tests.frontends.qemu.test_par import UART, asks, reads, told_and_seen
from tests.frontends.qemu.test_stage2 import words_of
from tests.frontends.qemu.test_watch import events_of, of
from tests.helpers import machines
from tests.helpers.large_tables import LargeTables, page, tcr
from tests.helpers.machines import DATA, SECOND, write_program
from tests.helpers.tiny_guests import DSB, ERET, HVC, ISB, RAM, SMC, Code, code, ldr, mov, msr, off, store
from tests.helpers.tiny_guests import sys as maintain

ROOT = 0x10_0000
HIGH = 0x000A_BCDE_F000_0000
FRAMES = RAM + 0x20_0000
SCTLR = a64.SCTLR_OFF | a64.M | a64.C | a64.I
RANGE_UNIT = 16
"""log2 of the unit of BaseADDR of a TLBI by range with DS (Arm ARM DDI 0487 C5.5)."""

GRANULE_4K, GRANULE_16K = 1 << 46, 2 << 46
"""TG in its operand."""


@pytest.fixture(name="qemu")
def fixture_qemu() -> list[str]:
    return machines.qemu()


def tables_of(granule: int, pages: dict[int, int]) -> tuple[LargeTables, dict[int, list[int]]]:
    """Tables for the program and the UART, and for pages from `HIGH` on; and where each page's descriptors are."""
    tables = LargeTables(granule, ROOT)
    size = 1 << granule
    for at in range(RAM, RAM + 0x1_0000, size):
        tables.put(at, page(at))
    tables.put(UART // size * size, page(UART // size * size, a64.DEVICE, a64.PXN | a64.UXN))
    return tables, {index: tables.put(HIGH + index * size, each) for index, each in pages.items()}


def mmu_on(granule: int, tables: LargeTables, level: int = 1) -> Code:
    registers = {
        f"mair_el{level}": a64.MAIR,
        f"tcr_el{level}": tcr(granule, level),
        f"ttbr0_el{level}": tables.root,
        f"sctlr_el{level}": SCTLR,
    }
    return code(*(code(mov(1, value), msr(name, 1), ISB) for name, value in registers.items()))


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("granule", [12, 14, 16])
def test_types_and_places(qemu: list[str], tmp_path: Path, granule: int, level: int) -> None:
    """Pages are read where the machine has them, of the types that it says."""
    kinds = (a64.WB, a64.WT, a64.NC, a64.DEVICE)
    size = 1 << granule
    frames = [FRAMES + size * (5 * index % 7) for index in range(len(kinds))]
    leaves = {index: page(frame, kind) for index, (frame, kind) in enumerate(zip(frames, kinds, strict=True))}
    tables, _ = tables_of(granule, leaves)
    addresses = [HIGH + size * index for index in leaves]
    program = code(
        mmu_on(granule, tables, level),
        *(asks(each, f"at s1e{level}r") for each in addresses),
        reads(addresses),
        off(call=SMC if level == 2 else HVC),
    )
    file = write_program(tmp_path / "program", program, more=tables.pieces())
    words = words_of(qemu, file, "max") if level == 2 else machines.machine(qemu, file, core="max")
    told, seen = told_and_seen(words, frames)
    assert told == [MemoryType.NORMAL_WB, MemoryType.NORMAL_WT, MemoryType.NORMAL_NC, MemoryType.DEVICE]
    assert seen == told


@pytest.mark.parametrize(
    ("granule", "tg", "first", "ended"),
    [
        (12, GRANULE_4K, 1, {16, 17}),
        (12, GRANULE_4K, 2, {32}),
        (12, GRANULE_4K, 16, set()),
        (14, GRANULE_16K, 4, {16, 17}),
        (14, GRANULE_16K, 8, {32}),
    ],
)
def test_an_invalidation_of_a_range(
    qemu: list[str], tmp_path: Path, granule: int, tg: int, first: int, ended: set[int]
) -> None:
    """It has two pages, from a multiple of 64 KiB on."""
    size = 1 << granule
    indices = (15, 16, 17, 18, 32)
    frames = {index: FRAMES + size * index for index in indices}
    tables, places = tables_of(granule, {index: page(frames[index]) for index in indices})
    removes = [code(mov(2, places[index][-1]), mov(4, 0), store(4, 2)) for index in indices]
    for at in {walked[-1] >> granule << granule for walked in places.values()}:
        tables.put(at, page(at))
    operand = tg | HIGH + (first << RANGE_UNIT) >> RANGE_UNIT
    program = code(
        mmu_on(granule, tables), *removes, DSB, mov(3, operand), maintain("tlbi rvae1is", 3), DSB, off()
    )
    file = write_program(tmp_path / "program", program, more=tables.pieces())
    events = events_of(machines.machine(qemu, file, core="max"), start="cold")
    removed = max(at for at, each in enumerate(events) if each.startswith("cpu0.el1 write"))
    pieces = [each.split()[2:4] for each in of(events[removed:], "unmap")]
    ranges = [(int(address, 0), int(length, 0)) for address, length in pieces]
    assert {
        index for index, place in frames.items() if any(at <= place < at + length for at, length in ranges)
    } == ended


# -- stage 2 -------------------------------------------------------------------------------------------------

SL2 = 1 << 33
VTCR = tcr(12, 2) & ~(1 << 23) | SL2
GUEST_PAGE = guests.GUEST + 0x1_0000
VECTORS = 0x1C000


def stage2_leaf(address: int) -> int:
    return guests.leaf(address) & ~a64.INNER_SHAREABLE


def enter() -> Code:
    registers = {
        "vtcr_el2": VTCR, "vttbr_el2": guests.VMID << 48 | RAM + ROOT, "vbar_el2": RAM + VECTORS,
        "hcr_el2": guests.RW | guests.VM, "sctlr_el1": a64.SCTLR_OFF, "elr_el2": guests.GUEST,
        "spsr_el2": guests.EL1H,
    }  # fmt: skip
    return code(*(code(mov(1, value), msr(name, 1)) for name, value in registers.items()), ISB, ERET)


def test_stage_2_from_level_minus_1(qemu: list[str], tmp_path: Path) -> None:
    tables = LargeTables(12, ROOT)
    tables.put(guests.GUEST, stage2_leaf(SECOND))
    walked = tables.put(GUEST_PAGE, stage2_leaf(DATA))
    guest = code(mov(2, GUEST_PAGE), ldr(4, 2), off(call=SMC))
    file = write_program(tmp_path / "program", enter(), guest, more=tables.pieces())
    events = events_of(words_of(qemu, file, "max"), start="cold")
    assert len(walked) == 5
    assert of(events, "walk", "read")[-6:] == [
        *(f"cpu0.vmid5-s2 walk {each:#x} 8 normal-wb" for each in walked),
        f"cpu0.vmid5 read {DATA:#x} 8",
    ]


@pytest.mark.parametrize(("first", "ended"), [(1, {16, 17}), (16, set())])
def test_an_invalidation_of_a_range_of_intermediate_addresses(
    qemu: list[str], tmp_path: Path, first: int, ended: set[int]
) -> None:
    """Its base is in units of 64 KiB by VTCR_EL2.DS, whatever TCR_EL1 has; EL2 has its MMU off."""
    indices = (15, 16, 17, 18)
    frames = {index: FRAMES + 0x1000 * index for index in indices}
    tables = LargeTables(12, ROOT)
    tables.put(guests.GUEST, stage2_leaf(SECOND))
    places = {
        index: tables.put(guests.GUEST + 0x1000 * index, stage2_leaf(frames[index]))[-1] for index in indices
    }
    tables.put(guests.GUEST + 0x2000, stage2_leaf(RAM + guests.OWN_LEVEL1))
    operand = GRANULE_4K | guests.GUEST + (first << RANGE_UNIT) >> RANGE_UNIT
    at_el2 = code(
        *(code(mov(2, places[index]), mov(4, 0), store(4, 2)) for index in indices), DSB,
        mov(3, operand), maintain("tlbi ripas2e1is", 3), DSB, ERET,
    )  # fmt: skip
    own = {guests.OWN_LEVEL1: a64.words({2: a64.block(guests.GUEST)})}
    more = {**tables.pieces(), **own, VECTORS + 0x400: a64.bytes_of(at_el2)}
    guest = code(guests.OWN_MMU_ON, HVC, off(call=SMC))
    file = write_program(tmp_path / "program", enter(), guest, more=more)
    events = events_of(words_of(qemu, file, "max"), start="cold")
    removed = max(at for at, each in enumerate(events) if "el2" in each and " write " in each)
    pieces = [each.split()[2:4] for each in of(events[removed:], "unmap")]
    ranges = [(int(address, 0), int(length, 0)) for address, length in pieces]
    assert {
        index for index, place in frames.items() if any(at <= place < at + length for at, length in ranges)
    } == ended
