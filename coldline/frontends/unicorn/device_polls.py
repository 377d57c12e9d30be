# SPDX-License-Identifier: GPL-2.0-or-later
"""Says for which value of a device's register a loop waits, where the code after the load shows it.

A driver loads a status register, tests a bit or compares the value, and branches. Other code is not understood, and
nothing is said of it.
"""

import re
from collections.abc import Callable
from typing import Final

from coldline.frontends.unicorn.devices import Load

_LONGEST: Final = 8
"""Instructions after the load that are looked at."""

_BIT_BRANCH = re.compile(r"(tbn?z) ([wx]\d+), #(\S+), #(\S+)")
_ZERO_BRANCH = re.compile(r"(cbn?z) (\w+), #(\S+)")
_TEST = re.compile(r"(tst|ands|cmp|subs) (?:\w+, )?(\w+), #(\S+)")
_MASK = re.compile(r"and (\w+), (\w+), #(\S+)")
_SHIFT = re.compile(r"lsls \w+, (\w+), #(\S+)")
_BRANCH = re.compile(r"b\.?(eq|ne|mi|pl) #(\S+)")
_LOAD = re.compile(r"ldr[bh]?(?:\.w)? (\w+),")


def describe_poll(load: Load, instructions: str, code_at: Callable[[int, int], bytes]) -> str:
    """Return what a loop polls and what it waits for, as a clause.

    Parameters
    ----------
    load : Load
        The load from the device.
    instructions, code_at
        See `awaited`.
    """
    what = f"it reads {load.value:#x} ({load.size} bytes) at {load.address:#x} ({load.device}) at pc {load.pc:#x}"
    wanted = awaited(instructions, load.pc, code_at)
    return f"{what}, and waits for {wanted}" if wanted else what


def awaited(instructions: str, at: int, code_at: Callable[[int, int], bytes]) -> str:
    """Return what a loop waits for, such as ``bit 5 to be 1``; empty if that is not known.

    Parameters
    ----------
    instructions : str
        ``arm64``, ``arm32`` or ``thumb``.
    at : int
        The virtual address of the load from the device.
    code_at : callable
        Returns the bytes of code at a virtual address.
    """
    listing = _disassemble(instructions, code_at(at, 4 * (1 + _LONGEST)), at)
    load = _LOAD.match(listing[0][1]) if listing else None
    if load is None:
        return ""
    value, mask, test = _numbered(load[1]), 0, None
    for address, text in listing[1:]:
        if branch := _BIT_BRANCH.fullmatch(text):
            if _numbered(branch[2]) != value:
                return ""
            return _bits(1 << int(branch[3], 0), _leaves(branch[1] == "tbz", branch[4], address))
        if branch := _ZERO_BRANCH.fullmatch(text):
            if _numbered(branch[2]) != value:
                return ""
            nonzero = _leaves(branch[1] == "cbz", branch[3], address)
            if mask:
                return _bits(mask, nonzero)
            return "a value other than 0" if nonzero else "the value 0"
        if tested := _TEST.fullmatch(text):
            if _numbered(tested[2]) == value:
                test = tested[1], int(tested[3], 0)
        elif masked := _MASK.fullmatch(text):
            if _numbered(masked[2]) == value:
                value, mask = _numbered(masked[1]), int(masked[3], 0)
        elif shifted := _SHIFT.fullmatch(text):
            if _numbered(shifted[1]) == value:
                test = "lsls", 1 << 31 - int(shifted[2], 0)
        elif (branch := _BRANCH.fullmatch(text)) and test is not None:
            wanted = _tested(*test, branch[1], branch[2], address)
            return f"{wanted} in the bits {mask:#x}" if mask else wanted
        elif text.startswith(("b", "ret", "cb", "tb")):
            return ""
    return ""


def _disassemble(instructions: str, code: bytes, at: int) -> list[tuple[int, str]]:
    import capstone

    kinds = {
        "arm64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN),
        "arm32": (capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM | capstone.CS_MODE_V8),
        "thumb": (capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_V8),
    }
    engine = capstone.Cs(*kinds[instructions])
    return [
        (address, f"{mnemonic.removesuffix('.w')} {operands}".strip())
        for address, _, mnemonic, operands in engine.disasm_lite(code, at)
    ]


def _numbered(register: str) -> str:
    """Return a register without its width: w1 and x1 are one."""
    return register[1:] if register[0] in "wx" else register


def _leaves(stays_if: bool, target: str, address: int) -> bool:
    """Return whether the loop is left if the branch's condition is false: the branch goes back, or out of it."""
    back = int(target, 0) <= address
    return stays_if if back else not stays_if


def _bits(mask: int, wanted: bool) -> str:
    which = [str(bit) for bit in range(64) if mask >> bit & 1]
    named = f"bit {which[0]}" if len(which) == 1 else f"one of the bits {', '.join(which)}"
    if len(which) > 1 and not wanted:
        named = f"all of the bits {', '.join(which)}"
    return f"{named} to be {1 if wanted else 0}"


def _tested(test: str, mask: int, condition: str, target: str, address: int) -> str:
    if test in ("cmp", "subs"):
        equal = _leaves(condition == "ne", target, address)
        return f"the value {mask:#x}" if equal else f"a value other than {mask:#x}"
    return _bits(mask, _leaves(condition in ("eq", "pl"), target, address))
