# SPDX-License-Identifier: GPL-2.0-or-later
"""A second reader and writer of the binary trace form, written from ``docs/reference/trace-format.md`` alone.

The reader and the writer go event by event. The reader trusts its input: only the product's reader has to refuse
wrong ones.
"""

import struct
import zlib
from typing import NamedTuple

SIGNATURE = bytes.fromhex("89434c540d0a1a0a")
OPTIONS = ("nc-may-hit", "setway-effective", "idc", "dic")
TYPES = ("", "device", "normal-nc", "normal-wt", "normal-wb")
OPERATIONS = (
    *("read", "write", "fetch", "walk"),
    *(f"dc {word}" for word in ("zva", "ivac", "cvac", "civac", "cvau", "isw", "csw", "cisw")),
    *("ic ivau", "ic iallu", "ic ialluis"),
    *("map", "unmap"),
    *("mmu on", "mmu off", "icache on", "icache off", "dcache on", "dcache off"),
    *("dsb", "dmb", "isb", "dsb nsh"),
    *("poll", "give"),
    *("descriptor", "tlbi", "tlbi all", "power-off"),
)


class Event(NamedTuple):
    """An event and its line."""

    line: int
    agent: str
    operation: str
    address: int = 0
    size: int = 0
    memory_type: str = ""
    executable: bool = False

    def text(self) -> str:
        words = [self.agent, self.operation]
        if self.size:
            words += [hex(self.address), str(self.size)]
        words += [self.memory_type] * bool(self.memory_type) + ["exec"] * self.executable
        return " ".join(words)


class Trace(NamedTuple):
    """The content of a trace; ``head`` has what version 2 alone can say, None for a trace of version 1."""

    line: int
    options: set[str]
    events: list[Event]
    head: list[str] | None = None


def read(data: bytes) -> Trace:
    signature, version, line, options, checksum = struct.unpack_from("<8sHHII", data)
    assert (signature, checksum) == (SIGNATURE, zlib.crc32(data[:16]))
    assert version in (1, 2)
    at = 20
    names: list[str] = []
    events: list[Event] = []
    head: list[str] = []
    while True:
        tag, size, checksum = struct.unpack_from("<4sII", data, at)
        payload = data[at + 12 : at + 12 + size]
        assert checksum == zlib.crc32(data[at : at + 8] + payload)
        at += 12 + size
        if tag == b"CORE":
            assert version == 2
            assert not names
            assert not events
            head.append(payload.decode())
        elif tag == b"NAME":
            (length,) = struct.unpack_from("<H", payload)
            names.append(payload[2 : 2 + length].decode())
        elif tag == b"EVNT":
            events += read_events(payload, names)
        elif tag == b"DONE":
            assert struct.unpack("<Q", payload) == (len(events),)
            assert at == len(data)
            on = {name for bit, name in enumerate(OPTIONS) if options >> bit & 1}
            return Trace(line, on, events, head if version == 2 else None)
        else:
            assert tag[:1].islower()


def word_of(bits: int) -> str:
    """The type of a kind of events: one, an inner and an outer one, or none."""
    assert bits < 128
    outer = TYPES[bits >> 4]
    return f"{TYPES[bits & 7]}/{outer}" if outer else TYPES[bits & 7]


def read_events(payload: bytes, names: list[str]) -> list[Event]:
    n, k, a, b, c, coding, zero, base, line = struct.unpack_from("<IIBBBBIQQ", payload)
    body = payload[32:] if coding == 0 else zlib.decompress(payload[32:])
    assert len(body) == 12 * k + (a + b + c) * n
    assert zero == 0
    kinds = [struct.unpack_from("<QHBB", body, 12 * number) for number in range(k)]
    planes = [body[12 * k + n * number : 12 * k + n * (number + 1)] for number in range(a + b + c)]
    events = []
    for at in range(n):
        kind, offset, gap = (
            sum(plane[at] << 8 * number for number, plane in enumerate(column))
            for column in (planes[:a], planes[a : a + b], planes[a + b :])
        )
        size, agent, operation, bits = kinds[kind]
        line += gap + (1 if at else 0)
        address = base + offset if size else 0
        events.append(
            Event(line, names[agent], OPERATIONS[operation], address, size, word_of(bits), bits == bits | 8)
        )
    return events


def block(tag: bytes, payload: bytes) -> bytes:
    start = tag + struct.pack("<I", len(payload))
    return start + struct.pack("<I", zlib.crc32(start + payload)) + payload


def start(line: int = 64, options: int = 0, version: int = 1) -> bytes:
    fields = SIGNATURE + struct.pack("<HHI", version, line, options)
    return fields + struct.pack("<I", zlib.crc32(fields))


def name(agent: str) -> bytes:
    return block(b"NAME", struct.pack("<H", len(agent.encode())) + agent.encode())


def done(events: int) -> bytes:
    return block(b"DONE", struct.pack("<Q", events))


def events_block(events: list[Event], names: list[str], *, coding: int = 0) -> bytes:
    """A block in which every event has its own kind, and every column its greatest width."""
    base = min((event.address for event in events if event.size), default=0)
    body, previous = b"", events[0].line - 1
    for event in events:
        inner, _, outer = event.memory_type.partition("/")
        bits = TYPES.index(inner) | 8 * event.executable | TYPES.index(outer) << 4
        body += struct.pack(
            "<QHBB", event.size, names.index(event.agent), OPERATIONS.index(event.operation), bits
        )
    columns: tuple[list[bytes], ...] = ([], [], [])
    for number, event in enumerate(events):
        columns[0].append(number.to_bytes(2, "little"))
        columns[1].append((event.address - base if event.size else 0).to_bytes(7, "little"))
        columns[2].append((event.line - previous - 1).to_bytes(4, "little"))
        previous = event.line
    for column in columns:
        for plane in zip(*column, strict=True):
            body += bytes(plane)
    n = len(events)
    head = struct.pack("<IIBBBBIQQ", n, n, 2, 7, 4, coding, 0, base, events[0].line)
    return block(b"EVNT", head + (zlib.compress(body) if coding else body))


def write(trace: Trace, *, coding: int = 0, most: int = 3) -> bytes:
    """A trace in blocks of `most` events, with blocks of unknown kinds between them."""
    options = sum(1 << OPTIONS.index(option) for option in trace.options)
    data = start(trace.line, options, 1 if trace.head is None else 2)
    data += b"".join(block(b"CORE", line.encode()) for line in trace.head or ())
    names: list[str] = []
    for at in range(0, len(trace.events), most):
        events = trace.events[at : at + most]
        for event in events:
            if event.agent not in names:
                names.append(event.agent)
                data += name(event.agent)
        data += block(b"note", b"for somebody else") + events_block(events, names, coding=coding)
    return data + done(len(trace.events))
