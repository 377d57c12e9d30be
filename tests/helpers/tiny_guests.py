# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of a few hand-encoded A64 instructions, wrapped as arm64 Images.

Each instruction is its text and its word. The words come from the encoding tables of the Arm ARM (DDI 0487,
C4 and C6); ``tests/frontends/unicorn/test_events.py`` has GNU as assemble every text and compares.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

RAM = 0x4000_0000
ENTRY = RAM + 0x40
"""The offset of the code after the header."""

UART = 0x2200_0000
PSCI_SYSTEM_OFF = 0x8400_0008
PSCI_SYSTEM_RESET = 0x8400_0009
PSCI_VERSION = 0x8400_0000
HEADER = 64


class Insn(NamedTuple):
    """One instruction: what GNU as takes, and its encoding."""

    text: str
    word: int


Code = list[Insn]


# -- instructions ----------------------------------------------------------------------------------------------

NOP = Insn("nop", 0xD503_201F)
WFI = Insn("wfi", 0xD503_207F)
ISB = Insn("isb", 0xD503_3FDF)
DSB = Insn("dsb sy", 0xD503_3F9F)
HVC = Insn("hvc #0", 0xD400_0002)
SMC = Insn("smc #0", 0xD400_0003)
SVC = Insn("svc #0", 0xD400_0001)
BRK = Insn("brk #0", 0xD420_0000)
UDF = Insn(".inst 0", 0x0000_0000)
WFE = Insn("wfe", 0xD503_205F)
SEMIHOSTING = Insn("hlt #0xf000", 0xD45E_0000)
RET = Insn("ret", 0xD65F_03C0)
ERET = Insn("eret", 0xD69F_03E0)


def movz(rd: int, value: int, shift: int = 0) -> Insn:
    return Insn(f"movz x{rd}, #{value:#x}, lsl #{shift}", 0xD280_0000 | shift // 16 << 21 | value << 5 | rd)


def movk(rd: int, value: int, shift: int) -> Insn:
    return Insn(f"movk x{rd}, #{value:#x}, lsl #{shift}", 0xF280_0000 | shift // 16 << 21 | value << 5 | rd)


def mov(rd: int, value: int) -> Code:
    """Move a constant into a register without a load, so that the only events are fetches."""
    parts = [(value >> shift & 0xFFFF, shift) for shift in (0, 16, 32, 48) if value >> shift & 0xFFFF]
    first, *rest = parts or [(0, 0)]
    return [movz(rd, *first), *(movk(rd, *part) for part in rest)]


def svc(immediate: int) -> Insn:
    return Insn(f"svc #{immediate:#x}", SVC.word | immediate << 5)


def brk(immediate: int) -> Insn:
    return Insn(f"brk #{immediate:#x}", BRK.word | immediate << 5)


def add(rd: int, rn: int, value: int) -> Insn:
    return Insn(f"add x{rd}, x{rn}, #{value:#x}", 0x9100_0000 | value << 10 | rn << 5 | rd)


def lsr(rd: int, rn: int, shift: int) -> Insn:
    return Insn(f"lsr x{rd}, x{rn}, #{shift}", 0xD340_FC00 | shift << 16 | rn << 5 | rd)


def subs(rd: int, rn: int, value: int) -> Insn:
    return Insn(f"subs x{rd}, x{rn}, #{value:#x}", 0xF100_0000 | value << 10 | rn << 5 | rd)


def b(instructions: int) -> Insn:
    """A branch over a number of instructions; 0 is a branch to itself."""
    return Insn(f"b .{instructions * 4:+d}", 0x1400_0000 | instructions & 0x3FF_FFFF)


def b_ne(instructions: int) -> Insn:
    return Insn(f"b.ne .{instructions * 4:+d}", 0x5400_0001 | (instructions & 0x7_FFFF) << 5)


def blr(rn: int) -> Insn:
    return Insn(f"blr x{rn}", 0xD63F_0000 | rn << 5)


def _load_store(name: str, base: int, size: int, rt: int, rn: int, offset: int) -> Insn:
    register = "x" if size == 8 else "w"
    word = base | offset // size << 10 | rn << 5 | rt
    return Insn(f"{name} {register}{rt}, [x{rn}, #{offset}]", word)


def ldr(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("ldr", 0xF940_0000, 8, rt, rn, offset)


def ldr_w(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("ldr", 0xB940_0000, 4, rt, rn, offset)


def ldrh(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("ldrh", 0x7940_0000, 2, rt, rn, offset)


def ldrb(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("ldrb", 0x3940_0000, 1, rt, rn, offset)


def store(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("str", 0xF900_0000, 8, rt, rn, offset)


def store_w(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("str", 0xB900_0000, 4, rt, rn, offset)


def strh(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("strh", 0x7900_0000, 2, rt, rn, offset)


def strb(rt: int, rn: int, offset: int = 0) -> Insn:
    return _load_store("strb", 0x3900_0000, 1, rt, rn, offset)


def _pair(name: str, base: int, rt: int, rt2: int, rn: int, offset: int) -> Insn:
    word = base | (offset // 8 & 0x7F) << 15 | rt2 << 10 | rn << 5 | rt
    return Insn(f"{name} x{rt}, x{rt2}, [x{rn}, #{offset}]", word)


def ldp(rt: int, rt2: int, rn: int, offset: int = 0) -> Insn:
    return _pair("ldp", 0xA940_0000, rt, rt2, rn, offset)


def stp(rt: int, rt2: int, rn: int, offset: int = 0) -> Insn:
    return _pair("stp", 0xA900_0000, rt, rt2, rn, offset)


# op0, op1, CRn, CRm, op2: Arm ARM DDI 0487 C5.3 and D19.2
REGISTERS = {
    "id_aa64mmfr0_el1": (3, 0, 0, 7, 0),
    "sctlr_el1": (3, 0, 1, 0, 0),
    "cpacr_el1": (3, 0, 1, 0, 2),
    "ttbr0_el1": (3, 0, 2, 0, 0),
    "ttbr1_el1": (3, 0, 2, 0, 1),
    "tcr_el1": (3, 0, 2, 0, 2),
    "mair_el1": (3, 0, 10, 2, 0),
    "sp_el0": (3, 0, 4, 1, 0),
    "spsr_el1": (3, 0, 4, 0, 0),
    "elr_el1": (3, 0, 4, 0, 1),
    "esr_el1": (3, 0, 5, 2, 0),
    "far_el1": (3, 0, 6, 0, 0),
    "vbar_el1": (3, 0, 12, 0, 0),
    "cntvct_el0": (3, 3, 14, 0, 2),
    "sctlr_el2": (3, 4, 1, 0, 0),
    "esr_el2": (3, 4, 5, 2, 0),
    "far_el2": (3, 4, 6, 0, 0),
    "ttbr0_el2": (3, 4, 2, 0, 0),
    "s3_4_c2_c0_1": (3, 4, 2, 0, 1),
    "tcr_el2": (3, 4, 2, 0, 2),
    "mair_el2": (3, 4, 10, 2, 0),
    "hcr_el2": (3, 4, 1, 1, 0),
    "vtcr_el2": (3, 4, 2, 1, 2),
    "vttbr_el2": (3, 4, 2, 1, 0),
    "par_el1": (3, 0, 7, 4, 0),
    "spsr_el2": (3, 4, 4, 0, 0),
    "elr_el2": (3, 4, 4, 0, 1),
    "vbar_el2": (3, 4, 12, 0, 0),
    "scr_el3": (3, 6, 1, 1, 0),
    "sctlr_el3": (3, 6, 1, 0, 0),
    "esr_el3": (3, 6, 5, 2, 0),
    "far_el3": (3, 6, 6, 0, 0),
    "ttbr0_el3": (3, 6, 2, 0, 0),
    "tcr_el3": (3, 6, 2, 0, 2),
    "mair_el3": (3, 6, 10, 2, 0),
    "spsr_el3": (3, 6, 4, 0, 0),
    "elr_el3": (3, 6, 4, 0, 1),
    "vbar_el3": (3, 6, 12, 0, 0),
    "s3_1_c15_c2_1": (3, 1, 15, 2, 1),
    "s3_1_c11_c0_2": (3, 1, 11, 0, 2),
}
MAINTENANCE = {
    "ic iallu": (1, 0, 7, 5, 0),
    "ic ialluis": (1, 0, 7, 1, 0),
    "ic ivau": (1, 3, 7, 5, 1),
    "dc ivac": (1, 0, 7, 6, 1),
    "dc isw": (1, 0, 7, 6, 2),
    "dc csw": (1, 0, 7, 10, 2),
    "dc cisw": (1, 0, 7, 14, 2),
    "dc zva": (1, 3, 7, 4, 1),
    "dc cvac": (1, 3, 7, 10, 1),
    "dc cvau": (1, 3, 7, 11, 1),
    "dc civac": (1, 3, 7, 14, 1),
    "tlbi vmalle1": (1, 0, 8, 7, 0),
    "tlbi vmalle1is": (1, 0, 8, 3, 0),
    "tlbi vae1": (1, 0, 8, 7, 1),
    "tlbi vae1is": (1, 0, 8, 3, 1),
    "tlbi rvae1is": (1, 0, 8, 2, 1),
    "tlbi vaale1": (1, 0, 8, 7, 7),
    "tlbi alle2": (1, 4, 8, 7, 0),
    "tlbi alle3": (1, 6, 8, 7, 0),
    "tlbi vae2": (1, 4, 8, 7, 1),
    "at s1e1r": (1, 0, 7, 8, 0),
    "at s1e2r": (1, 4, 7, 8, 0),
    "at s12e1r": (1, 4, 7, 8, 4),
    "tlbi ipas2e1is": (1, 4, 8, 0, 1),
    "tlbi ripas2e1is": (1, 4, 8, 0, 2),
    "tlbi vmalls12e1is": (1, 4, 8, 3, 6),
}
NO_OPERAND = (
    "ic iallu",
    "ic ialluis",
    "tlbi vmalle1",
    "tlbi vmalle1is",
    "tlbi alle2",
    "tlbi alle3",
    "tlbi vmalls12e1is",
)


def _system(op0: int, op1: int, crn: int, crm: int, op2: int, rt: int) -> int:
    return 0xD500_0000 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt


def msr(name: str, rt: int) -> Insn:
    return Insn(f"msr {name}, x{rt}", _system(*REGISTERS[name], rt))


def mrs(rt: int, name: str) -> Insn:
    return Insn(f"mrs x{rt}, {name}", _system(*REGISTERS[name], rt) | 1 << 21)


def sys(name: str, rt: int | None = None) -> Insn:
    """Cache or TLB maintenance."""
    assert (rt is None) == (name in NO_OPERAND), name
    text = name if rt is None else f"{name}, x{rt}"
    return Insn(text, _system(*MAINTENANCE[name], 31 if rt is None else rt))


# -- pieces of programs ----------------------------------------------------------------------------------------


def code(*pieces: Insn | Iterable[Insn]) -> Code:
    """A program of instructions and of lists of them."""
    flat: Code = []
    for piece in pieces:
        flat += [piece] if isinstance(piece, Insn) else piece
    return flat


def off(result: int = 0, call: Insn = HVC) -> Code:
    """PSCI SYSTEM_OFF with a result in x1."""
    return code(mov(0, PSCI_SYSTEM_OFF), mov(1, result), call)


def say(text: bytes, uart: int = UART) -> Code:
    """Print on the PL011, byte by byte, without waiting until it is ready."""
    return code(mov(2, uart), *(code(mov(3, byte), store_w(3, 2)) for byte in text))


def bytes_of(program: Code) -> bytes:
    return b"".join(struct.pack("<I", insn.word) for insn in program)


def image(
    program: Code,
    data: Mapping[int, bytes] | None = None,
    *,
    size: int = 0x2000,
    image_size: int | None = None,
    text_offset: int = 0,
    flags: int = 0xA,
) -> bytes:
    """
    Wrap code as an arm64 Image (Linux Documentation/arch/arm64/booting.rst).

    Parameters
    ----------
    program : list of Insn
        The code, from offset 64 on.
    data : mapping of int to bytes
        Other bytes of the image, by offset.
    size : int
        Bytes of the file.
    image_size, text_offset, flags : int
        The header's values; `image_size` is the file's size unless given.
    """
    assert HEADER + 4 * len(program) <= size
    content = bytearray(size)
    stated = size if image_size is None else image_size
    struct.pack_into("<IIQQQ", content, 0, b(HEADER // 4).word, 0, text_offset, stated, flags)
    content[56:60] = b"ARM\x64"
    content[HEADER : HEADER + 4 * len(program)] = bytes_of(program)
    for offset, piece in (data or {}).items():
        assert HEADER + 4 * len(program) <= offset
        content[offset : offset + len(piece)] = piece
    return bytes(content)


# -- translation tables ----------------------------------------------------------------------------------------

# Arm ARM DDI 0487 D8.3: bits of a VMSAv8-64 descriptor.
VALID, TABLE_OR_PAGE, AF = 1 << 0, 1 << 1, 1 << 10
INNER_SHAREABLE = 3 << 8
PXN, UXN = 1 << 53, 1 << 54

SCTLR_OFF = 0x30D0_0800
"""The bits that are one in Armv8.0; M, C and I are clear."""

M, C, I = 1 << 0, 1 << 2, 1 << 12  # noqa: E741 (the Arm ARM's names)

# MAIR: attribute 0 write-back, 1 write-through, 2 non-cacheable, 3 device.
WB, WT, NC, DEVICE = range(4)
MAIR = 0x00_44_AA_FF
TYPE_WORDS = ("normal-wb", "normal-wt", "normal-nc", "device")


def block(address: int, attribute: int = WB, never: int = 0) -> int:
    """A block descriptor at level 1 or 2."""
    return address | never | AF | INNER_SHAREABLE | attribute << 2 | VALID


def page(address: int, attribute: int = WB, never: int = 0) -> int:
    """A page descriptor at level 3."""
    return block(address, attribute, never) | TABLE_OR_PAGE


def table(address: int, never: int = 0) -> int:
    """A descriptor of a table one level down."""
    return address | never | TABLE_OR_PAGE | VALID


def words(entries: Mapping[int, int]) -> bytes:
    """A table's bytes up to its last entry."""
    content = bytearray(8 * (max(entries) + 1))
    for index, value in entries.items():
        struct.pack_into("<Q", content, 8 * index, value)
    return bytes(content)


def tcr(*, size_bits: int = 32, inner: int = 1, outer: int = 1) -> int:
    """TCR with only TTBR0: 4 KiB granule, 2^size_bits bytes; walk cacheability 0 nc, 1 wb, 2 wt, 3 wb no-allocate."""
    return 1 << 23 | 3 << 12 | outer << 10 | inner << 8 | (64 - size_bits)
