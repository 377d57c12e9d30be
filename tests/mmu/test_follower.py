# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables are followed without an emulator, in plain bytes; the expected events were derived by hand.

The tables are those of `guest_runs`: level 1 at RAM + 0x10000, level 2 at + 0x11000, level 3, of the window's 2 MiB
at RAM + 2 MiB, at + 0x12000.
"""

import subprocess
import sys

import pytest

pytest.importorskip("numba")

from typing import Any

import tests.helpers.tiny_guests as a64
from coldline.arm import MemoryType
from coldline.arm.stage2 import FORCED_WB, Stage2
from coldline.mmu.follower import TableFollower
from coldline.mmu.view import LPAE
from tests.helpers.guest_runs import LEVEL1, LEVEL2, LEVEL3, RAM_SIZE, WINDOW, tables
from tests.helpers.tiny_guests import RAM

SCTLR = a64.SCTLR_OFF | a64.M | a64.C | a64.I
PAGES = {
    0: a64.page(WINDOW, a64.WB, a64.PXN | a64.UXN),
    1: a64.page(WINDOW + 0x1000, a64.WB, a64.PXN | a64.UXN),
    2: a64.page(WINDOW + 0x2000, a64.DEVICE, a64.PXN | a64.UXN),
    4: a64.page(WINDOW, a64.NC, 0),
}


def follower(pages: dict[int, int] | None = None, *, on: bool = True, **options: Any) -> TableFollower:
    """A core with its tables in RAM, and its MMU on."""
    ram = bytearray(RAM_SIZE)
    for offset, table in tables(PAGES if pages is None else pages).items():
        ram[offset : offset + len(table)] = table
    core = TableFollower([(RAM, memoryview(ram))], **options)
    core.write_register("mair", a64.MAIR)
    core.write_register("tcr", a64.tcr())
    core.write_register("ttbr0", RAM + LEVEL1)
    if on:
        core.write_register("sctlr", SCTLR)
    return core


def events(core: TableFollower) -> list[str]:
    """The events since the last call."""
    seen: list[str] = []
    core.hand_over(lambda batch: seen.extend(str(batch.event(index)) for index in range(len(batch))))
    return seen


def entry(index: int) -> int:
    return RAM + LEVEL3 + 8 * index


START = ["guest dcache off", "guest icache off", "guest mmu off"]
ON = ["mmu on", "dcache on", "icache on"]


def test_tables_are_live_when_the_mmu_goes_on() -> None:
    core = follower(on=False)
    assert events(core) == START
    core.write_register("sctlr", SCTLR)
    found = events(core)
    assert [each for each in found if " map " in each] == [
        f"guest-device map {WINDOW + 0x2000:#x} 0x1000 device",
        f"guest-nc map {WINDOW:#x} 0x1000 normal-nc exec",
        f"guest map {RAM:#x} 0x200000 normal-wb exec",
        f"guest map {WINDOW:#x} 0x2000 normal-wb",
    ]
    assert [each for each in found if each.startswith("guest ") and " map " not in each] == [
        f"guest {each}" for each in ON
    ]
    assert {each.split()[0] for each in found} == {"guest", "guest-device", "guest-nc"}
    assert found[-1] == "guest-nc icache on"


def test_a_leaf_counts_from_its_store_to_its_invalidation() -> None:
    core = follower()
    events(core)
    page = WINDOW + 0x5000
    core.store(entry(5), a64.page(page, a64.WB, 0).to_bytes(8, "little"))
    core.store(entry(6), a64.page(page, a64.WB, a64.PXN | a64.UXN).to_bytes(8, "little"))
    assert events(core) == [f"guest map {page:#x} 0x1000 normal-wb exec"]
    core.store(entry(5), bytes(8))
    assert events(core) == []
    core.invalidate_tlb(WINDOW + 0x6000)
    assert events(core) == []
    core.invalidate_tlb(WINDOW + 0x5000)
    assert events(core) == [f"guest unmap {page:#x} 0x1000", f"guest map {page:#x} 0x1000 normal-wb"]
    core.store(entry(6), bytes(8))
    core.invalidate_tlb()
    assert events(core) == [f"guest unmap {page:#x} 0x1000"]


def test_an_invalidation_of_a_range_ends_the_leaves_in_it_alone() -> None:
    core = follower({index: a64.page(WINDOW + 0x1000 * index, a64.WB, 0) for index in range(4, 9)})
    events(core)
    for index in range(4, 9):
        core.store(entry(index), bytes(8))
    core.invalidate_tlb(WINDOW + 0x5000, 0x3000)
    assert events(core) == [f"guest unmap {WINDOW + 0x5000:#x} 0x3000"]
    core.invalidate_tlb(WINDOW + 0x7000, 0x1001)
    assert events(core) == [f"guest unmap {WINDOW + 0x8000:#x} 0x1000"]
    core.invalidate_tlb()
    assert events(core) == [f"guest unmap {WINDOW + 0x4000:#x} 0x1000"]


def test_part_of_a_descriptor() -> None:
    core = follower()
    events(core)
    descriptor = a64.page(WINDOW + 0x7000, a64.WT, 0).to_bytes(8, "little")
    core.store(entry(7) + 4, descriptor[4:])
    assert events(core) == []
    core.store(entry(7), descriptor[:4])
    switches = [f"guest-wt {each}" for each in ["icache on"]]
    assert events(core) == [*switches, f"guest-wt map {WINDOW + 0x7000:#x} 0x1000 normal-wt exec"]


def test_a_table_that_is_linked_is_followed_from_then_on() -> None:
    core = follower({})
    spare = 0x13000
    core.store(RAM + spare, a64.page(RAM + 0x30_0000, a64.WB, 0).to_bytes(8, "little"))
    events(core)
    core.store(RAM + LEVEL2 + 8 * 2, a64.table(RAM + spare).to_bytes(8, "little"))
    core.store(RAM + spare + 8, a64.page(RAM + 0x30_1000, a64.WB, 0).to_bytes(8, "little"))
    assert events(core) == [f"guest map {RAM + 0x30_0000:#x} 0x2000 normal-wb exec"]


def test_walks() -> None:
    core = follower()
    events(core)
    window = [f"guest walk {RAM + at:#x} 8 normal-wb" for at in (LEVEL1 + 8, LEVEL2 + 8, LEVEL3 + 16)]
    assert core.translate(WINDOW + 0x2123) == (WINDOW + 0x2123, MemoryType.DEVICE)
    assert events(core) == window
    assert core.translate(WINDOW + 0x2FFF) == (WINDOW + 0x2FFF, MemoryType.DEVICE)
    assert events(core) == []
    assert core.translate(WINDOW + 0x3000) is None
    core.invalidate_tlb()
    assert core.translate(WINDOW + 0x2000) == (WINDOW + 0x2000, MemoryType.DEVICE)
    assert events(core)[-3:] == window
    assert core.translate(0x1234) == (0x1234, None)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "normal-nc"),
        ({"two_types": True}, "normal-wb/normal-nc"),
        ({"two_types": True, "stage2": Stage2.MEM_ATTR.put(0b1110)}, "normal-wt/normal-nc"),
        ({"two_types": True, "stage2": Stage2.MEM_ATTR.put(0b0101)}, "normal-nc"),
    ],
)
def test_walks_of_two_types(options: dict[str, Any], word: str) -> None:
    core = follower(**options)
    core.write_register("tcr", a64.tcr() & ~(0b11 << 10))  # ORGN0: outer non-cacheable
    events(core)
    core.translate(WINDOW + 0x2123)
    assert events(core)[0] == f"guest walk {RAM + LEVEL1 + 8:#x} 8 {word}"


def test_with_the_mmu_off_nothing_is_walked() -> None:
    core = follower(on=False)
    events(core)
    assert core.translate(WINDOW) == (WINDOW, None)
    core.store(entry(5), a64.page(WINDOW + 0x5000, a64.WB, 0).to_bytes(8, "little"))
    assert events(core) == []


@pytest.mark.parametrize(
    ("attributes", "agents"),
    [
        (0b1111, {"guest", "guest-device", "guest-nc"}),
        (0b1010, {"guest-wt", "guest-device", "guest-nc"}),
        (0b0101, {"guest-device", "guest-nc"}),
        (0b0001, {"guest-device"}),
    ],
)
def test_stage_2_weakens_the_types(attributes: int, agents: set[str]) -> None:
    core = follower(stage2=attributes)
    assert {each.split()[0] for each in events(core) if " map " in each} == agents


def test_stage_2_can_leave_stage_1_as_it_is_or_force_write_back() -> None:
    as_it_is = follower(stage2=Stage2.FWB.put(1) | 0b0111)
    assert events(as_it_is) == events(follower())
    forced = follower(stage2=FORCED_WB)
    assert events(forced) == []
    assert forced.translate(WINDOW + 0x2000) == (WINDOW + 0x2000, MemoryType.NORMAL_WB)


def test_a_core_has_agents_of_its_name() -> None:
    core = follower(vcpu="guest1")
    assert {each.split()[0] for each in events(core)} == {"guest1", "guest1-device", "guest1-nc"}


def test_armv7s_long_descriptors_come_in_halves() -> None:
    core = TableFollower([(RAM, memoryview(bytearray(RAM_SIZE)))], table_format=LPAE)
    core.write_register("mair", a64.MAIR)
    core.write_register("tcr", 1 << 31 | 1 << 8 | 1 << 10)
    core.write_register("ttbr0", RAM + LEVEL1)
    core.write_register("sctlr", SCTLR)
    events(core)
    core.store(RAM + LEVEL1 + 8, a64.table(RAM + LEVEL2).to_bytes(8, "little")[:4])
    core.store(RAM + LEVEL1 + 12, bytes(4))
    block = a64.block(RAM, a64.WB).to_bytes(8, "little")
    core.store(RAM + LEVEL2, block[:4])
    assert events(core) == []
    core.store(RAM + LEVEL2 + 4, block[4:])
    assert events(core) == [f"guest map {RAM:#x} 0x200000 normal-wb exec"]
    core.invalidate_tlb()
    assert core.translate(RAM + 0x1000) == (RAM + 0x1000, MemoryType.NORMAL_WB)


def test_first_tables_of_long_descriptors_lie_close_together() -> None:
    """They have four descriptors, and Linux takes 64 bytes for each (arch/arm/mm/pgd.c __pgd_alloc, 6.1).

    Stores to each are followed: to one that was used before, as its leaves last until a TLB invalidation, too.
    """
    roots = [RAM + LEVEL1 + 64 * index for index in range(3)]
    core = TableFollower([(RAM, memoryview(bytearray(RAM_SIZE)))], table_format=LPAE)
    core.write_register("mair", a64.MAIR)
    core.write_register("tcr", 1 << 31 | 1 << 8 | 1 << 10)
    core.write_register("ttbr0", roots[0])
    core.write_register("sctlr", SCTLR)
    core.store(RAM + LEVEL2, a64.block(RAM).to_bytes(8, "little"))
    core.store(RAM + LEVEL3, a64.block(WINDOW).to_bytes(8, "little"))
    core.write_register("ttbr0", roots[1])
    core.write_register("ttbr0", roots[2])
    events(core)
    core.store(roots[2] + 8, a64.table(RAM + LEVEL2).to_bytes(8, "little"))
    assert events(core) == [f"guest map {RAM:#x} 0x200000 normal-wb exec"]
    core.store(roots[1] + 8, a64.table(RAM + LEVEL3).to_bytes(8, "little"))
    assert events(core) == [f"guest map {WINDOW:#x} 0x200000 normal-wb exec"]


def test_a_register_that_is_not_followed() -> None:
    with pytest.raises(ValueError, match="vbar does not decide what an access is; choose from: sctlr, ttbr0"):
        follower(on=False).write_register("vbar", 0)


def test_a_store_outside_of_ram() -> None:
    with pytest.raises(ValueError, match="no RAM at 0x1000"):
        follower(on=False).store(0x1000, bytes(8))


def test_no_emulator_is_imported() -> None:
    script = (
        "import sys, numba; numba.cfunc = lambda *signature: lambda function: function;"
        "import coldline.mmu.follower, coldline.mmu.compiled_program;"
        "print([name for name in sys.modules if 'unicorn' in name])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
