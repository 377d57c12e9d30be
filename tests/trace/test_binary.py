# SPDX-License-Identifier: GPL-2.0-or-later
"""The binary trace form: round trips, agreement with the second reader and writer, and errors for anything else."""

import io
import re
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from contextlib import suppress
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.oracles.binary_by_hand as by_hand
from coldline.errors import TraceError
from coldline.events import Event, Op
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules.profile import SWITCHES, Profile
from coldline.trace.binary_reading import BinaryReader
from coldline.trace.binary_writing import BinaryWriter
from coldline.trace.text import TextReader
from tests.helpers.effort import examples
from tests.helpers.peak_memory import PEAK
from tests.helpers.repository import ROOT

FORMAT = (ROOT / "docs" / "reference" / "trace-format.md").read_text()
PAGE = 4096
LIMIT = 1 << 52
MIB = 1 << 20

Numbered = tuple[int, Event]


def read(data: bytes) -> tuple[Profile, list[Numbered]]:
    """The product's reading of a file."""
    reader = BinaryReader(io.BytesIO(data))
    events = []
    for batch in reader:
        wheres = batch.rows["where"].tolist()
        events += [(where, batch.event(index)) for index, where in enumerate(wheres)]
    return reader.profile, events


def written(profile: Profile, *batches: Batch) -> bytes:
    file = io.BytesIO()
    writer = BinaryWriter(file, profile)
    for batch in batches:
        writer.write(batch)
    writer.finish()
    return file.getvalue()


def as_by_hand(where: int, event: Event) -> by_hand.Event:
    kind = "" if event.memory_type is None else event.memory_type.word
    return by_hand.Event(
        where, event.agent, event.op.words, event.address, event.size, kind, event.executable
    )


# -- round trips -----------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["dom0", "guest", "xen", "é\u2603", "x" * 300, "0x10", "mmu"])
SIZES = st.one_of(st.integers(1, 64), st.integers(1, LIMIT))


@st.composite
def ranges(draw: st.DrawFn, op: str) -> tuple[int, int]:
    unit = PAGE if op in ("map", "unmap") else 1
    size = min(draw(SIZES) * unit, LIMIT)
    near = st.integers(0x40000000 // unit, 0x40010000 // unit)
    address = draw(st.one_of(near, st.integers(0, (LIMIT - size) // unit))) * unit
    return min(address, LIMIT - size), size


@st.composite
def traces(draw: st.DrawFn) -> by_hand.Trace:
    """Draw any trace whose words and ranges are valid; its events may be impossible."""
    line, events = 0, []
    for _ in range(draw(st.integers(0, 12))):
        line += draw(st.one_of(st.just(1), st.integers(1, 1000), st.integers(1, 1 << 25)))
        agent, op = draw(NAMES), draw(st.sampled_from(by_hand.OPERATIONS[: by_hand.OPERATIONS.index("dsb")]))
        bare = op in ("ic iallu", "ic ialluis") or op.endswith((" on", " off"))
        address, size = (0, 0) if bare else draw(ranges(op))
        kind = draw(st.sampled_from(by_hand.TYPES[1:])) if op in ("map", "walk") else ""
        executable = op == "map" and draw(st.booleans())
        events.append(by_hand.Event(line, agent, op, address, size, kind, executable))
    options = draw(st.sets(st.sampled_from(by_hand.OPTIONS)))
    return by_hand.Trace(draw(st.sampled_from([16, 64, 2048])), options, events)


def batches_of(trace: by_hand.Trace, most: int) -> list[Batch]:
    parsed = list(TextReader([event.text() for event in trace.events]))
    wheres = [event.line for event in trace.events]
    return [
        Batch.of([each.event for each in parsed[at : at + most]], wheres[at : at + most])
        for at in range(0, len(parsed), most)
    ]


@given(traces(), st.integers(1, 5))
def test_what_is_written_is_read(trace: by_hand.Trace, most: int) -> None:
    data = written(Profile.with_options(trace.options, trace.line), *batches_of(trace, most))
    profile, events = read(data)
    assert (profile.line, set(profile.options)) == (trace.line, trace.options)
    assert [as_by_hand(*each) for each in events] == trace.events
    assert by_hand.read(data) == trace


@given(traces(), st.integers(0, 1), st.integers(1, 5))
def test_what_another_program_writes_is_read(trace: by_hand.Trace, coding: int, most: int) -> None:
    profile, events = read(by_hand.write(trace, coding=coding, most=most))
    assert (profile.line, set(profile.options)) == (trace.line, trace.options)
    assert [as_by_hand(*each) for each in events] == trace.events


def rows_of(count: int, seed: int = 1, kinds: int = 5) -> "np.ndarray":
    generator = np.random.default_rng(seed)
    rows = np.zeros(count, EVENT_DTYPE)
    rows["address"] = generator.integers(0, 1 << 40, count)
    rows["size"] = generator.integers(1, kinds + 1, count)
    rows["agent"] = generator.integers(0, 2, count)
    rows["op"] = generator.integers(0, 3, count)
    return rows


@pytest.mark.parametrize(
    "kinds", [1, 200, *(pytest.param(each, marks=pytest.mark.long) for each in (5000, 1 << 30))]
)
def test_long_traces_of_few_kinds_and_of_many(kinds: int) -> None:
    """More events than a block has, in batches that end anywhere, with enough kinds for collisions of any hash."""
    rows = rows_of(150_000, kinds=kinds)
    cuts = [0, 0, 1, 20_000, 65_536, 65_537, 149_999, 150_000]
    parts = [Batch(("a", "b"), rows[start:end]) for start, end in pairwise(cuts)]
    data = written(Profile(), *parts)
    found = list(BinaryReader(io.BytesIO(data)))
    again = np.concatenate([batch.rows for batch in found])
    assert [len(batch) for batch in found] == [65_536, 65_536, 150_000 - 131_072]
    names = np.array(found[-1].agents)
    assert (names[again["agent"]] == np.array(["a", "b"])[rows["agent"]]).all()
    assert all((again[name] == rows[name]).all() for name in ("address", "size", "op", "attributes"))
    # What has no line is on lines of its own, one after another.
    assert (again["where"] == np.arange(1, 150_001)).all()
    by_the_page = by_hand.read(data).events
    assert [event.address for event in by_the_page] == rows["address"].tolist()
    assert [event.size for event in by_the_page] == rows["size"].tolist()


def test_each_batch_has_agents_of_its_own() -> None:
    first = Batch(("x", "y", "unused"), rows_of(4, 1))
    second = Batch(("y", "unheard", "z"), rows_of(4, 2))
    second.rows["agent"] = [2, 0, 0, 2]
    _, events = read(written(Profile(), first, second))
    assert [event.agent for _, event in events[4:]] == ["z", "y", "y", "z"]
    assert [event.agent for _, event in events[:4]] == [first.event(n).agent for n in range(4)]


def test_a_line_past_what_memory_can_say_is_line_0() -> None:
    events = [by_hand.Event(line, "a", "mmu on") for line in ((1 << 32) - 2, (1 << 32) - 1, 1 << 32)]
    assert [where for where, _ in read(by_hand.write(by_hand.Trace(64, set(), events)))[1]] == [
        (1 << 32) - 2,
        (1 << 32) - 1,
        0,
    ]


# -- the page --------------------------------------------------------------------------------------------------


def test_the_example_of_the_page_is_what_it_says() -> None:
    section = FORMAT.split("### An example\n")[1].split("###")[0]
    (text,) = re.findall(r"^```trace\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(r"^```hex\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    data = bytes.fromhex(shown)
    reader = TextReader(text.splitlines())
    assert [(where, event) for where, event in reader] == read(data)[1]
    profile = read(data)[0]
    assert (
        (profile.line, set(profile.options))
        == (reader.profile.line, set(reader.profile.options))
        == (32, {"idc"})
    )
    assert [event.line for event in by_hand.read(data).events] == [3, 4, 6]


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    (table,) = re.findall(r"<!-- generated: operation-numbers -->\n(.*?)<!-- end -->", FORMAT, re.DOTALL)
    said = {}
    for words, first, last in re.findall(r"^\| (`.*`) \| (\d+) to (\d+) \|$", table, re.MULTILINE):
        names = re.findall(r"`([a-z0-9 -]+)`", words)
        assert len(names) == int(last) - int(first) + 1
        said.update({name: int(first) + at for at, name in enumerate(names)})
    assert said == {op.words: int(op) for op in Op} == {word: n for n, word in enumerate(by_hand.OPERATIONS)}
    assert re.findall(r"bit \d `([a-z-]+)`", FORMAT)[:4] == list(SWITCHES)


# -- what is wrong ---------------------------------------------------------------------------------------------

SMALL = by_hand.Trace(
    32,
    {"idc"},
    [
        by_hand.Event(1, "dom0", "map", 0x40000000, 0x1000, "normal-wb", executable=True),
        by_hand.Event(2, "dom0", "write", 0x40000040, 64),
        by_hand.Event(4, "guest", "mmu off"),
        by_hand.Event(5, "guest", "read", 0x40000040, 8),
    ],
)
HEAD = dict(zip(("n", "k", "a", "b", "c", "coding", "zero", "base", "line"), range(9), strict=True))


def small(coding: int) -> bytes:
    return by_hand.write(SMALL, coding=coding)


def product() -> bytes:
    return written(Profile.with_options(SMALL.options, SMALL.line), *batches_of(SMALL, 3))


FILES = {"plain": small(0), "deflated": small(1), "coldline": product()}


def same_or_error(data: bytes) -> bool:
    """Whether a file still reads as the small trace; otherwise it must be a `TraceError`."""
    try:
        profile, events = read(data)
    except TraceError as error:
        return not re.fullmatch(r"(block \d+ at byte \d+(, event \d+)?: )?[^:].+", str(error))
    assert (profile.line, set(profile.options)) == (SMALL.line, SMALL.options)
    assert [as_by_hand(*each) for each in events] == SMALL.events
    return True


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_is_an_error(name: str) -> None:
    data = FILES[name]
    assert same_or_error(data)
    assert not any(same_or_error(data[:length]) for length in range(len(data)))


@pytest.mark.parametrize("name", FILES)
def test_a_byte_that_is_another_is_an_error(name: str) -> None:
    data = FILES[name]
    for at in range(len(data)):
        for change in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            assert not same_or_error(data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]), (at, change)


@pytest.mark.parametrize("name", FILES)
def test_a_byte_too_many_or_too_few_is_an_error(name: str) -> None:
    data = FILES[name]
    for at in range(len(data)):
        assert not same_or_error(data[:at] + data[at + 1 :])
        assert not same_or_error(data[:at] + b"\0" + data[at:])
    assert not same_or_error(data + b"\0")
    assert not same_or_error(data + data)


def one_block(payload: bytes) -> bytes:
    return by_hand.start() + by_hand.name("a") + by_hand.block(b"EVNT", payload) + by_hand.done(1)


def plain(body: bytes | None = None, **fields: int) -> bytes:
    """A payload for one read of 8 bytes at 0x1000, except for the given fields."""
    head = {
        "n": 1,
        "k": 1,
        "a": 0,
        "b": 0,
        "c": 0,
        "coding": 0,
        "zero": 0,
        "base": 0x1000,
        "line": 1,
        **fields,
    }
    if body is None:
        body = struct.pack("<QHBB", 8, 0, Op.READ, 0)
    return struct.pack("<IIBBBBIQQ", *head.values()) + body


def kind(size: int = 8, agent: int = 0, op: int = Op.READ, attributes: int = 0) -> bytes:
    return struct.pack("<QHBB", size, agent, op, attributes)


READ = kind()
WRONG = {
    "no events": (plain(n=0), "its number of events is 0; it must be from 1 to 65536"),
    "too many events": (plain(n=65537), "its number of events is 65537; it must be from 1 to 65536"),
    "no kinds": (plain(k=0), "its number of kinds is 0, of 1 events"),
    "too many kinds": (plain(k=2), "its number of kinds is 2, of 1 events"),
    "too many bytes of a kind": (plain(a=3), "3 bytes for the kind of an event; the most is 2"),
    "too many bytes of an offset": (plain(b=8), "8 bytes for the address of an event; the most is 7"),
    "too many bytes of a gap": (plain(c=5), "5 bytes for the line of an event; the most is 4"),
    "an unknown coding": (plain(coding=2), "unknown coding 2"),
    "an unused field": (plain(zero=16), "0x10 in a field that is not used"),
    "no line": (plain(line=0), "its first line is 0, after line 0"),
    "a line too far": (plain(line=(1 << 62) + 1), "its first line is 4611686018427387905, after line 0"),
    "a body too short": (plain(READ[:-1]), "its body does not have the 12 bytes that its head says"),
    "a body too long": (plain(READ + b"\0"), "its body does not have the 12 bytes that its head says"),
    "no body": (plain()[:31], "it is too short for events"),
    "no zlib": (plain(coding=1), "it cannot be unpacked: "),
    "zlib cut": (
        plain(zlib.compress(READ)[:-1], coding=1),
        "its body does not have the 12 bytes that its head says",
    ),
    "zlib and more": (
        plain(zlib.compress(READ) + b"\0", coding=1),
        "its body does not have the 12 bytes that its head says",
    ),
    "zlib of more": (
        plain(zlib.compress(READ * 2), coding=1),
        "its body does not have the 12 bytes that its head says",
    ),
    "zlib of less": (
        plain(zlib.compress(READ[1:]), coding=1),
        "its body does not have the 12 bytes that its head says",
    ),
    "a kind that is not there": (plain(READ + b"\1", a=1), "event 0: its kind is 1 of 1"),
    "a nameless agent": (plain(kind(agent=1)), "event 0: agent 1 of 'read' has no name"),
    "an operation": (plain(kind(op=99)), "event 0: there is no operation 99"),
    "a barrier": (
        plain(kind(op=23)),
        "event 0: operation 23, 'dsb', is not an event: it is one only in a trace with 'version 2' and "
        "'option order'",
    ),
    "a type of a read": (plain(kind(attributes=1)), "event 0: attributes 0x1 of 'read'"),
    "exec of a walk": (plain(kind(op=Op.WALK, attributes=9)), "event 0: attributes 0x9 of 'walk'"),
    "no type of a walk": (plain(kind(op=Op.WALK)), "event 0: attributes 0x0 of 'walk'"),
    "a type 5": (plain(kind(4096, op=Op.MAP, attributes=5)), "event 0: attributes 0x5 of 'map'"),
    "an unused bit": (plain(kind(4096, op=Op.MAP, attributes=17)), "event 0: attributes 0x11 of 'map'"),
    "a size of 0": (plain(kind(0), base=0), "event 0: the size of 'read' is 0"),
    "too far": (plain(base=LIMIT - 7), f"event 0: {LIMIT - 7:#x} + 0x8 reaches past 2^52"),
    "much too far": (
        plain(base=(1 << 64) - 8),
        "its addresses count from 0xfffffffffffffff8, past 2^52",
    ),
    "too large": (plain(kind((1 << 64) - 1)), "event 0: 0x1000 + 0xffffffffffffffff reaches past 2^52"),
    "around the end": (
        plain(READ + b"\0" * 6 + b"\xff", b=7, base=(1 << 64) - 1),
        "its addresses count from 0xffffffffffffffff, past 2^52",
    ),
    "half a page": (
        plain(kind(2048, op=Op.UNMAP)),
        "event 0: 'unmap' of a partial page: 0x1000 + 0x800",
    ),
    "between pages": (
        plain(kind(4096, op=Op.MAP, attributes=1), base=0x1800),
        "event 0: 'map' of a partial page: 0x1800 + 0x1000",
    ),
    "a switch with a size": (plain(kind(8, op=Op.MMU_ON)), "event 0: 'mmu on' with an address or a size"),
    "a switch with an address": (
        plain(kind(0, op=Op.MMU_ON) + b"\1", b=1),
        "event 0: 'mmu on' with an address or a size",
    ),
    "a gap of the first": (plain(READ + b"\1", c=1), "the gap before its first event is not 0"),
    "a kind that nobody needs": (
        plain(READ + kind(op=99) + b"\0\0", n=2, k=2, a=1),
        "kind 1: there is no operation 99",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_events_is_said(what: str) -> None:
    payload, reason = WRONG[what]
    with pytest.raises(TraceError) as caught:
        read(one_block(payload))
    event, _, rest = reason.rpartition(": ") if reason.startswith("event ") else ("", "", reason)
    if reason.startswith("event "):
        event, rest = reason.split(": ", 1)
    assert caught.value.where == "block 2 at byte 35" + (f", {event}" if event else "")
    assert caught.value.reason.startswith(rest)


def test_the_event_that_is_wrong_is_counted_in_the_trace() -> None:
    first = by_hand.events_block([by_hand.Event(n + 1, "a", "read", 64 * n, 8) for n in range(5)], ["a"])
    rest = plain(READ + kind(0) + b"\0\0\1", n=3, k=2, a=1, line=6)
    with pytest.raises(TraceError, match="the size of 'read' is 0") as caught:
        read(by_hand.start() + by_hand.name("a") + first + by_hand.block(b"EVNT", rest))
    assert caught.value.where.endswith(", event 7")


STRUCTURE = {
    "another version": (
        by_hand.start(version=3),
        "version 3 of the binary form; versions up to 2 can be read",
    ),
    "a line size": (by_hand.start(line=48), "line size 48 is not a power of two from 16 to 2048"),
    "an unknown switch": (by_hand.start(options=16), "unknown switches 0x10"),
    "no end": (by_hand.start(), "the trace ends here without its last block: some of it is missing"),
    "an unknown block": (by_hand.start() + by_hand.block(b"Note", b""), "unknown block Note"),
    "no letters": (by_hand.start() + by_hand.block(b"\0\0\0\0", b""), "not a block"),
    "a block too long": (
        by_hand.start() + b"note" + struct.pack("<II", (1 << 21) + 1, 0),
        "its length is 2097153 bytes; the most is 2097152",
    ),
    "other events": (
        by_hand.start() + by_hand.done(1 << 60),
        f"the trace has 0 events, and {1 << 60} were written",
    ),
    "an end of another size": (
        by_hand.start() + by_hand.block(b"DONE", b"\0" * 7),
        "the last block has the wrong length",
    ),
    "a name without its length": (
        by_hand.start() + by_hand.block(b"NAME", b"a"),
        "its length does not match the name's",
    ),
    "a name of another length": (
        by_hand.start() + by_hand.block(b"NAME", b"\3\0ab"),
        "its length does not match the name's",
    ),
    "a name twice": (by_hand.start() + by_hand.name("a") * 2, "'a' has been named before"),
    "a name of no letters": (
        by_hand.start() + by_hand.block(b"NAME", b"\1\0\xff"),
        "an agent's name is not UTF-8",
    ),
    **{
        f"the name {word!r}": (by_hand.start() + by_hand.name(word), "cannot be an agent's name")
        for word in ("", " ", "a b", "a\n", "#", "a#b", "line", "option", "\u2003x", "x" * 4097)
    },
    "an agent too many": (
        by_hand.start() + b"".join(by_hand.name(f"cpu{n}") for n in range(257)),
        "'cpu256' is one agent more than the 256",
    ),
}


@pytest.mark.parametrize("what", STRUCTURE)
def test_what_is_wrong_with_a_file_is_said(what: str) -> None:
    data, reason = STRUCTURE[what]
    with pytest.raises(TraceError, match=re.escape(reason)):
        read(data)


def test_a_line_that_comes_before_the_last_block_is_none() -> None:
    blocks = [by_hand.events_block([by_hand.Event(line, "a", "mmu on")], ["a"]) for line in (7, 7)]
    with pytest.raises(TraceError, match="its first line is 7, after line 7"):
        read(by_hand.start() + by_hand.name("a") + b"".join(blocks) + by_hand.done(2))


@settings(max_examples=examples(300))
@given(st.data())
def test_a_payload_of_a_stranger_is_a_trace_or_an_error(data: st.DataObject) -> None:
    """Bytes are changed and the checksum is right: events that are read must be as valid as those of a text."""
    payload = bytearray(by_hand.events_block(SMALL.events, ["dom0", "guest"], coding=0)[12:])
    for _ in range(data.draw(st.integers(1, 6))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    payload = payload[: data.draw(st.sampled_from([len(payload)] * 9 + list(range(len(payload)))))]
    file = (
        by_hand.start()
        + by_hand.name("dom0")
        + by_hand.name("guest")
        + by_hand.block(b"EVNT", bytes(payload))
    )
    try:
        _, events = read(file + by_hand.done(4))
    except TraceError:
        return
    for _, event in events:
        assert (event.size > 0) == event.op.has_range
        assert event.address + event.size <= LIMIT
        assert event.op not in (Op.MAP, Op.UNMAP) or (event.address | event.size) % PAGE == 0
        assert (event.memory_type is not None) == event.op.has_type
        assert not event.executable or event.op is Op.MAP
        assert next(iter(TextReader([str(event)]))).event == event


@given(st.binary(max_size=200))
def test_any_bytes_behind_a_header_are_an_error(data: bytes) -> None:
    with pytest.raises(TraceError):
        read(by_hand.start() + data)


HOSTILE = {
    "2^60 events": by_hand.start() + by_hand.done(1 << 60),
    "4 G events in a block": one_block(plain(n=(1 << 32) - 1, k=(1 << 32) - 1)),
    "a full block of nothing": one_block(plain(n=65536, k=65536, a=2, b=7, c=4)),
    "a full block that is bare": one_block(plain(n=65536, k=1)),
    "a block of 4 GiB": by_hand.start() + b"EVNT" + struct.pack("<II", (1 << 32) - 1, 0),
    "a bomb": one_block(
        plain(zlib.compress(bytes(1 << 28), 9)[: (1 << 21) - 32], n=65536, k=1, b=1, coding=1)
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_file_says_of_itself_costs_nothing(what: str) -> None:
    data = HOSTILE[what]
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with suppress(TraceError):
            for batch in BinaryReader(io.BytesIO(data)):
                assert len(batch) == 65_536
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * MIB
    assert time.perf_counter() - started < 2


# -- a writer's own errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("size", 0, "the size of 'read' is 0"),
        ("size", 1 << 53, "0x0 + 0x20000000000000 reaches past 2^52"),
        ("op", 99, "there is no operation 99"),
        ("op", Op.MAP, "attributes 0x0 of 'map'"),
        ("attributes", 8, "attributes 0x8 of 'read'"),
    ],
)
@pytest.mark.parametrize("line", [0, 12])
def test_what_cannot_be_read_is_not_written(column: str, value: int, reason: str, line: int) -> None:
    rows = np.zeros(3, EVENT_DTYPE)
    rows["size"] = 8
    rows["where"] = [line - 1, line, line + 1] if line else 0
    rows[column][1] = value
    writer = BinaryWriter(io.BytesIO(), Profile())
    writer.write(Batch(("a",), rows))
    with pytest.raises(TraceError) as caught:
        writer.finish()
    assert (caught.value.where, caught.value.reason) == ("12" if line else "event 1", reason)


def test_the_first_event_that_cannot_be_is_told_of() -> None:
    """The first wrong event is reported, whatever is wrong with it and with later ones."""
    wrong = {
        "the size of 'read' is 0": (0x1000, 0, Op.READ),
        f"{LIMIT:#x} + 0x8 reaches past 2^52": (LIMIT, 8, Op.READ),
        f"0x0 + {1 << 63:#x} reaches past 2^52": (0, 1 << 63, Op.READ),
        "'unmap' of a partial page: 0x1040 + 0x1000": (0x1040, 0x1000, Op.UNMAP),
        "'mmu on' with an address or a size": (0x40, 0, Op.MMU_ON),
    }
    for reasons in permutations(wrong):
        rows = np.zeros(1 + len(wrong), EVENT_DTYPE)
        rows["size"][0] = 8
        for at, reason in enumerate(reasons, 1):
            rows["address"][at], rows["size"][at], rows["op"][at] = wrong[reason]
        writer = BinaryWriter(io.BytesIO(), Profile())
        writer.write(Batch(("a",), rows))
        with pytest.raises(TraceError) as caught:
            writer.finish()
        assert (caught.value.where, caught.value.reason) == ("event 1", reasons[0])


@pytest.mark.parametrize("name", ["", "a b", "line", "a#"])
def test_an_agent_that_no_text_could_name_is_not_written(name: str) -> None:
    with pytest.raises(TraceError, match="cannot be an agent's name"):
        written(Profile(), Batch((name, name), rows_of(1)))


# -- as a stream -----------------------------------------------------------------------------------------------

GENERATOR = """
import sys, numpy as np
from coldline.trace.binary_writing import BinaryWriter
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules.profile import Profile
rows = np.zeros(1 << 16, EVENT_DTYPE)
rows["address"] = np.arange(1 << 16) * 8 % (1 << 20) + (1 << 30)
rows["size"] = 8
writer = BinaryWriter(sys.stdout.buffer, Profile())
for _ in range(int(sys.argv[1]) >> 16):
    writer.write(Batch(("guest",), rows))
writer.finish()
"""
COUNTER = (
    PEAK
    + """
import sys
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
before, events = peak(), 0
def sink(batch):
    global events
    events += len(batch)
with TraceFile("-") as trace, Spool(trace) as spool:
    source = spool if sys.argv[1] == "twice" else trace
    for _ in range(2 if sys.argv[1] == "twice" else 1):
        source.run(sink)
print(events, peak() - before >> 10)
"""
)


@pytest.mark.parametrize("times", ["once", pytest.param("twice", marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_trace(times: str) -> None:
    """Thirty million events would be 720 MB in memory; they come through a pipe, and are read again from a copy."""
    events = 30_000_000 >> 16 << 16
    generate = [sys.executable, "-c", GENERATOR, str(events)]
    with subprocess.Popen(generate, stdout=subprocess.PIPE, cwd=ROOT) as generator:
        count = [sys.executable, "-c", COUNTER, times]
        found = subprocess.run(count, stdin=generator.stdout, capture_output=True, text=True, cwd=ROOT)
    assert generator.returncode == 0
    assert found.stderr == ""
    read_events, grown = map(int, found.stdout.split())
    assert read_events == events * (2 if times == "twice" else 1)
    assert grown < 64


@pytest.mark.parametrize(("spread", "coding"), [(False, 1), (True, 0)], ids=["a sweep", "at random"])
def test_addresses_at_random_are_stored_as_they_are(spread: bool, coding: int) -> None:
    """Packing them takes longer than all the rest, and leaves most of their bytes."""
    rows = np.zeros(1 << 16, EVENT_DTYPE)
    rows["size"] = 8
    rows["address"] = 8 * (
        np.random.default_rng(1).integers(0, 1 << 27, len(rows)) if spread else np.arange(len(rows))
    )
    file = io.BytesIO()
    writer = BinaryWriter(file, Profile())
    writer.write(Batch(("a",), rows))
    writer.finish()
    at = file.getvalue().index(b"EVNT") + 12
    assert file.getvalue()[at + HEAD["coding"] + 6] == coding
    file.seek(0)
    (batch,) = BinaryReader(file)
    assert (batch.rows["address"] == rows["address"]).all()
