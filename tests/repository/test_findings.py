# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of docs/findings: their parts, their patches, and their traces by a second implementation."""

import re
import subprocess
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.helpers.checking import check_text
from tests.helpers.repository import ROOT
from tests.oracles import explorer, order_explorer

FOLDER = ROOT / "docs" / "findings"
PAGES = sorted(set(FOLDER.glob("*.md")) - {FOLDER / "index.md"})
PATCHES = sorted((FOLDER / "patches").glob("*.patch"))
INDEX = (FOLDER / "index.md").read_text()

PARTS = [
    "What happens",
    "What the architecture says",
    "Consequence",
    "Repair",
    "Patch",
    "What was checked",
]
FACTS = ["project", "versions", "where", "hosts"]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_page_has_its_parts(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[: len(PARTS)] == PARTS
    assert re.findall(r"^\| (\w+) \| \S", text.split("\n## ")[0], re.MULTILINE) == FACTS
    assert "```trace\n" in text.split("\n## What happens\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_repair_is_a_trace_that_is_coherent(page: Path) -> None:
    repair = page.read_text().split("\n## Repair\n")[1].split("\n## ")[0]
    assert re.findall(r"^verdict: (.*)$", repair, re.MULTILINE)[-1] == "coherent"


def test_the_index_has_every_page() -> None:
    assert sorted(re.findall(r"^\| \[[^]]*\]\(([\w-]+\.md)\)", INDEX, re.MULTILINE)) == names(PAGES)


def test_every_patch_is_on_a_page() -> None:
    linked = [name for page in PAGES for name in re.findall(r"\(patches/([\w-]+\.patch)\)", page.read_text())]
    assert sorted(linked) == names(PATCHES)


@pytest.mark.parametrize("patch", PATCHES, ids=names(PATCHES))
def test_a_patch_is_well_formed(patch: Path, tmp_path: Path) -> None:
    """As a maintainer takes it: a subject with its part, short lines, whole hunks, and no name of a sender."""
    head, body = patch.read_text().split("\n---\n", 1)
    assert re.match(r"Subject: \[PATCH\] [\w/]+: \S", head)
    assert "-by:" not in head
    assert max(map(len, head.splitlines())) <= 75
    shown = subprocess.run(
        ["git", "apply", "--numstat", patch], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    counted = [sum(int(line.split("\t")[column]) for line in shown.splitlines()) for column in (0, 1)]
    lines = body[body.index("\ndiff --git ") :].splitlines()
    assert counted == [
        sum(re.match(rf"\{sign}(?!\{sign})", line) is not None for line in lines) for sign in "+-"
    ]
    assert counted[0] > 0


def traces() -> list[ParameterSet]:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, text in enumerate(re.findall(r"^```trace\n(.*?)^```$", page.read_text(), re.M | re.S))
    ]


@pytest.mark.parametrize("text", traces())
def test_the_explorer_finds_the_same(text: str) -> None:
    explore = order_explorer.explore if text.startswith("version 2") else explorer.explore
    assert [tuple(found)[:5] for found in explore(text)] == [tuple(found) for found in check_text(text)]
