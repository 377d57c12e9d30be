# SPDX-License-Identifier: GPL-2.0-or-later
"""A leak is told with whose bytes it shows, and with the gift since which they are another owner's."""

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
