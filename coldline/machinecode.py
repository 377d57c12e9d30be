# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles a module's functions once, keeps the machine code, and loads it without the compiler.

Numba takes longer to import than most of our runs take, and compiling takes longer still. So the functions
that are to be called from outside of Python are compiled the first time they are wanted, their machine code is
kept in the user's cache folder, and from then on only LLVM's loader is needed.
"""

import ctypes
import importlib.util
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np
from llvmlite import binding

from coldline import cache

_engines: list[Any] = []
_STARTED = time.time()


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
    folder = cache.folder()
    if folder is None:
        return _compile(module, None, sources)
    path = folder / _name(module, sources)
    with suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):
        return _link(json.loads((path / "symbols.json").read_text()), path)
    return _compile(module, path, sources)


def is_kept(module: str, sources: Sequence[str]) -> bool:
    """Whether `load` finds the machine code of a module: it need not be compiled."""
    folder = cache.folder()
    return folder is not None and (folder / _name(module, sources)).is_dir()


def _compile(module: str, path: Path | None, sources: Sequence[str]) -> dict[str, int]:
    if sys.stderr.isatty():
        print("coldline: compiling its inner loops, once", file=sys.stderr)
    exports = importlib.import_module(module).EXPORTS
    if path is not None and not _edited(sources):
        with suppress(OSError):
            _save(exports, path)
    return {name: int(function.address) for name, function in exports.items()}


def _edited(sources: Sequence[str]) -> bool:
    """Whether a source is newer than this process, which may then have read what was there before."""
    files = (*sources, "machinecode.py")
    return any((cache.PACKAGE / source).stat().st_mtime > _STARTED for source in files)


def _save(exports: dict[str, Any], path: Path) -> None:
    """Put the machine code into `path`, a folder that is there whole or not at all."""
    import shutil
    import tempfile

    from numba.core.registry import cpu_target

    target_machine = cpu_target.target_context.codegen()._tm
    code = binding.parse_assembly("")
    for function in exports.values():
        code.link_in(binding.parse_bitcode(function._library._final_module.as_bitcode()))
    entries = {name: function._wrapper_name for name, function in exports.items()}
    wanted = [each.name for each in code.functions if each.is_declaration]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as draft:
        (Path(draft) / "code.o").write_bytes(target_machine.emit_object(code))
        (Path(draft) / "symbols.json").write_text(json.dumps({"entries": entries, "wanted": wanted}))
        shutil.rmtree(path, ignore_errors=True)  # what was there could not be loaded
        with suppress(OSError):
            os.rename(draft, path)
            os.mkdir(draft)  # for the context manager to remove


def _link(symbols: dict[str, Any], path: Path) -> dict[str, int]:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    abort = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for wanted in symbols["wanted"]:
        # What raises exceptions in Python is there only with Numba, and never called by code that raises none.
        if not wanted.startswith("llvm.") and binding.address_of_symbol(wanted) is None:
            binding.add_symbol(wanted, abort)
    target_machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target_machine)
    engine.add_object_file(binding.object_file.ObjectFileRef.from_data((path / "code.o").read_bytes()))
    engine.finalize_object()
    addresses = {
        name: int(engine.get_function_address(symbol)) for name, symbol in symbols["entries"].items()
    }
    if not all(addresses.values()):
        raise ValueError("a function is missing in the machine code")
    _engines.append(engine)
    return addresses


def _name(module: str, sources: Sequence[str]) -> str:
    """What the machine code depends on: the sources, the compiler, the processor."""
    numba = importlib.util.find_spec("numba")
    compiler = b""
    if numba is not None and numba.origin is not None:
        compiler = (Path(numba.origin).parent / "_version.py").read_bytes()
    return cache.name_for(
        f"code-{module.rpartition('.')[2]}",
        (*sources, "machinecode.py"),
        (sys.version_info, llvmlite.__version__, np.__version__, compiler),
        (os.uname().machine, binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()),
    )
