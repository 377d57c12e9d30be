# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs are compiled beforehand, several at once, by processes of their own."""

import re
from pathlib import Path

import pytest

pytest.importorskip("numba")

from coldline.errors import CompilationError
from coldline.jit import code_cache, programs
from coldline.jit.code_cache import compile_missing
from coldline.jit.compiling import compile_together
from coldline.jit.packed_code import map_code
from coldline.support.source_files import PACKAGE
from tests.helpers.command import Cli

SMALL = "tests.jit.small_program"
BROKEN = "tests.jit.no_program"


def nothing(done: int, of: int) -> None:
    pass


def test_every_module_with_entries_is_a_program() -> None:
    listed = set(programs.PROGRAMS)
    shared = {"coldline.frontends.unicorn.hooks"}  # part of the programs of both instruction sets
    found = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^EXPORTS\b", path.read_text(), re.MULTILINE)
    }
    assert found - shared == listed


def compiled(*names: str) -> dict[str, bytes]:
    taken: dict[str, bytes] = {}
    compile_together(names, nothing, taken.__setitem__)
    return taken


def test_what_a_process_compiles_can_be_called() -> None:
    import ctypes

    packed = compiled(SMALL)[SMALL]
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(map_code(packed)["triple"])(14) == 42


def test_a_compiler_that_fails_says_why() -> None:
    with pytest.raises(CompilationError, match=rf"^cannot compile {re.escape(BROKEN)}: .*No module named"):
        compiled(SMALL, BROKEN)


def test_without_a_compiler_it_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="numba"):
        compiled(SMALL)
    assert compiled() == {}


def test_what_is_kept_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache, "is_kept", lambda program: program == SMALL)
    compile_missing([SMALL], lambda done, of: pytest.fail("compiled again"))
    with pytest.raises(CompilationError):
        compile_missing([SMALL, BROKEN], nothing)


def test_a_cache_folder_that_cannot_be_written_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(code_cache, "_compiled", {})
    monkeypatch.setattr(code_cache, "is_kept", lambda module: False)
    monkeypatch.setattr(code_cache, "_path", lambda module: tmp_path / "file" / "coldline" / "code")
    monkeypatch.setattr(code_cache, "_edited", lambda module: False)
    compile_missing([SMALL], nothing)
    monkeypatch.setattr(code_cache, "compile_together", lambda *_: pytest.fail("compiled again"))
    assert set(code_cache.load_code(SMALL)) == {"triple"}


# The command ------------------------------------------------------------------------------------------------


def test_cache_tells_what_is_there(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "coldline"
    assert cli("cache").out == f"{folder}: 0 files, 0 bytes\n"
    folder.mkdir()
    (folder / "code-1").write_bytes(bytes(1200))
    assert cli("cache").out == f"{folder}: 1 file, 1,200 bytes\n"
    assert cli("cache", "--clear").out == f"{folder}: 0 files, 0 bytes\n"
    assert list(folder.iterdir()) == []


def test_cache_builds_what_is_missing(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(code_cache, "_compiled", {})
    monkeypatch.setattr(programs, "PROGRAMS", (SMALL,))
    monkeypatch.setattr(code_cache, "_path", lambda module: tmp_path / "coldline" / module)
    monkeypatch.setattr(code_cache, "is_kept", lambda module: False)
    monkeypatch.setattr(code_cache, "_edited", lambda module: False)
    assert cli("cache", "--build").status == 0
    assert [each.name for each in (tmp_path / "coldline").iterdir()] == [SMALL]


def test_a_load_that_compiles_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(code_cache, "_compiled", {})
    monkeypatch.setattr(code_cache, "_shipped", lambda module: {}[module])
    monkeypatch.setattr(code_cache, "_cached", lambda module: {}[module])
    monkeypatch.setattr(code_cache, "_path", lambda module: None)
    with code_cache.telling(lambda done, of: told.append((done, of))):
        assert set(code_cache.load_code(SMALL)) == {"triple"}
    assert set(told) == {(0, 1)}
    told.clear()
    monkeypatch.setattr(code_cache, "_compiled", {})
    code_cache.load_code(SMALL)
    assert told == []
