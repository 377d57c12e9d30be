# SPDX-License-Identifier: GPL-2.0-or-later
"""The checker and its reports, given arbitrary events: refused events change nothing, and both engines agree."""

import io
import json
import struct
import zlib
from itertools import islice
from xml.etree import ElementTree

from coldline.arm import MemoryType
from coldline.checker.checker import Checker
from coldline.checker.dense_rows import COMPILE_FROM
from coldline.checker.loops import prepare
from coldline.checker.state.findings import entries
from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.events.event import ADDRESS_LIMIT, Event
from coldline.events.op import Op
from coldline.events.source import Batches, Source
from coldline.report.model import Report
from coldline.report.reporters import FORMATS, make_reporter
from coldline.report.reporters.base import Settings
from coldline.rules.profile import SWITCHES, Profile
from coldline.support.units import PAGE_SIZE
from coldline.trace.text_batches import TextBatches
from coldline.verdict import judge
from tests.fuzz import trace_seeds
from tests.fuzz.target import Target

_EVENT = struct.Struct("<BBBBBB")
"""The operation; who, as whom and how; which page; what part of it; how much; a type."""

_PAGES = (0, 1, 2, 3, 15, 16, 17, 0x40000, 0x40001, 0x4000F, 0x40010, 0x40011, (1 << 40) - 2, (1 << 40) - 1)
_OFFSETS = (0, 1, 4, 8, 15, 16, 31, 60, 63, 64, 65, 127, 128, 256, 1024, 2047, 2048, 4032, 4092, 4095)
_SIZES = (1, 2, 4, 8, 16, 60, 64, 65, 128, 256, 2048, 4095, 4096, 4097, 8192, 3 << 12, 16 << 12, 17 << 12, 1 << 24,
          1 << 40, (1 << 52) - 4096, 1 << 52)  # fmt: skip
_MOST_EVENTS = 64
_LISTED, _STORIES, _SELDOM = 50, 3, 8
_NAMES = ("dom0", "guest", "[/red]", "a\x1b[1m", "\u202eb", "xen", "%s{0}", "-")


def _profile(data: bytes) -> Profile:
    options = data[0] if data else 0
    line = 16 << (options >> 5) if options >> 5 else 64
    return Profile.with_options((name for bit, name in enumerate(SWITCHES) if options >> bit & 1), line)


def _events(data: bytes) -> list[Event]:
    """Every input is a list of events, most of which are possible."""
    found = []
    for at in range(1, len(data) - _EVENT.size + 1, _EVENT.size):
        op, who, page, part, much, kind = _EVENT.unpack_from(data, at)
        operation = Op(op % len(Op))
        address = size = 0
        if operation.has_range:
            address = _PAGES[page % len(_PAGES)] * PAGE_SIZE
            size = _SIZES[much % len(_SIZES)]
            if operation in (Op.MAP, Op.UNMAP):
                size = max(size & -PAGE_SIZE, PAGE_SIZE)
            else:
                address += _OFFSETS[part % len(_OFFSETS)]
            size = min(size, ADDRESS_LIMIT - address)
        memory_type = MemoryType(kind % len(MemoryType)) if operation.has_type else None
        executable = operation is Op.MAP and bool(kind & 0x80)
        found.append(Event(_NAMES[who % len(_NAMES)], operation, address, size, memory_type, executable))
    return found[:_MOST_EVENTS]


def _check(data: bytes) -> None:
    profile = _profile(data)
    plain = Checker(profile, most=_LISTED)
    taken: list[Event] = []
    for event in _events(data):
        try:
            plain.event(event, len(taken) + 1)
        except TraceError:
            continue
        taken.append(event)
    batch = Batch.of(taken, range(1, len(taken) + 1))
    compiled = Checker(profile, most=_LISTED)
    assert compiled._fast(COMPILE_FROM) is not None
    compiled.feed(batch)
    assert _found(compiled) == _found(plain)
    if not zlib.crc32(data) % _SELDOM:
        _show_all(plain, Batches([batch]))


def _found(checker: Checker) -> tuple[object, ...]:
    """A checker's hazards, independent of how it joins lines."""
    listed = list(islice(entries(checker.findings, checker.profile.line), 2 * _LISTED))
    return listed, checker.kinds, checker.hazards, checker.events


def _show_all(checker: Checker, source: Source) -> None:
    """A report in every format."""
    found = judge(checker, source, most=5, stories=_STORIES)
    report = Report(subject="fuzz", judgement=found)
    for name in FORMATS:
        shown = io.StringIO()
        reporter = make_reporter(name, shown, Settings())
        reporter.report(report)
        reporter.finish()
        text = shown.getvalue()
        assert "\x1b" not in text
        if name in ("json", "sarif"):
            json.loads(text)
        if name == "junit":
            ElementTree.fromstring(text)
        if name == "witness":
            for batch in TextBatches(io.BytesIO(text.split("\n\n")[0].encode())):
                assert len(batch)


def _seeds() -> list[bytes]:
    """The traces of the other fuzzers' seeds that this target's inputs can express."""
    prepare()
    found = []
    for text in trace_seeds.texts():
        try:
            reader = TextBatches(io.BytesIO(text))
            events = [batch.event(at) for batch in reader for at in range(len(batch))]
        except TraceError:
            continue
        found.append(_encoded(reader.profile, events))
    return found


def _encoded(profile: Profile, events: list[Event]) -> bytes:
    data = bytearray([sum(1 << list(SWITCHES).index(name) for name in profile.options)])
    if profile.line != 64:
        data[0] |= (profile.line.bit_length() - 5) << 5
    names = {name: number for number, name in enumerate(dict.fromkeys(event.agent for event in events))}
    pages = {page: number for number, page in enumerate(_PAGES)}
    for event in events:
        page, offset = divmod(event.address, PAGE_SIZE)
        kind = 0 if event.memory_type is None else event.memory_type.value
        data += _EVENT.pack(
            event.op,
            names[event.agent] % len(_NAMES),
            pages.get(page, page % len(_PAGES)),
            min(range(len(_OFFSETS)), key=lambda at: abs(_OFFSETS[at] - offset)),
            min(range(len(_SIZES)), key=lambda at: abs(_SIZES[at] - event.size)),
            kind | 0x80 * event.executable,
        )
    return bytes(data[: 1 + _EVENT.size * _MOST_EVENTS])


TARGETS = {
    "check": Target(
        _check, _seeds, weight=2, round=3000, most_bytes=1 + _EVENT.size * _MOST_EVENTS, reserves=True
    ),
}
