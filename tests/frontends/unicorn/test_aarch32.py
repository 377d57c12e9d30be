# SPDX-License-Identifier: GPL-2.0-or-later
"""The specifics of AArch32: conditions, Thumb, two register sizes, two table formats, pages of 16 descriptors.

Expected events are derived from the Arm ARM (DDI 0406C) and from the guests' instructions and tables.
"""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import tests.helpers.tiny_guests_a32 as a32
from coldline.arm import cp15
from coldline.frontends.unicorn import End, Until
from coldline.guest.plan import Registers
from tests.helpers.guest_runs import LEVEL2, LEVEL3, START, WINDOW, Ran, run_loaded, straight
from tests.helpers.instruction_sets import (
    INSTRUCTION_SETS,
    A32Short,
    A32ShortRemapped,
    C,
    I,
    InstructionSet,
    M,
    Page,
)
from tests.helpers.requirements import require
from tests.helpers.tiny_guests import ENTRY, PSCI_SYSTEM_OFF, RAM, Code, Insn, code

SHORT, LPAE = INSTRUCTION_SETS["a32-short"], INSTRUCTION_SETS["a32-lpae"]
ON = ["guest mmu on", "guest dcache on", "guest icache on"]
SVC_MODE, THUMB = 0x1D3, 1 << 5


def run(program: Code, data: dict[int, bytes] | None = None) -> Ran:
    return SHORT.run(code(program, a32.off()), data or {})


def run_thumb(program: Code) -> Ran:
    """Thumb code from the first byte of RAM on."""
    registers = Registers(pc=RAM, general=(0, 0, 0, 0), pstate=SVC_MODE | THUMB, sctlr=a32.SCTLR_OFF)
    return run_loaded(a32.thumb(program), registers, core="cortex-a15")


# -- the test's own encodings --------------------------------------------------------------------


def _assembled(tmp_path: Path, mode: str, program: Code) -> bytes:
    source, built, flat = (tmp_path / f"guest.{kind}" for kind in ("s", "o", "bin"))
    lines = [".syntax unified", ".arch armv7-a", ".arch_extension virt", ".arch_extension sec", mode]
    source.write_text("\n".join([*lines, *(insn.text for insn in program), ""]))
    subprocess.run(["arm-linux-gnueabihf-as", "-o", built, source], check=True)
    subprocess.run(["arm-linux-gnueabihf-objcopy", "-O", "binary", built, flat], check=True)
    return flat.read_bytes()


def test_the_encodings_are_those_of_gnu_as(tmp_path: Path) -> None:
    require(
        shutil.which("arm-linux-gnueabihf-as"),
        "no arm-linux-gnueabihf-as (Debian: binutils-arm-linux-gnueabihf)",
    )
    program = code(
        *(a32.NOP, a32.WFI, a32.ISB, a32.DSB, a32.HVC, a32.SMC, a32.SVC, a32.BKPT, a32.UDF, a32.SETEND_BE),
        *(a32.WFE, a32.SEMIHOSTING),
        a32.mov(3, 0xFEDC_BA98),
        *(make(4, 2, 8, size) for make in (a32.load, a32.store) for size in (1, 2, 4, 8)),
        a32.load(4, 2, 0xF4, 2),
        a32.ldm(2, 3, 4, 9),
        a32.stm(2, 3, 4, 9),
        *(a32.cmp(3, 4), a32.subs(3, 4, 9), a32.b(4), a32.b(-3, 1), a32.blx(3), a32.bx(14)),
        *(a32.mcr(name, 3) for name in (*a32.REGISTERS, *a32.MAINTENANCE)),
        *(a32.mcr("dc civac", 3, condition) for condition in range(15)),
        *(a32.mrc(3, name) for name in a32.REGISTERS),
        *(a32.mcrr(3, 4, 2, 1), a32.mrrc(5, 6, 14, 1)),
    )
    expected = struct.pack(f"<{len(program)}I", *(insn.word for insn in program))
    assert _assembled(tmp_path, ".arm", program) == expected
    small = code(
        a32.T_SEMIHOSTING,
        *(
            a32.T_NOP,
            a32.T_HVC,
            a32.T_BX_LR,
            a32.T_CMP_EQUAL,
            a32.t_mov(2, 0xFEDC_BA98),
            a32.t_it("ne", 0x8, "it ne"),
        ),
        *(Insn("mcrne p15, 0, r2, c7, c14, 1", a32.mcr("dc civac", 2).word), a32.T_NOP),
    )
    assert _assembled(tmp_path, ".thumb", small) == a32.thumb(small)


# -- instructions --------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", range(16), ids="{:04b}".format)
def test_conditions_are_those_of_the_manual(flags: int) -> None:
    """DDI 0406C A8.3, table A8-1, as a table of its own."""
    n, z, c, v = (bool(flags & bit) for bit in (8, 4, 2, 1))
    held = [z, not z, c, not c, n, not n, v, not v, c and not z, not c or z, n == v, n != v]
    held += [not z and n == v, z or n != v, True]
    assert [cp15.passes(condition, flags << 28) for condition in range(15)] == held


def test_an_operation_whose_condition_fails_does_nothing() -> None:
    """After a comparison of equals, Z and C are set: EQ, CS, PL, VC, LS, GE, LE and always hold."""
    each = [code(a32.mov(3, RAM + 0x1_0000 + 64 * n), a32.mcr("dc civac", 3, n)) for n in range(15)]
    ran = run(code(a32.cmp(2, 2), *each))
    done = [n for n in range(15) if a32.CONDITIONS[n] in ("eq", "cs", "pl", "vc", "ls", "ge", "le", "")]
    assert ran.other == [*START, *(f"guest dc civac {RAM + 0x1_0000 + 64 * n:#x} 64" for n in done)]


def test_a_register_is_written_only_where_the_condition_holds() -> None:
    program = code(
        *(a32.cmp(2, 2), a32.mov(1, a32.SCTLR_OFF | I), a32.mcr("sctlr", 1, 1), a32.ISB),
        *(a32.mcr("sctlr", 1, 0), a32.ISB),
    )
    ran = run(program)
    assert ran.other == [*START, "guest icache on"]
    assert ran.fetched == straight(code(program, a32.off()))


def test_what_the_branch_predictor_is_told_is_no_event() -> None:
    assert run(code(a32.mcr("bpiall"), a32.mov(2, 5), a32.mcr("contextidr", 2))).other == START


def test_pairs_and_lists_are_an_access_each() -> None:
    program = code(a32.mov(2, WINDOW), a32.load(4, 2, 8, 8), a32.store(4, 2, 16, 8), a32.ldm(2, 3, 4, 9))
    ran = run(code(program, a32.stm(2, 3, 4)))
    told = [("read", 8), ("read", 12), ("write", 16), ("write", 20), ("read", 0), ("read", 4), ("read", 8)]
    told += [("write", 0), ("write", 4)]
    assert ran.other == [*START, *(f"guest {op} {WINDOW + offset:#x} 4" for op, offset in told)]


def test_code_that_is_written_over_has_its_operations_found() -> None:
    """In its first round, a loop changes one of its NOPs to an operation, which the second round executes."""
    body = code(a32.mov(2, 0), a32.NOP, a32.store(3, 4))
    at = ENTRY + 4 * len(code(a32.mov(3, 0), a32.mov(4, 0), a32.mov(6, 0), a32.mov(2, 0))) + 4 * 2
    setup = code(a32.mov(3, a32.mcr("dc civac", 6).word), a32.mov(4, at), a32.mov(5, 2), a32.mov(6, WINDOW))
    at = ENTRY + 4 * (len(setup) + 1)
    setup = code(a32.mov(3, a32.mcr("dc civac", 6).word), a32.mov(4, at), a32.mov(5, 2), a32.mov(6, WINDOW))
    loop = code(body, a32.mcr("ic iallu"), a32.ISB, a32.subs(5, 5, 1), a32.b(-(len(body) + 3), 1))
    ran = run(code(setup, loop))
    told = [f"guest write {at:#x} 4", "guest ic iallu"]
    assert ran.other == [*START, *told, f"guest dc civac {WINDOW:#x} 64", *told]


def test_each_access_has_its_instruction_after_a_counter_was_read() -> None:
    """The answer to the read writes the program counter, after which the emulator would not look it up any more."""
    program = code(
        a32.mov(2, RAM + 0x1_0000),
        a32.mrrc(4, 5, 14, 1),
        a32.store(4, 2),
        a32.store(5, 2, 4),
        a32.load(6, 2),
    )
    ran = run(program)
    accesses = [
        at.virtual
        for event, at in zip(ran.events, ran.instructions, strict=True)
        if event.split()[1] in ("read", "write")
    ]
    first = ENTRY + 4 * (len(program) - 3)
    assert accesses == [first, first + 4, first + 8]


def test_counters_count_instructions() -> None:
    """CNTVCT is read twice and stored; the instructions after each read count once."""
    program = code(
        a32.mov(2, WINDOW),
        a32.mrrc(4, 5, 14, 1),
        a32.store(4, 2, 0, 8),
        a32.mrrc(6, 7, 14, 1),
        a32.store(6, 2, 8, 8),
    )
    ran = run(program)
    first, second = struct.unpack("<QQ", ran.ram[0][0x20_0000:0x20_0010])
    assert ran.outcome is not None
    assert 0 < first <= second <= ran.outcome.instructions
    assert ran.outcome.instructions == len(code(program, a32.off())) + 1
    assert ran.fetched == straight(code(program, a32.off()))


@pytest.mark.parametrize(
    ("insn", "what", "vector"),
    [(a32.SVC, "SVC", 0x8), (a32.UDF, "an undefined instruction", 0x4), (a32.BKPT, "BRK", 0xC)],
    ids=["svc", "udf", "bkpt"],
)
def test_exceptions_without_vectors_are_faults_that_name_the_instruction(
    insn: Insn, what: str, vector: int
) -> None:
    """VBAR is 0, and no RAM is there."""
    ran = run(code(a32.NOP, insn))
    assert ran.fault == (
        f"the guest took {what} at {ENTRY + 4:#x}, and its vector at {vector:#x} cannot be executed"
    )


def test_big_endian_guests_are_refused() -> None:
    ran = run(code(a32.SETEND_BE, a32.NOP))
    assert "the guest is big-endian from 0x4000" in ran.fault
    ran = run(code(a32.mov(1, a32.SCTLR_OFF | 1 << 25), a32.mcr("sctlr", 1)))
    assert ran.fault == f"the guest sets SCTLR.EE at {ENTRY + 8:#x}: big-endian guests cannot be run"


# -- Thumb ---------------------------------------------------------------------------------------


def test_thumb_code_is_entered_counted_and_searched() -> None:
    operation = Insn("mcr p15, 0, r2, c7, c14, 1", a32.mcr("dc civac", 2).word)
    program = code(
        a32.t_mov(2, WINDOW + 4),
        operation,
        a32.t_mov(2, WINDOW + 0x40),
        *(a32.T_CMP_EQUAL, a32.t_it("ne", 0x8, "it ne"), operation),  # not
        *(a32.t_it("eq", 0x8, "it eq"), operation),
        *(a32.t_it("eq", 0xC, "ite eq"), a32.T_NOP, operation),  # its else: not
        *(a32.t_mov(0, 0x8400_0008), a32.T_HVC),
    )
    ran = run_thumb(program)
    assert ran.other == [*START, f"guest dc civac {WINDOW:#x} 64", f"guest dc civac {WINDOW + 0x40:#x} 64"]
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.instructions) == (End.OFF, len(program))


def test_arm_code_goes_to_thumb_and_back() -> None:
    called = a32.thumb([a32.T_NOP, Insn("mcr p15, 0, r2, c7, c14, 1", a32.mcr("dc civac", 2).word), T_BX_LR])
    program = code(a32.mov(2, WINDOW), a32.mov(3, RAM + 0x8001), a32.blx(3), a32.mcr("dc cvac", 2))
    ran = run(program, {0x8000: called})
    assert ran.other == [*START, f"guest dc civac {WINDOW:#x} 64", f"guest dc cvac {WINDOW:#x} 64"]
    assert f"guest fetch {RAM + 0x8000:#x} 8" in ran.events
    assert ran.outcome is not None
    assert ran.outcome.instructions == len(code(program, a32.off())) + 1 + 3


T_BX_LR = Insn("bx lr", 0x4770)


def test_an_undefined_thumb_instruction_is_a_fault_that_names_it() -> None:
    assert (
        "an undefined instruction at 0x40000002, and" in run_thumb([a32.T_NOP, Insn("udf #0", 0xDE00)]).fault
    )


def test_thumb_code_prints_and_exits_by_semihosting() -> None:
    calls = [(0x03, RAM), (0x18, 0)]
    program = code(*(code(a32.t_mov(0, op), a32.t_mov(1, at), a32.T_SEMIHOSTING) for op, at in calls))
    ran = run_thumb(code(program, a32.T_HVC))
    assert ran.outcome is not None
    assert (ran.outcome.end, bytes(ran.outcome.console)) == (End.EXIT, ran.ram[0][:1])


@pytest.mark.parametrize("hint", [Insn("wfe", 0xBF20), Insn("wfe.w", 0xF3AF_8002), Insn("yield", 0xBF10)])
def test_thumb_code_goes_on_after_a_hint(hint: Insn) -> None:
    ran = run_thumb(code(hint, a32.t_mov(0, PSCI_SYSTEM_OFF), a32.T_HVC))
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.fault) == (End.OFF, "")


# -- tables --------------------------------------------------------------------------------------


WB, WT, NC, DEVICE = "normal-wb", "normal-wt", "normal-nc", "device"
TYPES = [
    *(DEVICE, DEVICE, WT, WB),
    *(NC, DEVICE, DEVICE, WB),
    *(DEVICE, DEVICE, DEVICE, DEVICE),
    *(DEVICE, DEVICE, DEVICE, DEVICE),
    *(NC, NC, NC, NC),
    *(NC, WB, WT, WB),
    *(NC, WT, WT, WT),
    *(NC, WB, WT, WB),
]
"""By TEX, a row each, and C and B (DDI 0406C B3.8.2): Strongly-ordered, Device, and Normal memory by the weaker of
its inner and outer attributes. What is reserved or IMPLEMENTATION DEFINED (001 0 1, 001 1 0, 010 but its first, 011)
is taken for the weakest."""

AGENTS = {"normal-wb": "guest", "normal-wt": "guest-wt", "normal-nc": "guest-nc", "device": "guest-device"}


class _AsGiven(A32Short):
    """Short descriptors whose TEX, C and B are a page's kind."""

    def page(self, page: Page) -> int:
        tex, c, b = int(page.kind) >> 2, int(page.kind) >> 1 & 1, int(page.kind) & 1
        return page.address | tex << 6 | 3 << 4 | c << 3 | b << 2 | 2 | page.never


def _types_of(isa: InstructionSet, pages: int) -> list[str]:
    """The type of each of the window's first pages."""
    data = isa.tables({n: Page(WINDOW + 0x1000 * n, str(n)) for n in range(pages)})
    program = code(
        isa.prepare(),
        isa.sctlr(M | C | I),
        *(code(a32.mov(2, WINDOW + 0x1000 * n), a32.load(3, 2)) for n in range(pages)),
    )
    ran = isa.run(code(program, isa.off()), data)
    live = ran.aliases(before="guest mmu on")
    found = []
    for n in range(pages):
        ((agent, kind),) = [
            (a, mapped[WINDOW + 0x1000 * n]) for a, mapped in live.items() if WINDOW + 0x1000 * n in mapped
        ]
        assert agent == AGENTS[kind]
        assert f"{agent} read {WINDOW + 0x1000 * n:#x} 4" in ran.other
        found.append(kind)
    return found


def test_types_without_remap_are_those_of_the_manual() -> None:
    assert _types_of(_AsGiven(), 32) == TYPES


class _Remapped(_AsGiven, A32ShortRemapped):
    """PRRR: strongly-ordered, device, then normal memory; NMRR: its inner attribute in the lower half, outer above.

    0 is non-cacheable, 1 write-back write-allocate, 2 write-through, 3 write-back (B4.1.127, B4.1.104).
    """

    def _remap(self) -> Code:
        kinds, inner, outer = (0, 1, 2, 2, 2, 2, 2, 2), (0, 0, 0, 1, 2, 3, 1, 3), (0, 0, 0, 1, 2, 2, 0, 3)
        prrr = sum(kind << 2 * n for n, kind in enumerate(kinds))
        nmrr = sum(i << 2 * n | o << 16 + 2 * n for n, (i, o) in enumerate(zip(inner, outer, strict=True)))
        return code(a32.mov(1, prrr), a32.mcr("prrr", 1), a32.mov(1, nmrr), a32.mcr("nmrr", 1))


def test_types_with_remap_are_those_of_prrr_and_nmrr() -> None:
    expected = [
        "device",
        "device",
        "normal-nc",
        "normal-wb",
        "normal-wt",
        "normal-wt",
        "normal-nc",
        "normal-wb",
    ]
    assert _types_of(_Remapped(), 8) == expected


def test_remap_goes_on_with_the_mmu() -> None:
    """SCTLR.TRE changes with the MMU on: the types of TEX, C and B change, and so do all mappings."""
    isa = INSTRUCTION_SETS["a32-short-tre"]
    page = SHORT.page(Page(WINDOW, "device"))  # TEX 0, C 0, B 1: region 1 of Linux's, which is non-cacheable
    data = isa.tables({0: Page(WINDOW, "normal-nc")})
    assert struct.unpack_from("<I", data[0x14000])[0] == page
    program = code(
        isa.prepare(), SHORT.sctlr(M | C | I), isa.sctlr(M | C | I), a32.mov(2, WINDOW), a32.load(3, 2)
    )
    ran = isa.run(code(program, a32.off()), data)
    assert ran.story(WINDOW) == [
        "guest-device map device",
        "guest-device unmap",
        "guest-nc map normal-nc",
        f"guest-nc read {WINDOW:#x} 4",
    ]


def test_a_large_page_is_sixteen_descriptors_of_a_page_each() -> None:
    """64 KiB at the start of the window; type in the large page's own bits, XN in bit 15 (B3.5.1)."""
    large = (WINDOW + 0x1_0000) | 1 << 15 | 1 << 12 | 3 << 4 | 1  # TEX 1, C and B 0: non-cacheable
    data = SHORT.tables({0: Page(WINDOW, "normal-wb")})
    data[0x14000] = struct.pack("<16I", *[large] * 16)
    program = code(SHORT.prepare(), SHORT.sctlr(M | C | I), a32.mov(2, WINDOW + 0x5004), a32.load(3, 2))
    ran = run(program, data)
    assert ran.other[-1] == f"guest-nc read {WINDOW + 0x1_5004:#x} 4"
    pages = {WINDOW + 0x1_0000 + offset: "normal-nc" for offset in range(0, 0x1_0000, 4096)}
    assert ran.aliases(before="guest mmu on")["guest-nc"] == pages


def test_a_supersection_is_sixteen_sections() -> None:
    """16 MiB at 0x41000000 of which 1 MiB is the window's: its bits 23:20 come from the address (B3.5.1)."""
    first = bytearray(SHORT.tables({})[0x10000])
    supersection = RAM | 1 << 18 | 1 << 12 | 3 << 10 | 1 << 4 | 2
    for index in range(16):
        struct.pack_into("<I", first, 4 * ((0x4100_0000 >> 20) + index), supersection)
    program = code(SHORT.prepare(), SHORT.sctlr(M | C | I), a32.mov(2, 0x4120_0004), a32.load(3, 2))
    ran = run(program, {0x10000: bytes(first)})
    assert ran.other[-1] == f"guest-nc read {WINDOW + 4:#x} 4"
    nc = ran.aliases(before="guest mmu on")["guest-nc"]
    assert sorted(nc) == list(range(RAM, RAM + (4 << 20), 4096))


def test_ttbr1_has_the_upper_addresses() -> None:
    """TTBCR.N = 1: TTBR0 has 2 GiB in 8 KiB of tables, TTBR1 the rest; each with its own kind of walks."""
    first = bytearray(0x4000)
    struct.pack_into("<I", first, 4 * (0xC00), (WINDOW - 0x20_0000) | 1 << 12 | 3 << 10 | 1 << 4 | 2)
    struct.pack_into("<I", first, 4 * 0x402, WINDOW | 3 << 10 | 2)  # never translated: it is TTBR0's
    lower = SHORT.tables({})
    low = bytearray(lower[0x10000])
    struct.pack_into("<I", low, 4 * 0xC00, WINDOW | 3 << 10 | 2)  # behind its end
    program = code(
        SHORT.prepare("normal-wt"),
        *(a32.mov(1, 1), a32.mcr("ttbcr", 1), a32.mov(1, RAM + 0x18000), a32.mcr("ttbr1", 1)),
        SHORT.sctlr(M | C | I),
        *(a32.mov(2, 0xC000_0104), a32.load(3, 2)),
    )
    ran = run(program, {0x10000: bytes(low), 0x18000: bytes(first)})
    assert ran.other == [
        *START,
        *ON,
        *SHORT.walk(RAM, "normal-wt"),
        f"guest walk {RAM + 0x18000 + 4 * 0xC00:#x} 4 normal-nc",
        f"guest-nc read {RAM + 0x104:#x} 4",
    ]
    live = ran.aliases(before="guest mmu on")
    assert sorted(live["guest-nc"]) == list(range(RAM, RAM + (1 << 20), 4096))
    assert set(live) == {"guest", "guest-nc"}


@pytest.mark.parametrize("size1", [1, 2])
def test_ttbr1_with_long_descriptors(size1: int) -> None:
    """T1SZ: the last 2 GiB or 1 GiB; the latter's first table is of level 2 (B3.6.6)."""
    data = LPAE.tables({0: Page(WINDOW, "normal-nc")})
    root = LEVEL2 if size1 == 2 else 0x18000
    if size1 == 1:
        data[root] = struct.pack("<2Q", 0, (RAM + LEVEL2) | 3)
    program = code(
        LPAE.prepare(),
        *(a32.mov(1, a32.EAE | size1 << 16 | 1 << 26 | 1 << 24 | 1 << 10 | 1 << 8), a32.mcr("ttbcr", 1)),
        *(a32.mov(1, RAM + root), a32.mov(2, 0), a32.mcrr(1, 2, 2, 1)),
        LPAE.sctlr(M | C | I),
        *(a32.mov(2, 0xC000_0000 | WINDOW & 0x3FFF_FFFF), a32.load(3, 2)),
    )
    ran = LPAE.run(code(program, a32.off()), data)
    walk = [RAM + LEVEL2 + 8, RAM + LEVEL3]
    walk = walk if size1 == 2 else [RAM + root + 8, *walk]
    assert ran.other[-len(walk) - 1 :] == [
        *(f"guest walk {each:#x} 8 normal-wb" for each in walk),
        f"guest-nc read {WINDOW:#x} 4",
    ]


def test_half_a_long_descriptor_maps_nothing_until_its_other_half() -> None:
    """STRD writes the descriptor at once, though the emulator makes two stores: no executable alias in between."""
    address = WINDOW + 0x7000
    program = code(
        LPAE.prepare(),
        LPAE.sctlr(M | C | I),
        LPAE.write_entry(7, LPAE.page(Page(address, "normal-wb"))),
        *(a32.mov(2, address), a32.load(3, 2)),
    )
    ran = LPAE.run(code(program, a32.off()), LPAE.tables({}))
    assert ran.story(address) == ["guest map normal-wb", f"guest read {address:#x} 4"]


def test_a_store_of_half_a_long_descriptor_is_seen() -> None:
    """Only the lower half is written; XN is in the upper one, so code may run there from then on."""
    address = WINDOW + 0x7000
    program = code(
        LPAE.prepare(),
        LPAE.sctlr(M | C | I),
        *(a32.mov(2, LPAE.entry(7)), a32.mov(4, LPAE.page(Page(address, "normal-nc")) & 0xFFFF_FFFF)),
        *(a32.store(4, 2), a32.ISB, a32.mov(2, address), a32.load(3, 2)),
    )
    ran = LPAE.run(code(program, a32.off()), LPAE.tables({}))
    assert ran.story(address) == ["guest-nc map normal-nc exec", f"guest-nc read {address:#x} 4"]


@pytest.mark.parametrize("size", [1, 2])
def test_parts_of_a_short_descriptor_change_it(size: int) -> None:
    """The lowest byte or halfword of a page's descriptor makes it valid."""
    descriptor = SHORT.page(Page(WINDOW + 0x6000, "normal-nc"))
    low = (1 << 8 * size) - 1
    data = SHORT.tables({})
    second = bytearray(data[0x14000])
    struct.pack_into("<I", second, 4 * 6, descriptor & ~low)
    data[0x14000] = bytes(second)
    program = code(
        SHORT.prepare(),
        SHORT.sctlr(M | C | I),
        *(a32.mov(2, SHORT.entry(6)), a32.mov(4, descriptor & low), a32.store(4, 2, 0, size)),
        *(a32.mov(2, WINDOW + 0x6000), a32.load(3, 2)),
    )
    ran = run(program, data)
    assert ran.story(WINDOW + 0x6000) == ["guest-nc map normal-nc", f"guest-nc read {WINDOW + 0x6000:#x} 4"]


def test_what_lies_beside_a_small_table_is_none() -> None:
    """A second-level table has 1 KiB, and Linux keeps other data in the rest of its page."""
    program = code(
        SHORT.prepare(),
        SHORT.sctlr(M | C | I),
        *(a32.mov(2, RAM + 0x14400), a32.mov(4, SHORT.page(Page(WINDOW, "normal-nc"))), a32.store(4, 2)),
    )
    ran = run(program, SHORT.tables({0: Page(WINDOW, "normal-wb")}))
    assert ran.story(WINDOW) == ["guest map normal-wb"]


def test_a_run_stops_where_it_is_told_to() -> None:
    loop = code(a32.mov(3, 100), a32.subs(3, 3, 1), a32.b(-1, 1), a32.off())
    ran = SHORT.run(loop, {}, Until(End.LIMIT, 50))
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.instructions) == (End.LIMIT, 50)
