# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a survey: what it shows of results, and that nothing of a guest is taken for HTML."""

import importlib
import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from coldline.survey.shown import places, shown_cells
from coldline.survey.site import write_site
from tests.helpers.requirements import require

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
    assert "images: 1 change 1 is coherent , 2 is hazard (stale-read) : linux on rfc by uncached" in page
    assert "2 is hazard (stale-read) , 3" not in page
    assert (
        "linux 2, 3 stale-read guest write at kernel+0x8 leaves level 2 old; guest read gets old bytes 2: 2 3"
        in page
    )


def test_versions_are_side_by_side(tmp_path: Path) -> None:
    hazard = {"verdict": "hazard", "hazards_by_kind": {"stale-read": 1300}}
    results = [
        result(),
        result(version="2", **hazard),
        result(of_host="xen"),
        result(of_host="xen", version="2"),
    ]
    page = words_of(page_of(tmp_path, *results))
    assert (
        "image host, strategy 1 2 linux rfc by uncached coherent hazard stale-read 1,300 "
        "linux xen by uncached coherent coherent"
    ) in page


def test_an_unchanged_change_of_many_cells_is_one_line(tmp_path: Path) -> None:
    hazard = {"verdict": "hazard", "hazards_by_kind": {"stale-read": 3}}
    kernels = [
        result(group="linux", image=image, of_host=host, of_strategy=strategy, version=version, **told)
        for version, told in (("1", {}), ("2", hazard))
        for image in ("arm64", "rt")
        for host, strategy in (("rfc", "flush"), ("rfc", "none"), ("warm-reset", None))
    ]
    page = words_of(page_of(tmp_path, *kernels))
    assert "linux: 1 change 1 is coherent , 2 is hazard (stale-read) : " in page
    assert ": arm64, rt on rfc by flush and none, warm-reset" in page


def test_one_cause_of_two_images_is_one_row_but_not_with_another_repair(tmp_path: Path) -> None:
    def hazard(*repair: str) -> dict[str, Any]:
        cause = {**CAUSE, "repairs": {"found": [{"with": list(repair)}]}}
        return {"verdict": "hazard", "hazards_by_kind": {"stale-read": 3}, "causes": [cause]}

    page = words_of(
        page_of(
            tmp_path,
            result(**hazard("dc ivac 1")),
            result(image="rt", **hazard("dc ivac 1")),
            result(image="big", **hazard("dc ivac 2")),
        )
    )
    assert "images: 2 causes" in page
    assert "linux, rt 1 stale-read" in page
    assert "big 1 stale-read" in page


def test_places_join_images_with_the_same_hosts() -> None:
    cells = shown_cells(
        [
            result(image="a", of_host="xen", vcpus=2),
            result(image="b", of_host="rfc"),
            result(image="c", of_host="rfc"),
            result(image="d", words=["watch"], of_host=None, of_strategy=None),
        ]
    )
    assert places(cells) == "a on xen by uncached, 2 cores; b, c on rfc by uncached; d on watch"


def test_what_a_run_cost(tmp_path: Path) -> None:
    cost = {"seconds": 3.0, "processor_seconds": 1.5, "peak_bytes": 2 << 20}
    page = words_of(page_of(tmp_path, result(seconds=9.0), result(version="2", **cost)))
    assert "9.0 s" in page
    assert "9.0 s (" not in page
    assert "3.0 s (1.5 s of processor time), at most 2 MiB" in page


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


@pytest.mark.long
def test_a_reader_narrows_the_page_and_follows_a_verdict(tmp_path: Path) -> None:
    require(importlib.util.find_spec("playwright") is not None, "playwright is not installed")
    chromium = shutil.which("chromium")
    require(chromium, "no chromium, of Debian's package of that name")
    hazard = {"verdict": "hazard", "hazards_by_kind": {"stale-read": 3}, "causes": [CAUSE]}
    boards = [
        result(group=f"u-boot-{maker}", image=f"board{number}", version=version, **told)
        for maker in ("imx", "rockchip")
        for number in range(60)
        for version, told in (("1", {}), ("2", hazard if maker == "imx" and number == 7 else {}))
    ]
    path = write_site(boards, tmp_path)
    with importlib.import_module("playwright.sync_api").sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(path.as_uri())
            rows = page.locator("[id^=group-] tbody tr:visible")
            assert rows.count() == 0
            page.get_by_role("link", name="u-boot-rockchip").click()
            assert rows.count() == 60
            page.get_by_role("searchbox").fill("board7 imx")
            page.get_by_text("2 cells", exact=True).wait_for()
            assert rows.count() == 1
            page.get_by_role("searchbox").fill("")
            page.get_by_label("versions differ").check()
            page.get_by_text("2 cells", exact=True).wait_for()
            rows.get_by_role("link", name="hazard").click()
            assert "leaves level 2 old" in page.locator("#cell-16").inner_text()
            assert page.locator(".cell:visible").count() == 2
        finally:
            browser.close()
