# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles a module's functions once, keeps the machine code, and loads it without the compiler.

The import of Numba takes longer than most runs, loading code through LLVM takes more time, and compiling takes even
longer. So functions that are called from outside of Python are compiled on first use, linked into self-contained
machine code (`coldline.jit.linker`), and kept in the user's cache folder. Later runs map those bytes and call them.
Code that cannot be linked in this way is kept as an object file, which LLVM loads.
"""

import ctypes
import importlib.util
import json
import mmap
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldline.support import cache_folder
from coldline.support.source_files import files_of

if TYPE_CHECKING:
    from coldline.jit.linker import Flat

_engines: list[Any] = []

_STARTED = time.time()
_LINKER = "coldline.jit.linker"
_COMPILERS = (("numba", "_version.py"), ("llvmlite", "_version.py"), ("numpy", "version.py"))
_FEATURES = (b"flags", b"Features", b"isa")
"""The names of the processor's features in /proc/cpuinfo: x86, Arm, RISC-V."""

_FAILED = ctypes.c_void_p(-1).value


def load_code(module: str) -> dict[str, int]:
    """Return the addresses of a module's compiled functions, by name.

    Parameters
    ----------
    module : str
        A module with ``EXPORTS``, a dict of functions that Numba compiled with `numba.cfunc`; it is imported only if
        its machine code is not cached.
    """
    path = _path(module)
    if path is not None:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            return _unpack(cache_folder.read_kept(path))
    return _compile(module, path)


def is_kept(module: str) -> bool:
    """Whether the machine code of a module is cached, so that `load_code` need not compile it."""
    path = _path(module)
    return path is not None and path.is_file()


def _compile(module: str, path: Path | None) -> dict[str, int]:
    from coldline.jit.linker import flatten

    if sys.stderr.isatty():
        print("coldline: compiling its inner loops, once", file=sys.stderr)
    kept = _pack(flatten(importlib.import_module(module).EXPORTS))
    if path is not None and not _edited(module):
        cache_folder.keep(path, kept)
    return _unpack(kept)


def _edited(module: str) -> bool:
    """Whether a source is newer than this process, which may then have read the earlier source."""
    sources = (*files_of(module), *files_of(_LINKER))
    return any(source.stat().st_mtime > _STARTED for source in sources)


def _pack(flat: "Flat") -> bytes:
    """Pack the functions' places, as a line of JSON, and the code."""
    return json.dumps({"entries": flat.entries}).encode() + b"\n" + flat.code


def _unpack(kept: bytes) -> dict[str, int]:
    """Make the code from `_pack` executable; return the functions' addresses."""
    line, _, code = kept.partition(b"\n")
    entries: dict[str, Any] = json.loads(line)["entries"]
    if any(isinstance(place, str) for place in entries.values()):
        return _link(code, entries)
    base = _map(code)
    return {name: base + int(offset) for name, offset in entries.items()}


def _link(built: bytes, symbols: dict[str, str]) -> dict[str, int]:
    """Load an object file with LLVM."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.object_file.ObjectFileRef.from_data(built))
    engine.finalize_object()
    _engines.append(engine)
    return {name: int(engine.get_function_address(symbol)) for name, symbol in symbols.items()}


def _map(code: bytes) -> int:
    """Make code executable for the rest of the process; return its address.

    The kernel maintains the instruction cache when it maps a file's pages. So the code goes through a file, which
    belongs to this process only, so that nobody can write to it or truncate it.
    """
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
    return int(base)


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
    linker = cache_folder.name_for("linker", _LINKER, costly=True)
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
