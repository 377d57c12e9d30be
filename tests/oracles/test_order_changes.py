# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings that change, translations that end in steps, and types that differ: verdicts worked out by hand.

As in ``test_order_explorer.py``, each rule has a trace and, beside it, a variant with another verdict; names that end
in "(a reading)" are of places that the pages leave open.
"""

from itertools import permutations

import pytest

from tests.oracles.order_explorer import Malformed, explore
from tests.oracles.test_order_explorer import (
    _A,
    _N,
    AGENTS,
    AT_ONCE,
    FETCH,
    NC,
    NONE,
    ORDER,
    STALE,
    WB,
    Case,
    P,
    X,
    Y,
    kinds,
    trace,
)
from tests.oracles.test_order_words import LEAK

ELSEWHERE = "0x3000 0x1000"
OVER_END = "0x1ff8 16"
_UNSAID = f"{AGENTS}; option order"
_N_READS = f"{_N}; n read {X}"
_N_STORES = f"{_N}; n write {X}; n dsb"
_H_READS = f"h read {X}"
_H_WB = f"h map {WB}; h isb"
_H_ON = f"h mmu off; h isb; h map {WB}; h mmu on"
_B_DIRTY = f"b map {WB}; b write {X}"
# A line that may have been filled is not what is in memory after this, and a cacheable look sees it.
_LOOK = f"{_N_STORES}; b walk {X} normal-wb"
_CIVAC = f"n dc civac {X}; n dsb"
_ZVA = f"h dc zva {X}; b walk {X} normal-wb"
_H_CODE = f"h map {WB} exec; h isb"

ACCESSES: list[Case] = [
    ("MMU on: the old kind", [ORDER, _B_DIRTY, _H_ON, _H_READS], STALE),
    ("… until isb", [ORDER, _B_DIRTY, _H_ON, f"h isb; {_H_READS}"], NONE),
    ("MMU on: the new kind", [ORDER, _H_ON, _N_STORES, _H_READS], STALE),
    ("MMU off: the old kind", [ORDER, _H_WB, _N_STORES, f"h mmu off; {_H_READS}"], STALE),
    ("… until its isb", [ORDER, _H_WB, _N_STORES, f"h mmu off; h isb; {_H_READS}"], NONE),
    ("… until no other barrier", [ORDER, _H_WB, _N_STORES, f"h mmu off; h dsb; h dmb; {_H_READS}"], STALE),
    ("MMU off: the new kind", [ORDER, _B_DIRTY, _H_WB, f"h mmu off; {_H_READS}"], STALE),
    (
        "MMU off, complete at once",
        [AT_ONCE, f"h map {WB}; h ic iallu; {_N}; n write {X}; h mmu off", _H_READS],
        NONE,
    ),
    ("dcache off: the old kind", [ORDER, _H_WB, _N_STORES, f"h dcache off; {_H_READS}"], STALE),
    ("… until isb, with dcache off", [ORDER, _H_WB, _N_STORES, f"h dcache off; h isb; {_H_READS}"], NONE),
    ("dcache off: the new kind", [ORDER, _B_DIRTY, _H_WB, f"h dcache off; {_H_READS}"], STALE),
    ("a poll", [ORDER, f"give {P} h", _H_WB, _N_STORES, f"h mmu off; h poll {X}"], LEAK),
    ("a poll after isb", [ORDER, f"give {P} h", _H_WB, _N_STORES, f"h mmu off; h isb; h poll {X}"], NONE),
    ("an owner", [ORDER, f"give {P} h", _H_WB, _N_STORES, f"h mmu off; {_H_READS}"], LEAK | STALE),
    # Walks.
    (
        "a walk, dcache off: the old kind",
        [ORDER, _H_WB, _N_STORES, f"h dcache off; h walk {X} normal-wb"],
        STALE,
    ),
    ("… until isb, a walk", [ORDER, _H_WB, _N_STORES, f"h dcache off; h isb; h walk {X} normal-wb"], NONE),
    (
        "a walk, dcache off: the new kind",
        [ORDER, _B_DIRTY, f"h isb; h dcache off; h walk {X} normal-wb"],
        STALE,
    ),
    ("… no change, a walk", [ORDER, _B_DIRTY, f"h isb; h walk {X} normal-wb"], NONE),
    (
        "a walk at the PoU, dcache off",
        [ORDER, _B_DIRTY, f"b dc cvau {X}; b dsb; h isb; h dcache off; h walk {X} pou"],
        STALE,
    ),
    (
        "… no change, a walk at the PoU",
        [ORDER, _B_DIRTY, f"b dc cvau {X}; b dsb; h isb; h walk {X} pou"],
        NONE,
    ),
    # Stores.
    ("a store of the new kind", [ORDER, _H_WB, f"h dcache off; h write {X}; b walk {X} normal-wb"], STALE),
    ("… of the old kind", [ORDER, _H_WB, f"h dcache off; h write {X}; h dsb", _N_READS], STALE),
    ("… after isb", [ORDER, _H_WB, f"h dcache off; h isb; h write {X}; h dsb", _N_READS], NONE),
    (
        "settings between: D, M",
        [ORDER, f"h mmu off; h dcache off; h isb; h map {WB}; h dcache on; h mmu on", _ZVA],
        NONE,
    ),
    (
        "settings between: M, D",
        [ORDER, f"h mmu off; h dcache off; h isb; h map {WB}; h mmu on; h dcache on", _ZVA],
        STALE,
    ),
    (
        "settings between: M, D, isb",
        [ORDER, f"h mmu off; h dcache off; h isb; h map {WB}; h mmu on; h dcache on; h isb", _ZVA],
        NONE,
    ),
    # Fetches.
    ("a fetch, icache off: the old kind", [ORDER, _H_CODE, _N_STORES, f"h icache off; h fetch {X}"], FETCH),
    ("… until isb, a fetch", [ORDER, _H_CODE, _N_STORES, f"h icache off; h isb; h fetch {X}"], NONE),
    (
        "a fetch, icache on: the new kind",
        [ORDER, "h icache off", _H_CODE, _N_STORES, f"h isb; h icache on; h fetch {X}"],
        FETCH,
    ),
    ("… no change, a fetch", [ORDER, "h icache off", _H_CODE, _N_STORES, f"h isb; h fetch {X}"], NONE),
    (
        "a fetch past the caches: prefetched by the old setting",
        [ORDER, f"h map {NC} exec; h isb; h mmu off", _N_STORES, f"h fetch {X}"],
        FETCH,
    ),
    (
        "… until isb, a fetch past the caches",
        [ORDER, f"h map {NC} exec; h isb; h mmu off; h isb", _N_STORES, f"h fetch {X}"],
        NONE,
    ),
    # Impossible kinds.
    ("no mapping", [ORDER, _B_DIRTY, f"b dc cvac {X}; b dsb; h isb; h mmu off; {_H_READS}"], NONE),
    ("no mapping any more", [ORDER, f"h mmu off; h isb; h mmu on; {_N_STORES}; {_H_READS}"], NONE),
    ("not exec", [ORDER, f"h map {WB}; h isb; {_N_STORES}; h mmu off; h fetch {X}"], NONE),
    ("a walk with the MMU off", [ORDER, _B_DIRTY, f"h isb; h mmu off; h walk {X} normal-wb"], NONE),
    ("zva with the MMU off", [ORDER, _H_WB, f"h mmu off; {_ZVA}"], NONE),
    (
        "each page by itself",
        [ORDER, _H_WB, f"{_N}; n write 0x1ff8 8; n dsb; h mmu off; h read {OVER_END}"],
        STALE,
    ),
    ("… in the one", [ORDER, _H_WB, f"{_N}; n write 0x1ff8 8; n dsb; h mmu off; h read 0x1ff8 8"], STALE),
    # Waiting.
    (
        "a clean that old and new settings issue",
        [ORDER, _A, f"a icache off; a dc cvac {X}; a read {Y}", _N_READS],
        NONE,
    ),
    (
        "a clean that one of them issues",
        [ORDER, _A, f"a dcache off; a dcache on; a dc cvac {X}; a read {Y}", _N_READS],
        STALE,
    ),
    (
        "… until isb, a clean",
        [ORDER, _A, f"a dcache off; a dcache on; a isb; a dc cvac {X}; a read {Y}", _N_READS],
        NONE,
    ),
    (
        "a read of which one kind waits",
        [ORDER, _A, f"a dc cvac {X}; a dcache off; a read {Y}", _N_READS],
        STALE,
    ),
    ("… both kinds", [ORDER, _A, f"a dc cvac {X}; a icache off; a read {Y}", _N_READS], NONE),
]

_H_MAPS = f"h map {WB}"

FILLS: list[Case] = [
    ("the old setting", [ORDER, _H_WB, f"h mmu off; {_CIVAC}", _LOOK], STALE),
    ("… until isb", [ORDER, _H_WB, f"h mmu off; h isb; {_CIVAC}", _LOOK], NONE),
    ("… isb too late", [ORDER, _H_WB, f"h mmu off; {_CIVAC}; h isb", _LOOK], STALE),
    (
        "… complete at once",
        [
            AT_ONCE,
            f"h map {WB}; h ic iallu; h mmu off; n dc civac {X}",
            f"{_N}; n write {X}; b walk {X} normal-wb",
        ],
        NONE,
    ),
    ("the new setting", [ORDER, _H_ON, _LOOK], STALE),
    ("… only with mmu on", [ORDER, f"h mmu off; h isb; {_H_MAPS}", _LOOK], NONE),
    ("dcache off: the old setting", [ORDER, _H_WB, f"h dcache off; {_CIVAC}", _LOOK], STALE),
    ("… until isb, with dcache off", [ORDER, _H_WB, f"h dcache off; h isb; {_CIVAC}", _LOOK], NONE),
    ("cacheable fetches", [ORDER, f"h dcache off; {_H_CODE}; h icache off; {_CIVAC}", _LOOK], STALE),
    (
        "… until isb, cacheable fetches",
        [ORDER, f"h dcache off; {_H_CODE}; h icache off; h isb; {_CIVAC}", _LOOK],
        NONE,
    ),
    # The state at the start.
    ("before any event", [ORDER, f"h mmu off; {_H_MAPS}", _LOOK], NONE),
    ("after switches alone", [ORDER, f"h icache off; h mmu off; {_H_MAPS}", _LOOK], NONE),
    (
        "after map and unmap alone",
        [ORDER, f"h map {ELSEWHERE} normal-wb; h unmap {ELSEWHERE}; h mmu off; {_H_MAPS}", _LOOK],
        NONE,
    ),
    ("after a barrier", [ORDER, f"h dmb; h mmu off; {_H_MAPS}", _LOOK], STALE),
    ("after maintenance", [ORDER, f"h dc cvac 0x3000 8; h mmu off; {_H_MAPS}", _LOOK], STALE),
    (
        "after a poll",
        [ORDER, f"h map {ELSEWHERE} normal-wb; h poll 0x3000 8; h mmu off; {_H_MAPS}", _LOOK],
        STALE,
    ),
    ("after another's event", [ORDER, f"b isb; h mmu off; {_H_MAPS}", _LOOK], NONE),
    ("after an event of another agent of the core", [ORDER, f"m isb; g mmu off; g map {WB}", _LOOK], NONE),
    # Changes.
    ("no change", [ORDER, f"h mmu off; h isb; h mmu off; {_H_MAPS}", _LOOK], NONE),
    ("there and back", [ORDER, f"h mmu off; h isb; h mmu on; h mmu off; {_H_MAPS}", _LOOK], STALE),
    (
        "… until isb, there and back",
        [ORDER, f"h mmu off; h isb; h mmu on; h mmu off; h isb; {_H_MAPS}", _LOOK],
        NONE,
    ),
    # Whose isb it is.
    ("an isb of an agent of the core", [ORDER, f"g isb; g mmu off; m isb; g map {WB}", _LOOK], NONE),
    ("an isb of another core", [ORDER, f"g isb; g mmu off; n isb; g map {WB}", _LOOK], STALE),
    ("nothing said: its own", [_UNSAID, f"u isb; u mmu off; u isb; u map {WB}", _LOOK], NONE),
    ("nothing said: another's", [_UNSAID, f"u isb; u mmu off; v isb; u map {WB}", _LOOK], STALE),
]

_OFF = "h mmu off; h isb; h fetch 0x1000 4"
_LATER = f"{_N_STORES}; h fetch {X}"

WINDOW: list[Case] = [
    ("a page that was fetched from", [ORDER, _OFF, _LATER], FETCH),
    ("forgotten at isb with the MMU on", [ORDER, _OFF, "h mmu on; h isb; h mmu off; h isb", _LATER], NONE),
    ("not at isb with the MMU off", [ORDER, _OFF, "h isb", _LATER], FETCH),
    ("not by mmu on alone", [ORDER, _OFF, "h mmu on; h mmu off; h isb", _LATER], FETCH),
    (
        "a fetch with the MMU off in the old setting",
        [ORDER, "h mmu off; h isb; h mmu on; h fetch 0x1000 4; h mmu off; h isb", _LATER],
        FETCH,
    ),
    ("… in the new one", [ORDER, "h isb; h mmu off; h fetch 0x1000 4; h isb", _LATER], FETCH),
    (
        "… in none",
        [
            ORDER,
            f"h mmu off; h map {NC} exec; h isb; h mmu on; h isb; h fetch 0x1000 4; h mmu off; h isb",
            _LATER,
        ],
        NONE,
    ),
]

_INVALID = f"b descriptor {P} invalid"
_TLBI = f"b tlbi {P}"
_END = f"{_INVALID}; b dsb; {_TLBI}; b dsb"
_A_LOOK = f"{_N_STORES}; a walk {X} normal-wb"
_NOW = f"{_CIVAC}; {_A_LOOK}"
_B_MAPS = f"b map {WB}"
_BOTH = "b map 0x0 0x2000 normal-wb"
_A_ENDS = f"a map {WB}; a descriptor {P} invalid; m dsb; g tlbi {P}; t dsb"

TRANSLATIONS: list[Case] = [
    ("all that it takes", [ORDER, _B_MAPS, _END, _NOW], NONE),
    ("nothing", [ORDER, _B_MAPS, _NOW], STALE),
    ("no descriptor", [ORDER, _B_MAPS, f"b dsb; {_TLBI}; b dsb", _NOW], STALE),
    ("the descriptor alone", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; b dsb", _NOW], STALE),
    ("no dsb before tlbi", [ORDER, _B_MAPS, f"{_INVALID}; {_TLBI}; b dsb", _NOW], STALE),
    ("… but a second tlbi", [ORDER, _B_MAPS, f"{_INVALID}; {_TLBI}; b dsb; {_TLBI}; b dsb", _NOW], NONE),
    ("no dsb after tlbi", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; {_TLBI}", _NOW], STALE),
    ("dmb before tlbi", [ORDER, _B_MAPS, f"{_INVALID}; b dmb; {_TLBI}; b dsb", _NOW], STALE),
    ("dmb after tlbi", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; {_TLBI}; b dmb; b isb", _NOW], STALE),
    ("dsb before the descriptor", [ORDER, _B_MAPS, f"b dsb; {_INVALID}; {_TLBI}; b dsb", _NOW], STALE),
    ("tlbi before the descriptor", [ORDER, _B_MAPS, f"b dsb; {_TLBI}; {_INVALID}; b dsb", _NOW], STALE),
    ("tlbi twice", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; {_TLBI}; {_TLBI}; b dsb", _NOW], NONE),
    ("tlbi all", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; b tlbi all; b dsb", _NOW], NONE),
    ("tlbi of more", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; b tlbi 0x0 0x4000; b dsb", _NOW], NONE),
    (
        "tlbi of another page",
        [ORDER, _B_MAPS, f"{_INVALID}; b dsb; b tlbi 0x2000 0x1000; b dsb", _NOW],
        STALE,
    ),
    ("unmapped", [ORDER, _B_MAPS, f"b unmap {P}", _NOW], NONE),
    ("unmapped when it is ending", [ORDER, _B_MAPS, f"{_INVALID}; b unmap {P}", _NOW], NONE),
    ("with the MMU off", [ORDER, _B_MAPS, f"b mmu off; {_END}; b mmu on; b isb", _NOW], NONE),
    (
        "with the MMU off, no tlbi",
        [ORDER, _B_MAPS, f"b mmu off; {_INVALID}; b dsb; b mmu on; b isb", _NOW],
        STALE,
    ),
    # Whose barriers and tlbi.
    ("agents of one core", [ORDER, _A_ENDS, f"{_CIVAC}; {_LOOK}"], NONE),
    ("another core's first dsb", [ORDER, _B_MAPS, f"{_INVALID}; h dsb; {_TLBI}; b dsb", _NOW], STALE),
    ("another core's last dsb", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; {_TLBI}; h dsb", _NOW], STALE),
    ("… and its own after it", [ORDER, _B_MAPS, f"{_INVALID}; b dsb; {_TLBI}; h dsb; b dsb", _NOW], NONE),
    ("another core's tlbi", [ORDER, _B_MAPS, f"{_INVALID}; h dsb; h tlbi {P}; h dsb", _NOW], NONE),
    (
        "another core's tlbi that has not seen it",
        [ORDER, _B_MAPS, f"{_INVALID}; b dsb; h tlbi {P}; h dsb", _NOW],
        STALE,
    ),
    (
        "another core's tlbi, its own dsb",
        [ORDER, _B_MAPS, f"{_INVALID}; b dsb; h dsb; h tlbi {P}; b dsb", _NOW],
        STALE,
    ),
    (
        "of two tlbi, the other's is complete",
        [ORDER, _B_MAPS, f"{_INVALID}; b dsb; h dsb; {_TLBI}; h tlbi {P}; h dsb", _NOW],
        NONE,
    ),
    (
        "nothing said: its own",
        [_UNSAID, f"u map {WB}; u descriptor {P} invalid; u dsb; u tlbi all; u dsb", _NOW],
        NONE,
    ),
    (
        "nothing said: another's dsb",
        [_UNSAID, f"u map {WB}; u descriptor {P} invalid; v dsb; u tlbi all; u dsb", _NOW],
        STALE,
    ),
    # Several aliases.
    ("one of two agents' aliases", [ORDER, _B_MAPS, _H_MAPS, _END, _NOW], STALE),
    (
        "two agents' aliases by one tlbi",
        [ORDER, _B_MAPS, _H_MAPS, f"h descriptor {P} invalid; {_END}", _NOW],
        NONE,
    ),
    (
        "two, and one that is not seen",
        [ORDER, _B_MAPS, _H_MAPS, f"{_INVALID}; n dsb; h descriptor {P} invalid; n tlbi {P}; n dsb", _NOW],
        STALE,
    ),
    (
        "… and again",
        [
            ORDER,
            _B_MAPS,
            _H_MAPS,
            f"{_INVALID}; n dsb; h descriptor {P} invalid; n tlbi {P}; n dsb; n tlbi {P}; n dsb",
            _NOW,
        ],
        NONE,
    ),
    ("one page of two", [ORDER, _BOTH, _END, _NOW], NONE),
    (
        "the other page",
        [ORDER, _BOTH, "b descriptor 0x0 0x1000 invalid; b dsb; b tlbi all; b dsb", _NOW],
        STALE,
    ),
    (
        "a dsb that completes one page's tlbi, and before another's",
        [
            ORDER,
            _BOTH,
            f"b descriptor 0x0 0x1000 invalid; b dsb; b tlbi all; {_INVALID}; b dsb; b tlbi all; b dsb",
            _NOW,
        ],
        NONE,
    ),
    (
        "a dsb that completes one page's tlbi, and none of another's",
        [ORDER, _BOTH, f"b descriptor 0x0 0x1000 invalid; b dsb; b tlbi all; {_INVALID}; b dsb", _NOW],
        STALE,
    ),
    # A new alias.
    ("mapped anew", [ORDER, _B_MAPS, _END, _B_MAPS, _NOW], STALE),
    ("mapped anew, and tlbi", [ORDER, _B_MAPS, _END, _B_MAPS, f"{_TLBI}; b dsb", _NOW], STALE),
    ("mapped anew and ended anew", [ORDER, _B_MAPS, _END, _B_MAPS, _END, _NOW], NONE),
    (
        "… without a dsb of its own",
        [ORDER, _B_MAPS, _END, _B_MAPS, f"{_INVALID}; {_TLBI}; b dsb", _NOW],
        STALE,
    ),
    (
        "mapped anew with a tlbi pending (a reading)",
        [ORDER, _B_MAPS, f"{_INVALID}; b dsb; {_TLBI}; b unmap {P}; {_B_MAPS}; b dsb", _NOW],
        STALE,
    ),
    # What may happen till then.
    ("it serves", [ORDER, f"{_B_MAPS}; {_INVALID}; b dsb; b tlbi all; {_N_STORES}; b read {X}"], STALE),
    ("it is noted", [ORDER, _B_DIRTY, f"{_INVALID}; b dc cvac {X}; b read {Y}", _N_READS], NONE),
    ("it is noted no more", [ORDER, _A, f"m map {WB}; b map {WB}; {_END}; b dc cvac {X}", _N_READS], STALE),
    (
        "refilled before the dsb that completes tlbi and civac",
        [ORDER, _B_DIRTY, f"{_INVALID}; b dsb; {_TLBI}; b dc civac {X}; b dsb", _A_LOOK],
        STALE,
    ),
    ("not after it", [ORDER, _B_DIRTY, f"{_END}; b dc civac {X}; b dsb", _A_LOOK], NONE),
    (
        "fetches past the caches",
        [
            ORDER,
            f"h map {NC} exec; h descriptor {P} invalid; h dsb; h isb; {_N_STORES}; h mmu off; h fetch {X}",
        ],
        FETCH,
    ),
    (
        "no fetches past the caches",
        [
            ORDER,
            f"h map {NC} exec; h descriptor {P} invalid; h dsb; h tlbi all; h dsb; h isb",
            f"{_N_STORES}; h mmu off; h fetch {X}",
        ],
        NONE,
    ),
    # They are events: a switch after them is one as well.
    (
        "a switch after descriptor",
        [
            ORDER,
            f"h map {ELSEWHERE} normal-wb; h descriptor {ELSEWHERE} invalid; h mmu off; {_H_MAPS}",
            _LOOK,
        ],
        STALE,
    ),
    ("a switch after tlbi", [ORDER, f"h tlbi all; h mmu off; {_H_MAPS}", _LOOK], STALE),
    ("a switch after another's tlbi", [ORDER, f"b tlbi all; h mmu off; {_H_MAPS}", _LOOK], NONE),
]

WB_NC, WB_WT, NC_WB, NC_WT, WT_WB, WT_NC = (
    f"{P} normal-{inner}/normal-{outer}" for inner, outer in permutations(("wb", "nc", "wt"), 2)
)
_N_WRITES = f"{_N}; n write {X}"
_B_WALKS = f"b walk {X} normal-wb"
_SEEN = f"{_N_WRITES}; {_B_WALKS}"  # stale where a copy may be in the caches
_TO_POU = f"a map {WB}; a write {X}; a dc cvau {X}"
_H_FETCHES = f"h fetch {X}"
_HELD_CODE = f"{_TO_POU}; a dsb; a ic ialluis; a dsb; h isb; a dc cvac {X}; a dsb; {_H_FETCHES}"

TYPES: list[Case] = [
    # Fills.
    ("may fill, wb/nc", [AT_ONCE, f"h map {WB_NC}", _SEEN], STALE),
    ("may fill, nc/wb", [AT_ONCE, f"h map {NC_WB}", _SEEN], STALE),
    ("may fill, wb/wt", [AT_ONCE, f"h map {WB_WT}", _SEEN], STALE),
    ("may fill, nc/wt", [AT_ONCE, f"h map {NC_WT}", _SEEN], STALE),
    ("may not, nc", [AT_ONCE, f"h map {NC}", _SEEN], NONE),
    ("may not with dcache off", [AT_ONCE, f"h dcache off; h map {WB_NC}", _SEEN], NONE),
    ("may not with the MMU off", [AT_ONCE, f"h mmu off; h map {WB_NC}", _SEEN], NONE),
    (
        "may not when it is unmapped",
        [AT_ONCE, f"h mmu off; h map {WB_NC}; h unmap {P}; h mmu on", _SEEN],
        NONE,
    ),
    ("may by cacheable fetches", [AT_ONCE, f"h dcache off; h map {WB_NC} exec", _SEEN], STALE),
    (
        "may not with both caches off",
        [AT_ONCE, f"h dcache off; h icache off; h map {NC_WT} exec", _SEEN],
        NONE,
    ),
    # Reads.
    ("a read past a dirty line, wb/nc", [AT_ONCE, _B_DIRTY, f"h map {WB_NC}; {_H_READS}"], STALE),
    ("a read past a dirty line, nc/wt", [AT_ONCE, _B_DIRTY, f"h map {NC_WT}; {_H_READS}"], STALE),
    ("no read past a dirty line, wb/wt", [AT_ONCE, _B_DIRTY, f"h map {WB_WT}; {_H_READS}"], NONE),
    ("no read past a dirty line, wt/wb", [AT_ONCE, _B_DIRTY, f"h map {WT_WB}; {_H_READS}"], NONE),
    ("a read of a copy, wb/nc", [AT_ONCE, f"h map {WB_NC}; {_N_WRITES}; {_H_READS}"], STALE),
    ("a read of a copy, wb/wt", [AT_ONCE, f"h map {WB_WT}; {_N_WRITES}; {_H_READS}"], STALE),
    (
        "no read of a copy with dcache off",
        [AT_ONCE, f"h map {WB_NC}; {_N_WRITES}; h dcache off; {_H_READS}"],
        NONE,
    ),
    (
        "a read past a dirty line with dcache off",
        [AT_ONCE, _B_DIRTY, f"h dcache off; h map {WB_WT}; {_H_READS}"],
        STALE,
    ),
    (
        "no read of a copy with the MMU off",
        [AT_ONCE, f"h map {WB_NC}; {_N_WRITES}; h mmu off; {_H_READS}"],
        NONE,
    ),
    ("a poll of what nobody wrote", [AT_ONCE, f"h map {WB_NC}; give {P} h; {_N_WRITES}; h poll {X}"], LEAK),
    (
        "another page's types",
        [AT_ONCE, f"h map 0x2000 0x1000 normal-wb/normal-nc; {_B_DIRTY}; h map {WB}; {_H_READS}"],
        NONE,
    ),
    # Writes: what is in the caches only, or not in the caches.
    ("a write, wb/nc, in memory", [AT_ONCE, f"h map {WB_NC}; h write {X}", _N_READS], STALE),
    ("a write, wb/nc, in the caches", [AT_ONCE, f"h map {WB_NC}; h write {X}", _B_WALKS], STALE),
    ("a write, wb/nc, by itself", [AT_ONCE, f"h map {WB_NC}; h write {X}; {_H_READS}"], STALE),
    ("a write, wb/wt, in memory", [AT_ONCE, f"h map {WB_WT}; h write {X}", _N_READS], STALE),
    ("a write, wb/wt, in the caches", [AT_ONCE, f"h map {WB_WT}; h write {X}", _B_WALKS], NONE),
    ("a write, wt/wb, in memory", [AT_ONCE, f"h map {WT_WB}; h write {X}", _N_READS], STALE),
    ("a write, wt/wb, by itself", [AT_ONCE, f"h map {WT_WB}; h write {X}; {_H_READS}"], NONE),
    ("a write, wt/nc, in memory", [AT_ONCE, f"h map {WT_NC}; h write {X}", _N_READS], NONE),
    ("a write, wt/nc, in the caches", [AT_ONCE, f"h map {WT_NC}; h write {X}", _B_WALKS], STALE),
    ("a write, wt/nc, in flight", [ORDER, f"h map {WT_NC}; h write {X}", _N_READS], STALE),
    ("a write, wt/nc, after dsb", [ORDER, f"h map {WT_NC}; h write {X}; h dsb", _N_READS], NONE),
    ("a write, wb/nc, after dsb", [ORDER, f"h map {WB_NC}; h write {X}; h dsb", _N_READS], STALE),
    (
        "a write, wb/nc, cleaned, in memory",
        [ORDER, f"h map {WB_NC}; h write {X}; h dc civac {X}; h dsb", _N_READS],
        NONE,
    ),
    (
        "a write, wb/nc, cleaned, in the caches",
        [ORDER, f"h map {WB_NC}; h write {X}; h dc civac {X}; h dsb", _B_WALKS],
        STALE,
    ),
    (
        "… cleaned after dsb",
        [ORDER, f"h map {WB_NC}; h write {X}; h dsb; h dc civac {X}; h dsb", _B_WALKS],
        NONE,
    ),
    ("zva, wb/nc, in memory", [AT_ONCE, f"h map {WB_NC}; h dc zva {X}", _N_READS], STALE),
    ("zva, wb/nc, in the caches", [AT_ONCE, f"h map {WB_NC}; h dc zva {X}", _B_WALKS], STALE),
    ("zva, wt/nc, in memory", [AT_ONCE, f"h map {WT_NC}; h dc zva {X}", _N_READS], NONE),
    # Fetches.
    ("a fetch, wb/nc", [AT_ONCE, _TO_POU, f"h map {WB_NC} exec; {_H_FETCHES}"], FETCH),
    ("a fetch, nc/wt", [AT_ONCE, _TO_POU, f"h map {NC_WT} exec; {_H_FETCHES}"], FETCH),
    ("a fetch, wb/wt", [AT_ONCE, _TO_POU, f"h map {WB_WT} exec; {_H_FETCHES}"], NONE),
    (
        "a fetch, wb/wt, icache off",
        [AT_ONCE, _TO_POU, f"h icache off; h map {WB_WT} exec; {_H_FETCHES}"],
        FETCH,
    ),
    (
        "a fetch of a copy, wb/nc",
        [AT_ONCE, f"h map {WB_NC} exec; {_N_WRITES}; n dc civac {X}", _H_FETCHES],
        FETCH,
    ),
    (
        "no fetch of a copy, icache off",
        [AT_ONCE, f"h icache off; h map {WB_NC} exec; {_N_WRITES}; n dc civac {X}", _H_FETCHES],
        NONE,
    ),
    ("prefetched past the caches, wb/nc", [ORDER, f"h map {WB_NC} exec", _HELD_CODE], FETCH),
    ("not prefetched past the caches, wb/wt", [ORDER, f"h map {WB_WT} exec", _HELD_CODE], NONE),
    # Walks.
    ("a walk past a dirty line, wb/nc", [AT_ONCE, _B_DIRTY, f"h walk {X} normal-wb/normal-nc"], STALE),
    ("a walk past a dirty line, nc/wt", [AT_ONCE, _B_DIRTY, f"h walk {X} normal-nc/normal-wt"], STALE),
    ("a walk past a dirty line, wb/wt", [AT_ONCE, _B_DIRTY, f"h walk {X} normal-wb/normal-wt"], NONE),
    ("a walk of a copy, wb/nc", [AT_ONCE, f"h map {WB}; {_N_WRITES}; h walk {X} normal-wb/normal-nc"], STALE),
    (
        "a walk of no copy with dcache off",
        [AT_ONCE, f"h map {WB}; {_N_WRITES}; h dcache off; h walk {X} normal-wb/normal-nc"],
        NONE,
    ),
    # Waiting.
    (
        "a clean through wb/wt is waited for",
        [ORDER, _B_DIRTY, f"a map {WB_WT}; a dc cvac {X}; a read {Y}", _N_READS],
        NONE,
    ),
    (
        "a clean through wb/nc is not",
        [ORDER, _B_DIRTY, f"m map {WB_NC}; a map {WB}; m dc cvac {X}; a read {Y}", _N_READS],
        STALE,
    ),
    (
        "a read through wb/nc waits or not",
        [ORDER, _B_DIRTY, f"m map {WB_NC}; a map {WB}; a dc cvac {X}; m read {Y}", _N_READS],
        STALE,
    ),
    (
        "a read through wb/wt waits",
        [ORDER, _B_DIRTY, f"m map {WB_WT}; a map {WB}; a dc cvac {X}; m read {Y}", _N_READS],
        NONE,
    ),
    # With settings and translations.
    (
        "dcache off: the old kinds",
        [ORDER, f"h map {WB_NC}; h isb; {_N_STORES}; h dcache off; {_H_READS}"],
        STALE,
    ),
    (
        "… until isb, with two types",
        [ORDER, f"h map {WB_NC}; h isb; {_N_STORES}; h dcache off; h isb; {_H_READS}"],
        NONE,
    ),
    ("ending", [ORDER, f"b map {NC_WB}; {_INVALID}; b dsb; {_TLBI}", _NOW], STALE),
    ("ended", [ORDER, f"b map {NC_WB}; {_END}", _NOW], NONE),
    ("a master's lets nobody fill", [AT_ONCE, f"master d; d map {WB_NC}", _SEEN], NONE),
    ("a master's walk", [AT_ONCE, "master d", _B_DIRTY, f"d walk {X} normal-wb/normal-nc"], STALE),
    (
        "a master's walk that snoops",
        [AT_ONCE, "master d snoops", _B_DIRTY, f"d walk {X} normal-wb/normal-nc"],
        NONE,
    ),
]

CASES = {
    "settings, accesses": ACCESSES,
    "settings, fills": FILLS,
    "settings, the MMU-off window": WINDOW,
    "translations": TRANSLATIONS,
    "types": TYPES,
}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [pytest.param(*case[1:], id=f"{group}: {case[0]}") for group, cases in CASES.items() for case in cases],
)
def test_a_trace_worked_out_by_hand(parts: list[str], expected: frozenset[str]) -> None:
    assert kinds(*parts) == expected


def test_the_cases_have_names_of_their_own() -> None:
    for cases in CASES.values():
        assert len({name for name, *_ in cases}) == len(cases)


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        (["h isb; h mmu off; h isb", f"h walk {X} normal-wb"], "MMU"),
        (["h mmu off; h isb; h mmu on; h isb", _H_READS], "alias"),
        ([f"h map {P} device; h isb; h mmu off", f"h dc zva {X}"], "zva"),
        (["h mmu off; h isb; h dcache off", f"h walk {X} normal-wb"], "MMU"),
        ([f"h map {WB}; h icache off; h isb; h icache on", f"h fetch {X}"], "exec"),
        (["h isb; h dcache off", _H_READS], "alias"),
        (["h isb", "h mmu of"], "of"),
    ],
)
def test_an_access_that_every_setting_makes_impossible_is_an_error(parts: list[str], word: str) -> None:
    text = trace(ORDER, *parts)
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == text.count("\n")
    assert word in caught.value.reason


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([AT_ONCE, f"b map {WB}", f"b descriptor {P} invalid"], "option order"),
        ([AT_ONCE, "b tlbi all"], "option order"),
        ([ORDER, f"b map {WB}", f"b descriptor {P}"], "invalid"),
        ([ORDER, f"b map {WB}", f"b descriptor {P} valid"], "valid"),
        ([ORDER, f"b map {WB}", "b descriptor 0x1000 64 invalid"], "pages"),
        ([ORDER, f"b map {WB}", f"b descriptor {P} invalid now"], "now"),
        ([ORDER, f"h map {WB}", f"b descriptor {P} invalid"], "0x1000"),
        ([ORDER, f"b map {WB}", "b descriptor 0x1000 0x2000 invalid"], "0x1000"),
        ([ORDER, f"b map {WB}; {_INVALID}", _INVALID], "0x1000"),
        ([ORDER, f"b map {WB}; {_INVALID}; b dsb; b tlbi all", f"b map {WB}"], "0x1000"),
        ([ORDER, f"b map {WB}; {_END}", f"b read {X}"], "alias"),
        ([ORDER, f"b map {WB}; {_END}", f"b unmap {P}"], "0x1000"),
        ([ORDER, f"b map {WB}; {_END}", _INVALID], "0x1000"),
        ([ORDER, "b tlbi"], "address"),
        ([ORDER, "b tlbi all now"], "all"),
        ([ORDER, "b tlbi 0x1000 64"], "pages"),
        ([ORDER, "b tlbi every"], "every"),
        ([ORDER, "master d", f"d map {WB}", f"d descriptor {P} invalid"], "descriptor"),
        ([ORDER, "master d", "d tlbi all"], "tlbi"),
        ([f"a map {WB}", f"a descriptor {P} invalid"], "descriptor"),
        (["a tlbi all"], "tlbi"),
        ([AT_ONCE, f"b map {P} normal-wb/normal-wb"], "normal-wb/normal-wb"),
        ([AT_ONCE, f"b map {P} normal-wb/device"], "normal-wb/device"),
        ([AT_ONCE, f"b map {P} device/normal-nc"], "device/normal-nc"),
        ([AT_ONCE, f"b map {P} normal-wb/"], "normal-wb/"),
        ([AT_ONCE, f"b map {P} /normal-wb"], "/normal-wb"),
        ([AT_ONCE, f"b map {P} normal-wb/normal-nc/normal-wt"], "normal-wt"),
        ([AT_ONCE, f"b map {P} normal-wb/normal-nc now"], "now"),
        ([AT_ONCE, f"b map {P}"], "type"),
        ([AT_ONCE, f"b map {P} normal-wb/normal-nc", f"b map {WB}"], "0x1000"),
        ([AT_ONCE, f"b map {P} normal-wb/normal-nc", f"b fetch {X}"], "exec"),
        ([AT_ONCE, f"b walk {X} normal-nc/normal-nc"], "normal-nc/normal-nc"),
        ([AT_ONCE, f"b walk {X} pou/normal-nc"], "pou"),
        ([AT_ONCE, "master d", f"d walk {X} normal-nc/device"], "device"),
        ([f"b map {P} normal-wb/normal-nc"], "normal-wb/normal-nc"),
        ([f"b walk {X} normal-wb/normal-nc"], "normal-wb/normal-nc"),
    ],
)
def test_a_malformed_trace_names_the_line_and_the_word(parts: list[str], word: str) -> None:
    text = trace(*parts)
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == text.count("\n")
    assert word in caught.value.reason
