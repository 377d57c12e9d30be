# SPDX-License-Identifier: GPL-2.0-or-later
"""A story's table: events as the trace has them, and accesses to the bad byte's neighbours in one row."""

import re
from pathlib import Path

import pytest

from tests.helpers.command import HAZARD, MIDWAY, Cli

TRACE = """\
dom0  map      0x40000000 4096 normal-wb
dom0  write    1073741824 0x40
dom0  dc civac 0x40000000 64       # the size is decimal
dom0  unmap    0x40000000 0x1000
guest mmu      off
guest write    0x40000000 8
guest map      0x40000000 0x1000 normal-wb
guest mmu      on
{neighbours}guest read     0x40000000 8
"""


def rows(cli: Cli, path: Path, text: str) -> list[str]:
    path.write_text(text)
    found = cli("check", path)
    assert found.status == HAZARD
    return [" ".join(re.split(r"  +", line.strip())) for line in found.out.splitlines()]


def test_events_are_as_they_were_written(cli: Cli, tmp_path: Path) -> None:
    out = rows(cli, tmp_path / "a.trace", TRACE.format(neighbours=""))
    for line in TRACE.format(neighbours="").splitlines():
        words = " ".join(line.split("#")[0].split())
        assert any(words in row for row in out), words


def test_a_binary_trace_has_the_form_of_events(cli: Cli, tmp_path: Path) -> None:
    text, binary = tmp_path / "a.trace", tmp_path / "a.bin"
    text.write_text(TRACE.format(neighbours=""))
    cli("convert", text, binary)
    assert "dom0 write 0x40000000 64" in cli("check", binary).out


@pytest.mark.parametrize("count", [1, 2, 15])
def test_reads_of_neighbours_are_one_row(cli: Cli, tmp_path: Path, count: int) -> None:
    reads = [f"guest read 0x40000008 {size}\n" for size in range(1, count + 1)]
    out = rows(cli, tmp_path / "a.trace", TRACE.format(neighbours="".join(reads)))
    told = [row for row in out if "guest read 0x40000008" in row]
    assert len(told) == 1
    more = {1: "", 2: ", and 1 more read of the same line", 15: ", and 14 more reads of the same line"}[count]
    assert f"guest read 0x40000008 1{more} -" in told[0] or f"guest read 0x40000008 1{more} OLD" in told[0]
    assert told[0].startswith(f"10-{9 + count} line 9" if count > 1 else "10 line 9")
    assert any(row.startswith(f"{10 + count} line {9 + count} guest read 0x40000000 8") for row in out)


def test_reads_and_writes_of_neighbours_are_one_row(cli: Cli, tmp_path: Path) -> None:
    """As of a stack: what is pushed and popped beside the bad byte leaves it as it is."""
    accesses = "guest read 0x40000008 8\nguest write 0x40000010 8\nguest read 0x40000010 8\nguest read 0x40000018 8\n"
    out = rows(cli, tmp_path / "a.trace", TRACE.format(neighbours=accesses + accesses.replace(" 8", " 4")))
    # The first write makes level 1 dirty, which is a change, and so a row of its own.
    assert any(
        "guest write 0x40000010 8 new*" in row or "guest write 0x40000010 8 OLD*" in row for row in out
    )
    told = [row for row in out if "more" in row]
    assert told
    assert all("guest read 0x40000010 8, and 4 more reads and 1 write of the same" in row for row in told), (
        told
    )


def test_a_read_of_the_byte_itself_is_told(cli: Cli, tmp_path: Path) -> None:
    """Its first read decides nothing either, but is about the byte."""
    reads = "guest read 0x40000008 8\nguest read 0x40000000 16\nguest read 0x40000008 8\n"
    out = rows(cli, tmp_path / "a.trace", TRACE.format(neighbours=reads))
    assert sum("guest read 0x40000000 16" in row for row in out) >= 1
    assert not any("more read" in row for row in out)


def test_the_switches_that_a_guest_starts_with_are_one_row(cli: Cli) -> None:
    """Its builder sets all three off; what its own code sets is told with its instruction, and so by itself."""
    out = cli(*MIDWAY, "--strategy", "flush", "--no-order").out
    assert re.search(r"guest mmu off, (isb, )?dcache off, icache off  ", out)
    for each in ("dcache", "icache", "mmu"):
        assert re.search(rf"#\d+ +guest {each} on  ", out)
    assert re.search(r"#\d+ +dom0 unmap 0x40000000 0x2000  ", out)


def test_events_of_a_trace_have_their_lines(cli: Cli, tmp_path: Path) -> None:
    text = TRACE.format(neighbours="")
    for switch in ("mmu      off\n", "mmu      on\n"):
        every = "".join(f"guest {each} {switch.split()[1]}\n" for each in ("dcache", "icache", "mmu"))
        text = text.replace(f"guest {switch}", every)
    out = rows(cli, tmp_path / "a.trace", text)
    assert sum("off" in row for row in out) >= 2
    assert not any("off, " in row for row in out)
