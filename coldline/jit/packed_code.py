# SPDX-License-Identifier: GPL-2.0-or-later
"""Machine code as the bytes that are kept in a file, and those bytes made executable."""

import ctypes
import json
import mmap
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coldline.jit.linker import Flat

_engines: list[Any] = []

_FAILED = ctypes.c_void_p(-1).value


def pack_code(flat: "Flat") -> bytes:
    """Pack the functions' places, as a line of JSON, and the code."""
    return json.dumps({"entries": flat.entries}).encode() + b"\n" + flat.code


def map_code(kept: bytes) -> dict[str, int]:
    """Make the code from `pack_code` executable; return the functions' addresses."""
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
