# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles the machine code that a wheel brings: ``python -m coldline.jit.wheel_building FOLDER``, in its build."""

import sys
from pathlib import Path

from coldline.jit.code_cache import LINKER
from coldline.jit.compiling import compile_together
from coldline.jit.programs import PROGRAMS
from coldline.jit.wheel_code import LEVEL, name_of
from coldline.support import cache_folder


def ship(folder: Path) -> None:
    """Compile all programs for processors of `LEVEL`, and write each to its file in a folder."""

    def take(program: str, packed: bytes) -> None:
        path = folder / name_of(program, LINKER)
        cache_folder.keep(path, packed)
        path.chmod(0o644)

    def told(done: int, of: int) -> None:
        pass

    compile_together(PROGRAMS, told, take, {"NUMBA_CPU_NAME": LEVEL, "NUMBA_CPU_FEATURES": ""})


if __name__ == "__main__":
    ship(Path(sys.argv[1]))
