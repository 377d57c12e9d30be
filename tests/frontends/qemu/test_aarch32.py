# SPDX-License-Identifier: GPL-2.0-or-later
"""Cores of AArch32 under QEMU: two of them, Thumb code, conditions, and what their registers are."""

from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("unicorn")

import tests.helpers.tiny_guests_a32 as a32
from coldline.frontends.qemu.cp15_registers import as_aarch64, is_aarch32, of_regime
from coldline.mmu.view import LPAE, SHORT
from coldline.support.units import PAGE_SIZE
from tests.frontends.qemu.test_against_unicorn import WRITE_DACR, machine, watched
from tests.helpers.command import COHERENT, HAZARD, Cli
from tests.helpers.guest_runs import WINDOW
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, M, Page
from tests.helpers.tiny_guests import RAM, Code, code

ISA = INSTRUCTION_SETS["a32-short"]
CPU_ON = 0x8400_0003
SECOND, DATA = 0x1_8000, RAM + 0x1_9000
OTHER = RAM + 0x1_A000


def image(first: Code, data: dict[int, bytes] | None = None) -> bytes:
    on = code(a32.mov(1, 1), WRITE_DACR, ISA.prepare(), ISA.sctlr(M | C | I))
    tables = ISA.tables({0: Page(WINDOW, "normal-wb")})
    return ISA.image(code(on, first), {**tables, **(data or {})})


def two_cores(clean: list[str], second: Code) -> bytes:
    """A program whose first core writes a word, and starts a second one, which turns the machine off."""
    first = code(
        a32.mov(2, DATA), a32.mov(4, 0x1234), a32.store(4, 2), *(a32.mcr(name, 2) for name in clean), a32.DSB,
        a32.mov(0, CPU_ON), a32.mov(1, 1), a32.mov(2, RAM + SECOND), a32.mov(3, 0), a32.HVC, a32.WFI, a32.b(-1),
    )  # fmt: skip
    code_of_second = b"".join(insn.word.to_bytes(4, "little") for insn in code(second, a32.off()))
    return image(first, {SECOND: code_of_second})


@pytest.mark.parametrize(("clean", "status"), [([], HAZARD), (["dc cvac"], COHERENT)])
def test_a_core_with_caches_off_reads_what_another_left_in_its_cache(
    cli: Cli, tmp_path: Path, clean: list[str], status: int
) -> None:
    second = code(a32.mov(2, DATA), a32.load(4, 2))
    words = machine(ISA, two_cores(clean, second), tmp_path, vcpus=2)
    done = cli("watch", "--start", "cold", "--", *words)
    assert done.status == status, done
    if status == HAZARD:
        assert f"stale-read: cpu1.el1 may get old bytes at {DATA:#x}, 4 bytes" in done.out
        assert f"by pc {RAM + SECOND + 8:#x}" in done.out


def test_a_core_invalidates_its_own_empty_cache_by_set_and_way(cli: Cli, tmp_path: Path) -> None:
    """What the first core's cache has dirty is not lost."""
    second = code(
        a32.mov(3, 0), a32.mcr("dc isw", 3), a32.mov(1, 1), WRITE_DACR, ISA.prepare(), ISA.sctlr(M | C | I),
        a32.mov(2, DATA), a32.load(4, 2),
    )  # fmt: skip
    words = machine(ISA, two_cores([], second), tmp_path, vcpus=2)
    done = cli("watch", "--start", "cold", "--", *words)
    assert done.status == COHERENT, done


def test_the_first_core_may_lose_what_it_invalidates_by_set_and_way(cli: Cli, tmp_path: Path) -> None:
    program = code(
        a32.mov(2, DATA), a32.store(2, 2), a32.mov(3, 0), a32.mcr("dc isw", 3), a32.load(4, 2), a32.off()
    )
    done = cli("watch", "--start", "cold", "--", *machine(ISA, image(program), tmp_path))
    assert done.status == HAZARD
    assert "lost-write" in done.out


def test_thumb_code_and_conditions(tmp_path: Path) -> None:
    """An operation whose condition fails is none; instructions of two and of four bytes are fetched as they are."""
    at = RAM + SECOND
    thumb = a32.thumb(code(a32.T_NOP, a32.t_mov(2, WINDOW), a32.T_NOP, a32.t_mov(0, 0x8400_0008), a32.T_HVC))
    program = code(
        a32.mov(2, WINDOW + 0x40), a32.cmp(2, 2), a32.mcr("dc cvac", 2, a32.CONDITIONS.index("ne")),
        a32.mcr("dc civac", 2, a32.CONDITIONS.index("eq")), a32.mov(3, at | 1), a32.bx(3),
    )  # fmt: skip
    ran = watched(machine(ISA, image(program, {SECOND: thumb}), tmp_path))
    assert [each for each in ran.events if " dc c" in each] == [f"guest dc civac {WINDOW + 0x40:#x} 64"]
    fetched = [each.split()[2:] for each in ran.events if f" fetch {at & -0x1000:#x}"[:-3] in each]
    assert fetched == [[f"{at:#x}", str(len(thumb))]]


@pytest.mark.parametrize("left", [None, OTHER], ids=["nothing", "another page"])
def test_an_instruction_over_a_page_end_at_another_address(tmp_path: Path, left: int | None) -> None:
    """QEMU runs what it translated for the first address; where the instruction's end is, the tables alone say."""
    crossing = PAGE_SIZE - 2
    thumb = a32.thumb(code(a32.t_mov(2, 0x1234), a32.T_BX_LR))
    first, second = WINDOW + crossing | 1, WINDOW + 4 * PAGE_SIZE + crossing | 1
    code_pages = {number: RAM + SECOND + PAGE_SIZE * (number & 1) for number in (0, 1, 4, 5)}
    leaves = (0, 0) if left is None else (ISA.page(Page(left, "normal-wb", never=False)),) * 2
    program = code(
        a32.mov(1, 1), WRITE_DACR, ISA.prepare(), ISA.sctlr(M | C | I),
        a32.mov(3, first), a32.blx(3),
        ISA.write_entry(0, leaves[0]), ISA.write_entry(1, leaves[1]), a32.DSB, ISA.tlbi(),
        a32.mov(3, second), a32.blx(3), a32.off(),
    )  # fmt: skip
    tables = ISA.tables({number: Page(at, "normal-wb", never=False) for number, at in code_pages.items()})
    words = machine(ISA, ISA.image(program, {**tables, SECOND + crossing: thumb}), tmp_path)
    ran = watched(words)
    end = RAM + SECOND + PAGE_SIZE
    expected = [f"{end - 2:#x} 2", f"{end:#x} 2", f"{end + 2:#x} 2"]
    fetched = [each.split(" fetch ")[1] for each in ran.events if f" fetch {(RAM + SECOND) >> 16:#x}" in each]
    assert [each for each in fetched if int(each.split()[0], 0) >= end - 2] == 2 * expected


def test_registers_of_regimes() -> None:
    told = {
        "TTBCR": 0, "SCTLR": 1, "TTBR0_EL1": 0x4000, "TTBR1_EL1": 0x8000, "TTBR0": 0x1_0000_4000, "TTBR1": 0x8000,
        "MAIR0": 0x11, "MAIR1": 0x22, "SCTLR_S": 5, "TTBR0_EL1_S": 0xC000, "HTTBR": 0x2_0000_0000, "MAIR_EL2": 0x33,
        "HMAIR1": 0x44,
    }  # fmt: skip
    assert is_aarch32(told)
    assert not is_aarch32({"SCTLR": 1, "TCR_EL1": 0})
    short = of_regime(told, 1)
    assert short.format == SHORT
    assert short.values == {"sctlr": 1, "ttbr0": 0x4000, "ttbr1": 0x8000, "tcr": 0, "mair": 0x22_0000_0011}
    long = of_regime({**told, "TTBCR": 1 << 31}, 1)
    assert (long.format, long.values["ttbr0"]) == (LPAE, 0x1_0000_4000)
    secure = of_regime(told, 3)
    assert (secure.values["sctlr"], secure.values["ttbr0"]) == (5, 0xC000)
    hyp = of_regime(told, 2)
    assert (hyp.format, hyp.values["ttbr0"], hyp.values["mair"]) == (LPAE, 0x2_0000_0000, 0x44_0000_0033)


@pytest.mark.parametrize(("t0sz", "bits"), [(0, 32), (0x18, 40), (1, 31)])
def test_the_size_of_a_stage_2(t0sz: int, bits: int) -> None:
    """VTCR's T0SZ is signed, in four bits and the sign above them; VTCR_EL2's counts from 64."""
    told = as_aarch64({"TTBCR": 0, "VTCR": 0x8000_3540 | t0sz, "HCR": 1, "VTTBR": 1 << 48})
    assert told["VTCR_EL2"] == 0x3540 | 64 - bits
    assert (told["HCR_EL2"], told["VTTBR_EL2"]) == (1, 1 << 48)
