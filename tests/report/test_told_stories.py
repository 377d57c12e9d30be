# SPDX-License-Identifier: GPL-2.0-or-later
"""A story that begins like an earlier one says so in a row."""

import re
from pathlib import Path

import pytest

from tests.helpers.command import Cli
from tests.report.test_event_words import rows

SCRUB = """\
xen  map      0x40000000 0x1000 normal-wb
xen  write    0x40000000 0x1000
xen  dc civac 0x40000000 0x1000
xen  unmap    0x40000000 0x1000
"""
BUILD = SCRUB.replace("xen ", "dom0")
STORES = """\
guest mmu      off
guest write    0x40000000 8
n map          0x40000000 0x1000 normal-nc
n write        0x40000040 8
guest map      0x40000000 0x1000 normal-wb
guest mmu      on
guest read     0x40000000 8
guest read     0x40000040 8
"""
"""Two stores past the old lines, by agents of which each is a cause of its own."""


def table(out: list[str], number: int) -> list[str]:
    """The rows of the story of a cause."""
    start = next(index for index, row in enumerate(out) if row.startswith(f"{number}. "))
    end = next(index for index, row in enumerate(out) if index > start and "<- old " in row)
    return [row for row in out[start : end + 1] if re.match(r"\d+(-\d+)? (line|cache|as)", row)]


def test_a_long_beginning_is_told_once(cli: Cli, tmp_path: Path) -> None:
    out = rows(cli, tmp_path / "a.trace", SCRUB + BUILD + STORES)
    first, second = table(out, 1), table(out, 2)
    assert [row.split()[2] for row in first if " line " in row][:9] == [str(line) for line in range(1, 10)]
    assert re.match(r"1-\d+ as in the story of 1 ", second[0])
    steps = int(second[0].split()[0].removeprefix("1-"))
    assert second[0].split()[-4:] == first[steps - 1].split()[-4:]
    assert re.match(rf"{steps + 1} line 11 n map ", second[1])
    assert any("n write 0x40000040 8 <- leaves level 2 old" in row for row in second)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BUILD + STORES, "a short beginning is told again"),
        (
            SCRUB + re.sub(r"(write|civac) +0x40000000 0x1000", r"\1 0x40000000 64", BUILD) + STORES,
            "the first line was built, and the other one was not",
        ),
    ],
)
def test_another_or_a_short_beginning_is_told(cli: Cli, tmp_path: Path, text: str, why: str) -> None:
    out = rows(cli, tmp_path / "a.trace", text)
    assert not any("as in the story of" in row for row in out), why
    assert table(out, 2)[0].startswith("1 line 1 ")
