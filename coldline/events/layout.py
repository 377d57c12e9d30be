# SPDX-License-Identifier: GPL-2.0-or-later
"""The layout of an event in memory: 24 bytes, little-endian, in the order of `EVENT_FIELDS`.

NumPy's type, the packing of single events and compiled code all take it from here. Compiled code reads an event as
three 64-bit words: the address, the size, and one word that holds the other fields.
"""

EVENT_FIELDS = (
    ("address", 8),
    ("size", 8),
    ("where", 4),
    ("agent", 2),
    ("op", 1),
    ("attributes", 1),
)
"""The fields and their bytes. `where` is the line of a text trace (0 elsewhere), `agent` an index into the names."""

_CODES = {8: "Q", 4: "I", 2: "H", 1: "B"}

STRUCT_FORMAT = "<" + "".join(_CODES[size] for _, size in EVENT_FIELDS)
DTYPE_FIELDS = tuple((name, f"<u{size}") for name, size in EVENT_FIELDS)

EVENT_SIZE = sum(size for _, size in EVENT_FIELDS)
"""Bytes of an event."""


def _offset(name: str) -> int:
    """The first byte of a field."""
    names = [field for field, _ in EVENT_FIELDS]
    return sum(size for _, size in EVENT_FIELDS[: names.index(name)])


SIZE_AT = _offset("size")
REST_AT = _offset("where")
"""The first byte of the word that holds the fields after `size`."""

AGENT_SHIFT, OP_SHIFT, ATTRIBUTES_SHIFT = (
    8 * (_offset(name) - REST_AT) for name in ("agent", "op", "attributes")
)
"""The lowest bit of each of those fields in that word."""

AGENT_MASK, OP_MASK = 0xFFFF, 0xFF
"""A field's bits, once it is shifted down."""

TYPE_MASK = 0x07
"""Bits of `attributes` that hold 1 + the `MemoryType`, or 0 where the event has none."""

POU_CODE = 0x05
"""In place of a type, for a walk: at the point of unification, which does not look into level 1."""

EXECUTABLE = 0x08
"""Bit of `attributes` that says ``exec``."""

OUTER_SHIFT = 4
"""The lowest of the bits of `attributes` that hold 1 + the outer `MemoryType`, or 0 where that is the inner one."""

ATTRIBUTES_MASK = 0x7F
"""The bits of `attributes` that are used."""

GRANULE_BITS = 8
"""Bits of a granule: it is noted which granules of memory events touch."""

GRANULE_SLOTS = 1 << 18
"""The slots of granules: a granule has that of its number modulo this."""

PAGE_SLOTS = 1 << 16
"""The slots of pages on which there are fetches, walks or changes of mappings; they come after those of granules."""

EVERYWHERE_SLOT = GRANULE_SLOTS + PAGE_SLOTS
"""The slot of events that concern all memory, or much of it."""

MARKS_SIZE = EVERYWHERE_SLOT + 8
"""Bytes of marks, one a slot: a bit for each part of the batch that has such an event."""

BATCH_PART_BITS = 15
BATCH_PARTS = 8
"""The first 2^15 events of a batch are its first part, and so on; the eighth has all that are left."""

MUCH = 1 << 22
"""Bytes: an event of this size or more counts as concerning all memory."""
