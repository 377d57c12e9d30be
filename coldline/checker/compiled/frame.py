# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame, which is the record that the compiled loops work on: addresses, sizes and registers."""

import numpy as np

DONE, INTERPRET, CROWDED, FULL, GROW, LEARN = range(6)
"""The reason why a loop stopped: all is done; an event is for the interpreter; there are too many own records of
lines; there is no room to note another hazard; the index has no room for a page; a transition of a line has not been
worked out."""

INTERPRET_EVENT, ACCESS, ZERO, MAINTAIN_THROUGH, READ_TABLE, MAINTAIN, MOVE, BARRIER = range(8)
"""The kinds of operations for a loop: left to the interpreter; an access through the agent's alias; `dc zva`, an
access to a whole block; maintenance of a range of lines whose letter depends on the agent's alias; a walk; other
maintenance of a range of lines; a map or an unmap of one page; a barrier."""

TO_INTERPRETER = 255
"""Stands in place of a letter: the interpreter has to take the event."""

UNMAP_CODE, DESCRIPTOR_CODE, TLBI_CODE, DSB_CODE = range(16, 20)
"""Stand in place of a mapping's attributes: an unmap, and what ends a mapping."""

MOVES = 20
"""How many attributes and codes there are."""

FOUND = 1 << 12
"""How many hazards a loop can note before Python collects them."""

FOUND_DTYPE = np.dtype(
    [
        ("event", "<u8"),
        ("address", "<u8"),
        ("lines", "<u8"),
        ("stale_low", "<u2"),
        ("stale_high", "<u2"),
        ("lost_low", "<u2"),
        ("lost_high", "<u2"),
        ("leak_low", "<u4"),
        ("leak_high", "<u4"),
    ]
)
"""A run of lines that one event may read wrongly in the same way: for each kind of hazard, the first byte in a line
and the one past the last; both are 0 if there is no such hazard."""

CACHED_PAGES = 512
"""Slots of a direct-mapped table of the pages that were used last, with their rows."""

EVENTS_AHEAD = 32
"""Slots, a power of two, of a table of the pages of coming events, with their rows."""

LINES_AHEAD, RECORDS_AHEAD = 16, 6
"""How many events ahead the loop prefetches lines, and their records, if events are far from one another."""

PAGES_A_BLOCK = 4
"""Lines' own records are prefetched if there are at most this many pages for each block of them."""

SAMPLE, FAR = 32, 8
"""Events are far from one another if `FAR` of `SAMPLE` are in pages outside of the table of last used pages."""

FRAME = np.dtype(
    [
        (name, "<u8")
        for name in (
            # The events: `EVENT_DTYPE` rows, and the number of each named agent
            "rows",
            "events",
            "agent_of",
            # The letters and actions of events: `coldline.checker.dispatch.DispatchTables`
            "agents",
            "actions",
            "letters",
            "maintenance",
            "walks",
            "comes",
            "walked",
            "moves",
            "barriers",
            "settings",
            "endings",
            "units",
            # The bytes: `Tables`
            "states",
            "step",
            "bad",
            "other",
            "unchanged",
            "quiet",
            "transformers",
            "then",
            "unsettled",
            "orders",
            # Memory: `Memory`
            "line_bits",
            "per_page",
            "per_page_bits",
            "values",
            "pages",
            "reported",
            "marked",
            "marks",
            "mark_count",
            "unsettled_ranges",
            "chunk_of",
            "used_rows",
            "most_rows",
            "leaves",
            "leaves_used",
            "directory",
            "directory_bits",
            "ranges",
            "range_starts",
            "range_values",
            "told",
            "by_letter",
            # Lines whose bytes differ: `Partitions`
            "mask_words",
            "node_bytes",
            "nodes",
            "last_node",
            "owned",
            "rows_of",
            "pool",
            "shared_index",
            # Used by the loops only
            "scratch_states",
            "scratch_masks",
            "taken_rows",
            "cached",
            "ahead",
            "missed",
            "memo",
            "memo_of",
            "memo_end",
            # The loops' results
            "found",
            "founds",
            "counted",
            "distinct",
            "asking",
            # Registers, so that a loop can continue where it stopped
            "at",
            "done",
            "status",
            "stale_low",
            "stale_high",
            "lost_low",
            "lost_high",
            "leak_low",
            "leak_high",
            "learn_row",
            "learn_index",
            "learn_letter",
            "row_at",
            "barrier_rows",
            "barrier_row_at",
            "joined",
            "made",
        )
    ]
)
