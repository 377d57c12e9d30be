# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles a module's functions once, keeps the machine code, and loads it without the compiler.

The import of Numba takes longer than most runs, loading code through LLVM takes more time, and compiling takes even
longer. So functions that are called from outside of Python are compiled on first use, linked into self-contained
machine code (`coldline.jit.linker`), and kept in the user's cache folder. Later runs map those bytes and call them.
Code that cannot be linked in this way is kept as an object file, which LLVM loads.
"""

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coldline.jit.compiling import compile_together
from coldline.jit.packed_code import map_code
from coldline.jit.wheel_code import read_shipped
from coldline.support import cache_folder
from coldline.support.source_files import files_of

_compiled: dict[str, bytes] = {}
"""What was compiled since this process started, for a cache folder that cannot be written."""


def _untold(done: int, of: int) -> None:
    pass


_told: Callable[[int, int], None] = _untold
_STARTED = time.time()
LINKER = "coldline.jit.linker"
_COMPILERS = (("numba", "_version.py"), ("llvmlite", "_version.py"), ("numpy", "version.py"))
_FEATURES = (b"flags", b"Features", b"isa")
"""The names of the processor's features in /proc/cpuinfo: x86, Arm, RISC-V."""


def load_code(module: str) -> dict[str, int]:
    """Return the addresses of a module's compiled functions, by name.

    Parameters
    ----------
    module : str
        A module with ``EXPORTS``, a dict of functions that Numba compiled with `numba.cfunc`. It is never imported
        here: if its machine code is not cached, another process compiles it.
    """
    with suppress(KeyError):
        return map_code(_compiled[module])
    for read in (_shipped, _cached):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            return map_code(read(module))
    _compile([module], _told)
    return map_code(_compiled[module])


def compile_missing(programs: Iterable[str], told: Callable[[int, int], None]) -> None:
    """Compile the programs of which there is no machine code yet, as many at once as there are processors.

    Parameters
    ----------
    programs : iterable of str
        Modules of `coldline.jit.programs`.
    told : callable
        Called now and then with how many are compiled, and how many there are to compile.

    Raises
    ------
    CompilationError
        If a compiler's process fails.
    ModuleNotFoundError
        If there is something to compile, and no compiler.
    """
    _compile([each for each in programs if not is_kept(each)], told)


def is_kept(module: str) -> bool:
    """Whether there is machine code of a module, so that `load_code` need not compile it."""
    if module in _compiled:
        return True
    with suppress(OSError, ValueError):
        return bool(_shipped(module))
    path = _path(module)
    return path is not None and path.is_file()


def _compile(modules: list[str], told: Callable[[int, int], None]) -> None:
    compile_together(modules, told, keep_code)


def keep_code(module: str, packed: bytes) -> None:
    """Keep a module's packed code for this process and, if it can be written, in the cache folder."""
    _compiled[module] = packed
    path = _path(module)
    if path is not None and not _edited(module):
        cache_folder.keep(path, packed)


@contextmanager
def telling(told: Callable[[int, int], None]) -> Iterator[None]:
    """Call `told`, as `compile_missing` does, while `load_code` compiles what nobody compiled beforehand."""
    global _told
    before, _told = _told, told
    try:
        yield
    finally:
        _told = before


def _shipped(module: str) -> bytes:
    return read_shipped(module, LINKER, _processor())


def _cached(module: str) -> bytes:
    path = _path(module)
    if path is None:
        raise FileNotFoundError(module)
    return cache_folder.read_kept(path)


def _edited(module: str) -> bool:
    """Whether a source is newer than this process, which may then have read the earlier source."""
    sources = (*files_of(module), *files_of(LINKER))
    return any(source.stat().st_mtime > _STARTED for source in sources)


def _path(module: str) -> Path | None:
    """The file that keeps the machine code. Its name changes with the sources, the compiler and the processor."""
    folder = cache_folder.folder()
    processor = _processor()
    if folder is None or processor is None:
        return None
    compilers = []
    for package, file in _COMPILERS:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            compilers.append((Path(spec.origin).parent / file).read_bytes())
    kind = f"code-{module.rpartition('.')[2]}"
    linker = cache_folder.name_for("linker", LINKER, costly=True)
    return folder / cache_folder.name_for(
        kind, module, linker, sys.version_info, compilers, processor, costly=True
    )


def _processor() -> tuple[str, bytes] | None:
    """The processor's kind and features; None if the system does not report them."""
    with suppress(OSError), open("/proc/cpuinfo", "rb") as lines:
        for line in lines:
            if line.startswith(_FEATURES):
                return os.uname().machine, line
    return None
