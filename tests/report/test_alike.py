# SPDX-License-Identifier: GPL-2.0-or-later
"""Causes that are one thing that is wrong: stores past lines that caches have had since the same event."""

import json
import re
from pathlib import Path

import pytest

from coldline.report.alike import Alike, alike
from coldline.report.causes import group
from coldline.verdict import Judgement
from tests.explain.test_witness import told
from tests.helpers.command import HAZARD, Cli

MANY = 12
"""Lines of the page that the guest stores to, each by an event of its own."""
BUILDER = """\
dom0 map 0x40000000 0x1000 normal-wb
dom0 write 0x40000000 0x1000
dom0 dc civac 0x40000000 0x1000
dom0 unmap 0x40000000 0x1000
"""
"""A cache may fill the lines again after the third line."""
OFF = "guest mmu off\n"
ON = "guest map 0x40000000 0x2000 normal-wb\nguest mmu on\n"


def stores(*lines: int) -> str:
    return "".join(f"guest write {0x4000_0000 + 64 * line:#x} 8\n" for line in lines)


def reads(*lines: int) -> str:
    return stores(*lines).replace("write", "read")


def found_in(judgement: Judgement) -> list[Alike]:
    return alike(group(judgement).causes, judgement.profile)


def test_stores_past_the_lines_of_one_event_are_alike() -> None:
    (found,) = found_in(told(BUILDER + OFF + stores(0, 1, 2) + ON + reads(0, 1, 2)))
    assert found.numbers == [0, 1, 2]
    assert found.line is not None
    assert (found.line.copy, found.line.since.where) == ("level 2", 3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            BUILDER + BUILDER.replace("0x40000000", "0x40001000").replace("dom0", "dom1")
            + OFF + stores(0, 64) + ON + reads(0, 64),
            "another agent left the old lines",
        ),
        (
            "c map 0x1000 0x1000 normal-wb\nn map 0x1000 0x1000 normal-nc\nc write 0x1000 8\nc write 0x1040 8\n"
            "n read 0x1000 8\nn read 0x1040 8\n",
            "each store stays in a cache, and is cleaned by itself",
        ),
        (
            BUILDER + OFF + stores(0) + "dom0 map 0x40000000 0x1000 normal-nc\ndom0 write 0x40000040 8\n"
            + ON + reads(0, 1),
            "another agent stores",
        ),
    ],
)  # fmt: skip
def test_other_causes_are_not_alike(text: str, why: str) -> None:
    assert [found.numbers for found in found_in(told(text))] == [[0], [1]], why


def test_old_lines_that_are_written_back_are_alike_whichever_level_has_them() -> None:
    """The scrub's dirty lines may be in either level when they are written back over what the builder stores."""
    scrub = "xen map 0x40000000 0x1000 normal-wb\nxen write 0x40000000 0x1000\nxen unmap 0x40000000 0x1000\n"
    nc = "dom0 map 0x40000000 0x1000 normal-nc\n" + stores(0, 1).replace("guest", "dom0")
    (found,) = found_in(told(scrub + nc + OFF + reads(0, 1)))
    assert found.numbers == [0, 1]
    assert found.line is not None
    assert found.line.since.where == 2


def test_text_tells_the_first_and_lists_the_others(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    lines = range(MANY)
    path.write_text(BUILDER + OFF + stores(*lines) + ON + reads(*lines))
    found = cli("check", path)
    assert found.status == HAZARD
    assert found.out.count("what happened") == 1
    assert (
        "   11 causes more like this one: stores past lines that caches have had since dom0 dc civac 0x40000000 "
        "0x1000 (line 3); 11 hazards in 0x40000040 to 0x400002c7\n"
        "     2. 0x40000040: guest write in line 7, guest read in line 21\n"
    ) in found.out
    assert (
        "\n     9. 0x40000200: guest write in line 14, guest read in line 28\n     and 3 more\n" in found.out
    )
    assert "\nand " not in found.out


def test_another_cause_keeps_its_number(cli: Cli, tmp_path: Path) -> None:
    """`--inject` and JSON number the causes, whether or not they are like others."""
    path = tmp_path / "a.trace"
    other = "guest map 0x50000000 0x1000 normal-wb\nn map 0x50000000 0x1000 normal-nc\n"
    other += "guest write 0x50000000 8\nn read 0x50000000 8\n"
    path.write_text(BUILDER + OFF + stores(0, 1) + ON + reads(0, 1) + other)
    assert "\n3. stale-read: n may get old bytes at 0x50000000, 8 bytes\n" in cli("check", path).out
    causes = json.loads(cli("check", "--json", path).out)["causes"]
    assert [cause.get("like") for cause in causes] == [None, 0, None]


def test_the_page_has_the_first_open_and_the_others_folded(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    path, page = tmp_path / "a.trace", tmp_path / "page.html"
    path.write_text(BUILDER + OFF + stores(0, 1, 2) + ON + reads(0, 1, 2))
    cli("check", f"--format=html={page}", path)
    before, folded = page.read_text().split('<details class="alike">')
    said = "2 causes more like this one: stores past lines that caches have had since dom0 dc civac 0x40000000 0x1000"
    assert before.count(said) == 1
    assert folded.strip().startswith(
        f"<summary>{said} (line 3); 2 hazards in 0x40000040 to 0x40000087</summary>"
    )
    assert '<article id="cause-1-1"' in before
    for number in (2, 3):
        assert f'<article id="cause-1-{number}"' in folded
        assert f'href="#cause-1-{number}"' in folded
        assert f'href="#cause-1-{number}"' not in before


def test_only_causes_of_one_state_are_told_together(cli: Cli, tmp_path: Path) -> None:
    """A known one does not stand for a new one."""
    path, old, base = tmp_path / "a.trace", tmp_path / "old.json", tmp_path / "base.json"
    path.write_text(BUILDER + OFF + stores(0) + ON + reads(0))
    cli("check", f"--format=json={old}", path)
    assert cli("baseline", old, "-o", base).status == 0
    path.write_text(BUILDER + OFF + stores(0, 1, 2) + ON + reads(0, 1, 2))
    (error,) = (line for line in cli("check", "--format=github", path).out.splitlines() if "::error" in line)
    assert "; 2 causes more like this one" in error
    lines = cli("check", "--format=github", "--baseline", base, path).out.splitlines()
    (error,) = (line for line in lines if line.startswith("::error"))
    assert "title=stale-read (new)" in error
    assert "; 1 cause more like this one" in error
    assert any(line.startswith("::notice") and "title=stale-read (known)" in line for line in lines)
    out = cli("check", "--baseline", base, path).out
    assert out.count("what happened") == 2
    assert re.findall(r"^(\d)\. stale-read \((\w+)\)", out, re.MULTILINE) == [("1", "known"), ("2", "new")]
    assert "     3. 0x40000080: guest write in line 8, guest read in line 13; new\n" in out


def test_a_repair_of_each_is_in_its_line(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    path.write_text(BUILDER + OFF + stores(0, 1) + ON + reads(0, 1))
    out = cli("check", "--repair", path).out
    assert (
        "2. 0x40000040: guest write in line 7, guest read in line 11; repaired by guest dc civac 0x40000040 64\n"
        in out
    )
