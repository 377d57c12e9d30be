# SPDX-License-Identifier: GPL-2.0-or-later
"""The page: it has everything in it, escapes what it is given, and can be used by keyboard, in Debian's Chromium."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from coldline.samples import sample
from tests.explain.test_witness import told
from tests.helpers.command import ERROR, HAZARD, MIDWAY, Cli
from tests.helpers.requirements import require
from tests.report.test_ci_formats import DISCARDED, HOSTILE
from tests.report.test_formats import GOOD, ORDERED

VOID = {"meta", "br", "link", "img", "input", "hr"}
EVIL = "<script>alert(1)</script>"
INJECTED = f"{EVIL} map 0x1000 0x1000 normal-wb\nn&\"' map 0x1000 0x1000 normal-nc\n"
INJECTED += f"{EVIL} write 0x1000 8\nn&\"' read 0x1000 8\n"


class Page(HTMLParser):
    """The elements of a page, with their attributes; closing tags must match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, name: str, **wanted: str) -> list[dict[str, str]]:
        return [each for tag, each in self.elements if tag == name and wanted.items() <= each.items()]

    def marks(self) -> list[dict[str, str]]:
        return [each for each in self.of("g") if "mark" in each.get("class", "").split()]


@pytest.fixture
def written(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of some traces."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "b.trace": DISCARDED,
        "order.trace": ORDERED,
        HOSTILE: INJECTED,
        "good.trace": GOOD,
        "wrong": "x y\n",
    }
    for name, text in texts.items():
        Path(name).write_text(text)
    found = cli("check", "--format", "html=page.html", *texts)
    assert "Traceback" not in found.err
    return Path("page.html").read_text()


def test_a_page_has_everything_in_it(written: str) -> None:
    page = Page(written)
    assert "default-src 'none'" in written
    assert not re.findall(r"https?://|//[a-z]|url\(|@import", written)
    for _, attributes in page.elements:
        assert not attributes.keys() & {"src", "srcset", "data", "action"}
        assert attributes.get("href", "#").startswith("#")


def test_text_of_a_trace_is_escaped(written: str) -> None:
    page = Page(written)
    assert len(page.of("script")) == 1
    assert "alert(1)" not in page.texts[-1]
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert f"2. {EVIL} write" not in written
    assert html.escape(EVIL) in written
    assert "\x1b" not in written


def test_each_step_of_a_story_is_a_mark_that_says_it(written: str) -> None:
    page = Page(written)
    stories = [told(text).hazards[0].story for text in (DISCARDED, ORDERED, INJECTED)]
    marks = page.marks()
    assert len(marks) == sum(map(len, stories))
    assert [each["tabindex"] for each in marks].count("0") == 3  # one for each timeline
    assert all(each["role"] == "button" and each["aria-label"] for each in marks)
    labels = [each["aria-label"] for each in marks]
    assert "4. c dc ivac 0x1000 8: discards (line 4). It discards the new bytes. Copies: " in labels[3]
    assert any("Not complete: cpu0: dc ivac, store new" in label for label in labels)


def test_references_lead_somewhere(written: str) -> None:
    page = Page(written)
    known = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(known)) == len(known)
    for _, attributes in page.elements:
        for name in ("href", "aria-labelledby", "aria-controls"):
            if name in attributes:
                assert attributes[name].lstrip("#") in known
    assert page.of("html", lang="en")
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_the_page_of_a_run(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert cli(*MIDWAY, "--strategy", "flush", f"--format=html={path}").status == HAZARD
    page = Page(path.read_text())
    assert len(page.of("article")) == 2
    assert any("(at kernel+0x84)" in each["aria-label"] for each in page.marks())


def test_the_repairs_are_in_the_page(cli: Cli, tmp_path: Path) -> None:
    path, page = tmp_path / "a.trace", tmp_path / "page.html"
    path.write_text(DISCARDED)
    cli("check", "--repair", f"--format=html={page}", path)
    assert "c dc cvac 0x1000 64 before line 4\n" in page.read_text()


def test_the_map_has_stale_lines_to_scale(cli: Cli, tmp_path: Path) -> None:
    """Two lines of the kernel's 8 KiB, at 0x800 and 0x1000: less than a pixel of RAM's bar, and 7 of its own."""
    path = tmp_path / "page.html"
    cli(*MIDWAY, "--strategy", "flush", f"--format=html={path}")
    page = Page(path.read_text())
    bars = [each["aria-label"] for each in page.of("g", role="img")]
    assert bars == [
        "RAM, 0x40000000 to 0x40ffffff: 2 stale lines from 0x40000800 to 0x4000103f, 2 of them read in this run",
        "kernel, 0x40000000 to 0x40001fff: 2 stale lines from 0x40000800 to 0x4000103f, 2 of them read in this run",
    ]
    read = [each for each in page.of("rect") if each["class"] == "stale read"]
    assert [(float(each["x"]), float(each["width"])) for each in read[-2:]] == [
        pytest.approx((20 + 900 * at / 0x2000, 900 * 64 / 0x2000), abs=0.02) for at in (0x800, 0x1000)
    ]
    assert {float(each["width"]) for each in read[:-2]} == {1.0}  # no mark is too thin to see


def test_a_page_without_stale_lines_has_no_map(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    cli(*MIDWAY, "--strategy", "uncached", f"--format=html={path}")
    assert "Stale lines in memory" not in path.read_text()


def test_the_grid_of_strategies_and_hosts(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    words = ("matrix", *MIDWAY[1:], f"--format=html={path}")
    found = json.loads(cli(*words, "--json").out)["verdicts"]
    page = Page(path.read_text())
    rows = [each["scope"] for each in page.of("th")].count("row")
    assert rows == len(found)
    looks = [each["class"] for each in page.of("td")]
    verdicts = [cell["verdict"] for row in found.values() for cell in row.values()]
    assert looks == ["soft" if each == "refused" else each for each in verdicts]
    reason = next(cell["reason"] for row in found.values() for cell in row.values() if "reason" in cell)
    assert reason in page.texts


def test_without_jinja2_the_error_says_what_to_install(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    path = tmp_path / "a.trace"
    path.write_text(GOOD)
    found = cli("check", f"--format=html={tmp_path / 'page.html'}", path)
    assert (found.status, found.out) == (ERROR, "")
    assert found.err == "coldline: --format html needs jinja2: install coldline[html]\n"
    assert not (tmp_path / "page.html").exists()


# -- in a browser ----------------------------------------------------------------------------------------------


def rendered(folder: Path, page: str, script: str, *words: str) -> str:
    """What a script finds in a page, in Chromium: the title that it sets."""
    chromium = shutil.which("chromium")
    require(chromium, "no chromium, of Debian's package of that name")
    path = folder / "tried.html"
    path.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    profile = f"--user-data-dir={folder / 'profile'}"
    options = ("--headless", "--no-sandbox", "--disable-gpu", profile, "--virtual-time-budget=2000", *words)
    done = subprocess.run(
        [str(chromium), *options, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120
    )
    found = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    require(found, f"chromium does not run here: {done.stderr.strip()[-200:]}")
    assert found is not None
    return html.unescape(found[1])


PRESS = """
const key = name => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
const detail = document.querySelector(".detail");
const said = [];
document.querySelector(".mark").focus(); said.push(detail.textContent);
key("ArrowRight"); said.push(detail.textContent);
key("End"); said.push(detail.textContent);
key("ArrowRight"); key("ArrowLeft"); said.push(detail.textContent);
key("Home"); said.push(detail.textContent);
said.push(document.querySelector("article").querySelectorAll('.mark[tabindex="0"]').length);
document.title = said.map(each => String(each).split(" ").slice(0, 4).join(" ")).join("|");
"""


def test_the_arrow_keys_lead_through_a_timeline(written: str, tmp_path: Path) -> None:
    said = rendered(tmp_path, written, PRESS).split("|")
    assert said == [
        "1. c map 0x1000", "2. n map 0x1000", "5. c read 0x1000", "4. c dc ivac", "1. c map 0x1000", "1",
    ]  # fmt: skip


SEEN = """
const style = getComputedStyle(document.body);
const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
const link = document.querySelector('td a'); link.click();
document.title = [style.backgroundColor, style.color, wide, location.hash].join("|");
"""


@pytest.mark.parametrize(("scheme", "paper"), [("1", "rgb(255, 255, 255)"), ("0", "rgb(18, 24, 29)")])
def test_colours_follow_the_browser(written: str, tmp_path: Path, scheme: str, paper: str) -> None:
    words = (f"--blink-settings=preferredColorScheme={scheme}", "--window-size=900,800")
    background, ink, wide, place = rendered(tmp_path, written, SEEN, *words).split("|")
    assert background == paper
    assert contrast(background, ink) > 7  # WCAG 2.1, 1.4.6
    assert wide == "false"
    assert place == "#cause-1-1"


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, by WCAG 2.1."""

    def luminance(colour: str) -> float:
        parts = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
        linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# -- with Playwright -------------------------------------------------------------------------------------------


def test_a_cause_is_clicked_and_an_event_reached_by_tab(cli: Cli, tmp_path: Path) -> None:
    """Whoever reads the page follows the link of a cause, tabs to its timeline, and reads a step's source line."""
    require(importlib.util.find_spec("playwright") is not None, "playwright is not installed")
    chromium, compiler = shutil.which("chromium"), shutil.which("aarch64-linux-gnu-gcc")
    require(chromium, "no chromium, of Debian's package of that name")
    require(compiler, "no aarch64-linux-gnu-gcc, of Debian's gcc-aarch64-linux-gnu")
    guest, page_file = sample("midway-arm64"), tmp_path / "page.html"
    elf = tmp_path / "guest.elf"
    linked = ("-g", "-nostdlib", "-static", "-Wl,-Ttext=0x40000000", "-o", elf, guest.source)
    subprocess.run([str(compiler), *linked], check=True, timeout=60)
    cli(*MIDWAY, "--no-order", "--strategy", "flush", "--symbols", elf, f"--format=html={page_file}")
    source = guest.source.read_text().splitlines()
    stores = [
        number for number, line in enumerate(source, start=1) if line.split("//")[0].split()[:1] == ["str"]
    ]
    playwright = importlib.import_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(page_file.as_uri())
            page.get_by_role("link", name="2", exact=True).click()
            assert page.url.endswith("#cause-1-2")
            timeline = page.locator("#cause-1-2")
            timeline.locator(".mark").first.scroll_into_view_if_needed()
            for _ in range(10):
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement.closest('#cause-1-2 .mark') !== null"):
                    break
            told = timeline.locator(".detail").text_content()
            assert told.startswith("1. xen map 0x40000000")
            for _ in range(12):
                page.keyboard.press("ArrowRight")
            told = timeline.locator(".detail").text_content()
            assert told.startswith("13. guest write 0x40001000 4 (at start+")
            assert f"(guest.S:{stores[1]})" in told
            assert "leaves level 2 old" in told
            assert page.evaluate("document.querySelectorAll('img, link, script[src]').length") == 0
        finally:
            browser.close()
