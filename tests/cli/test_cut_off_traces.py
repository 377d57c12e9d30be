# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces that end too early: a hazard before the end counts, and without one they are inconclusive."""

import json
from pathlib import Path

import pytest

from tests.helpers.command import COHERENT, ERROR, HAZARD, INCONCLUSIVE, Cli

GOOD = "a map 0x1000 0x1000 normal-wb\na write 0x1000 8\na read 0x1000 8\na read 0x1008 8\n"
BAD = (
    "b map 0x1000 0x1000 normal-wb\nb write 0x1000 8\ng mmu off\ng read 0x1000 8\n"
    "# The end\ng read 0x1000 8\n"
)
HEADER_SIZE = 8 + 8 + 4
"""Of a binary trace: its signature, its fields and their checksum."""


def status_of(text: str) -> int:
    """The status by the rule, of a prefix of a trace."""
    whole, _, rest = text.rpartition("\n")
    lines = [line for line in f"{whole}\n".splitlines() if not line.startswith("#")]
    if text.startswith("b") and len(lines) >= 4:
        return HAZARD
    # A last line without its end is taken if it is well-formed.
    if text.startswith("b") and len(lines) == 3 and rest.startswith("g read 0x1000 "):
        return HAZARD if rest.split(" ")[3] else INCONCLUSIVE
    judged = any(" read " in line for line in lines)
    return COHERENT if judged and not rest else INCONCLUSIVE


@pytest.mark.parametrize("text", [GOOD, BAD], ids=["good", "bad"])
def test_every_prefix_of_a_text(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "cut.trace"
    for length in range(len(text) + 1):
        path.write_text(text[:length])
        found = cli("check", path)
        assert (found.status, found.err) == (status_of(text[:length]), ""), text[:length]


@pytest.mark.parametrize("text", [GOOD, BAD], ids=["good", "bad"])
def test_every_prefix_of_a_binary_trace(cli: Cli, tmp_path: Path, text: str) -> None:
    source, path = tmp_path / "whole.trace", tmp_path / "cut.bin"
    source.write_text(text)
    assert cli("convert", "--to", "binary", source, path).status == 0
    data = path.read_bytes()
    whole = cli("check", path).status
    statuses = []
    for length in range(len(data)):
        path.write_bytes(data[:length])
        found = cli("check", path)
        assert "Traceback" not in found.err
        statuses.append(found.status)
        if length:  # no bytes at all are a text without lines
            assert cli("convert", "--to", "text", path, tmp_path / "out.trace").status == ERROR
    assert whole == (HAZARD if text is BAD else COHERENT)
    # A signature up to its first line end may be a text that is cut off; the rest of the header is neither.
    assert statuses[:HEADER_SIZE] == [INCONCLUSIVE] * 5 + [ERROR] * (HEADER_SIZE - 5)
    end = [INCONCLUSIVE, HAZARD] if text is BAD else [INCONCLUSIVE]
    assert list(dict.fromkeys(statuses[HEADER_SIZE:])) == end


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", ["no read, fetch or walk was judged"]),
        ("# a remark\n", ["no read, fetch or walk was judged"]),
        (
            "a map 0x1000 0x1000 normal-wb\na write 0x1000 8\n",
            ["no read, fetch or walk was judged"],
        ),
        (GOOD.rstrip("\n"), ["the trace may be cut off: line 4 has no end"]),
        (GOOD + "a rea", ["the trace may be cut off: line 5 has no end"]),
        (
            "a map 0x1000 0x10",
            ["the trace may be cut off: line 1 has no end", "no read, fetch or walk was judged"],
        ),
    ],
)
def test_what_a_text_lacks(cli: Cli, tmp_path: Path, text: str, because: list[str]) -> None:
    path = tmp_path / "some.trace"
    path.write_text(text)
    found = cli("check", "--json", path)
    document = json.loads(found.out)
    assert (found.status, document["verdict"]) == (INCONCLUSIVE, "inconclusive")
    assert document["inconclusive_because"] == because
    said = cli("check", path)
    assert said.out.splitlines()[0] == (
        f"{path}: inconclusive: no hazard was found, but {'; '.join(because)}"
    )


def test_a_malformed_line_that_has_an_end_is_an_error(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "some.trace"
    path.write_text(GOOD + "a rea\n")
    assert cli("check", path).status == ERROR
    path.write_text(GOOD + "a rea")
    assert cli("convert", path, tmp_path / "out.bin").status == ERROR


def test_what_a_binary_trace_lacks(cli: Cli, tmp_path: Path) -> None:
    source, path = tmp_path / "whole.trace", tmp_path / "cut.bin"
    source.write_text(GOOD)
    assert cli("convert", "--to", "binary", source, path).status == 0
    path.write_bytes(path.read_bytes()[:-1])
    document = json.loads(cli("check", "--json", path).out)
    (because,) = document["inconclusive_because"]
    assert because == f"the trace is cut off after {path.stat().st_size} bytes"
    assert document["coverage"]["cacheable_reads"] == 2
