# SPDX-License-Identifier: GPL-2.0-or-later
"""The page on paper and on a small screen, in Debian's Chromium by Playwright."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import MIDWAY, Cli
from tests.helpers.requirements import require
from tests.report.test_alike import BUILDER, OFF, ON, reads, stores
from tests.report.test_html import contrast


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require(importlib.util.find_spec("playwright") is not None, "playwright is not installed")
    chromium = shutil.which("chromium")
    require(chromium, "no chromium, of Debian's package of that name")
    playwright = importlib.import_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def alike(cli: Cli, tmp_path: Path) -> Path:
    """A page with three causes that are alike."""
    trace, page = tmp_path / "alike.trace", tmp_path / "page.html"
    trace.write_text(BUILDER + OFF + stores(0, 1, 2) + ON + reads(0, 1, 2))
    cli("check", "--format", f"html={page}", trace)
    return page


COLOURS = """() => {
  const body = getComputedStyle(document.body), copy = document.querySelector(".stretch.old");
  return [body.backgroundColor, body.color, getComputedStyle(copy).fill];
}"""
HEIGHTS = """() => ["details.steps table", "details.alike table", "details.alike > article"].map(
  each => document.querySelector(each).getBoundingClientRect().height)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_light(browser: Any, alike: Path, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(alike.as_uri())
    page.emulate_media(media="print", color_scheme=scheme)
    background, ink, copy = page.evaluate(COLOURS)
    assert background == "rgb(255, 255, 255)"
    assert contrast(background, ink) > 7  # WCAG 2.1, 1.4.6
    assert contrast(ink, copy) > 4.5
    page.close()


def test_paper_has_the_tables_that_are_folded_on_the_screen(browser: Any, alike: Path) -> None:
    """The steps, and the list of causes that are alike, but not the story of each."""
    page = browser.new_page()
    page.goto(alike.as_uri())
    page.emulate_media(media="print")
    steps, others, story = page.evaluate(HEIGHTS)
    assert steps > 50
    assert others > 50
    assert story == 0
    page.evaluate("document.querySelector('details.alike').open = true")
    assert page.evaluate(HEIGHTS)[2] > 50
    page.close()


WIDTHS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.mark.parametrize(
    "words", [(*MIDWAY, "--strategy", "flush", "--inject", "all"), ("matrix", *MIDWAY[1:])]
)
def test_a_small_screen_scrolls_tables_and_not_the_page(
    browser: Any, cli: Cli, tmp_path: Path, words: tuple[str, ...]
) -> None:
    cli(*words, "--format", f"html={tmp_path / 'page.html'}")
    page = browser.new_page(viewport={"width": 320, "height": 800})  # WCAG 2.1, 1.4.10
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate(WIDTHS) == [320, 320]
    page.close()
