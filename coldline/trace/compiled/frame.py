# SPDX-License-Identifier: GPL-2.0-or-later
"""The records that the compiled loops over text work on: addresses, sizes and registers."""

from typing import Final

from coldline.jit.shared_record import words

FINISHED, NOT_KNOWN, NO_ROOM = range(3)
"""The reason why a loop stopped: all is done; a line, or an event, whose shape is not known; no room."""

SHAPES: Final = 1 << 12
"""Slots of the table of shapes, a power of two."""

MOST_SHAPES: Final = SHAPES // 2
"""How many shapes are kept."""

SHAPE_BYTES: Final = 128
TAIL_AT, LENGTHS_AT, WORD_AT = 32, 64, 72
"""A slot: the text before the numbers, the text after them, their lengths and its kind, and the event's last word."""

LONGEST_PART: Final = 32
"""The most bytes of either text."""

TAIL_SHIFT, KIND_SHIFT = 8, 16
"""Where a slot's lengths have the length of the text after the numbers, and the kind."""

WITH_RANGE, WITHOUT_RANGE, WITHOUT_EVENT = range(1, 4)
"""The kinds of shapes: of an event with an address and a size, of another event, and of a line without an event."""

WINDOW: Final = 64
"""How many bytes of a line the loop looks at; a comment after them may be longer."""

BEYOND: Final = 2 * WINDOW + 8
"""Bytes after a text, or after the room for one, that a loop may touch."""

READING: Final = words(
    # The text: its address, where the loop is in it, its end, and the number of the line there
    "text",
    "at",
    "end",
    "line",
    # The greatest number of a line that an event can have, and the most bytes of a line
    "last_line",
    "longest",
    # The events: their address, how many there are, and for how many there is room
    "rows",
    "count",
    "room",
    # The table of shapes, and why the loop stopped
    "shapes",
    "status",
)

KINDS: Final = 1 << 12
"""Slots of the table of kinds of events, a power of two."""

MOST_KINDS: Final = KINDS // 2
"""How many kinds are kept."""

KIND_BYTES: Final = 32
PLACE_AT, TEXT_LENGTHS_AT = 8, 16
"""A slot: the kind with `USED`; where its text is; and the lengths of its text before the numbers and after them."""

USED: Final = 1 << 32
"""Is set in the first word of a slot that has a kind, which is the upper half of an event's last word."""

AFTER_SHIFT, RANGE_BIT = 24, 63
"""Where a slot has the length of the text after the numbers, and whether there are numbers."""

SMALL_SIZES: Final = 4096
"""Sizes below it are written in decimal; there is a table of their text, with a space before it."""

NUMBERS_ROOM: Final = 64
"""The most bytes of the numbers of an event, and of what a loop touches after them."""

WRITING: Final = words(
    # The events: their address, which one is next, and how many there are
    "rows",
    "at",
    "count",
    # The text: its address, how many bytes there are, and for how many there is room
    "text",
    "fill",
    "room",
    # The table of kinds, their texts, the text of small sizes, and why the loop stopped
    "kinds",
    "texts",
    "sizes",
    "status",
)
