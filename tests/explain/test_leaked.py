# SPDX-License-Identifier: GPL-2.0-or-later
"""A leak is told with whose bytes it shows, and with the gift since which they are another owner's."""

import html
from pathlib import Path

import pytest

from tests.helpers.command import HAZARD, Cli
from tests.report.test_formats import validated

SCRUBBED = """\
version 2
core cpu0 xen
core cpu1 old
core cpu2 new
xen map 0x40000000 0x1000 normal-wb
{}give 0x40000000 0x1000 new
{}xen write 0x40000000 64
new map 0x40000000 0x1000 normal-nc
new read 0x40000000 8
"""
MAP_OLD = "old map 0x40000000 0x1000 normal-wb\n"

CASES = [
    ("", "", "from before line 6, which gave the page to new; nobody had written it"),
    (
        f"{MAP_OLD}old write 0x40000000 64\nold write 0x40000040 64\n",
        "",
        "from before line 9, which gave the page to new; old wrote it last, line 7",
    ),
    (
        f"give 0x40000000 0x1000 old\n{MAP_OLD}xen write 0x40000000 64\nold write 0x40000000 64\n",
        "",
        "from before line 10, which gave the page to new; until then it was of old; old wrote it last, line 9",
    ),
    (
        f"give 0x40000000 0x1000 old xen\n{MAP_OLD}old write 0x40000000 64\n",
        "give 0x40000000 0x1000 new\n",  # they have it already
        "from before line 9, which gave the page to new; until then it was of old and xen; old wrote it last, line 8",
    ),
]


@pytest.mark.parametrize(("before", "after", "words"), CASES)
def test_a_leak_says_whose_and_since_when(
    cli: Cli, tmp_path: Path, before: str, after: str, words: str
) -> None:
    trace = tmp_path / "leak.trace"
    trace.write_text(SCRUBBED.format(before, after))
    found = cli("check", trace)
    assert found.status == HAZARD
    assert "1. leak: new may get another owner's bytes at 0x40000000, 8 bytes\n" in found.out
    assert f"   {words}\n" in found.out


def test_in_json_it_has_the_events(cli: Cli, tmp_path: Path) -> None:
    trace = tmp_path / "leak.trace"
    trace.write_text(SCRUBBED.format(*CASES[2][:2]))
    (document,) = validated(cli("check", "--json", trace).out)
    leak = next(cause for cause in document["causes"] if cause["kind"] == "leak")
    assert leak["leaked"] == {
        "gift": {"event": "give 0x40000000 0x1000 new", "line": 10},
        "owners": ["old"],
        "written": {"event": "old write 0x40000000 64", "line": 9, "agent": "old"},
    }
    assert all("leaked" not in cause for cause in document["causes"] if cause["kind"] != "leak")
    assert (
        "until then it was of old; old wrote it last, line 9" in cli("check", "--format", "github", trace).out
    )


def test_other_formats_say_whose_before_what_decides_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("leak.trace").write_text(SCRUBBED.format(*CASES[2][:2]))
    told = (
        "may get another owner's bytes at 0x40000000, 8 bytes (from before line 10, which gave the page to new; "
        "until then it was of old; old wrote it last, line 9): xen write 0x40000000 64 (line 11) leaves memory old"
    )
    for name in ("github", "html", "junit", "sarif"):
        assert told in html.unescape(cli("check", "--format", name, "leak.trace").out)
    page = cli("check", "--format", "html", "leak.trace").out
    assert "new read 0x40000000 8 (line 13). It reads bytes from before the gift." in page
    assert "and for a leak what is from before the gift" in page


@pytest.mark.parametrize("before", ["", f"{MAP_OLD}old write 0x40000000 64\n"])
def test_a_page_that_nobody_scrubs_is_given_with_old_bytes_in_it(
    cli: Cli, tmp_path: Path, before: str
) -> None:
    """The scrub of another line is no write of this byte; who wrote before the gift does not decide."""
    text = SCRUBBED.format(before, "").replace("xen write 0x40000000", "xen write 0x40000040")
    trace = tmp_path / "leak.trace"
    trace.write_text(text)
    (document,) = validated(cli("check", "--json", trace).out)
    (leak,) = (cause for cause in document["causes"] if cause["kind"] == "leak")
    assert (leak["role"], leak["words"]) == ("given", "gives the page with old bytes in it")
    assert leak["deciding"]["event"] == "give 0x40000000 0x1000 new"
    assert leak["deciding"]["line"] == text.splitlines().index("give 0x40000000 0x1000 new") + 1
    assert "give 0x40000000 0x1000 new  <- gives the page with old bytes in it" in cli("check", trace).out
