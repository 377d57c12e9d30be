# SPDX-License-Identifier: GPL-2.0-or-later
"""The digest in the names of cached machine code: it changes with every constant and with no docstring."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from coldline.jit import programs
from coldline.support import source_files

COMPILED = (programs.CHECK, *programs.CALLBACKS.values())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package that can be changed."""
    copy = tmp_path / "coldline"
    shutil.copytree(source_files.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(source_files, "PACKAGE", copy)
    forget()
    yield copy
    forget()


def forget() -> None:
    for each in (source_files._text_of, source_files._imports_of, source_files._file_of):
        each.cache_clear()


def digests(*, meaning: bool = True) -> list[str]:
    forget()
    return [source_files.digest_of(module, meaning=meaning) for module in COMPILED]


@pytest.mark.parametrize("module", COMPILED)
def test_every_module_that_compiled_code_takes_a_constant_from_is_a_source(module: str) -> None:
    """By Python's own parser, every module that a source imports when it is loaded is a source, too."""
    known = source_files.files_of(module)
    assert len(known) > 10
    for path in known:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("coldline"):
                assert node.module is not None
                for alias in node.names:
                    imported = source_files._file_of(f"{node.module}.{alias.name}")
                    imported = imported or source_files._file_of(node.module)
                    assert imported in known, f"{path}: {node.module}.{alias.name}"


def constants(path: Path) -> Iterator[tuple[str, int]]:
    """The names in capitals that a file assigns, each with its line."""
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for name in ast.walk(target) if target is not None else ():
                if isinstance(name, ast.Name) and name.id.isupper():
                    yield name.id, node.lineno


@pytest.mark.parametrize(
    "module",
    [programs.CHECK, *(pytest.param(each, marks=pytest.mark.long) for each in programs.CALLBACKS.values())],
)
def test_a_constant_that_changes_is_another_key(module: str, package: Path) -> None:
    """Each constant of each source, one after another."""
    before = source_files.digest_of(module, meaning=True)
    changed = 0
    seen = {before}
    for path in source_files.files_of(module):
        text = path.read_text()
        meaning = source_files._meaning(text.encode())
        for name, line in constants(path):
            lines = text.splitlines(keepends=True)
            lines[line - 1] = lines[line - 1].replace(name, f"{name}_CHANGED", 1)
            assert source_files._meaning("".join(lines).encode()) != meaning, f"{path.name}: {name}"
            changed += 1
        path.write_text(text + "\n_ADDED = 1\n")
        forget()
        now = source_files.digest_of(module, meaning=True)
        assert now not in seen, path.name
        seen.add(now)
    assert changed > 50


def test_the_hash_factor_and_the_hazards_flags_are_baked_in(package: Path) -> None:
    """An earlier list, written by hand, lacked these."""
    before = digests()
    for path in package.rglob("*.py"):
        path.write_text(path.read_text().replace("0x9E3779B97F4A7C15", "0x9E3779B97F4A7C17"))
    hashed = digests()
    assert all(now != was for now, was in zip(hashed, before, strict=True))
    for path in package.rglob("*.py"):
        path.write_text(path.read_text().replace("    STALE = 1\n", "    STALE = 2\n"))
    assert digests()[0] != hashed[0]


def test_docstrings_and_comments_compile_nothing_anew(package: Path) -> None:
    meanings, texts = digests(), digests(meaning=False)
    for path in package.rglob("*.py"):
        path.write_text(path.read_text().replace('"""', '"""Changed: ', 1) + "# and a comment\n")
    assert digests() == meanings
    assert all(now != was for now, was in zip(digests(meaning=False), texts, strict=True))


def test_a_module_that_does_not_exist() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"coldline\.nowhere"):
        source_files.files_of("coldline.nowhere")
