# SPDX-License-Identifier: GPL-2.0-or-later
"""What the compiled loops work on: one record of addresses, sizes and registers."""

import numpy as np

DONE, INTERPRET, CROWDED, FULL, GROW = range(5)
"""Why a loop stopped: at the end; at an event for the interpreter; at lines with too many records of their own;
at more hazards than can be noted; at a page for which the index has no room."""

INTERPRET_EVENT, ACCESS, ZERO, READ_TABLE, MAINTAIN, MOVE = range(6)
"""What a loop does with an event's operation: leaves it to the interpreter; an access by the agent's alias; `dc zva`,
which is one to a whole block; a walk; maintenance of a range of lines; a map or an unmap of one page."""

TO_INTERPRETER = 255
"""In place of a letter: the interpreter has to take the event."""

UNMAP_CODE = 16
"""In place of a mapping's attributes: an unmap."""

FOUND = 1 << 12
"""Hazards that can be noted before they are taken away."""

FOUND_DTYPE = np.dtype(
    [
        ("event", "<u8"),
        ("address", "<u8"),
        ("lines", "<u8"),
        ("stale_low", "<u2"),
        ("stale_high", "<u2"),
        ("lost_low", "<u2"),
        ("lost_high", "<u2"),
    ]
)
"""Lines, one after another, that one event may read wrongly in the same way: from which byte of each to which, for
each way; both are 0 where there is none."""

CACHED_PAGES = 64
"""Pages that were used last, with their rows: slots of a direct-mapped table."""

EVENTS_AHEAD = 32
"""Events, a power of two, whose pages were looked up ahead: slots of a table of pages with their rows."""

LINES_AHEAD, RECORDS_AHEAD = 16, 6
"""How many events ahead lines are asked for, and their records, where events are far from one another."""

PAGES_A_BLOCK = 4
"""Where there are so many pages or fewer for each block of lines' own records, those are asked for ahead."""

SAMPLE, FAR = 32, 8
"""Where so many of so many events are in pages that were not among those that were used last, they are far."""

FRAME = np.dtype(
    [
        (name, "<u8")
        for name in (
            # The events: `EVENT_DTYPE` rows, and which agent each of their names is
            "rows",
            "events",
            "agent_of",
            # What an event is: `coldline.checker.dispatch.DispatchTables`
            "agents",
            "actions",
            "letters",
            "maintenance",
            "walks",
            "moves",
            "settings",
            # The bytes: `Transitions`
            "states",
            "step",
            "bad",
            "other",
            "quiet",
            "transformers",
            "then",
            # Memory: `Memory`
            "line_bits",
            "per_page",
            "per_page_bits",
            "values",
            "pages",
            "reported",
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
            # Lines whose bytes differ: `Partitions`
            "mask_words",
            "node_bytes",
            "nodes",
            "last_node",
            "owned",
            "rows_of",
            "pool",
            "shared_index",
            # What only the loops use
            "scratch_states",
            "scratch_masks",
            "cached",
            "ahead",
            "missed",
            "memo",
            "memo_of",
            "memo_end",
            # What they report
            "found",
            "founds",
            "counted",
            "distinct",
            "asking",
            # Registers, so that a loop can go on where it stopped
            "at",
            "done",
            "status",
            "stale_low",
            "stale_high",
            "lost_low",
            "lost_high",
            "row_at",
            "joined",
            "made",
        )
    ]
)
