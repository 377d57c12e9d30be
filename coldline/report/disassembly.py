# SPDX-License-Identifier: GPL-2.0-or-later
"""Disassembles the instruction at a program counter, from the image that was loaded."""

from collections.abc import Sequence

from coldline.explain.event_code import Code
from coldline.guest import Segment


def place_in(segments: Sequence[Segment], address: int) -> str:
    """An address as an offset into its segment, such as ``kernel+0x800``; empty outside of all segments."""
    for segment in segments:
        if segment.address <= address < segment.end:
            return f"{segment.name}+{address - segment.address:#x}"
    return ""


def instruction(architecture: str, segments: Sequence[Segment], code: Code) -> str:
    """The instruction at `code` as the builder wrote it; empty where it wrote nothing there.

    If the guest has patched its own code, this is the old instruction, not the one that ran. Of code that something
    else was put in the place of, it must not be asked: see `Run.overwritten`.
    """
    for segment in segments:
        offset = code.physical - segment.address
        least = 2 if code.thumb else 4
        if 0 <= offset <= len(segment.data) - least:
            word = bytes(segment.data[offset : offset + 4])
            return disassemble("thumb" if code.thumb else architecture, word, code.virtual)
    return ""


def disassemble(instructions: str, word: bytes, address: int) -> str:
    """Disassemble one instruction of ``arm64`` (A64), ``arm32`` (A32) or ``thumb``; ``.inst`` if it is undefined."""
    import capstone

    engines = {
        "arm64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN),
        "arm32": (capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM | capstone.CS_MODE_V8),
        "thumb": (capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_V8),
    }
    engine = capstone.Cs(*engines[instructions])
    for _, _, mnemonic, operands in engine.disasm_lite(word, address, 1):
        return f"{mnemonic} {operands}".strip()
    return f".inst {int.from_bytes(word, 'little'):#010x}"
