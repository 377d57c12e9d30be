# SPDX-License-Identifier: GPL-2.0-or-later
"""The paths and dotted names that pages mention exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers.repository import ROOT
from tests.repository.sources import Module, modules

PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
FOLDERS = ("benchmarks", "coldline", "docs", "driver", "scripts", "testbed", "tests", r"\.ci")

PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w*./-]*[\w*]")
DOTTED = re.compile(r"(?<![\w/.-])(?:coldline|tests|testbed)(?:\.[A-Za-z_]\w*)+(?![\w/])")
FILES = re.compile(r"\.(?:cfg|h|html|json|ko|md|py|sarif|svg|toml|xml)$")
"""Names of files that look like dotted names: ``coldline.h``."""

BUILT = {"driver/xen-coldline.ko"}
"""Paths of what is built."""


def mentioned(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """The page and the words of each match."""
    return [(page.name, match[0]) for page in PAGES for match in pattern.finditer(page.read_text())]


def is_there(name: str) -> bool:
    """Whether a dotted name is that of a module, or of something that a module defines, exports or imports."""
    package, _, rest = name.partition(".")
    known = modules(ROOT / package)
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = known.get(".".join(parts[:length]))
        if module is not None:
            return all(_defines(module, part) for part in parts[length : length + 1])
    return not rest


def _defines(module: Module, name: str) -> bool:
    defined = {
        part.id for node in module.tree.body for part in ast.walk(node) if isinstance(part, ast.Name)
    } | {
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return name in defined | module.names.keys()


def test_paths_exist() -> None:
    found = mentioned(PATH)
    assert len(found) > 60
    missing = {(page, path) for page, path in found if path not in BUILT and not list(ROOT.glob(path))}
    assert missing == set()


def test_dotted_names_exist() -> None:
    # The changelog also has the names of earlier versions.
    mentions = [(page, name) for page, name in mentioned(DOTTED) if page != "CHANGELOG.md"]
    found = [(page, name) for page, name in mentions if not FILES.search(name)]
    assert len(found) > 15
    assert {(page, name) for page, name in found if not is_there(name)} == set()


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("coldline.errors.TraceError", True),
        ("coldline.guest.make_plan", True),
        ("coldline.trace.text", True),
        ("coldline.trace.nothing", False),
        ("coldline.errors.NoSuchError", False),
    ],
)
def test_dotted_names_are_looked_up(name: str, there: bool) -> None:
    assert is_there(name) == there


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("`coldline/arm` and `coldline/errors.py`.", ["coldline/arm", "coldline/errors.py"]),
        ("in coldline/checker/state/, which", ["coldline/checker/state"]),
        ("`testbed/dom0/test_*.py`", ["testbed/dom0/test_*.py"]),
        ("`.cache/testbed/results` and `/opt/coldline/tests`", []),
    ],
)
def test_paths_are_seen(text: str, paths: list[str]) -> None:
    assert PATH.findall(text) == paths


def test_the_pages_are_found() -> None:
    assert Path("README.md").name in {page.name for page in PAGES}
    assert len(PAGES) > 15
