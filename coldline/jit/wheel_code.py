# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine code that a wheel brings, compiled for every processor of a level rather than for this one.

The levels are those of the System V ABI's AMD64 supplement ("x86-64-v3"). A wheel is built for one kind of machine
and brings a file for each program (`coldline.jit.programs`). Its name has the digest of the sources, so that changed
sources are never run with old code.
"""

from pathlib import Path
from typing import Final

from coldline.support import cache_folder

SHIPPED_CODE: Final = Path(__file__).parent / "shipped_code"
"""Where a wheel has the code; a checkout has no such folder."""

LEVEL: Final = "x86-64-v3"
"""The level that the code is compiled for, by LLVM's name."""

_MACHINE: Final = "x86_64"
_NEEDED: Final = frozenset(
    b"avx avx2 bmi1 bmi2 f16c fma abm movbe cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 xsave".split()
)
"""What the level needs beyond its base, by the names in /proc/cpuinfo."""


def name_of(module: str, linker: str) -> str:
    """Return the name of the file with a program's code, which changes with the text of its sources."""
    kind = f"code-{module.rpartition('.')[2]}"
    return cache_folder.name_for(kind, module, cache_folder.name_for("linker", linker), LEVEL)


def read_shipped(module: str, linker: str, processor: tuple[str, bytes] | None) -> bytes:
    """Return a program's code.

    Parameters
    ----------
    module, linker : str
        The modules of the program, and of what links it.
    processor : (str, bytes) or None
        This machine's kind, and the line of /proc/cpuinfo with its features.

    Raises
    ------
    OSError
        If there is no code for these sources, or none that this processor can run.
    ValueError
        If its content does not match its digest.
    """
    if processor is None or processor[0] != _MACHINE or not set(processor[1].split()) >= _NEEDED:
        raise FileNotFoundError(f"no code for this processor in {SHIPPED_CODE}")
    if not SHIPPED_CODE.is_dir():
        raise FileNotFoundError(SHIPPED_CODE)
    return cache_folder.read_kept(SHIPPED_CODE / name_of(module, linker))
