# SPDX-License-Identifier: GPL-2.0-or-later
"""Version 2 of the text form and of the binary form: what is written is read, and anything else is an error."""

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.oracles.binary_by_hand as by_hand
from coldline.errors import TraceError
from coldline.events import Event
from coldline.events.batch import Batch
from coldline.rules.profile import Profile
from coldline.trace.binary_reading import BinaryReader
from coldline.trace.text import TextReader
from coldline.trace.text_head import head_lines
from tests.fuzz import trace_seeds
from tests.helpers.command import HAZARD, Cli
from tests.helpers.effort import examples
from tests.helpers.order_traces import draw_ordered
from tests.helpers.reports import without_names
from tests.trace.test_binary import as_by_hand, read, written

ORDER = by_hand.block(b"CORE", b"option order")
CPU = by_hand.block(b"CORE", b"core cpu0 guest")
HEAD = by_hand.start(version=2) + ORDER + CPU
OF_CORES = ("core ", "option order")
RACE = """\
version 2
option order
core cpu0 guest
guest map 0x1000 0x1000 normal-wb exec
guest fetch 0x1000 4
guest write 0x1000 4
guest dc cvau 0x1000 4
guest dsb
guest ic ivau 0x1000 4
guest isb
guest fetch 0x1000 4
"""

TEXTS = st.builds(draw_ordered, st.integers(0, 1 << 40))


def parsed(text: str) -> tuple[Profile, list[tuple[int, Event]]]:
    reader = TextReader(io.StringIO(text))
    numbered = [(where, event) for where, event in reader]
    return reader.profile, numbered


def binary(text: str) -> bytes:
    profile, numbered = parsed(text)
    return written(profile, Batch.of([event for _, event in numbered], [where for where, _ in numbered]))


@settings(max_examples=examples(60), deadline=None)
@given(TEXTS)
def test_what_is_written_is_read(text: str) -> None:
    profile, numbered = parsed(text)
    assert profile.ordering is not None
    data = binary(text)
    assert read(data) == (profile, numbered)
    second = by_hand.read(data)
    assert second.events == [as_by_hand(*each) for each in numbered]
    assert sorted(second.head or []) == sorted(
        line for line in text.splitlines() if line.startswith(OF_CORES)
    )
    again = head_lines(profile) + "".join(f"{event}\n" for _, event in numbered)
    assert parsed(again)[0] == profile
    assert [event for _, event in parsed(again)[1]] == [event for _, event in numbered]


@settings(max_examples=30, deadline=None)
@given(TEXTS, st.integers(0, 1))
def test_what_another_program_writes_is_read(text: str, coding: int) -> None:
    trace = by_hand.read(binary(text))
    assert read(by_hand.write(trace, coding=coding)) == parsed(text)


MAPPINGS = """\
version 2
option order
guest map 0x1000 0x1000 normal-wb/normal-nc
guest descriptor 0x1000 0x1000 normal-nc/normal-wt exec
guest descriptor 0x1000 0x1000 device
guest descriptor 0x1000 0x1000 normal-wb exec
guest descriptor 0x1000 0x1000 invalid
guest map 0x2000 0x1000 normal-wt/normal-wb exec
guest walk 0x2000 8 normal-nc/normal-wb
guest walk 0x2000 8 pou
"""


def test_types_of_mappings_in_the_binary_form() -> None:
    profile, numbered = parsed(MAPPINGS)
    data = binary(MAPPINGS)
    assert read(data) == (profile, numbered)
    events = by_hand.read(binary(MAPPINGS.replace("guest walk 0x2000 8 pou\n", ""))).events
    assert [(event.memory_type, event.executable) for event in events] == [
        ("normal-wb/normal-nc", False),
        ("normal-nc/normal-wt", True),
        ("device", False),
        ("normal-wb", True),
        ("", False),
        ("normal-wt/normal-wb", True),
        ("normal-nc/normal-wb", False),
    ]
    assert [str(event) for _, event in numbered] == MAPPINGS.splitlines()[2:]


@pytest.mark.parametrize("bits", [0x11, 0x14, 0x24 | 0x80, 0x44, 0x54, 0x22, 0x06, 0x0D, 0x08])
def test_types_that_no_mapping_has(bits: int) -> None:
    kind = struct.pack("<QHBB", 0x1000, 0, by_hand.OPERATIONS.index("map"), bits)
    payload = struct.pack("<IIBBBBIQQ", 1, 1, 0, 0, 0, 0, 0, 0x1000, 1) + kind
    file = HEAD + by_hand.name("guest") + by_hand.block(b"EVNT", payload) + by_hand.done(1)
    with pytest.raises(TraceError, match=f"attributes {bits:#x} of 'map'"):
        read(file)


@pytest.mark.parametrize("bits", [0x24, 0x2C])
def test_version_1_has_no_two_types(bits: int) -> None:
    kind = struct.pack("<QHBB", 0x1000, 0, by_hand.OPERATIONS.index("map"), bits)
    payload = struct.pack("<IIBBBBIQQ", 1, 1, 0, 0, 0, 0, 0, 0x1000, 1) + kind
    rest = by_hand.name("guest") + by_hand.block(b"EVNT", payload) + by_hand.done(1)
    assert len(read(by_hand.start(version=2) + CPU + rest)[1]) == 1
    with pytest.raises(TraceError, match=f"attributes {bits:#x} of 'map'"):
        read(by_hand.start() + rest)


def test_convert_gives_either_form_and_either_has_the_same_report(cli: Cli, tmp_path: Path) -> None:
    text, other, back = (tmp_path / name for name in ("a.trace", "b.trace", "c.trace"))
    text.write_text(RACE)
    assert cli("convert", text, other).status == 0
    assert by_hand.read(other.read_bytes()).head == ["option order", "core cpu0 guest"]
    assert cli("convert", other, back).status == 0
    assert parsed(back.read_text()) == parsed(RACE)
    reports = [json.loads(cli("check", "--json", path).out) for path in (text, other, back)]
    reports = list(map(without_names, reports))
    assert reports[0] == reports[1] == reports[2]
    assert reports[0]["hazards_by_kind"] == {"stale-fetch": 1}


@pytest.mark.parametrize("form", ["text", "binary"])
def test_a_pipe_tells_as_much_as_a_file(tmp_path: Path, form: str) -> None:
    data = RACE.encode() if form == "text" else binary(RACE)
    path = tmp_path / "a.trace"
    path.write_bytes(data)
    command = [sys.executable, "-m", "coldline", "check", "--json"]
    piped = subprocess.run([*command, "-"], input=data, capture_output=True, check=False)
    of_file = subprocess.run([*command, str(path)], capture_output=True, check=False)
    assert (piped.returncode, piped.stderr) == (of_file.returncode, b"") == (HAZARD, b"")
    one, other = json.loads(piped.stdout), json.loads(of_file.stdout)
    assert (one.pop("file"), other.pop("file")) == ("-", str(path))
    assert without_names(one) == without_names(other)
    assert any("pending" in step for step in one["hazards"][0]["witness"])


# -- what is wrong ---------------------------------------------------------------------------------------------


def test_a_file_that_is_cut_off_anywhere() -> None:
    data = binary(RACE)
    for length in range(20, len(data)):
        with pytest.raises(TraceError):
            read(data[:length])
        reader = BinaryReader(io.BytesIO(data[:length]), partial=True)
        assert sum(map(len, reader)) in (0, 8)
        assert reader.cut_off == f"the trace is cut off after {length} bytes"


def test_a_byte_that_is_another_is_an_error() -> None:
    data = binary(RACE)
    for at in range(len(data)):
        with pytest.raises(TraceError):
            read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


NEITHER = "it is no line that the head of version 2 alone has"
WRONG = {
    "no line": (b"", NEITHER),
    "a line's end": (b"option order\n", NEITHER),
    "two lines": (b"core a b\ncore c d", NEITHER),
    "a remark": (b"core a b # c", NEITHER),
    "a switch of version 1": (b"option idc", NEITHER),
    "the size of a line": (b"line 16", NEITHER),
    "the version": (b"version 2", NEITHER),
    "an event": (b"guest dsb", NEITHER),
    "no UTF-8": (b"core a \xff", "it is not UTF-8"),
    "no agent": (b"core cpu1", "'core' takes its name and the agents that run on it"),
    "a core twice": (b"core cpu0 b", "core 'cpu0' is there already"),
    "an agent twice": (b"core cpu1 guest", "agent 'guest' is on core 'cpu0' already"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_block_of_cores_is_said(what: str) -> None:
    payload, reason = WRONG[what]
    with pytest.raises(TraceError) as error:
        read(HEAD + by_hand.block(b"CORE", payload) + by_hand.done(0))
    assert (error.value.where, error.value.reason) == (f"block 3 at byte {len(HEAD)}", reason)


def test_a_block_of_cores_in_another_place_is_unknown() -> None:
    for start, block in ((by_hand.start(), 1), (by_hand.start(version=2) + by_hand.name("a"), 2)):
        with pytest.raises(TraceError, match=f"^block {block} at byte {len(start)}: unknown block CORE$"):
            read(start + ORDER + by_hand.done(0))


def test_the_place_of_the_first_block_that_is_none_of_cores_is_said() -> None:
    with pytest.raises(TraceError, match=f"^block 3 at byte {len(HEAD)}: 'a#b' cannot be an agent's name$"):
        read(HEAD + by_hand.name("a#b") + by_hand.done(0))


def test_fuzzers_start_from_version_2_too() -> None:
    assert any(text.startswith(b"version 2\n") for text in trace_seeds.texts())
    assert sum(data[8] == 2 for data in trace_seeds.binaries()) > 5
