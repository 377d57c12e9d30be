# SPDX-License-Identifier: GPL-2.0-or-later
"""Cached machine code: it is self-contained, is found again, and is verified before use."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba")

from numba import carray, cfunc, types

from coldline.jit import code_cache, programs
from coldline.jit.linker import Flat, flatten
from coldline.jit.packed_code import map_code, pack_code
from coldline.support import cache_folder

KEPT = (programs.CALLBACKS["arm64"], programs.CALLBACKS["arm32"], programs.CHECK)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "coldline"


def program(code_bytes: bytes) -> bytes:
    return pack_code(Flat(code_bytes, {"first": 0, "second": 1}))


def compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the compiler."""

    def compile_together(modules: list[str], told: object, take: Any) -> None:
        for each in modules:
            take(each, pack_code(Flat(b"\xc3", {"compiled": 0})))

    monkeypatch.setattr(code_cache, "_compiled", {})
    monkeypatch.setattr(code_cache, "compile_together", compile_together)


def kept_at(module: str) -> Path:
    """The file that keeps a module's machine code."""
    path = code_cache._path(module)
    assert path is not None
    return path


@pytest.mark.parametrize("module", KEPT)
def test_all_that_is_compiled_can_be_kept(module: str) -> None:
    code_cache.load_code(module)
    assert kept_at(module).is_file()


def test_neither_numba_nor_llvm_is_imported_where_the_code_is_kept() -> None:
    script = (
        "import sys; from coldline.jit import code_cache; from coldline.jit.programs import CALLBACKS;"
        "code_cache.load_code(CALLBACKS['arm64']);"
        "print(sorted({'numba', 'llvmlite'} & set(sys.modules)))"
    )
    code_cache.load_code(KEPT[0])
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_entries_are_where_the_code_says() -> None:
    addresses = map_code(program(b"\x11\x22\x33\x44"))
    assert addresses["second"] == addresses["first"] + 1
    assert ctypes.string_at(addresses["first"], 4) == b"\x11\x22\x33\x44"


def test_code_that_has_changed_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept_at(KEPT[0])
    cache_folder.keep(path, program(b"\x11\x22\x33\x44"))
    kept = bytearray(path.read_bytes())
    kept[-1] ^= 1
    path.write_bytes(kept)
    compiles(monkeypatch)
    assert set(code_cache.load_code(KEPT[0])) == {"compiled"}


@pytest.mark.parametrize("broken", [b"", b"{}\n", b"[]\n", b'{"entries": 1}\n', b"\xff\n\x00"])
def test_a_broken_file_is_compiled_anew(folder: Path, monkeypatch: pytest.MonkeyPatch, broken: bytes) -> None:
    path = kept_at(KEPT[0])
    compiles(monkeypatch)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(broken)
    assert set(code_cache.load_code(KEPT[0])) == {"compiled"}
    cache_folder.keep(path, broken)  # with the right digest
    assert set(code_cache.load_code(KEPT[0])) == {"compiled"}


def test_another_module_or_another_processor_is_other_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept_at(KEPT[0])
    assert code_cache._path(KEPT[1]) != path
    monkeypatch.setattr(code_cache, "_processor", lambda: ("other", b"flags"))
    assert code_cache._path(KEPT[0]) != path


def test_an_unknown_processor_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache, "_processor", lambda: None)
    assert code_cache._path(KEPT[0]) is None


# Programs that are more than code ---------------------------------------------------------------------------

LANES = 16


@cfunc(types.void(types.CPointer(types.float64)))
def ramp(lanes: Any) -> None:
    """A function that needs constants in memory: the steps of a vector."""
    each = carray(lanes, (LANES,))
    for lane in range(LANES):
        each[lane] = 0.1 + 1.7 * lane


def ramp_at(address: int) -> list[float]:
    lanes = (ctypes.c_double * LANES)()
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)(ctypes.addressof(lanes))
    return list(lanes)


def test_constants_come_with_the_code() -> None:
    flat = flatten({"ramp": ramp})
    if os.uname().machine == "x86_64":
        assert isinstance(flat.entries["ramp"], int)
    address = map_code(pack_code(flat))["ramp"]
    assert ramp_at(address) == [0.1 + 1.7 * lane for lane in range(LANES)]


def test_what_cannot_be_mapped_is_loaded_by_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldline.jit.linker._IS_X86_64", False)
    flat = flatten({"ramp": ramp})
    assert isinstance(flat.entries["ramp"], str)
    address = map_code(pack_code(flat))["ramp"]
    assert ramp_at(address) == [0.1 + 1.7 * lane for lane in range(LANES)]
