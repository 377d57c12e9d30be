# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles a module's functions once, keeps the machine code, and loads it without the compiler.

Numba takes longer to import than most of our runs take, LLVM's loader a good part of that, and compiling takes
longer still. So the functions that are to be called from outside of Python are compiled the first time they are
wanted, made into machine code that needs nothing outside of itself (`coldline.flatcode`), and kept in the
user's cache folder. From then on they are bytes that are mapped and called.
"""

import ctypes
import hashlib
import importlib.util
import json
import mmap
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from coldline import cache

_STARTED = time.time()
_COMPILERS = (("numba", "_version.py"), ("llvmlite", "_version.py"), ("numpy", "version.py"))
_FEATURES = (b"flags", b"Features", b"isa")
"""What /proc/cpuinfo calls the processor's features: x86, Arm, RISC-V."""

_FAILED = ctypes.c_void_p(-1).value


def load(module: str, sources: Sequence[str]) -> dict[str, int]:
    """Addresses of the functions that a module offers, by name.

    Parameters
    ----------
    module : str
        A module with ``EXPORTS``, a dict of functions that Numba compiled with `numba.cfunc`; imported only
        where its machine code is not there yet.
    sources : sequence of str
        The files that the machine code depends on, relative to the package.
    """
    path = _path(module, sources)
    if path is not None:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            return _map(path.read_bytes())
    return _compile(module, path, sources)


def is_kept(module: str, sources: Sequence[str]) -> bool:
    """Whether `load` finds the machine code of a module: it need not be compiled."""
    path = _path(module, sources)
    return path is not None and path.is_file()


def _compile(module: str, path: Path | None, sources: Sequence[str]) -> dict[str, int]:
    from coldline.flatcode import flatten

    if sys.stderr.isatty():
        print("coldline: compiling its inner loops, once", file=sys.stderr)
    exports = importlib.import_module(module).EXPORTS
    flat = flatten(exports)
    if flat is None:
        return {name: int(function.address) for name, function in exports.items()}
    code, entries = flat
    kept = _pack(code, entries)
    if path is not None and not _edited(sources):

        def write(draft: Path) -> None:
            draft.write_bytes(kept)

        cache.save(path, write)
    return _map(kept)


def _edited(sources: Sequence[str]) -> bool:
    """Whether a source is newer than this process, which may then have read what was there before."""
    return any((cache.PACKAGE / source).stat().st_mtime > _STARTED for source in _all(sources))


def _all(sources: Sequence[str]) -> tuple[str, ...]:
    return (*sources, "flatcode.py", "machinecode.py")


def _pack(code: bytes, entries: dict[str, int]) -> bytes:
    """A line of JSON that says where the functions are, and the code."""
    head = {"entries": entries, "sha256": hashlib.sha256(code).hexdigest()}
    return json.dumps(head).encode() + b"\n" + code


def _map(kept: bytes) -> dict[str, int]:
    """Make what `_pack` made executable; it stays so as long as the process lives.

    The kernel makes the instruction cache see a file's pages as it maps them, so the code goes through a file,
    one of this process's own that nobody can write to or truncate.
    """
    line, _, code = kept.partition(b"\n")
    head = json.loads(line)
    if hashlib.sha256(code).hexdigest() != head["sha256"]:
        raise ValueError("the machine code is not what was kept")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    file = os.memfd_create("coldline")
    try:
        os.write(file, code)
        base = libc.mmap(None, len(code), mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, file, 0)
    finally:
        os.close(file)
    if base is None or base == _FAILED:
        raise OSError(ctypes.get_errno(), "cannot map machine code")
    return {name: base + offset for name, offset in head["entries"].items()}


def _path(module: str, sources: Sequence[str]) -> Path | None:
    """Where the machine code is kept: its name changes with the sources, the compiler and the processor."""
    folder = cache.folder()
    processor = _processor()
    if folder is None or processor is None:
        return None
    compilers = []
    for package, file in _COMPILERS:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            compilers.append((Path(spec.origin).parent / file).read_bytes())
    return folder / cache.name_for(
        f"code-{module.rpartition('.')[2]}", _all(sources), sys.version_info, compilers, processor
    )


def _processor() -> tuple[str, bytes] | None:
    """The processor's kind and features; None where nobody tells."""
    with suppress(OSError), open("/proc/cpuinfo", "rb") as lines:
        for line in lines:
            if line.startswith(_FEATURES):
                return os.uname().machine, line
    return None
