# SPDX-License-Identifier: GPL-2.0-or-later
"""Small traces to start fuzzing from, in both forms: the worked examples and others that use every word."""

import io
from pathlib import Path

import coldline.corpus
from coldline.arm import MemoryType
from coldline.errors import TraceError
from coldline.events.op import Kind, Op
from coldline.rules.profile import SWITCHES
from coldline.trace.binary_writing import BinaryWriter
from coldline.trace.text_batches import TextBatches
from tests.helpers.order_traces import draw_ordered
from tests.helpers.worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES
from tests.oracles import binary_by_hand

_SWITCHES = "line 32\n" + "".join(f"option {option}\n" for option in SWITCHES)
_EVENTS = [
    f"a{number % 3} {op.words}"
    + (f" {number * 4096:#x} {4096 * (1 + number % 2)}" if op.has_range else "")
    + (f" {MemoryType(number % 4).word}" if op.has_type else "")
    + (" exec # a remark" if op is Op.MAP else "")
    for number, op in enumerate(Op)
    if op.kind is not Kind.BARRIER
]
_BARRIERS = [f"a0 {op.words}" for op in Op if op.kind is Kind.BARRIER]
_EVERYTHING = _SWITCHES + "\n".join(_EVENTS)
_WITH_ORDER = (
    "version 2\n"
    + _SWITCHES
    + "option order\ncore cpu0 a0 a1\ncore cpu1 b\n"
    + "\n".join([*_EVENTS, *_BARRIERS])
)

_OTHERS = (
    " exec",
    "line ",
    "option ",
    "option order\n",
    "version 2\n",
    "core cpu0 a0",
    " 0x40000000",
    " 0x1000",
    " 4096",
    " 0xffffffffffffffff",
    "\r\n",
    "\n",
    "#",
)

WORDS = tuple(
    word.encode()
    for word in (
        *(f" {op.words}" for op in Op),
        *(f" {kind.word}" for kind in MemoryType),
        *SWITCHES,
        *_OTHERS,
    )
)
"""Parts of lines, for random changes."""


def texts() -> list[bytes]:
    """In the text form."""
    found = [
        _EVERYTHING,
        _WITH_ORDER,
        "",
        "# nothing\n",
        "\u00e9t\u00e9 mmu on\n",
        "a read 0x10 8\r\na  read\t16 8 # c\r",
    ]
    return [text.encode() for text in (*found, *_examples())]


def binaries() -> list[bytes]:
    """In the binary form: as coldline writes it, and as other programs may, with every column at its widest."""
    found = []
    for text in texts():
        file = io.BytesIO()
        try:
            reader = TextBatches(io.BytesIO(text))
            writer = BinaryWriter(file, reader.profile)
            for batch in reader:
                writer.write(batch)
            writer.finish()
        except TraceError:
            continue
        found.append(file.getvalue())
    by_hand = [binary_by_hand.read(data) for data in found[:2]]
    found += [binary_by_hand.write(each, coding=coding) for each in by_hand for coding in (0, 1)]
    return found


def _examples() -> list[str]:
    found = [text for _, text, _ in (*WORKED_EXAMPLES, *SMALL_EXAMPLES)]
    bugs = Path(coldline.corpus.__file__).parent / "bugs"
    found += [draw_ordered(seed) for seed in range(0, 60, 10)]
    return found + [path.read_text() for path in sorted(bugs.glob("*/*.trace"))]
