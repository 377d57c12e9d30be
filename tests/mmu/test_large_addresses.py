# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables for 52 bits of address are followed: FEAT_LPA2 with pages of 4 and 16 KiB, FEAT_LPA with 64 KiB.

Expected walks and mappings follow from the tables, which `tests.helpers.large_tables` makes by the Arm ARM.
"""

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.arm import MemoryType
from coldline.mmu.follower import TableFollower
from tests.helpers.large_tables import LargeTables, page, tcr
from tests.helpers.tiny_guests import RAM
from tests.mmu.test_follower import SCTLR, events

RAM_SIZE = 8 << 20
ROOT = 0x10_0000
HIGH = 0x000A_BCDE_F001_0000
UPPER = -(1 << 52) + 0x0005_4321_0FF0_0000
FRAME = RAM + 0x20_0000
GRANULES = [12, 14, 16]


def follower(granule: int, tables: LargeTables, level: int = 1) -> TableFollower:
    """A core with tables for 52 bits in both halves, and its MMU on."""
    ram = bytearray(RAM_SIZE)
    for offset, piece in tables.pieces().items():
        ram[offset : offset + len(piece)] = piece
    core = TableFollower([(RAM, memoryview(ram))], level=level)
    for name, value in {
        "mair": a64.MAIR,
        "tcr": tcr(granule, level),
        "ttbr0": tables.root,
        **({"ttbr1": tables.root} if level == 1 else {}),
        "sctlr": SCTLR,
    }.items():
        core.write_register(name, value)
    return core


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("granule", GRANULES)
def test_a_page_at_a_high_address(granule: int, level: int) -> None:
    tables = LargeTables(granule, ROOT)
    walked = tables.put(HIGH, page(FRAME))
    core = follower(granule, tables, level)
    maps = [each for each in events(core) if " map " in each]
    assert maps == [f"guest map {FRAME:#x} {1 << granule:#x} normal-wb exec"]
    assert core.translate(HIGH + 0x123) == (FRAME + 0x123, MemoryType.NORMAL_WB)
    assert events(core) == [f"guest walk {each:#x} 8 normal-wb" for each in walked]
    assert core.translate(HIGH ^ 1 << 51) is None
    assert core.translate(HIGH | 1 << 52) is None


@pytest.mark.parametrize("granule", GRANULES)
def test_the_upper_half(granule: int) -> None:
    tables = LargeTables(granule, ROOT)
    walked = tables.put(UPPER, page(FRAME))
    core = follower(granule, tables)
    events(core)
    assert core.translate(UPPER) == (FRAME, MemoryType.NORMAL_WB)
    assert events(core) == [f"guest walk {each:#x} 8 normal-wb" for each in walked]
    assert core.translate(UPPER ^ 1 << 52) is None


@pytest.mark.parametrize("granule", GRANULES)
def test_stores_to_the_tables_of_each_level_are_followed(granule: int) -> None:
    tables = LargeTables(granule, ROOT)
    leaf, *above = reversed(tables.put(HIGH, page(FRAME)))
    core = follower(granule, tables)
    events(core)
    pieces = tables.pieces()
    for place in above:
        offset = max(at for at in pieces if at <= place - RAM)
        descriptor = pieces[offset][place - RAM - offset :][:8]
        core.store(place, bytes(8))
        core.invalidate_tlb()
        assert events(core) == [f"guest unmap {FRAME:#x} {1 << granule:#x}"]
        core.store(place, descriptor)
        assert events(core) == [f"guest map {FRAME:#x} {1 << granule:#x} normal-wb exec"]
    core.store(leaf, bytes(8))
    core.invalidate_tlb(HIGH)
    assert events(core) == [f"guest unmap {FRAME:#x} {1 << granule:#x}"]


@pytest.mark.parametrize(
    ("granule", "bits"), [(12, (8, 9, 48, 49)), (14, (8, 9, 48, 49)), (16, (12, 13, 14, 15))]
)
def test_the_upper_bits_of_an_address_are_no_memory(granule: int, bits: tuple[int, ...]) -> None:
    """What would be shareability, or nothing, is address bits 51:48: no RAM is there, for a page or for a table."""
    for bit in bits:
        tables = LargeTables(granule, ROOT)
        tables.put(HIGH, page(FRAME) | 1 << bit)
        core = follower(granule, tables)
        assert [each for each in events(core) if " map " in each] == []
        found = core.translate(HIGH)
        assert found is not None
        assert not RAM <= found[0] < RAM + RAM_SIZE
        assert found[1] is None
        tables = LargeTables(granule, ROOT)
        walked = tables.put(HIGH, page(FRAME))
        pieces = tables.pieces()
        core = follower(granule, tables)
        descriptor = int.from_bytes(pieces[ROOT][walked[0] - RAM - ROOT :][:8], "little")
        events(core)
        core.store(walked[0], (descriptor | 1 << bit).to_bytes(8, "little"))
        core.invalidate_tlb()
        assert events(core) == [f"guest unmap {FRAME:#x} {1 << granule:#x}"]
        assert core.translate(HIGH) is None


@pytest.mark.parametrize(("granule", "levels"), [(12, 2), (14, 2), (16, 1)])
def test_a_block_that_only_large_addresses_have(granule: int, levels: int) -> None:
    """Of level 0 with 4 KiB (512 GiB), of level 1 with 16 KiB (64 GiB) and 64 KiB (4 TiB)."""
    tables = LargeTables(granule, ROOT)
    size = {12: 1 << 39, 14: 1 << 36, 16: 1 << 42}[granule]
    tables.put(HIGH, a64.block(0) & ~a64.INNER_SHAREABLE, levels)
    core = follower(granule, tables)
    assert [each for each in events(core) if " map " in each] == [
        f"guest map {RAM:#x} {RAM_SIZE:#x} normal-wb exec"
    ]
    base = HIGH // size * size
    assert core.translate(base + FRAME) == (FRAME, MemoryType.NORMAL_WB)
    core.write_register("tcr", tcr(granule) & ~(1 << 59) & ~(7 << 32))
    assert core.translate(base % (1 << 48) + FRAME) is None


def test_without_ds_there_are_48_bits() -> None:
    tables = LargeTables(12, ROOT)
    tables.put(HIGH, page(FRAME))
    core = follower(12, tables)
    core.write_register("tcr", tcr(12) & ~(1 << 59))
    assert core.translate(HIGH) is None
