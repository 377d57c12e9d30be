# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces that each show what one row of a table is for, where the pages' examples do not; events end with semicolons.

Agents *w* and *t* map the page write-back and write-through, *n* non-cacheable, *x* executable; *b* and *y* are on a
second core, and *d* is a master.
"""

from coldline.rules.order.alphabet import Act

X, Y, FAR, LINE, PAGE = "0x1000 8", "0x1008 8", "0x1010 8", "0x1000 64", "0x1000 0x1000"
CORES = "core cpu0 n w t x z; core cpu1 b y"
ORDER, AT_ONCE = f"version 2; option order; {CORES}", f"version 2; {CORES}"
VIPT = f"version 2; option vipt; {CORES}"
W, T, N = f"w map {PAGE} normal-wb", f"t map {PAGE} normal-wt", f"n map {PAGE} normal-nc"
WX, NX = f"x map {PAGE} normal-wb exec", f"n map {PAGE} normal-nc exec"
PAST = "b icache off; b mmu off"
"""Then *b* reads and fetches memory."""

CLEANED = f"{W}; w write {X}; w dc cvac {X}"
"""Not complete yet, so that memory may be old."""

ORDERED = f"{ORDER}; {PAST}; {CLEANED}; w dmb"
MODIFIED = (
    f"{ORDER}; option vipt; {W}; {WX}; w write {LINE}; w dc cvau {X}; w dsb; w ic ialluis; w dsb; x isb"
)
"""Memory is old, and level 2 is not."""

STAYS = f"{W}; {N}; w read {X}; w unmap {PAGE}; n write {X}; n dc csw {LINE}; {W}; w read {X}"
"""A clean line stays, unless the set/way operation invalidates it."""

OF_ROWS = {
    # the letters of other bytes
    "OTHER READ_WB": f"{N}; n walk {Y} normal-wb; n write {X}; n read {X}",
    "OTHER WRITE_WB": f"{W}; {N}; w write {Y}; n write {X}; n read {X}",
    "PERHAPS DC_IVAC": f"line 128; {W}; {N}; w write 0x1040 8; n dc ivac {X}; w read 0x1040 8",
    "AS_OTHER READ": f"{ORDER}; {PAST}; {CLEANED}; w read {Y}; b read {X}",
    "AS_OTHER READ_NC": f"{ORDERED}; b read {Y}; b fetch {X}",
    "AS_OTHER READ_NC_MAY_HIT": f"{ORDER}; option nc-may-hit b; {PAST}; {CLEANED}; w dmb; b read {Y}; b fetch {X}",
    "AS_OTHER WALK": f"{AT_ONCE}; {N}; n walk {Y} normal-wb; n write {X}; n walk {X} pou",
    "AS_OTHER WALK_POU": f"{AT_ONCE}; {N}; n walk {Y} pou; n write {X}; n read {X}",
    "AS_OTHER WRITE": f"{AT_ONCE}; {W}; {N}; w write {Y}; n write {X}; n read {X}",
    "AS_OTHER WRITE_WT": f"{ORDER}; {PAST}; {T}; {CLEANED}; t write {Y}; b read {X}",
    "AS_OTHER WRITE_NC": f"{ORDERED}; {N}; n write {Y}; b fetch {X}",
    "AS_OTHER FETCH_BY": f"{VIPT}; {W}; {WX}; w write {X}; x fetch {Y}; w read {X}",
    "AS_OTHER DC_IVAC": f"{AT_ONCE}; option dmin 16; {W}; {N}; w write {FAR}; n dc ivac {X}; w read {FAR}",
    "AS_OTHER CACHEABLE_IVAC": (
        f"{ORDER}; option dmin 16; {W}; w write {FAR}; w dc ivac {X}; w dsb; w read {FAR}"
    ),
    "AS_OTHER POLL": f"{ORDER}; {PAST}; {CLEANED}; w poll {Y}; b read {X}",
    "AS_OTHER POLL_NC": f"{AT_ONCE}; {N}; {PAST}; b poll {Y}; n write {X}; n read {X}",
    "AS_OTHER POLL_NC_MAY_HIT": (
        f"{AT_ONCE}; option nc-may-hit b; {N}; {PAST}; b poll {Y}; n write {X}; n read {X}"
    ),
    "AS_OTHER SNOOPING_READ": f"{AT_ONCE}; master d snoops; {N}; d read {Y}; n write {X}; n read {X}",
    "AS_OTHER SNOOPING_POLL": f"{AT_ONCE}; master d snoops; {N}; d poll {Y}; n write {X}; n read {X}",
    "AS_OTHER SNOOPING_WRITE": f"{AT_ONCE}; master d snoops; {N}; d write {Y}; n write {X}; n read {X}",
    "AS_FAR READ_OTHER": f"{ORDER}; option dmin 16; {W}; {N}; w read {FAR}; n write {X}; n dsb; n read {X}",
    "AS_FAR WRITE_OTHER": f"{ORDER}; option dmin 16; {W}; {N}; w write {FAR}; n write {X}; n dsb; n read {X}",
    "AS_FAR WRITE_WT_OTHER": (
        f"{ORDER}; option dmin 16; {PAST}; {T}; {CLEANED}; t write {FAR}; b read {X}; "
        f"{N}; t write 0x1050 8; n write 0x1040 8; n dsb; n read 0x1040 8"
    ),
    # polls, and what leaks by them
    "POLLS READ": f"{ORDER}; {PAST}; {CLEANED}; w poll {X}; b read {X}",
    "POLLS READ_NC": f"{AT_ONCE}; {W}; {N}; w read {X}; give {PAGE} b; n write {X}; {PAST}; b poll {X}",
    "POLLS READ_NC_MAY_HIT": (
        f"{AT_ONCE}; option nc-may-hit b; give {PAGE} b; {W}; w write {X}; {PAST}; b poll {X}"
    ),
    "POLLS SNOOPING_READ": f"{AT_ONCE}; master d snoops; give {PAGE} d; {W}; w write {X}; d poll {X}",
    "POLLS MASTER_READ": f"{AT_ONCE}; master d; {N}; d poll {X}; n write {X}; n walk {X} normal-wb",
    "AS_CHECKED WALK_NC_MAY_HIT": (
        f"{AT_ONCE}; option nc-may-hit n; {W}; {N}; w write {X}; w dc cvau {X}; n walk {X} normal-nc"
    ),
    "AS_CHECKED FETCH_NC": (
        f"{AT_ONCE}; z icache off; z mmu off; {N}; {WX}; x fetch {X}; n write {X}; z fetch {X}"
    ),
    "AS_CHECKED FETCH_NC_HELD_BY": (
        f"{VIPT}; option nc-fetch-held; {W}; {NX}; w write {X}; w dc cvau {X}; n fetch {X}"
    ),
    "AS_CHECKED POLL": f"{AT_ONCE}; give {PAGE} w; {W}; w write {X}; w poll {X}",
    "AS_CHECKED POLL_NC": f"{AT_ONCE}; {W}; {N}; w read {X}; give {PAGE} b; n write {X}; {PAST}; b poll {X}",
    "AS_CHECKED POLL_NC_MAY_HIT": (
        f"{AT_ONCE}; option nc-may-hit b; give {PAGE} b; {W}; w write {X}; {PAST}; b poll {X}"
    ),
    "AS_CHECKED SNOOPING_POLL": f"{AT_ONCE}; master d snoops; give {PAGE} d; {W}; w write {X}; d poll {X}",
    "AS_CHECKED MASTER_POLL": f"{AT_ONCE}; master d; give {PAGE} d; {W}; w write {X}; d poll {X}",
    # instruction caches by virtual address
    "LABELLED FETCH_BY": f"{MODIFIED}; x fetch {X}; x fetch {X}",
    "LABELLED FETCH_BY_OTHER": f"{MODIFIED}; x fetch {Y}; x fetch {X}",
    "LABELLED FETCH_NC_HELD_BY": (
        f"{ORDER}; option vipt; option nc-fetch-held; {W}; {NX}; w read {X}; w unmap {PAGE}; n write {X}; n dsb; "
        f"n ic ialluis; n dsb; n isb; n fetch {X}; n fetch {X}"
    ),
    "LABELLED_ACTS FETCH_NC_HELD": (
        f"{VIPT}; option nc-fetch-held; {W}; {NX}; w read {X}; n write {X}; n ic ialluis; n fetch {X}"
    ),
    # maintenance
    "_STRENGTH DC_CVAU": f"{ORDER}; {PAST}; {CLEANED}; w dc cvau {X}; w dsb; b read {X}",
    "_STRENGTH DC_CVAC": (
        f"{ORDER}; {W}; {N}; w write {X}; w unmap {PAGE}; n dc civac {X}; n dc cvac {X}; n dsb; "
        f"n write {X}; n dsb; {W}; w read {X}"
    ),
    "_STRENGTH DC_CIVAC": (
        f"{ORDER}; {W}; {N}; w write {X}; w unmap {PAGE}; n dc civac {X}; n dc cvau {X}; n dsb; n read {X}"
    ),
    "MAINTENANCE_LETTERS DC_ISW": f"{W}; {N}; w write {X}; n dc isw {LINE}; w read {X}",
    "MAINTENANCE_LETTERS DC_CSW": f"option setway-effective; {STAYS}",
    "EFFECTIVE_SETWAY DC_CSW": f"option setway-effective; {STAYS}",
    "EFFECTIVE_SETWAY DC_ISW": f"option setway-effective; {W}; {N}; w write {X}; n dc isw {LINE}; w read {X}",
    "EFFECTIVE_SETWAY DC_CISW": f"option setway-effective; {W}; {N}; w write {X}; n dc cisw {LINE}; w read {X}",
    "CLEANING_OPS DC_IVAC": (
        f"{AT_ONCE}; option ivac-cleans w; {W}; {N}; w write {X}; w dc ivac {X}; n read {X}"
    ),
    "CLEANING_OPS DC_ISW": (
        f"{AT_ONCE}; option ivac-cleans w; {W}; {N}; w write {X}; w dc isw {LINE}; n read {X}"
    ),
    "OPERATION_ACTS DC_CSW": f"{AT_ONCE}; option setway-effective; {STAYS}",
    "OPERATION_ACTS DC_CISW": f"{AT_ONCE}; {W}; {N}; w write {X}; w dc cisw {LINE}; w read {X}",
    "OPERATION_ACTS IC_IVAU": (
        f"{AT_ONCE}; {W}; y map {PAGE} normal-wb exec; y fetch {X}; w write {X}; w dc cvau {X}; "
        f"w ic ivau {X}; y fetch {X}"
    ),
    "MAY_HIT_ACTS READ_NC": f"{ORDER}; option nc-may-hit n; {N}; n write {X}; n read {X}",
    "MAY_HIT_ACTS WALK_NC": f"{ORDER}; option nc-may-hit n; {N}; n write {X}; n walk {X} normal-nc",
    "OF_MASTERS MAP": f"{AT_ONCE}; master d; d map {PAGE} normal-nc; d read {X}",
    "OF_MASTERS UNMAP": f"{AT_ONCE}; master d; d map {PAGE} normal-nc; d unmap {PAGE}; d read {X}",
    "OF_MASTERS WALK": f"{AT_ONCE}; master d; {W}; w write {X}; d walk {X} normal-wb",
    "OF_MASTERS POLL": f"{AT_ONCE}; master d; {W}; {N}; w write {X}; d poll {X}; n read {X}",
}
"""By the name of a row's table and the row."""

INSTEAD = {
    "AS_FAR WRITE_WT_OTHER": Act.WRITE_OTHER,
    "LABELLED FETCH_NC_HELD_BY": Act.FETCH_BY,
}
"""The row whose content takes the place of a row's, where that is not the next one's. The next ones come to the same:

- `Act.READ_FAR` is `Act.WRITE_NC_OTHER` but for a copy in level 1. An alias is live that is write-through, so that
  level 1 may be filled at any time, and drop the copy.
- A pending operation on what one agent fetched takes effect at any time or never, which is a copy that is dropped or
  stays.
"""

JUDGED = {
    Act.READ: (f"{AT_ONCE}; {W}; w read {X}", "cacheable_reads"),
    Act.READ_NC: (f"{AT_ONCE}; {N}; n read {X}", "other_reads"),
    Act.READ_NC_MAY_HIT: (f"{AT_ONCE}; option nc-may-hit n; {N}; n read {X}", "other_reads"),
    Act.WALK: (f"{AT_ONCE}; {W}; w walk {X} normal-wb", "cacheable_reads"),
    Act.WALK_POU: (f"{AT_ONCE}; {W}; w walk {X} pou", "cacheable_reads"),
    Act.WALK_NC: (f"{AT_ONCE}; {N}; n walk {X} normal-nc", "other_reads"),
    Act.WALK_NC_MAY_HIT: (f"{AT_ONCE}; option nc-may-hit n; {N}; n walk {X} normal-nc", "other_reads"),
    Act.FETCH: (f"{AT_ONCE}; {WX}; x fetch {X}", "cacheable_fetches"),
    Act.FETCH_BY: (f"{VIPT}; {WX}; x fetch {X}", "cacheable_fetches"),
    Act.FETCH_NC: (f"{AT_ONCE}; {NX}; n fetch {X}", "other_fetches"),
    Act.FETCH_NC_HELD: (f"{AT_ONCE}; option nc-fetch-held; {NX}; n fetch {X}", "other_fetches"),
    Act.FETCH_NC_HELD_BY: (f"{VIPT}; option nc-fetch-held; {NX}; n fetch {X}", "other_fetches"),
    Act.SNOOPING_READ: (f"{AT_ONCE}; master d snoops; d read {X}", "cacheable_reads"),
    Act.MASTER_READ: (f"{AT_ONCE}; master d; d read {X}", "other_reads"),
}
"""A trace with one checked access of each act, and what a report counts it as."""


def trace_of(row: str) -> str:
    """The trace of a row."""
    return in_lines(OF_ROWS[row])


def in_lines(events: str) -> str:
    """A trace of events that end with semicolons."""
    return "".join(f"{line.strip()}\n" for line in events.split(";"))
