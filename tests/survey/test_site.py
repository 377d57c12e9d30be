# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a survey: what it shows of results, and that nothing of a guest is taken for HTML."""

import re
from pathlib import Path
from typing import Any

from coldline.survey.site import write_site

IDENTITY = {
    "subject": "v1",
    "kind": "stale-read",
    "decider": "guest write at kernel+0x8",
    "reader": "guest read",
}
CAUSE = {"kind": "stale-read", "words": "leaves level 2 old", "hazards": 3, "identity": IDENTITY}


def result(**parts: Any) -> dict[str, Any]:
    return {
        "digest": "d", "image": "linux", "version": "1", "group": "", "of_host": "rfc", "of_strategy": "uncached",
        "vcpus": 1, "words": ["boot", "vmlinuz"], "error": "", "verdict": "coherent", **parts,
    }  # fmt: skip


def page_of(folder: Path, *results: dict[str, Any]) -> str:
    return write_site(results, folder / "deep" / "site").read_text("utf-8")


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("</style>")[2]).split())


def test_verdicts_and_what_changed(tmp_path: Path) -> None:
    hazard = {"verdict": "hazard", "hazards_by_kind": {"stale-read": 3}, "causes": [CAUSE]}
    page = words_of(
        page_of(
            tmp_path,
            result(),
            result(version="2", **hazard),
            result(version="3", **hazard),
            result(image="other", version="9"),
        )
    )
    assert "4 cells, 2 hazard , 2 coherent" in page
    assert "linux, rfc by uncached: 1 is coherent , 2 is hazard (stale-read)" in page
    assert "2 is hazard (stale-read) , 3" not in page
    assert "guest write at kernel+0x8 leaves level 2 old; guest read gets old bytes 2 3" in page


def test_a_failure_is_shown(tmp_path: Path) -> None:
    page = words_of(page_of(tmp_path, result(verdict=None, error="not done after 5 s")))
    assert "1 cell, 1 error" in page
    assert "not done after 5 s" in page


def test_what_a_guest_says_is_text(tmp_path: Path) -> None:
    page = page_of(tmp_path, result(console=["<script>alert(1)</script>"], group="<b>", image="<i>"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_no_results(tmp_path: Path) -> None:
    assert "0 cells" in words_of(page_of(tmp_path))


def test_it_fetches_nothing(tmp_path: Path) -> None:
    assert not re.findall(r'(?:src|href)="(?!#)', page_of(tmp_path, result(causes=[CAUSE])))
