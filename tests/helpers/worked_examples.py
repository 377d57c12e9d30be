# SPDX-License-Identifier: GPL-2.0-or-later
"""
Traces whose verdicts were derived by hand from ``docs/reference/rules.md`` and ``trace-format.md``.

``WORKED_EXAMPLES`` is the table at the end of ``docs/reference/rules.md``; ``SMALL_EXAMPLES`` has at least one trace
for each row of its table of events, each switch, each liveness rule and each kind. Both are lists of (name,
text, kinds), where the kinds are those of all the trace's hazards and the name says why; no kinds means
coherent.
"""

Example = tuple[str, str, frozenset[str]]

_STALE = frozenset({"stale-read"})
_FETCH = frozenset({"stale-fetch"})
_LOST = frozenset({"lost-write"})
_NONE: frozenset[str] = frozenset()


def _trace(*parts: str) -> str:
    """Make a trace of parts in which events end with semicolons."""
    events = ";".join(parts).split(";")
    return "".join(f"{event.strip()}\n" for event in events if event.strip())


# -- the table of docs/reference/rules.md -------------------------------------------------------------------

_BUILT_WB = "builder map 0x40000000 0x1000 normal-wb; builder write 0x40000000 64"
_CLEANED = "builder dc civac 0x40000000 64; builder unmap 0x40000000 0x1000; guest mmu off"
_BUILT_NC = (
    "builder map 0x40000000 0x1000 normal-nc; builder write 0x40000000 64; builder unmap 0x40000000 0x1000"
)
_UNMAPPED = "builder unmap 0x40000000 0x1000"
_GUEST_WRITES = "guest mmu off; guest write 0x40000000 8"
_GUEST_READS_MMU_ON = "guest map 0x40000000 0x1000 normal-wb; guest mmu on; guest read 0x40000000 8"
_XEN_MAP = "xen map 0x40000000 0x1000 normal-wb"

WORKED_EXAMPLES: list[Example] = [
    (
        "built wb and cleaned: the guest reads with its MMU off",
        _trace(_BUILT_WB, _CLEANED, "guest read 0x40000000 64"),
        _NONE,
    ),
    (
        "built wb and cleaned: refilled between dc civac and unmap",
        _trace(_BUILT_WB, _CLEANED, "guest read 0x40000000 64", _GUEST_WRITES, _GUEST_READS_MMU_ON),
        _STALE,
    ),
    (
        "built wb and cleaned to the PoU: dirty below the PoU",
        _trace(
            _BUILT_WB,
            "builder dc cvau 0x40000000 64",
            _UNMAPPED,
            "guest mmu off; guest read 0x40000000 64",
        ),
        _STALE,
    ),
    (
        "built nc",
        _trace(_BUILT_NC, "guest mmu off; guest read 0x40000000 64", _GUEST_WRITES, _GUEST_READS_MMU_ON),
        _NONE,
    ),
    (
        "built nc over a dirty scrub: the scrub's line overwrites the image",
        _trace(
            "scrubber map 0x40000000 0x1000 normal-wb; scrubber write 0x40000000 64",
            "scrubber unmap 0x40000000 0x1000",
            _BUILT_NC,
            "guest mmu off; guest read 0x40000000 64",
        ),
        _LOST,
    ),
    (
        "built nc beside the hypervisor's cacheable linear map",
        _trace(_XEN_MAP, _BUILT_NC, _GUEST_WRITES, _GUEST_READS_MMU_ON),
        _STALE,
    ),
    (
        "built wb, cleaned by the hypervisor with no cacheable alias live",
        _trace(_BUILT_WB, _UNMAPPED, "xen dc civac 0x40000000 64", _GUEST_WRITES, _GUEST_READS_MMU_ON),
        _NONE,
    ),
    (
        "built wb, cleaned by the hypervisor through a short-lived cacheable map",
        _trace(
            _BUILT_WB,
            _UNMAPPED,
            _XEN_MAP,
            "xen dc civac 0x40000000 64; xen unmap 0x40000000 0x1000",
            _GUEST_WRITES,
            _GUEST_READS_MMU_ON,
        ),
        _STALE,
    ),
    (
        "built wb, a permanent cacheable map, and the guest invalidates what it wrote",
        _trace(
            _XEN_MAP,
            _BUILT_WB,
            _UNMAPPED,
            "xen dc civac 0x40000000 64",
            _GUEST_WRITES,
            "guest dc ivac 0x40000000 8",
            _GUEST_READS_MMU_ON,
        ),
        _NONE,
    ),
]

# -- one rule each: agent w maps write-back, t write-through, n non-cacheable, v device --------------------

_16 = "line 16"
_W = "w map 0x1000 0x1000 normal-wb"
_WX = "w map 0x1000 0x1000 normal-wb exec"
_T = "t map 0x1000 0x1000 normal-wt"
_N = "n map 0x1000 0x1000 normal-nc"
_NX = "n map 0x1000 0x1000 normal-nc exec"
_V = "v map 0x1000 0x1000 device"
_W_DIRTY = "w map 0x1000 0x1000 normal-wb; w write 0x1000 16"
_W_GONE = "w unmap 0x1000 0x1000"
_G_FETCHES = "g icache on; g mmu off; g fetch 0x1000 4"

SMALL_EXAMPLES: list[Example] = [
    # reads
    ("never written: every copy is fresh", _trace(_W, _N, "w read 0x1000 64; n read 0x1000 64"), _NONE),
    ("read wb: from level 1", _trace(_16, _W_DIRTY, "w read 0x1000 16"), _NONE),
    (
        "read wb: a clean level 1 hides memory",
        _trace(_16, _W, _N, "n write 0x1000 4; w read 0x1000 4"),
        _STALE,
    ),
    (
        "read wb: a miss fills level 1, here by a walk, with no alias live",
        _trace(_16, _N, "w walk 0x1000 8 normal-wb; n write 0x1000 8; w walk 0x1000 8 normal-wb"),
        _STALE,
    ),
    (
        "read wb: without that miss nothing fills",
        _trace(_16, _N, "n write 0x1000 8; w walk 0x1000 8 normal-wb"),
        _NONE,
    ),
    (
        "read wb: only bytes of m are checked",
        _trace(_16, _W, _N, "n write 0x1000 4; w read 0x1004 12"),
        _NONE,
    ),
    ("read nc: from memory", _trace(_16, _N, _W_DIRTY, "n read 0x1000 4"), _STALE),
    ("read device: from memory", _trace(_16, _V, _W_DIRTY, "v read 0x1000 4"), _STALE),
    (
        "read nc: fills nothing",
        _trace(_16, _N, "n read 0x1000 4; n write 0x1000 4", _W, "w read 0x1000 4"),
        _NONE,
    ),
    ("read wt: as read wb, from level 1", _trace(_16, _T, _W_DIRTY, "t read 0x1000 16"), _NONE),
    (
        "read wt: as read wb, a miss fills level 1",
        _trace(_16, _N, "w walk 0x1000 8 normal-wt; n write 0x1000 8; w walk 0x1000 8 normal-wb"),
        _STALE,
    ),
    # writes
    (
        "write wb: the rest of the line comes from memory",
        _trace(_16, _N, "n write 0x1000 8", _W, "w write 0x1008 8; w read 0x1000 16"),
        _NONE,
    ),
    (
        "write wb: into a stale line; the neighbour is stale, and lost once written back",
        _trace(_16, _W, _N, "n write 0x1000 8; w write 0x1008 8; w read 0x1000 8"),
        _STALE | _LOST,
    ),
    (
        "write wb: into a stale line, cleaned; the neighbour is lost for certain",
        _trace(_16, _W, _N, "n write 0x1000 8; w write 0x1008 8; n dc civac 0x1000 1; n read 0x1000 8"),
        _LOST,
    ),
    (
        "write wb: the whole line again mends it",
        _trace(_16, _W, _N, "n write 0x1000 8; w write 0x1000 16; w read 0x1000 16"),
        _NONE,
    ),
    ("write wt: reaches memory", _trace(_16, _T, _N, "t write 0x1000 8; n read 0x1000 16"), _NONE),
    ("write wt: reaches valid copies", _trace(_16, _W, _T, "t write 0x1000 8; w read 0x1000 16"), _NONE),
    (
        "write wt: a dirty level 1 takes it and stays dirty",
        _trace(_16, _W_DIRTY, _T, "t write 0x1008 8; n dc cvac 0x1000 16", _N, "n read 0x1000 16"),
        _NONE,
    ),
    (
        "write wt: cleans nothing",
        _trace(_16, _W_DIRTY, _T, _N, "t write 0x1008 8; n read 0x1008 8; n read 0x1000 8"),
        _STALE,
    ),
    (
        "write wt: the instruction cache loses m",
        _trace(_16, "t map 0x1000 0x1000 normal-wt exec; t write 0x1000 8; t fetch 0x1000 4"),
        _FETCH,
    ),
    (
        "write wt: a fetch after ic needs no dc",
        _trace(
            _16, "t map 0x1000 0x1000 normal-wt exec; t write 0x1000 8; t ic ivau 0x1000 8; t fetch 0x1000 4"
        ),
        _NONE,
    ),
    ("write nc: memory gains m", _trace(_16, _N, "n write 0x1000 8; n read 0x1000 8"), _NONE),
    ("write device: level 1 loses m", _trace(_16, _W, _V, "v write 0x1000 8; w read 0x1000 8"), _STALE),
    (
        "write nc: under a dirty line; overwritten later",
        _trace(_16, _W_DIRTY, _W_GONE, _N, "n write 0x1000 4; n read 0x1000 4"),
        _LOST,
    ),
    (
        "write nc: under a dirty line; the dirty copy is stale to its own reader",
        _trace(_16, _W_DIRTY, _N, "n write 0x1000 4; w read 0x1000 4"),
        _STALE | _LOST,
    ),
    # fetches and walks
    (
        "fetch cacheable: does not see a dirty level 1",
        _trace(_16, _W_DIRTY, "x map 0x1000 0x1000 normal-wb exec; x fetch 0x1000 4"),
        _FETCH,
    ),
    (
        "fetch cacheable: sees a dirty level 2",
        _trace(_16, _W_DIRTY, "w dc cvau 0x1000 16; x map 0x1000 0x1000 normal-wb exec; x fetch 0x1000 4"),
        _NONE,
    ),
    (
        "fetch cacheable: from a stale instruction cache",
        _trace(_16, _G_FETCHES, _N, "n write 0x1000 4; g fetch 0x1000 4"),
        _FETCH,
    ),
    (
        "fetch not cacheable: from memory (MMU off)",
        _trace(_16, _W_DIRTY, "w dc cvau 0x1000 16; g mmu off; g fetch 0x1000 4"),
        _FETCH,
    ),
    (
        "fetch not cacheable: from memory (nc alias), whatever the instruction cache holds",
        _trace(_16, _WX, _NX, "n write 0x1000 4; n fetch 0x1000 4"),
        _NONE,
    ),
    (
        "fetch not cacheable: from memory (wb alias, icache off)",
        _trace(_16, "w icache off", _WX, "w write 0x1000 4; w dc cvau 0x1000 4; w fetch 0x1000 4"),
        _FETCH,
    ),
    (
        "fetch: a lost write is lost to a fetch too",
        _trace(_16, _W_DIRTY, _W_GONE, _NX, "n write 0x1000 4; n fetch 0x1000 4"),
        _LOST,
    ),
    ("walk nc: from memory", _trace(_16, _W_DIRTY, "g walk 0x1000 8 normal-nc"), _STALE),
    ("walk device: from memory", _trace(_16, _W_DIRTY, "g walk 0x1000 8 device"), _STALE),
    ("walk wb: from level 1", _trace(_16, _W_DIRTY, "g walk 0x1000 8 normal-wb"), _NONE),
    ("walk wb with dcache off: nc", _trace(_16, _W_DIRTY, "g dcache off; g walk 0x1000 8 normal-wb"), _STALE),
    (
        "walk wb with dcache on again: wb",
        _trace(_16, _W_DIRTY, "g dcache off; g dcache on; g walk 0x1000 8 normal-wb"),
        _NONE,
    ),
    (
        "stale, not lost: the instruction cache may hold the last fresh copy, or have dropped it",
        _trace(
            _16,
            "w map 0x1000 0x1000 normal-wb; w write 0x1000 16; w dc cvau 0x1000 16",
            "x map 0x1000 0x1000 normal-wb exec; x fetch 0x1000 16; w dc ivac 0x1000 16; w read 0x1000 16",
        ),
        _STALE | _LOST,
    ),
    # maintenance
    ("dc cvac: level 1 to memory", _trace(_16, _W_DIRTY, _N, "w dc cvac 0x1000 16; n read 0x1000 16"), _NONE),
    (
        "dc cvac: level 2 to memory",
        _trace(_16, _W_DIRTY, _N, "w dc cvau 0x1000 16; w dc cvac 0x1000 16; n read 0x1000 16"),
        _NONE,
    ),
    (
        "dc cvac: drops nothing",
        _trace(_16, _W, _N, "n write 0x1000 8; w dc cvac 0x1000 8; w read 0x1000 8"),
        _STALE,
    ),
    (
        "dc cvac: leaves nothing dirty",
        _trace(_16, _W_DIRTY, _W_GONE, _N, "n dc cvac 0x1000 1; n write 0x1000 8; n read 0x1000 16"),
        _NONE,
    ),
    (
        "dc cvac: leaves clean copies, which go stale",
        _trace(_16, _W_DIRTY, _W_GONE, _N, "n dc cvac 0x1000 1; n write 0x1000 8", _W, "w read 0x1000 16"),
        _STALE,
    ),
    (
        "dc civac: drops a stale line",
        _trace(_16, _W, _N, "n write 0x1000 8; w dc civac 0x1000 8; w read 0x1000 8"),
        _NONE,
    ),
    ("dc civac: writes back", _trace(_16, _W_DIRTY, _N, "n dc civac 0x1000 16; n read 0x1000 16"), _NONE),
    (
        "dc civac: no help before the write",
        _trace(_16, _W, _N, "w dc civac 0x1000 8; n write 0x1000 8; w read 0x1000 8"),
        _STALE,
    ),
    (
        "dc civac: leaves the instruction cache",
        _trace(_16, _WX, _N, "n write 0x1000 8; w dc civac 0x1000 8; w fetch 0x1000 8"),
        _FETCH,
    ),
    ("dc ivac: may drop a dirty line", _trace(_16, _W_DIRTY, "w dc ivac 0x1000 16; w read 0x1000 16"), _LOST),
    (
        "dc ivac: drops a stale clean line",
        _trace(_16, _W, _N, "n write 0x1000 8; n dc ivac 0x1000 8; w read 0x1000 8"),
        _NONE,
    ),
    ("dc ivac: whole lines", _trace(_16, _W_DIRTY, "w dc ivac 0x100f 1; w read 0x1000 1"), _LOST),
    ("dc ivac: not the next line", _trace(_16, _W_DIRTY, "w dc ivac 0x1010 1; w read 0x1000 16"), _NONE),
    ("dc cvau: not to memory", _trace(_16, _W_DIRTY, _N, "w dc cvau 0x1000 16; n read 0x1000 16"), _STALE),
    (
        "dc cvau and ic ivau: code is seen",
        _trace(_16, _WX, "w write 0x1000 8; w dc cvau 0x1000 8; w ic ivau 0x1000 8; w fetch 0x1000 8"),
        _NONE,
    ),
    (
        "ic ivau and dc cvau, in the wrong order: refilled between",
        _trace(_16, _WX, "w write 0x1000 8; w ic ivau 0x1000 8; w dc cvau 0x1000 8; w fetch 0x1000 8"),
        _FETCH,
    ),
    ("dc csw: may do nothing", _trace(_16, _W_DIRTY, _N, "w dc csw 0x1000 16; n read 0x1000 16"), _STALE),
    (
        "dc cisw: may do nothing",
        _trace(_16, _W, _N, "n write 0x1000 8; w dc cisw 0x1000 16; w read 0x1000 8"),
        _STALE,
    ),
    ("dc cisw: or drop", _trace(_16, _W_DIRTY, "w dc cisw 0x1000 16; w read 0x1000 16"), _NONE),
    (
        "dc isw: may do nothing, or lose a dirty line",
        _trace(_16, _W_DIRTY, _N, "w dc isw 0x1000 16; n read 0x1000 16"),
        _STALE | _LOST,
    ),
    (
        "ic iallu: every line",
        _trace(_16, _NX, "n write 0x1000 32; n ic iallu", _WX, "w fetch 0x1000 32"),
        _NONE,
    ),
    (
        "ic iallu: after a fill",
        _trace(_16, _WX, _N, "n write 0x1000 8; w dc civac 0x1000 8; n ic iallu; w fetch 0x1000 8"),
        _NONE,
    ),
    (
        "ic ialluis: after a fill",
        _trace(_16, _WX, _N, "n write 0x1000 8; w dc civac 0x1000 8; n ic ialluis; w fetch 0x1000 8"),
        _NONE,
    ),
    (
        "ic ivau: not level 2",
        _trace(_16, _WX, _N, "n write 0x1000 8; w ic ivau 0x1000 8; w fetch 0x1000 8"),
        _FETCH,
    ),
    ("dc zva wb: the whole block", _trace("line 128", _W, _N, "w dc zva 0x1048 1; n read 0x1040 1"), _STALE),
    (
        "dc zva wb: no more than the block",
        _trace("line 128", _W, _N, "w dc zva 0x1048 1; n read 0x1000 64"),
        _NONE,
    ),
    (
        "dc zva wb: every line of the block",
        _trace(_16, _W, _N, "w dc zva 0x1000 1; n read 0x1030 16"),
        _STALE,
    ),
    ("dc zva nc: to memory", _trace(_16, _N, "n dc zva 0x1000 64; n read 0x1000 64"), _NONE),
    ("dc zva nc: the cache loses it", _trace(_16, _W, _N, "n dc zva 0x1000 64; w read 0x1030 1"), _STALE),
    (
        "dc zva wb with dcache off: nc",
        _trace(_16, "w dcache off", _W, _N, "w dc zva 0x1000 64; n read 0x1000 64"),
        _NONE,
    ),
    # what is live
    ("map: fills from here on", _trace(_16, _N, "n write 0x1000 8", _W, "w read 0x1000 8"), _NONE),
    (
        "unmap: copies outlive the alias",
        _trace(_16, _W, _W_GONE, _N, "n write 0x1000 8", _W, "w read 0x1000 8"),
        _STALE,
    ),
    (
        "unmap: after it dc civac lasts",
        _trace(_16, _W, _W_GONE, _N, "n dc civac 0x1000 8; n write 0x1000 8", _W, "w read 0x1000 8"),
        _NONE,
    ),
    (
        "map: of its own page only",
        _trace(_16, "w map 0x2000 0x1000 normal-wb", _N, "n write 0x1ff8 8", _W, "w read 0x1ff8 8"),
        _NONE,
    ),
    (
        "map nc: fills nothing",
        _trace(_16, _NX, "v map 0x1000 0x1000 normal-nc; v write 0x1000 8", _W, "w read 0x1000 8"),
        _NONE,
    ),
    ("map wt: fills", _trace(_16, _T, _N, "n write 0x1000 8; t read 0x1000 8"), _STALE),
    (
        "mmu off: suspends",
        _trace(_16, "w mmu off", _W, _N, "n write 0x1000 8; w mmu on; w read 0x1000 8"),
        _NONE,
    ),
    ("mmu off: reads are device", _trace(_16, _W_DIRTY, "w mmu off; w read 0x1000 8"), _STALE),
    (
        "mmu on: fills from here on",
        _trace(_16, "w mmu off", _W, _N, "w mmu on; n write 0x1000 8; w read 0x1000 8"),
        _STALE,
    ),
    (
        "dcache off: suspends data fills",
        _trace(_16, "w dcache off", _W, _N, "n write 0x1000 8; w dcache on; w read 0x1000 8"),
        _NONE,
    ),
    ("dcache off: reads are nc", _trace(_16, _W_DIRTY, "w dcache off; w read 0x1000 8"), _STALE),
    (
        "dcache off: writes are nc",
        _trace(_16, "w dcache off", _W, _N, "w write 0x1000 8; n read 0x1000 8"),
        _NONE,
    ),
    (
        "dcache off: a cacheable fetch still fills",
        _trace(_16, "w dcache off", _WX, "w write 0x1000 8; w fetch 0x1000 8"),
        _FETCH,
    ),
    (
        "icache off: suspends instruction fills",
        _trace(_16, "w dcache off; w icache off", _WX, "w write 0x1000 8; w icache on; w fetch 0x1000 8"),
        _NONE,
    ),
    (
        "fetch possible: fills level 2",
        _trace(_16, "w dcache off", _WX, _N, "n write 0x1000 8; w dcache on; w read 0x1000 8"),
        _STALE,
    ),
    (
        "not exec: no instruction fill",
        _trace(
            _16, "w dcache off", _W, _N, "n write 0x1000 8; w unmap 0x1000 0x1000", _WX, "w fetch 0x1000 8"
        ),
        _NONE,
    ),
    # the window of a fetch with the MMU off
    (
        "window: nothing before the first fetch",
        _trace(_16, "g icache on; g mmu off", _N, "n write 0x1000 8; g fetch 0x1000 8"),
        _NONE,
    ),
    (
        "window: the fetch at hand fills level 2",
        _trace(_16, _G_FETCHES, _N, "n write 0x1000 8", _W, "w read 0x1000 8"),
        _STALE,
    ),
    (
        "window: the next page",
        _trace(_16, _G_FETCHES, "n map 0x1000 0x3000 normal-nc; n write 0x2000 8; g fetch 0x2000 8"),
        _FETCH,
    ),
    (
        "window: not the page after the next",
        _trace(_16, _G_FETCHES, "n map 0x1000 0x3000 normal-nc; n write 0x3000 8; g fetch 0x3000 8"),
        _NONE,
    ),
    (
        "window: not the page before",
        _trace(_16, "g icache on; g mmu off; g fetch 0x2000 4", _N, "n write 0x1000 8; g fetch 0x1000 8"),
        _NONE,
    ),
    (
        "window: not without the instruction cache",
        _trace(_16, "g mmu off; g fetch 0x1000 4", _N, "n write 0x1000 8; g fetch 0x1000 8"),
        _NONE,
    ),
    (
        "window: without the instruction cache level 2 is not filled either",
        _trace(_16, "g mmu off; g fetch 0x1000 4", _N, "n write 0x1000 8", _W, "w read 0x1000 8"),
        _NONE,
    ),
    (
        "window: forgotten over mmu on",
        _trace(
            _16,
            _G_FETCHES,
            "g mmu on; g mmu off; g ic iallu; g dc civac 0x1000 8",
            _N,
            "n write 0x1000 8; g fetch 0x1000 8",
        ),
        _NONE,
    ),
    (
        "window: kept over a second mmu off (a reading)",
        _trace(
            _16,
            _G_FETCHES,
            "g mmu off; g ic iallu; g dc civac 0x1000 8",
            _N,
            "n write 0x1000 8; g fetch 0x1000 8",
        ),
        _FETCH,
    ),
    (
        "window: a fetch that was not cacheable counts (a reading)",
        _trace(_16, "g mmu off; g fetch 0x1000 4; g icache on", _N, "n write 0x1000 8; g fetch 0x1000 8"),
        _FETCH,
    ),
    # switches
    (
        "line 16: a neighbour is another line's",
        _trace(_16, _W_DIRTY, _W_GONE, _N, "n write 0x1010 16; n read 0x1010 16"),
        _NONE,
    ),
    (
        "line 32: a neighbour is this line's",
        _trace("line 32", _W_DIRTY, _W_GONE, _N, "n write 0x1010 16; n read 0x1010 16"),
        _LOST,
    ),
    ("line: 64 unless said", _trace(_W_DIRTY, _W_GONE, _N, "n write 0x1030 16; n read 0x1030 16"), _LOST),
    ("line: 64, not 128", _trace(_W_DIRTY, _W_GONE, _N, "n write 0x1040 16; n read 0x1040 16"), _NONE),
    ("nc-may-hit off: nc reads memory", _trace(_16, _W, _N, "n write 0x1000 8; n read 0x1000 8"), _NONE),
    (
        "nc-may-hit: an nc read may hit a stale line",
        _trace(_16, "option nc-may-hit", _W, _N, "n write 0x1000 8; n read 0x1000 8"),
        _STALE,
    ),
    (
        "nc-may-hit: but may miss a dirty one",
        _trace(_16, "option nc-may-hit", _W_DIRTY, _N, "n read 0x1000 8"),
        _STALE,
    ),
    (
        "nc-may-hit: level 1 alone (filled by a walk)",
        _trace(_16, "option nc-may-hit", _N, "n walk 0x1000 8 normal-wb; n write 0x1000 8; n read 0x1000 8"),
        _STALE,
    ),
    (
        "nc-may-hit: level 2 alone (filled by the fetch window)",
        _trace(_16, "option nc-may-hit", _G_FETCHES, _N, "n write 0x1000 8; n read 0x1000 8"),
        _STALE,
    ),
    (
        "nc-may-hit: a walk too",
        _trace(_16, "option nc-may-hit", _W, _N, "n write 0x1000 8; n walk 0x1000 8 normal-nc"),
        _STALE,
    ),
    (
        "nc-may-hit: not a fetch (a reading)",
        _trace(_16, "option nc-may-hit", _W, _NX, "n write 0x1000 8; n fetch 0x1000 8"),
        _NONE,
    ),
    (
        "setway-effective: dc csw is dc cvac",
        _trace(_16, "option setway-effective", _W_DIRTY, _N, "w dc csw 0x1000 16; n read 0x1000 16"),
        _NONE,
    ),
    (
        "setway-effective: dc cisw is dc civac",
        _trace(
            _16, "option setway-effective", _W, _N, "n write 0x1000 8; w dc cisw 0x1000 16; w read 0x1000 8"
        ),
        _NONE,
    ),
    (
        "setway-effective: dc isw is dc ivac",
        _trace(_16, "option setway-effective", _W_DIRTY, _N, "w dc isw 0x1000 16; n read 0x1000 16"),
        _LOST,
    ),
    (
        "setway-effective: only on its range",
        _trace(_16, "option setway-effective", _W_DIRTY, _N, "w dc csw 0x1010 16; n read 0x1000 16"),
        _STALE,
    ),
    (
        "idc: a fetch sees a dirty level 1",
        _trace(_16, "option idc", _W_DIRTY, "x map 0x1000 0x1000 normal-wb exec; x fetch 0x1000 4"),
        _NONE,
    ),
    (
        "idc: the instruction cache is still stale",
        _trace(_16, "option idc", _WX, "w write 0x1000 8; w fetch 0x1000 8"),
        _FETCH,
    ),
    (
        "idc: so ic ivau alone will do",
        _trace(_16, "option idc", _WX, "w write 0x1000 8; w ic ivau 0x1000 8; w fetch 0x1000 8"),
        _NONE,
    ),
    (
        "idc: a stale clean level 1 is seen at the PoU",
        _trace(
            _16,
            "option idc",
            _WX,
            "w dc cvau 0x1000 8",
            _N,
            "n write 0x1000 8; w ic ivau 0x1000 8; w fetch 0x1000 8",
        ),
        _FETCH,
    ),
    (
        "dic: dc cvau alone will do",
        _trace(_16, "option dic", _WX, "w write 0x1000 8; w dc cvau 0x1000 8; w fetch 0x1000 8"),
        _NONE,
    ),
    (
        "dic: level 1 is still not seen",
        _trace(_16, "option dic", _WX, "w write 0x1000 8; w fetch 0x1000 8"),
        _FETCH,
    ),
    (
        "dic: a fetch leaves no copy",
        _trace(_16, "option dic", _G_FETCHES, _N, "n write 0x1000 8; n dc civac 0x1000 8; g fetch 0x1000 8"),
        _NONE,
    ),
    (
        "dic: a stale level 2 is still seen",
        _trace(_16, "option dic", _G_FETCHES, _N, "n write 0x1000 8; g fetch 0x1000 8"),
        _FETCH,
    ),
    (
        "idc and dic: a fetch is like a read",
        _trace(_16, "option idc; option dic", _WX, "w write 0x1000 8; w fetch 0x1000 8"),
        _NONE,
    ),
    # pages
    (
        "page end: each page's own type",
        _trace(
            _16,
            "p map 0x1000 0x1000 normal-wb; p map 0x2000 0x1000 normal-nc",
            "g mmu off",
            "p write 0x1ff0 32; g read 0x2000 16",
        ),
        _NONE,
    ),
    (
        "page end: each page's own type, on the other side",
        _trace(
            _16,
            "p map 0x1000 0x1000 normal-wb; p map 0x2000 0x1000 normal-nc",
            "g mmu off",
            "p write 0x1ff0 32; g read 0x1ff0 16",
        ),
        _STALE,
    ),
]
