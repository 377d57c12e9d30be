# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of a few hand-encoded Arm and Thumb instructions, as `tiny_guests` has for A64.

The words come from the encoding tables of the Arm ARM (DDI 0406C, A5, A6 and A8);
``tests/frontends/unicorn/test_aarch32.py`` has GNU as assemble every text and compares. A Thumb instruction is its
halfwords, the first in the upper half of its word.
"""

import struct
from collections.abc import Mapping

from tests.helpers.tiny_guests import HEADER, PSCI_SYSTEM_OFF, Code, Insn, code

NOP = Insn("nop", 0xE320_F000)
WFI = Insn("wfi", 0xE320_F003)
WFE = Insn("wfe", 0xE320_F002)
SEMIHOSTING = Insn("svc #0x123456", 0xEF12_3456)
ISB = Insn("isb", 0xF57F_F06F)
DSB = Insn("dsb", 0xF57F_F04F)
HVC = Insn("hvc #0", 0xE140_0070)
SMC = Insn("smc #0", 0xE160_0070)
SVC = Insn("svc #0", 0xEF00_0000)
BKPT = Insn("bkpt #0", 0xE120_0070)
UDF = Insn("udf #0", 0xE7F0_00F0)
SETEND_BE = Insn("setend be", 0xF101_0200)

CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "")
"""The condition in an instruction's top four bits: 14 is always (A8.3)."""


def mov(rd: int, value: int) -> Code:
    """A constant, in one or two instructions and without a load."""
    low, high = value & 0xFFFF, value >> 16
    parts = [Insn(f"movw r{rd}, #{low:#x}", 0xE300_0000 | low >> 12 << 16 | rd << 12 | low & 0xFFF)]
    if high:
        parts.append(
            Insn(f"movt r{rd}, #{high:#x}", 0xE340_0000 | high >> 12 << 16 | rd << 12 | high & 0xFFF)
        )
    return parts


def _transfer(name: str, base: int, rt: int, rn: int, offset: int) -> Insn:
    return Insn(f"{name} r{rt}, [r{rn}, #{offset}]", base | rn << 16 | rt << 12 | offset)


def _transfer_more(name: str, base: int, rt: int, rn: int, offset: int) -> Insn:
    return Insn(
        f"{name} r{rt}, [r{rn}, #{offset}]", base | rn << 16 | rt << 12 | offset >> 4 << 8 | offset & 0xF
    )


def load(rt: int, rn: int, offset: int = 0, size: int = 4) -> Insn:
    """LDRB, LDRH, LDR or LDRD: of 1, 2, 4 or 8 bytes."""
    if size in (1, 4):
        return _transfer(
            "ldr" if size == 4 else "ldrb", 0xE590_0000 if size == 4 else 0xE5D0_0000, rt, rn, offset
        )
    return _transfer_more(
        "ldrh" if size == 2 else "ldrd", 0xE1D0_00B0 if size == 2 else 0xE1C0_00D0, rt, rn, offset
    )


def store(rt: int, rn: int, offset: int = 0, size: int = 4) -> Insn:
    """STRB, STRH, STR or STRD."""
    if size in (1, 4):
        return _transfer(
            "str" if size == 4 else "strb", 0xE580_0000 if size == 4 else 0xE5C0_0000, rt, rn, offset
        )
    return _transfer_more(
        "strh" if size == 2 else "strd", 0xE1C0_00B0 if size == 2 else 0xE1C0_00F0, rt, rn, offset
    )


def _several(name: str, base: int, rn: int, registers: tuple[int, ...]) -> Insn:
    listed = ", ".join(f"r{number}" for number in registers)
    return Insn(f"{name} r{rn}, {{{listed}}}", base | rn << 16 | sum(1 << number for number in registers))


def ldm(rn: int, *registers: int) -> Insn:
    return _several("ldm", 0xE890_0000, rn, registers)


def stm(rn: int, *registers: int) -> Insn:
    return _several("stm", 0xE880_0000, rn, registers)


def cmp(rn: int, rm: int) -> Insn:
    return Insn(f"cmp r{rn}, r{rm}", 0xE150_0000 | rn << 16 | rm)


def subs(rd: int, rn: int, value: int) -> Insn:
    return Insn(f"subs r{rd}, r{rn}, #{value}", 0xE250_0000 | rn << 16 | rd << 12 | value)


def b(instructions: int, condition: int = 14) -> Insn:
    """A branch over a number of instructions; the program counter is two ahead."""
    word = condition << 28 | 0x0A00_0000 | instructions - 2 & 0xFF_FFFF
    return Insn(f"b{CONDITIONS[condition]} .{instructions * 4:+d}", word)


def blx(rm: int) -> Insn:
    return Insn(f"blx r{rm}", 0xE12F_FF30 | rm)


def bx(rm: int) -> Insn:
    return Insn(f"bx r{rm}", 0xE12F_FF10 | rm)


# CRn, opc1, CRm, opc2: Arm ARM DDI 0406C B3.17 and B4.2
REGISTERS = {
    "sctlr": (1, 0, 0, 0),
    "ttbr0": (2, 0, 0, 0),
    "ttbr1": (2, 0, 0, 1),
    "ttbcr": (2, 0, 0, 2),
    "prrr": (10, 0, 2, 0),
    "nmrr": (10, 0, 2, 1),
    "contextidr": (13, 0, 0, 1),
}
MAINTENANCE = {
    "ic ialluis": (7, 0, 1, 0),
    "ic iallu": (7, 0, 5, 0),
    "ic ivau": (7, 0, 5, 1),
    "bpiall": (7, 0, 5, 6),
    "dc ivac": (7, 0, 6, 1),
    "dc isw": (7, 0, 6, 2),
    "dc cvac": (7, 0, 10, 1),
    "dc csw": (7, 0, 10, 2),
    "dc cvau": (7, 0, 11, 1),
    "dc civac": (7, 0, 14, 1),
    "dc cisw": (7, 0, 14, 2),
    "tlbiallis": (8, 0, 3, 0),
    "tlbiall": (8, 0, 7, 0),
    "tlbimva": (8, 0, 7, 1),
    "tlbiasid": (8, 0, 7, 2),
    "tlbimvaa": (8, 0, 7, 3),
}


def _move(place: tuple[int, int, int, int], rt: int, condition: int, *, read: bool) -> Insn:
    crn, opc1, crm, opc2 = place
    word = condition << 28 | 0x0E00_0F10 | read << 20 | opc1 << 21 | crn << 16 | rt << 12 | opc2 << 5 | crm
    name = f"{'mrc' if read else 'mcr'}{CONDITIONS[condition]}"
    return Insn(f"{name} p15, {opc1}, r{rt}, c{crn}, c{crm}, {opc2}", word)


def mcr(name: str, rt: int = 0, condition: int = 14) -> Insn:
    """A write of a register, or an operation."""
    return _move(REGISTERS[name] if name in REGISTERS else MAINTENANCE[name], rt, condition, read=False)


def mrc(rt: int, name: str) -> Insn:
    return _move(REGISTERS[name], rt, 14, read=True)


def mcrr(rt: int, rt2: int, crm: int, opc1: int) -> Insn:
    """A write of 64 bits: TTBR0 is c2 and 0, TTBR1 c2 and 1."""
    return Insn(
        f"mcrr p15, {opc1}, r{rt}, r{rt2}, c{crm}", 0xEC40_0F00 | rt2 << 16 | rt << 12 | opc1 << 4 | crm
    )


def mrrc(rt: int, rt2: int, crm: int, opc1: int) -> Insn:
    return Insn(f"mrrc p15, {opc1}, r{rt}, r{rt2}, c{crm}", mcrr(rt, rt2, crm, opc1).word | 1 << 20)


def off(result: int = 0, call: Insn = HVC) -> Code:
    """PSCI SYSTEM_OFF with a result in r1."""
    return code(mov(0, PSCI_SYSTEM_OFF), mov(1, result), call)


def image(program: Code, data: Mapping[int, bytes] | None = None, *, size: int = 0x20000) -> bytes:
    """Code at the offset that it has in `tiny_guests.image`, with a branch to it; and `data` by offset."""
    content = bytearray(size)
    words = [b(HEADER // 4).word, *[0] * (HEADER // 4 - 1), *(insn.word for insn in program)]
    content[: 4 * len(words)] = struct.pack(f"<{len(words)}I", *words)
    for offset, piece in (data or {}).items():
        assert 4 * len(words) <= offset
        content[offset : offset + len(piece)] = piece
    return bytes(content)


# -- Thumb -----------------------------------------------------------------------------------------------------


def thumb(program: Code) -> bytes:
    """Thumb code's bytes: a word with anything in its upper half is an instruction of two halfwords."""
    halves = [
        half
        for insn in program
        for half in ([insn.word >> 16] if insn.word >> 16 else []) + [insn.word & 0xFFFF]
    ]
    return struct.pack(f"<{len(halves)}H", *halves)


T_NOP = Insn("nop", 0xBF00)
T_SEMIHOSTING = Insn("svc #0xab", 0xDFAB)
T_HVC = Insn("hvc #0", 0xF7E0_8000)
T_BX_LR = Insn("bx lr", 0x4770)
T_CMP_EQUAL = Insn("cmp r5, r5", 0x42AD)


def t_it(first: str, mask: int, text: str) -> Insn:
    return Insn(text, 0xBF00 | CONDITIONS.index(first) << 4 | mask)


def t_mov(rd: int, value: int) -> Code:
    """MOVW and MOVT (encodings T3 and T1)."""

    def half(name: str, base: int, part: int) -> Insn:
        word = (
            base | part >> 12 << 16 | (part >> 11 & 1) << 26 | (part >> 8 & 7) << 12 | rd << 8 | part & 0xFF
        )
        return Insn(f"{name} r{rd}, #{part:#x}", word)

    return [
        half("movw", 0xF240_0000, value & 0xFFFF),
        *([half("movt", 0xF2C0_0000, value >> 16)] if value >> 16 else []),
    ]


# -- translation tables ----------------------------------------------------------------------------------------

SCTLR_OFF = 0x00C5_0078
"""The bits that are one in Armv7-A with the Virtualization Extensions; M, C and I are clear (B4.1.130)."""

TRE = 1 << 28
EAE = 1 << 31
