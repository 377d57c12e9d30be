# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading text in batches, by the compiled loop or not, gives what reading it line by line gives: the same events,
errors and line numbers.
"""

import io
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.errors import TraceError
from coldline.events import Event
from coldline.events.batch import Batch
from coldline.jit import code_cache, programs
from coldline.rules.profile import Profile
from coldline.trace import compiled_lines, exact_lines, line_blocks, text_batches
from coldline.trace.compiled import frame
from coldline.trace.exact_lines import ExactLines
from coldline.trace.text import TextReader
from coldline.trace.text_batches import TextBatches
from coldline.trace.text_writing import TextWriter
from tests.helpers.effort import examples
from tests.helpers.peak_memory import PEAK
from tests.helpers.repository import ROOT
from tests.helpers.trace_strategies import broken_traces, traces

Told = tuple[Profile | None, list[tuple[int, Event]], tuple[str, str] | None]


def one_by_one(data: bytes) -> Told:
    """The line-by-line reader's result for a file: its profile, its events, the error at its end."""
    reader = TextReader(io.TextIOWrapper(io.BytesIO(data), "utf-8", "replace"))
    events: list[tuple[int, Event]] = []
    try:
        events += reader
    except TraceError as error:
        return reader.profile, events, (error.where, error.reason)
    return reader.profile, events, None


def in_batches(data: bytes) -> Told:
    """The batch reader's result. An error may come before the earlier events of its batch."""
    events: list[tuple[int, Event]] = []
    profile = None
    try:
        reader = TextBatches(io.BytesIO(data))
        profile = reader.profile
        for batch in reader:
            lines = batch.rows["where"].tolist()
            events += [(line, batch.event(index)) for index, line in enumerate(lines)]
    except TraceError as error:
        return profile, events, (error.where, error.reason)
    return profile, events, None


def agree(data: bytes) -> None:
    profile, events, error = one_by_one(data)
    other_header, other_events, other_error = in_batches(data)
    assert other_error == error
    assert other_events == events[: len(other_events)]
    if error is None:
        assert other_events == events
        assert other_header == profile


WHOLE = (line_blocks.FIRST_BLOCK, line_blocks.LATER_BLOCK)


@pytest.fixture(params=[(1, 1), (7, 7), (64, 64), (16, line_blocks.LATER_BLOCK), WHOLE], ids=str)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a text that comes in pieces that end anywhere. All but the first one are for the compiled loop."""
    code_cache.load_code(programs.TEXT)
    first, most = request.param
    monkeypatch.setattr(line_blocks, "FIRST_BLOCK", first)
    monkeypatch.setattr(line_blocks, "LATER_BLOCK", most)


def test_any_trace(chunk: None) -> None:
    @settings(max_examples=examples(60), deadline=None)
    @given(traces())
    def check(text: str) -> None:
        agree(text.encode())
        assert in_batches(text.encode())[2] is None

    check()


def test_any_trace_with_an_error(chunk: None) -> None:
    @settings(max_examples=examples(60), deadline=None)
    @given(broken_traces())
    def check(broken: tuple[str, int]) -> None:
        agree(broken[0].encode())

    check()


WORDS = (
    *(
        "a",
        "guest",
        "line",
        "option",
        "read",
        "write",
        "walk",
        "dc",
        "ic",
        "civac",
        "iallu",
        "map",
        "mmu",
        "on",
    ),
    *(
        "0x1000",
        "0X1000",
        "0x",
        "0x1_0",
        "0x+1",
        "0x-1",
        "0x 1",
        "0x\u0661",
        "0x0x10",
        "64",
        "0x40",
        "4k",
        "idc",
    ),
    *(
        "0xFFFFffffFFFFffff",
        "0x10000000000000000",
        "0x0000000000000000001000",
        "0",
        "normal-wb",
        "exec",
        "#",
        "# 0x8 8",
    ),
)
SPACES = (" ", " ", " ", " ", " ", " ", "  ", "\t", "\0", "\u00a0", "\u2003", "\x1c", "\x0b", "", " #")
ENDS = ("\n", "\n", "\n", "\r\n", "\r", "\n\n", "\x85", "\u2028", "\n\r")


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Draw lines that are nearly valid: the format's words in any order, and many lines twice."""
    known = [
        "a map 0x1000 0x1000 normal-wb",
        "a read 0x1000 8",
        "a read 0x1008 8",
        "a mmu on",
        "b dc civac 0x0 64",
        "guest read 0x1000 0x40 # remark",
        "# 0x1000 8",
        "",
    ]
    lines = []
    for _ in range(draw(st.integers(0, 10))):
        line = draw(st.sampled_from(known))
        if draw(st.booleans()):
            words = line.split(" ")
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS))
            line = "".join(word + draw(st.sampled_from(SPACES)) for word in words)
            known.append(line)
        lines.append(line + draw(st.sampled_from(ENDS)))
    return "".join(lines).encode()


def test_any_text(chunk: None) -> None:
    @settings(max_examples=examples(240), deadline=None)
    @given(texts())
    def check(data: bytes) -> None:
        agree(data)

    check()


def test_any_bytes(chunk: None) -> None:
    @settings(max_examples=examples(100), deadline=None)
    @given(st.binary(max_size=60), texts(), st.integers(0, 200))
    def check(some: bytes, data: bytes, at: int) -> None:
        agree(data[:at] + some + data[at:])

    check()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n\n",
        b"# nothing",
        b"line 16",
        b"line 16\r\n\r\noption idc\r\noption idc\n# \r\na mmu on",
        b"a mmu on\nline 16\n",
        b"a mmu on\n" * 5 + b"option idc\n" + b"a frob\n",
        b"x" * 4096 + b" mmu on\n",
        b"a mmu on\n" * 3 + b"a read 0x1000 8" + b" " * 30 + b"\n" + b"a read 0x1000 8" + b" " * 50 + b"\n",
        b"a read 0x1000 8\n" * 3
        + b"a read 0x1000 8#"
        + b"x" * 4081
        + b"\na read 0x1000 8#"
        + b"x" * 4080
        + b"\n",
        b"a read 0x1000 8\n" * 3
        + b"a read 0x1000 8 # a\rb mmu on\ra mmu off # \r\n\r\n\r\ra read 0x1000 8\r",
        b"a read 0x1 8\n" * 3 + b"a read 0x 8\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1 \n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1 0x\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1 8_0\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1 8 \x00\n",
        b"a read 0x1 8\n" * 3 + b"a\x00 read 0x1 8\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1 8x\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1g 8\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1\xff 8\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1 12345678\na read 0x2 123456789\na read 0x3 0x123456789abcdef\n",
        b"a read 0x1 8\n" * 3 + b"a read 0xfffffffffffff 8\na read 0xFfffAb0123456789 18446744073709551615\n",
        b"a read 0x1 8\n" * 3 + b"a read 0x1 18446744073709551616\n",
        b"a read 0x1 8\n" * 3 + b"option idc\n",
        b"version 2\na read 0x1 8\n" + b"give 0x1000 0x1000 a b\npower-off 0x0 64\na poll 0x1000 8\n" * 3,
        b"version 2\noption order\na isb\n" + b"a isb\nb dsb nsh\na tlbi all\na tlbi 0x1000 0x1000\n" * 3,
        b"version 2\na read 0x1 8\n" + b"a map 0x1000 0x1000 normal-wb/normal-nc exec\n" * 3 + b"a isb\n",
        b"a mmu on #" + b"x" * 4086,
        b"a mmu on #" + b"x" * 4086 + b"\n",
        b"a mmu on #" + b"x" * 4086 + b"\r\n",
        b"a mmu on #" + b"x" * 4087 + b"\n",
        b"a mmu on #" + "\u2603".encode() * 4086 + b"\n",
        b"a mmu on #" + "\u2603".encode() * 4087 + b"\n",
        b"a mmu on\n" + b"x" * 9000,
        b"a mmu on\n" + b" " * 9000 + b"\na frob",
        b"a read 0x1000 8 \na read 0x2000 8 \na read  0x3000 8\na read 0x4000  8\na read 0x5000 8 # 0x6 8\n",
        b"a read 16 0x8\na read 17 0x9\na read 0x1 0x8\na read 0x2 0x8 0x8\n",
        b"a walk 0x1000 8 normal-wb\nb walk 0x1000 8 normal-nc\na walk 0x2000 8 normal-wb exec\n",
        b"a dc zva 0x1000 99999999999999999999999999\n",
        b"a dc zva 0xfffffffffffffffffffff 8\n",
        b"".join(b"cpu%d mmu on\n" % n for n in range(256)),
        b"".join(b"cpu%d mmu on\n" % n for n in range(257)) + b"a frob\n",
        b"\xff mmu on\n\xe2\x98 mmu on\n\xe2\x98\x83 mmu on\n\xff\xfe mmu on\n",
        b"\x89CLT\r\n",
    ],
)
def test_what_is_at_the_edges(data: bytes, chunk: None) -> None:
    agree(data)


@pytest.mark.parametrize(("room", "shapes"), [(1, 1), (2, 3)])
def test_what_is_kept_of_lines_may_be_little(
    room: int, shapes: int, chunk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_lines, "_MOST_KNOWN", room)
    monkeypatch.setattr(exact_lines, "_MOST_SHAPES", shapes)
    monkeypatch.setattr(frame, "MOST_SHAPES", shapes)
    lines = [
        f"{agent} {op} {4096 * n:#x} 8"
        for agent in "ab"
        for op in ("read", "write", "fetch")
        for n in (1, 2, 1)
    ]
    agree("\n".join(lines * 3).encode())


def test_batches_of_few_events(chunk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_lines, "_ROOM", 3)
    agree(b"a read 0x1000 8\nb mmu off\n# remark\na write 4096 8\n" * 20)


def test_most_lines_are_for_the_compiled_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    code_cache.load_code(programs.TEXT)
    parsed = 0
    rows = ExactLines.rows

    def counted(self: ExactLines, lines: list[str], number: int) -> bytearray:
        nonlocal parsed
        parsed += len(lines)
        return rows(self, lines, number)

    monkeypatch.setattr(line_blocks, "FIRST_BLOCK", 32)
    monkeypatch.setattr(ExactLines, "rows", counted)
    text = "".join(
        f"guest {op} {4096 + 8 * n:#x} {size}\n# remark {n}\n\nguest mmu on # {n}\r\n"
        for n, (op, size) in enumerate([("read", "8"), ("dc civac", "64"), ("fetch", "0x1000")] * 1000)
    )
    agree(text.encode())
    assert parsed < 100
    assert len(text.splitlines()) == 12_000


def test_any_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of any length, valid or not, in lines whose shape is known."""
    code_cache.load_code(programs.TEXT)
    monkeypatch.setattr(line_blocks, "FIRST_BLOCK", 32)
    digits = st.text("0123456789abcdefABCDEFgGxX/:@`_+-\x7f", max_size=18)
    sizes = st.one_of(digits, digits.map("0x{}".format), st.text("0123456789", max_size=12))

    @settings(max_examples=examples(240), deadline=None)
    @given(st.lists(st.tuples(digits, sizes), max_size=4))
    def check(numbers: list[tuple[str, str]]) -> None:
        agree(("a read 0x1000 8\n" * 3 + "".join(f"a read 0x{a} {b}\n" for a, b in numbers)).encode())

    check()


def test_lines_past_what_memory_can_say_are_line_0(chunk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_batches, "MAX_LINE", 4)
    _, events, _ = in_batches(b"a mmu on\n# remark\n" * 3)
    assert [line for line, _ in events] == [1, 3, 0]


def test_what_is_written_is_what_an_event_says_of_itself() -> None:
    lines = [
        *("a map 0x1000 0x1000 normal-wb exec", "b map 0x0 0x10000 device", "a walk 0x1008 8 normal-nc"),
        *(
            "a read 0x1000 4095",
            "a dc civac 0xffffffffff000 0x1000",
            "b ic iallu",
            "b mmu off",
            "b ic ivau 0x0 1",
        ),
    ]
    events = [next(iter(TextReader([line]))).event for line in lines]
    assert [str(event) for event in events] == lines
    file = io.BytesIO()
    writer = TextWriter(file, Profile.with_options(("dic", "nc-may-hit"), 32))
    for at in range(0, len(events), 3):
        writer.write(Batch.of(events[at : at + 3]))
    writer.write(Batch.of([]))
    writer.finish()
    assert file.getvalue().decode().splitlines() == ["line 32", "option nc-may-hit", "option dic", *lines]


COUNTER = (
    PEAK
    + """
import sys
from coldline.trace.files import TraceFile
before, events = peak(), 0
def sink(batch):
    global events
    events += len(batch)
with TraceFile("-") as trace:
    trace.run(sink)
print(events, peak() - before >> 10)
"""
)
LINES = """
import sys
remark = " # " + "x" * 100
for start in range(0x40000000, 0x40800000, 0x10000):
    lines = [f"guest read {address:#x} 8{remark}\\n" for address in range(start, start + 0x10000, 8)]
    sys.stdout.write("".join(lines))
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_text() -> None:
    """A million different lines take 130 MB."""
    with subprocess.Popen([sys.executable, "-c", LINES], stdout=subprocess.PIPE) as lines:
        found = subprocess.run(
            [sys.executable, "-c", COUNTER], stdin=lines.stdout, capture_output=True, text=True, cwd=ROOT
        )
    assert (lines.returncode, found.stderr) == (0, "")
    events, grown = map(int, found.stdout.split())
    assert events == 1 << 20
    assert grown < 64
