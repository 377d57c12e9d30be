# SPDX-License-Identifier: GPL-2.0-or-later
"""
The explorer of version 2 traces, against verdicts worked out by hand from the pages on cores and order.

Each rule has a trace and, beside it, a variant with another verdict. Where the pages are ambiguous,
``order_explorer.py`` says how it reads them; names here then end in "(a reading)".
"""

from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.helpers.effort import examples
from tests.helpers.trace_strategies import traces
from tests.helpers.worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES
from tests.oracles import explorer
from tests.oracles import order_explorer as oracle
from tests.oracles import order_reading as reading
from tests.oracles import order_steps as steps_of
from tests.oracles.order_explorer import Hazard, Malformed, TooMany, explore

STALE = frozenset({"stale-read"})
FETCH = frozenset({"stale-fetch"})
LOST = frozenset({"lost-write"})
NONE: frozenset[str] = frozenset()

# Core k has a (write-back), m (non-cacheable), t (write-through) and g (MMU off); b, n and h have one each.
CORES = "core k a m t g; core kb b; core kn n; core kh h"
AGENTS = "version 2; line 16"  # of whom nothing is said
AT_ONCE = f"{AGENTS}; {CORES}"
ORDER = f"{AT_ONCE}; option order"
P = "0x1000 0x1000"
WB, NC, WT = (f"{P} {kind}" for kind in ("normal-wb", "normal-nc", "normal-wt"))
X, Y = "0x1000 8", "0x1008 8"

_A = f"a map {WB}; a write {X}"
_B = f"b map {WB}"
_M = f"m map {NC}"
_T = f"t map {WT}"
_N = f"n map {NC}"
_N_READS = f"{_N}; n read {X}"
_G = "g mmu off"
_H = "h mmu off"
_G_ON = f"g map {WB}; g mmu on; g read {X}"
_CODE = f"a map {WB} exec; a write {X}"
_THROUGH = f"{_T}; t write {X}"
_T_B = f"{_THROUGH}; {_B}; b write {X}"
_CLEANED = f"a dc cvau {X}; a dsb"
_INVALIDATED = f"a ic ivau {X}; a dsb"
_BELOW_A_DIRTY_LINE = f"b map {WB}; b write {X}; b unmap {P}; n map {NC}; n write {X}"


def trace(*parts: str) -> str:
    """Make a trace of parts in which lines end with semicolons."""
    lines = (line.strip() for part in parts for line in part.split(";"))
    return "".join(f"{line}\n" for line in lines if line)


def kinds(*parts: str) -> frozenset[str]:
    return frozenset(hazard.kind for hazard in explore(trace(*parts)))


Case = tuple[str, list[str], frozenset[str]]

NEW_CODE: list[Case] = [
    ("all that it takes", [ORDER, _CODE, _CLEANED, _INVALIDATED, f"a isb; a fetch {X}"], NONE),
    (
        "no dsb between cvau and ic",
        [ORDER, _CODE, f"a dc cvau {X}", _INVALIDATED, f"a isb; a fetch {X}"],
        FETCH,
    ),
    ("no dsb after ic", [ORDER, _CODE, _CLEANED, f"a ic ivau {X}; a isb; a fetch {X}"], FETCH),
    ("no isb", [ORDER, _CODE, _CLEANED, _INVALIDATED, f"a fetch {X}"], FETCH),
    ("isb before dsb", [ORDER, _CODE, _CLEANED, f"a ic ivau {X}; a isb; a dsb; a fetch {X}"], FETCH),
    (
        "dmb instead of dsb between cvau and ic",
        [ORDER, _CODE, f"a dc cvau {X}; a dmb", _INVALIDATED, f"a isb; a fetch {X}"],
        FETCH,
    ),
    (
        "dmb and dsb between cvau and ic",
        [ORDER, _CODE, f"a dc cvau {X}; a dmb; a dsb", _INVALIDATED, f"a isb; a fetch {X}"],
        NONE,
    ),
    (
        "dmb instead of dsb, for another core",
        [ORDER, f"{_B} exec", _CODE, f"a dc cvau {X}; a dmb", _INVALIDATED, f"b isb; b fetch {X}"],
        FETCH,
    ),
    (
        "a data access between cvau and ic does not wait",
        [ORDER, _CODE, _N, f"a dc cvau {X}; n read {Y}", _INVALIDATED, f"a isb; a fetch {X}"],
        FETCH,
    ),
    (
        "… but after dmb",
        [ORDER, _CODE, _N, f"a dc cvau {X}; a dmb; n read {Y}", _INVALIDATED, f"a isb; a fetch {X}"],
        NONE,
    ),
    (
        "dmb instead of dsb after ic",
        [ORDER, _CODE, _CLEANED, f"a ic ivau {X}; a dmb; a isb; a fetch {X}"],
        FETCH,
    ),
    (
        "any agent's barriers are the core's",
        [ORDER, _CODE, f"a dc cvau {X}; m dsb; t ic ivau {X}; g dsb; m isb; a fetch {X}"],
        NONE,
    ),
    (
        "but not another core's",
        [ORDER, _CODE, f"a dc cvau {X}; b dsb; b ic ivau {X}; b dsb; a dsb; a isb; a fetch {X}"],
        FETCH,
    ),
    (
        "with idc and dic only the prefetch is stale",
        ["version 2; option idc; option dic; option order", _CODE, f"a fetch {X}"],
        FETCH,
    ),
    (
        "with idc and dic isb is enough",
        ["version 2; option idc; option dic; option order", _CODE, f"a isb; a fetch {X}"],
        NONE,
    ),
    (
        "nothing is prefetched where all is complete at once (a reading)",
        ["version 2; option idc; option dic", _CODE, f"a fetch {X}"],
        NONE,
    ),
    (
        "for another core, which has its isb",
        [ORDER, f"{_B} exec", _CODE, _CLEANED, _INVALIDATED, f"b isb; b fetch {X}"],
        NONE,
    ),
    (
        "for another core, and only the writer's has an isb",
        [ORDER, f"{_B} exec", _CODE, _CLEANED, _INVALIDATED, f"a isb; b fetch {X}"],
        FETCH,
    ),
    ("non-cacheable, with isb", [ORDER, f"{_M} exec; m write {X}; m dsb; m isb; m fetch {X}"], NONE),
    ("non-cacheable, no isb", [ORDER, f"{_M} exec; m write {X}; m dsb; m fetch {X}"], FETCH),
    (
        "non-cacheable, isb before dsb: prefetched again from memory",
        [ORDER, f"{_M} exec; m write {X}; m isb; m dsb; m fetch {X}"],
        FETCH,
    ),
    ("a fetch sees no store in flight", [ORDER, f"{_M} exec; m write {X}; m isb; m fetch {X}"], FETCH),
    (
        "MMU off: prefetched from a page that was fetched from",
        [ORDER, _G, f"g fetch 0x1000 4; g write {X}; g dsb; g fetch {X}"],
        FETCH,
    ),
    ("MMU off: not from another", [ORDER, _G, f"g write {X}; g dsb; g fetch {X}"], NONE),
    (
        "MMU off: from the next page",
        [ORDER, _G, "g fetch 0x1000 4; g write 0x2000 8; g dsb; g fetch 0x2000 8"],
        FETCH,
    ),
    (
        "MMU off: not from the one after that",
        [ORDER, _G, "g fetch 0x1000 4; g write 0x3000 8; g dsb; g fetch 0x3000 8"],
        NONE,
    ),
    (
        "MMU off: a prefetch outlives the window",
        [ORDER, _G, f"g fetch 0x1000 4; g mmu on; g mmu off; g write {X}; g dsb; g fetch {X}"],
        FETCH,
    ),
    (
        "MMU off: but no isb",
        [ORDER, _G, f"g fetch 0x1000 4; g mmu on; g isb; g mmu off; g write {X}; g dsb; g fetch {X}"],
        NONE,
    ),
]

DATA_OPERATIONS: list[Case] = [
    ("a clean without dsb", [ORDER, _A, f"a dc cvac {X}", _N_READS], STALE),
    ("a clean with dsb", [ORDER, _A, f"a dc cvac {X}; a dsb", _N_READS], NONE),
    ("a clean with dmb", [ORDER, _A, f"a dc cvac {X}; a dmb", _N_READS], NONE),
    ("a clean with isb", [ORDER, _A, f"a dc cvac {X}; a isb", _N_READS], STALE),
    ("a clean with the reader's dsb", [ORDER, _A, f"a dc cvac {X}; n dsb", _N_READS], STALE),
    ("a clean that is complete at once", [AT_ONCE, _A, f"a dc cvac {X}", _N_READS], NONE),
    ("unmapping completes nothing", [ORDER, _A, f"a dc cvac {X}; a unmap {P}", _N_READS], STALE),
    ("unmapping cancels nothing", [ORDER, _A, f"a dc cvac {X}; a unmap {P}; a dsb", _N_READS], NONE),
    (
        "program order: clean, invalidate",
        [ORDER, _A, f"a dc cvac {X}; a dc ivac {X}; a dsb; a read {X}"],
        NONE,
    ),
    (
        "program order: invalidate, clean",
        [ORDER, _A, f"a dc ivac {X}; a dc cvac {X}; a dsb; a read {X}"],
        LOST,
    ),
    (
        "no order between cores",
        [ORDER, _A, f"a dc cvac {X}; b dc ivac {X}; a dsb; b dsb; a read {X}"],
        LOST,
    ),
    (
        "dsb is order between cores",
        [ORDER, _A, f"a dc cvac {X}; a dsb; b dc ivac {X}; b dsb; a read {X}"],
        NONE,
    ),
    ("by set/way, perhaps", [ORDER, _A, f"a dc csw {X}; a dsb", _N_READS], STALE),
    ("set/way effective", [f"{ORDER}; option setway-effective", _A, f"a dc csw {X}; a dsb", _N_READS], NONE),
    (
        "set/way effective, no dsb",
        [f"{ORDER}; option setway-effective", _A, f"a dc csw {X}", _N_READS],
        STALE,
    ),
    (
        "the race: refilled between civac and unmap",
        [ORDER, f"{_B}; b write {X}; b dc civac {X}; b unmap {P}; b dsb", _G, f"g write {X}; g dsb", _G_ON],
        STALE,
    ),
    (
        "no race: civac after unmap",
        [ORDER, f"{_B}; b write {X}; b unmap {P}; b dc civac {X}; b dsb", _G, f"g write {X}; g dsb", _G_ON],
        NONE,
    ),
    ("zva is a write", [ORDER, f"a map {WB}; a dc zva {X}; a dsb", _N_READS], STALE),
    ("zva, cleaned", [ORDER, f"a map {WB}; a dc zva {X}; a dc cvac {X}; a dsb", _N_READS], NONE),
    ("zva, not cacheable, is a store in flight (a reading)", [ORDER, _M, f"m dc zva {X}", _N_READS], STALE),
    ("zva, not cacheable, with dmb (a reading)", [ORDER, _M, f"m dc zva {X}; m dmb", _N_READS], NONE),
]

# A dc cvac is complete, with no barrier, where something has waited for it.
WAITING: list[Case] = [
    ("a read waits", [ORDER, _A, f"a dc cvac {X}; a read {Y}", _N_READS], NONE),
    ("a write waits", [ORDER, _A, f"a dc cvac {X}; a write {Y}", _N_READS], NONE),
    ("a read on another line does not", [ORDER, _A, f"a dc cvac {X}; a read 0x1010 8", _N_READS], STALE),
    ("a write-through alias's read waits", [ORDER, _A, _T, f"a dc cvac {X}; t read {Y}", _N_READS], NONE),
    ("a write-through store waits", [ORDER, _A, _T, f"a dc cvac {X}; t write {Y}", _N_READS], NONE),
    ("another core's read does not", [ORDER, _A, _B, f"a dc cvac {X}; b read {Y}", _N_READS], STALE),
    ("a walk does not", [ORDER, _A, f"a dc cvac {X}; a walk {Y} normal-wb", _N_READS], STALE),
    ("a fetch does not", [ORDER, _CODE, f"a dc cvac {X}; a fetch {Y}", _N_READS], STALE),
    ("a non-cacheable read does not", [ORDER, _A, _M, f"a dc cvac {X}; m read {Y}", _N_READS], STALE),
    ("a non-cacheable store does not", [ORDER, _A, _M, f"a dc cvac {X}; m write {Y}", _N_READS], STALE),
    ("nor with the data cache off", [ORDER, _A, f"a dc cvac {X}; a dcache off; a read {Y}", _N_READS], STALE),
    ("not for one issued with the MMU off", [ORDER, _A, _G, f"g dc cvac {X}; a read {Y}", _N_READS], STALE),
    ("… nor a write", [ORDER, _A, _G, f"g dc cvac {X}; a write {Y}", _N_READS], STALE),
    ("not for one by a non-cacheable alias", [ORDER, _A, _M, f"m dc cvac {X}; a read {Y}", _N_READS], STALE),
    ("not for one by no alias", [ORDER, _A, f"m dc cvac {X}; a read {Y}", _N_READS], STALE),
    ("for one by a write-through alias", [ORDER, _A, _T, f"t dc cvac {X}; a read {Y}", _N_READS], NONE),
    (
        "not for one issued with the data cache off",
        [ORDER, _A, f"a dcache off; a dc cvac {X}; a dcache on; a read {Y}", _N_READS],
        STALE,
    ),
    (
        "not for one by set/way",
        [f"{ORDER}; option setway-effective", _A, f"a dc csw {X}; a read {Y}", _N_READS],
        STALE,
    ),
    (
        "one that is first in the list goes before one that is waited for",
        [ORDER, _A, _G, f"g dc cvac {X}; a dc cvau {X}; a read {Y}", _N_READS],
        NONE,
    ),
    (
        "one that is behind it does not",
        [ORDER, _A, _G, f"a dc cvau {X}; g dc cvac {X}; a read {Y}", _N_READS],
        STALE,
    ),
    (
        "a write is not discarded by it",
        [ORDER, f"a map {WB}; a dc ivac {X}; a write {X}; a dsb; a read {X}"],
        NONE,
    ),
    (
        "unless issued with the MMU off",
        [ORDER, f"a map {WB}", _G, f"g dc ivac {X}; a write {X}; g dsb; a read {X}"],
        LOST,
    ),
    (
        "zva waits (a reading)",
        [
            "version 2; line 128; option dmin 128; option order",
            f"a map {WB}; a write 0x1040 8; a dc cvac 0x1040 8; a dc zva 0x1000 64",
            f"{_N}; n read 0x1040 8",
        ],
        NONE,
    ),
]

STORES: list[Case] = [
    ("not seen by another core", [ORDER, _G, f"g write {X}", _N_READS], STALE),
    ("seen after dmb", [ORDER, _G, f"g write {X}; g dmb", _N_READS], NONE),
    ("seen after dsb", [ORDER, _G, f"g write {X}; g dsb", _N_READS], NONE),
    ("not after isb", [ORDER, _G, f"g write {X}; g isb", _N_READS], STALE),
    ("not after the reader's dsb", [ORDER, _G, f"g write {X}; n dsb", _N_READS], STALE),
    ("complete at once", [AT_ONCE, _G, f"g write {X}", _N_READS], NONE),
    ("seen by itself", [ORDER, _G, f"g write {X}; g read {X}"], NONE),
    ("seen by its core", [ORDER, _G, _M, f"g write {X}; m read {X}"], NONE),
    ("not by a walk", [ORDER, _M, f"m write {X}; m walk {X} normal-nc"], STALE),
    ("by a walk after dsb", [ORDER, _M, f"m write {X}; m dsb; m walk {X} normal-nc"], NONE),
    ("not by a cacheable read", [ORDER, _G, f"g write {X}; a map {WB}; a read {X}"], STALE),
    ("by a cacheable read after dsb", [ORDER, _G, f"g write {X}; g dsb; a map {WB}; a read {X}"], NONE),
    ("nc-may-hit may miss it", [f"{ORDER}; option nc-may-hit", _B, _G, f"g write {X}; g read {X}"], STALE),
    ("without nc-may-hit not", [ORDER, _B, _G, f"g write {X}; g read {X}"], NONE),
    ("a second waits for the first", [ORDER, _G, f"g write {X}; g write {X}; g dsb", _N_READS], NONE),
    (
        "another core's does not, and is overwritten",
        [ORDER, _G, _H, f"g write {X}; h write {X}; h dsb; g dsb", _N_READS],
        LOST,
    ),
    (
        "it is not after dmb",
        [ORDER, _G, _H, f"g write {X}; g dmb; h write {X}; h dsb; g dsb", _N_READS],
        NONE,
    ),
    (
        "a cleaned cacheable write is overwritten likewise",
        [ORDER, _G, f"g write {X}", f"{_B}; b write {X}; b dc cvac {X}; b dsb; g dsb", _N_READS],
        STALE | LOST,
    ),
    (
        "… but not after dsb",
        [ORDER, _G, f"g write {X}; g dsb", f"{_B}; b write {X}; b dc cvac {X}; b dsb; g dsb", _N_READS],
        NONE,
    ),
    (
        "its core reads it even if it is stale",
        [ORDER, _G, _H, f"g write {X}; h write {X}; h dsb; g read {X}"],
        STALE | LOST,
    ),
    ("others do not", [ORDER, _G, _H, f"g write {X}; h write {X}; h dsb", _N_READS], LOST),
    (
        "no dmb before ivac: refilled before the store is in memory",
        [ORDER, _B, _G, f"g write {X}; g dc ivac {X}; g dsb", _G_ON],
        STALE,
    ),
    ("dmb before ivac", [ORDER, _B, _G, f"g write {X}; g dmb; g dc ivac {X}; g dsb", _G_ON], NONE),
    ("ivac, complete at once", [AT_ONCE, _B, _G, f"g write {X}; g dc ivac {X}", _G_ON], NONE),
    ("write-through: after dmb", [ORDER, _T, f"t write {X}; t dmb", _N_READS], NONE),
    ("write-through: complete at once", [AT_ONCE, _T, f"t write {X}", _N_READS], NONE),
    ("write-through: a non-cacheable read of the core", [ORDER, _T, _M, f"t write {X}; m read {X}"], NONE),
    ("write-through: a walk does not see it", [ORDER, _T, f"t write {X}; t walk {X} normal-nc"], STALE),
    (
        "write-through: a dirty line gains it",
        [ORDER, f"a map {WB}; a write {Y}", _T, f"t write {X}; t dsb; a dc cvac {X}; a dsb", _N_READS],
        NONE,
    ),
    (
        "a cacheable read sees none that is not write-through",
        [ORDER, _M, f"m write {X}; {_B}; b write {X}; a map {WB}; a read {X}"],
        LOST,
    ),
    (
        "write-through: a second waits for the first",
        [ORDER, _T, f"t write {X}; t write {X}; t dsb", _N_READS],
        NONE,
    ),
]

_W = f"n walk {X} normal-nc"
_CLEAN = f"{_A}; a dc cvac {X}"
_STORE = f"{_G}; g write {X}"
_REFILL = f"{_B}; {_STORE}"  # a store past the caches, where an alias may fill them
_FETCHES = f"h map {NC} exec; h isb; h fetch {X}"
_TWO_STORES = f"{_STORE}; {_H}; h write {X}"
_B_CLEANED = f"b dc cvac {X}; b dsb; g dsb"
_A_CLEANED = f"a write {X}; a dsb; a dc cvac {X}; a dsb; h dsb"
_SET_WAY_ORDER = f"{ORDER}; option setway-effective"
_LONG = f"version 2; line 128; option order; a map {WB}; a write 0x1040 8; a dc cvac 0x1040 8"
_LONG_N = f"{_N}; n dc zva 0x1000 64; n walk 0x1040 8 normal-nc"

WAITING_FOR_A_CLEAN: list[Case] = [
    ("another core's walk does not", [ORDER, _CLEAN, "a dmb", _W], STALE),
    ("… but after dsb, a walk", [ORDER, _CLEAN, "a dsb", _W], NONE),
    ("… not after the walker's dsb", [ORDER, _CLEAN, "a dmb; n dsb", _W], STALE),
    ("its own core's walk does not", [ORDER, _CLEAN, f"a dmb; m walk {X} normal-nc"], STALE),
    ("another core's fetch does not", [ORDER, _CLEAN, "a dmb", _FETCHES], FETCH),
    ("… but after dsb, a fetch", [ORDER, _CLEAN, "a dsb", _FETCHES], NONE),
    ("its own core's read past the caches waits", [ORDER, _CLEAN, _M, f"a dmb; m read {X}"], NONE),
    ("… but not without dmb", [ORDER, _CLEAN, _M, f"m read {X}"], STALE),
    ("the dmb of an agent of the core will do", [ORDER, _CLEAN, "m dmb", _N_READS], NONE),
    ("the reader's will not", [ORDER, _CLEAN, "n dmb", _N_READS], STALE),
    ("nobody says who shares a core", [AGENTS, "option order", _CLEAN, "a dmb", _N_READS], NONE),
    ("by set/way, perhaps", [ORDER, _A, f"a dc csw {X}; a dmb", _N_READS], STALE),
    ("set/way effective", [_SET_WAY_ORDER, _A, f"a dc csw {X}; a dmb", _N_READS], NONE),
    ("a clean after dmb is not ordered", [ORDER, _A, f"a dmb; a dc cvac {X}", _N_READS], STALE),
    ("nor one after another", [ORDER, _A, f"a dc cvau {X}; a dmb; a dc cvac {X}", _N_READS], STALE),
    ("… but by a second dmb", [ORDER, _A, f"a dc cvau {X}; a dmb; a dc cvac {X}; a dmb", _N_READS], NONE),
    ("one before another is", [ORDER, _CLEAN, f"a dmb; a dc cvau {X}", _N_READS], NONE),
    # Whoever has waited for the clean has it complete, and the walk sees it.
    ("a read elsewhere in the line waits", [ORDER, _CLEAN, _N, f"a dmb; n read {Y}", _W], NONE),
    ("… a read does not without dmb", [ORDER, _CLEAN, _N, f"n read {Y}", _W], STALE),
    ("a write elsewhere in the line waits", [ORDER, _CLEAN, _N, f"a dmb; n write {Y}", _W], NONE),
    ("… a write does not without dmb", [ORDER, _CLEAN, _N, f"n write {Y}", _W], STALE),
    ("a cacheable read waits", [ORDER, _CLEAN, _B, f"a dmb; b read {Y}", _W], NONE),
    ("a cacheable write waits", [ORDER, _CLEAN, _B, f"a dmb; b write {Y}", _W], NONE),
    ("a write-through store waits", [ORDER, _CLEAN, f"b map {WT}", f"a dmb; b write {Y}", _W], NONE),
    ("an MMU-off read of its core waits", [ORDER, _CLEAN, _G, f"a dmb; g read {Y}", _W], NONE),
    (
        "a cacheable read waits though no cacheable alias issued it",
        [ORDER, _A, _G, f"g dc cvac {X}; g dmb; a read {Y}", _W],
        NONE,
    ),
    ("zva waits (a reading)", [_LONG, "a dmb", _LONG_N], NONE),
    ("… zva does not without dmb", [_LONG, _LONG_N], STALE),
    ("a read on another line does not", [ORDER, _CLEAN, _N, "a dmb; n read 0x1010 8", _W], STALE),
    ("a walk elsewhere in the line does not", [ORDER, _CLEAN, f"a dmb; n walk {Y} normal-nc", _W], STALE),
    ("a cacheable walk does not", [ORDER, _CLEAN, f"a dmb; n walk {Y} normal-wb", _W], STALE),
    ("a fetch does not", [ORDER, _CLEAN, f"h map {NC} exec; a dmb; h fetch {Y}", _W], STALE),
    ("maintenance does not", [ORDER, _CLEAN, f"a dmb; n dc cvau {X}; n ic ivau {X}; n dsb", _W], STALE),
]

WAITING_FOR_A_STORE: list[Case] = [
    ("another core's walk does not", [ORDER, _STORE, "g dmb", _W], STALE),
    ("… but after dsb, a walk", [ORDER, _STORE, "g dsb", _W], NONE),
    ("its own core's walk does not", [ORDER, _STORE, f"g dmb; m walk {X} normal-nc"], STALE),
    ("another core's fetch does not", [ORDER, _STORE, "g dmb", _FETCHES], FETCH),
    ("… but after dsb, a fetch", [ORDER, _STORE, "g dsb", _FETCHES], NONE),
    ("its own fetch does not", [ORDER, _STORE, f"g dmb; g isb; g fetch {X}"], FETCH),
    ("… but after dsb, its own fetch", [ORDER, _STORE, f"g dsb; g isb; g fetch {X}"], NONE),
    ("a read of the bytes waits", [ORDER, _STORE, f"g dmb; {_N_READS}", _W], NONE),
    ("a read elsewhere in the line does not", [ORDER, _STORE, f"g dmb; {_N}; n read {Y}", _W], STALE),
    ("a write elsewhere in the line does not", [ORDER, _STORE, f"g dmb; {_N}; n write {Y}", _W], STALE),
    ("its own read waits", [ORDER, _STORE, f"g dmb; g read {X}", _W], NONE),
    ("… but not without dmb", [ORDER, _STORE, f"g read {X}", _W], STALE),
    ("a fill does not", [ORDER, _STORE, f"g dmb; {_B}; b read {X}"], STALE),
    ("… but after dsb, a fill", [ORDER, _STORE, f"g dsb; {_B}; b read {X}"], NONE),
    (
        "a write-back write waits, and is not overwritten",
        [ORDER, _STORE, f"g dmb; {_B}; b write {X}", _B_CLEANED, _N_READS],
        NONE,
    ),
    (
        "one elsewhere in the line does not, and overwrites it",
        [ORDER, _STORE, f"g dmb; {_B}; b write {Y}", _B_CLEANED, _N_READS],
        LOST,
    ),
    ("… but not after dsb", [ORDER, _STORE, f"g dsb; {_B}; b write {Y}", _B_CLEANED, _N_READS], NONE),
    (
        "a write-through store waits, and is not overwritten",
        [ORDER, _STORE, f"g dmb; b map {WT}; b write {X}; b dsb; g dsb", _N_READS],
        NONE,
    ),
    ("a store after dmb is not ordered", [ORDER, _G, f"g dmb; g write {X}", _N_READS], STALE),
    ("nor a second", [ORDER, _STORE, f"g dmb; g write {X}", _N_READS], STALE),
    ("… but by a second dmb", [ORDER, _STORE, f"g dmb; g write {X}; g dmb", _N_READS], NONE),
    ("nor one of other bytes", [ORDER, _STORE, f"g dmb; g write {Y}; {_N}; n read {Y}"], STALE),
    ("… and the first still is", [ORDER, _STORE, f"g dmb; g write {Y}", _N_READS], NONE),
    ("a stale one is waited for", [ORDER, _TWO_STORES, f"h dsb; g dmb; g read {X}"], LOST),
    ("of two, one is ordered", [ORDER, _TWO_STORES, "g dmb", _N_READS], STALE | LOST),
    ("of two, the later one is ordered", [ORDER, _TWO_STORES, "h dmb", _N_READS], LOST),
    ("of two, both are", [ORDER, _TWO_STORES, "g dmb; h dmb", _N_READS], LOST),
    ("write-through: a walk does not", [ORDER, _THROUGH, "t dmb", _W], STALE),
    ("write-through: a fetch does not", [ORDER, _THROUGH, "t dmb", _FETCHES], FETCH),
    ("write-through: a cacheable read waits", [ORDER, _THROUGH, f"t dmb; {_B}; b read {X}", _W], NONE),
    (
        "write-through: a non-cacheable store waits, and is not overwritten",
        [ORDER, _THROUGH, f"t dmb; {_N}; n write {X}; n dsb; t dsb; n read {X}"],
        NONE,
    ),
    (
        "a write waits for it, and for an operation of its own core",
        [ORDER, _H, f"h write {X}; h dmb; a map {WB}; a dc ivac {X}", _A_CLEANED, _N_READS],
        NONE,
    ),
    (
        "… without dmb, for the operation only",
        [ORDER, _H, f"h write {X}; a map {WB}; a dc ivac {X}", _A_CLEANED, _N_READS],
        STALE | LOST,
    ),
    (
        "… by no cacheable alias, for the store only",
        [ORDER, _H, f"h write {X}; h dmb; a map {WB}; m dc ivac {X}", _A_CLEANED, _N_READS],
        LOST,
    ),
]

HELD_UP: list[Case] = [
    ("ivac after dmb", [ORDER, _REFILL, f"g dmb; g dc ivac {X}; g dsb", _G_ON], NONE),
    ("ivac before dmb", [ORDER, _REFILL, f"g dc ivac {X}; g dmb; g dsb", _G_ON], STALE),
    ("ivac before and after", [ORDER, _REFILL, f"g dc ivac {X}; g dmb; g dc ivac {X}; g dsb", _G_ON], NONE),
    ("another core's dmb", [ORDER, _REFILL, f"h dmb; g dc ivac {X}; g dsb", _G_ON], STALE),
    ("ivac that is not complete", [ORDER, _REFILL, f"g dmb; g dc ivac {X}", _G_ON], STALE),
    ("ivac that is ordered in its turn", [ORDER, _REFILL, f"g dmb; g dc ivac {X}; g dmb", _G_ON], NONE),
    (
        "what is held up is not waited for",
        [ORDER, _STORE, f"g dmb; g dc ivac {X}; {_N}; n read {Y}", _W],
        STALE,
    ),
    ("civac after dmb", [ORDER, _REFILL, f"g dmb; g dc civac {X}; g dsb", _G_ON], NONE),
    ("civac without dmb", [ORDER, _REFILL, f"g dc civac {X}; g dsb", _G_ON], STALE),
    ("elsewhere in the line", [ORDER, _REFILL, f"g dmb; g dc ivac {Y}; g dsb", _G_ON], NONE),
    ("by agents of one core", [ORDER, _REFILL, f"a dmb; m dc ivac {X}; t dsb", _G_ON], NONE),
    (
        "another core's operation is not (a reading)",
        [ORDER, _REFILL, f"g dmb; h dc ivac {X}; h dsb", _G_ON],
        STALE,
    ),
    (
        "nor after that core's dmb (a reading)",
        [ORDER, _REFILL, f"g dmb; h dmb; h dc ivac {X}; h dsb", _G_ON],
        STALE,
    ),
    ("… but after the store's dsb", [ORDER, _REFILL, f"g dsb; h dc ivac {X}; h dsb", _G_ON], NONE),
    ("by set/way, perhaps", [ORDER, _REFILL, f"g dmb; g dc isw {X}; g dsb", _G_ON], STALE),
    ("set/way effective (a reading)", [_SET_WAY_ORDER, _REFILL, f"g dmb; g dc isw {X}; g dsb", _G_ON], NONE),
    ("set/way effective, no dmb", [_SET_WAY_ORDER, _REFILL, f"g dc isw {X}; g dsb", _G_ON], STALE),
    (
        "not by a store that comes later (a reading)",
        [ORDER, _REFILL, f"g dmb; g dc ivac {X}; g write {X}; g dmb; g dsb", _G_ON],
        STALE,
    ),
    (
        "not by a second store that is not ordered",
        [ORDER, _REFILL, f"g dmb; g write {X}; g dc ivac {X}; g dsb", _G_ON],
        STALE,
    ),
    (
        "by a second store that is",
        [ORDER, _REFILL, f"g dmb; g write {X}; g dmb; g dc ivac {X}; g dsb", _G_ON],
        NONE,
    ),
    (
        "a store of other bytes is none that is ordered",
        [ORDER, _REFILL, f"g dmb; g write {Y}; g dc ivac {X}; g dsb; g map {WB}; g mmu on; g read {Y}"],
        STALE,
    ),
    (
        "… and changes nothing",
        [ORDER, _REFILL, f"g dmb; g write {Y}; g dc ivac {X}; g dsb", _G_ON],
        NONE,
    ),
]

_OVER = f"{_THROUGH}; {_N}; n write {X}; n dsb"  # by a store that reaches memory before the first, or after
_OVER_AND_NO_COPY = f"{_THROUGH}; t unmap {P}; {_N}; n write {X}; n dsb; n dc civac {X}; n dsb"

WRITE_THROUGH: list[Case] = [
    ("its own read", [ORDER, _THROUGH, f"t read {X}"], NONE),
    ("its own read after dsb", [ORDER, _THROUGH, f"t dsb; t read {X}"], NONE),
    (
        "its own read after civac",
        [ORDER, _THROUGH, f"t dsb; t dc civac {X}; t dsb; t read {X}"],
        NONE,
    ),
    ("ivac discards none", [ORDER, _THROUGH, f"t dc ivac {X}; t dsb; t read {X}"], NONE),
    ("another core's write-back read", [ORDER, _THROUGH, _B, f"b read {X}"], NONE),
    ("another core's write-through read", [ORDER, _THROUGH, f"b map {WT}; b read {X}"], NONE),
    ("another core's non-cacheable read", [ORDER, _THROUGH, _N_READS], STALE),
    ("another core's non-cacheable read after dsb", [ORDER, _THROUGH, "t dsb", _N_READS], NONE),
    ("another core's non-cacheable read after its own dsb", [ORDER, _THROUGH, "n dsb", _N_READS], STALE),
    ("a read does not complete it", [ORDER, _THROUGH, _B, f"b read {X}; t read {X}", _N_READS], STALE),
    ("a cacheable walk", [ORDER, _THROUGH, f"b walk {X} normal-wb"], NONE),
    ("a walk that is not cacheable", [ORDER, _THROUGH, f"b walk {X} normal-nc"], STALE),
    ("… after dsb", [ORDER, _THROUGH, f"t dsb; b walk {X} normal-nc"], NONE),
    ("zva is one", [ORDER, _T, f"t dc zva {X}", _N_READS], STALE),
    ("zva, another core's write-back read", [ORDER, _T, f"t dc zva {X}", _B, f"b read {X}"], NONE),
    (
        "a cacheable fetch",
        [ORDER, f"h map {WB} exec", _THROUGH, f"h ic iallu; h dsb; h isb; h fetch {X}"],
        NONE,
    ),
    (
        "a cacheable fetch and prefetch with dic",
        [f"{ORDER}; option dic", f"h map {WB} exec", _THROUGH, f"h isb; h fetch {X}"],
        NONE,
    ),
    (
        "a fetch that is not cacheable",
        [ORDER, f"h map {NC} exec", _THROUGH, f"h isb; h fetch {X}"],
        FETCH,
    ),
    (
        "a fetch that is not cacheable, after dsb",
        [ORDER, f"h map {NC} exec", _THROUGH, f"t dsb; h isb; h fetch {X}"],
        NONE,
    ),
    (
        "a prefetch that is not cacheable",
        [ORDER, f"h map {NC} exec", _THROUGH, f"h isb; t dsb; h fetch {X}"],
        FETCH,
    ),
    (
        "a line refilled while it is in flight",
        [ORDER, _B, _THROUGH, f"b read {Y}; t dsb; b read {X}"],
        NONE,
    ),
    (
        "a line refilled while it is in flight, and made dirty after dsb",
        [ORDER, f"a map {WB}", _THROUGH, f"t dsb; a write {Y}; a dc cvac {X}; a dsb", _N_READS],
        NONE,
    ),
    (
        "a line refilled, made dirty and cleaned while it is in flight",
        [ORDER, _THROUGH, _B, f"b write {Y}; b dc cvac {X}; b dsb", _N_READS],
        NONE,
    ),
    (
        "a line refilled and made dirty while it is in flight, not cleaned",
        [ORDER, _THROUGH, _B, f"b write {Y}", _N_READS],
        STALE,
    ),
    ("another core's write-back write, its reader", [ORDER, _T_B, f"b read {X}"], NONE),
    ("another core's write-back write, the other's reader", [ORDER, _T_B, f"t dsb; t read {X}"], NONE),
    ("another core's write-back write, a walk", [ORDER, _T_B, f"t walk {X} normal-wb"], NONE),
    (
        "another core's write-back write, cleaned, is not overwritten",
        [ORDER, _T_B, f"b dc cvac {X}; b dsb; t dsb", _N_READS],
        NONE,
    ),
    (
        "… but by a store that is not write-through",
        [ORDER, f"{_M}; m write {X}; {_B}; b write {X}; b dc cvac {X}; b dsb; m dsb", f"{_N}; n read {X}"],
        STALE | LOST,
    ),
    (
        "its core's write-back write, cleaned, is not overwritten",
        [ORDER, _THROUGH, f"a map {WB}; a write {X}; a dc cvac {X}; a dsb; t dsb", _N_READS],
        NONE,
    ),
    (
        "another core's write-through store waits for it",
        [ORDER, _THROUGH, f"b map {WT}; b write {X}; b dsb; t dsb", _N_READS],
        NONE,
    ),
    (
        "another core's write-through store is in flight in its turn",
        [ORDER, _THROUGH, f"b map {WT}; b write {X}; t dsb", _N_READS],
        STALE,
    ),
    (
        "a write to other bytes does not wait for it (a reading)",
        [ORDER, _THROUGH, f"b map {WT}; b write {Y}; b dsb", _N_READS],
        STALE,
    ),
    (
        "another core's non-cacheable store does not wait for it, and is overwritten",
        [ORDER, _OVER, f"t dsb; n read {X}"],
        LOST,
    ),
    (
        "another core's non-cacheable store after dsb",
        [ORDER, _THROUGH, f"t dsb; {_N}; n write {X}; n dsb; n read {X}"],
        NONE,
    ),
    ("its core reads it non-cacheably even if it is stale", [ORDER, _OVER, _M, f"m read {X}"], STALE | LOST),
    ("another core does not", [ORDER, _OVER, f"n read {X}"], LOST),
    (
        "a cacheable read sees it even if it is stale (a reading)",
        [ORDER, _OVER_AND_NO_COPY, _B, f"b read {X}"],
        STALE | LOST,
    ),
    (
        "a cacheable walk sees it even if it is stale (a reading)",
        [ORDER, _OVER_AND_NO_COPY, f"b walk {X} normal-wb"],
        STALE | LOST,
    ),
    (
        "a walk that is not cacheable does not",
        [ORDER, _OVER_AND_NO_COPY, f"b walk {X} normal-nc"],
        LOST,
    ),
    (
        "a copy filled from it when it was stale stays so",
        [ORDER, _B, _OVER, f"t dsb; b read {X}"],
        STALE | LOST,
    ),
    (
        "it waits for its core's non-cacheable store",
        [ORDER, f"{_M}; m write {X}", _THROUGH, "t dsb", _N_READS],
        NONE,
    ),
    (
        "its core's non-cacheable store waits for it",
        [ORDER, _THROUGH, f"{_M}; m write {X}; m dsb", _N_READS],
        NONE,
    ),
    (
        "it does not wait for another core's non-cacheable store, and is overwritten",
        [ORDER, f"{_N}; n write {X}", _THROUGH, f"t dsb; n dsb; n read {X}"],
        STALE | LOST,
    ),
]

INSTRUCTION_CACHES: list[Case] = [
    ("iallu, another core", [AT_ONCE, f"{_B} exec", _CODE, f"a dc cvau {X}; a ic iallu; b fetch {X}"], FETCH),
    (
        "ialluis, another core",
        [AT_ONCE, f"{_B} exec", _CODE, f"a dc cvau {X}; a ic ialluis; b fetch {X}"],
        NONE,
    ),
    (
        "ivau, another core",
        [AT_ONCE, f"{_B} exec", _CODE, f"a dc cvau {X}; a ic ivau {X}; b fetch {X}"],
        NONE,
    ),
    (
        "iallu, the same core",
        [AT_ONCE, f"m map {WB} exec", _CODE, f"a dc cvau {X}; a ic iallu; m fetch {X}"],
        NONE,
    ),
    ("iallu with order, its own", [ORDER, _CODE, _CLEANED, f"a ic iallu; a dsb; a isb; a fetch {X}"], NONE),
    ("iallu with order, without dsb", [ORDER, _CODE, _CLEANED, f"a ic iallu; a isb; a fetch {X}"], FETCH),
    (
        "iallu with order, another core",
        [ORDER, f"{_B} exec", _CODE, _CLEANED, f"a ic iallu; a dsb; b isb; b fetch {X}"],
        FETCH,
    ),
    (
        "ialluis with order, another core",
        [ORDER, f"{_B} exec", _CODE, _CLEANED, f"a ic ialluis; a dsb; b isb; b fetch {X}"],
        NONE,
    ),
    (
        "both may be pending",
        [ORDER, f"{_B} exec", _CODE, _CLEANED, f"a ic ialluis; a ic iallu; a dsb; b isb; b fetch {X}"],
        NONE,
    ),
    (
        "ialluis with order, without dsb",
        [ORDER, f"{_B} exec", _CODE, _CLEANED, f"a ic ialluis; b dsb; b isb; b fetch {X}"],
        FETCH,
    ),
]

_U_FETCHED = f"u map {WB} exec; u unmap {P}; {_N}; n write {X}; n dc civac {X}"
_V_FETCHES = f"v icache on; v mmu off; v fetch {X}"
_U_NC = f"u map {NC} exec; {_N}; n write {X}; n dsb; v mmu off"

NOTHING_SAID: list[Case] = [
    ("iallu, another agent", [AGENTS, f"{_B} exec", _CODE, f"a dc cvau {X}; a ic iallu; b fetch {X}"], FETCH),
    (
        "iallu, one core",
        [AGENTS, "core k a b", f"{_B} exec", _CODE, f"a dc cvau {X}; a ic iallu; b fetch {X}"],
        NONE,
    ),
    ("iallu, its own", [AGENTS, _CODE, f"a dc cvau {X}; a ic iallu; a fetch {X}"], NONE),
    ("each may hit what any fetched", [AGENTS, _U_FETCHED, _V_FETCHES], FETCH),
    ("as on one core", [AGENTS, "core k u v", _U_FETCHED, _V_FETCHES], FETCH),
    ("but not on two", [AGENTS, "core k u; core kv v", _U_FETCHED, _V_FETCHES], NONE),
    ("nor if something is said of one", [AGENTS, "core k u", _U_FETCHED, _V_FETCHES], NONE),
    ("each may prefetch what any may", [AGENTS, "option order", _U_NC, f"v fetch {X}"], FETCH),
    ("its isb is for its own", [AGENTS, "option order", _U_NC, f"v isb; v fetch {X}"], NONE),
    ("not another's isb", [AGENTS, "option order", _U_NC, f"u isb; v fetch {X}"], FETCH),
    (
        "nor if something is said of the other",
        [AGENTS, "option order; core k u", _U_NC, f"v fetch {X}"],
        NONE,
    ),
    ("its dsb is for its own", [AGENTS, "option order", _A, f"a dc cvac {X}; a dsb", _N_READS], NONE),
    ("not another's dsb", [AGENTS, "option order", _A, f"a dc cvac {X}; b dsb", _N_READS], STALE),
    (
        "another's on one core",
        [AGENTS, "option order; core k a b", _A, f"a dc cvac {X}; b dsb", _N_READS],
        NONE,
    ),
    ("not another's dmb", [AGENTS, "option order; a mmu off", f"a write {X}; b dmb", _N_READS], STALE),
    (
        "its store is its own",
        [AGENTS, "option order; a mmu off; b mmu off", f"a write {X}; b read {X}"],
        STALE,
    ),
    (
        "names say nothing (a reading)",
        [AGENTS, "option order; c.a mmu off", f"c.a write {X}; c.b dmb", _N_READS],
        STALE,
    ),
]

_U_MAY_HAVE_FETCHED = f"u map {WB} exec; u unmap {P}"

KINDS: list[Case] = [
    ("a dirty line above", [AT_ONCE, _BELOW_A_DIRTY_LINE, f"n read {X}"], LOST),
    (
        "a core's instruction cache is a copy",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, f"a map {WB} exec; n read {X}"],
        LOST | STALE,
    ),
    ("a fetch", [AT_ONCE, _BELOW_A_DIRTY_LINE, f"h map {NC} exec; h fetch {X}"], LOST),
    (
        "another core's instruction cache is none for a fetch",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, f"a map {WB} exec; h map {NC} exec; h fetch {X}"],
        LOST,
    ),
    (
        "its own is",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, f"a map {WB} exec; m map {NC} exec; m fetch {X}"],
        LOST | FETCH,
    ),
    (
        "nothing said: its own",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, _U_MAY_HAVE_FETCHED, f"v map {NC} exec; v fetch {X}"],
        LOST | FETCH,
    ),
    (
        "nothing said: not another's",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, _U_MAY_HAVE_FETCHED, f"v ic iallu; v map {NC} exec; v fetch {X}"],
        LOST,
    ),
    (
        "nothing said: any that has occurred, for a read",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, _U_MAY_HAVE_FETCHED, f"u ic iallu; v mmu off; n read {X}"],
        LOST | STALE,
    ),
    (
        "nothing said: none that occurs later",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, _U_MAY_HAVE_FETCHED, f"u ic iallu; n read {X}; v mmu off"],
        LOST,
    ),
    (
        "nothing said: one that occurs now",
        [AT_ONCE, _BELOW_A_DIRTY_LINE, _U_MAY_HAVE_FETCHED, f"u ic iallu; v walk {X} normal-nc"],
        LOST | STALE,
    ),
    ("a store in flight is a copy", [ORDER, _G, f"g write {X}", _N_READS], STALE),
    (
        "a prefetch is none",
        [
            ORDER,
            f"{_B}; b write {X}; b unmap {P}; h map {NC} exec",
            f"h write {X}; h dsb; h isb; h read {X}; h fetch {X}",
        ],
        LOST,
    ),
]

CASES = {
    "new code": NEW_CODE,
    "data operations": DATA_OPERATIONS,
    "waiting": WAITING,
    "stores": STORES,
    "write-through": WRITE_THROUGH,
    "waiting for a clean that is ordered": WAITING_FOR_A_CLEAN,
    "waiting for a store that is ordered": WAITING_FOR_A_STORE,
    "held up by a store that is ordered": HELD_UP,
    "instruction caches": INSTRUCTION_CACHES,
    "nothing said": NOTHING_SAID,
    "kinds": KINDS,
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


# -- what a hazard says ------------------------------------------------------------------------------------


def test_address_and_size_span_the_bad_bytes() -> None:
    text = trace(
        ORDER, _G, "g write 0x1003 2; g dsb; g write 0x1006 1; g write 0x1009 1", _N, "n read 0x1004 12"
    )
    assert explore(text) == [Hazard(14, "stale-read", "n", 0x1006, 4)]


def test_one_entry_for_each_line_and_kind_by_line_then_address_then_kind() -> None:
    text = trace(ORDER, _G, "g write 0x1000 40; g dmb; g write 0x1008 16", _H, "h write 0x1008 4; h dsb")
    text += trace("g read 0x1000 40", "g dsb", f"{_N}; n read 0x1000 40")
    assert explore(text) == [
        Hazard(15, "lost-write", "g", 0x1008, 4),
        Hazard(15, "stale-read", "g", 0x1008, 4),
        Hazard(18, "lost-write", "n", 0x1008, 4),
    ]


def test_an_access_over_a_page_end_is_bad_only_where_it_goes_past_the_store() -> None:
    text = trace(
        ORDER,
        f"a map {NC}; a map 0x2000 0x1000 normal-wb; a write 0x1ff8 16",
        "n map 0x1000 0x2000 normal-wb",
    )
    assert explore(text + "n read 0x1ff0 32\n") == [Hazard(12, "stale-read", "n", 0x1FF8, 8)]


def test_a_bad_read_changes_nothing() -> None:
    text = trace(ORDER, _G, f"g write {X}", _N, f"n read {X}; n read {X}; g read {X}; g dsb; n read {X}")
    assert [hazard.line for hazard in explore(text)] == [11, 12]


def test_too_many_microstates_end_the_search_only_if_a_limit_is_set() -> None:
    text = trace(ORDER, _CODE, f"a dc cvau {X}; a ic ivau {X}; a fetch {X}")
    assert explore(text, most=100_000) == explore(text)
    with pytest.raises(TooMany):
        explore(text, most=10)


# -- the text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "version 2",
        "# a comment\n\n   version  2   # and one more\nline 16\ncore k a b\noption order\nline 32",
        "version 2\noption order\na dsb\na dmb\na isb # for the core",
        "version 2\ncore a a\ncore b c d\na ic iallu\nb ic iallu",
        "version 2\noption order\ncore k a\nb dsb",
        "version 2\nversion ic iallu",
        "version 2\ncpu0.dom0+vmap ic iallu",
    ],
)
def test_a_valid_trace_with_nothing_wrong(text: str) -> None:
    assert explore(text) == []


@pytest.mark.parametrize(
    ("text", "number", "word"),
    [
        ("version 2\na dsb", 2, "option order"),
        ("version 2\na dmb", 2, "option order"),
        ("version 2\na isb", 2, "option order"),
        ("version 2\noption order\na dsb 0x1000 64", 3, "0x1000"),
        ("version 2\noption order\na isb now", 3, "now"),
        ("version 2\ncore k a\ncore l a", 3, "a"),
        ("version 2\ncore k a a", 2, "a"),
        ("version 2\ncore k a\ncore k b", 3, "k"),
        ("version 2\ncore k", 2, "core"),
        ("version 2\ncore", 2, "core"),
        ("version 2\na ic iallu\ncore k a", 3, "core"),
        ("version 2\na ic iallu\noption order", 3, "option"),
        ("version 2\na ic iallu\nline 16", 3, "line"),
        ("version 2\ncore k line", 2, "line"),
        ("version 2\na tlbi all", 2, "option order"),
        ("version 2\nversion 2", 2, "2"),
        ("version 2\na", 2, "a"),
        ("version 2\na read 0x1000 8", 2, "0x1000"),
        # in a version 1 trace these words are agents' names and unknown operations
        ("version 1", 1, "1"),
        ("version 3", 1, "3"),
        ("line 16\nversion 2", 2, "2"),
        ("core k a", 1, "k"),
        ("option order", 1, "order"),
        ("a dsb", 1, "dsb"),
    ],
)
def test_a_malformed_trace_names_the_line_and_the_word(text: str, number: int, word: str) -> None:
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == number
    assert word in caught.value.reason


def test_a_version_1_trace_is_explored_as_before() -> None:
    text = trace(f"core map {WB}; core write {X}; give map {NC}; give read {X}")
    assert explore(text) == explorer.explore(text) == [Hazard(4, "stale-read", "give", 0x1000, 8)]


# -- what must hold between verdicts -----------------------------------------------------------------------

NAMES = ("dom0", "guest", "xen")
MOST = 20_000
ONE_CORE, CORE_EACH, UNSAID = ["core k dom0 guest xen"], [f"core {name} {name}" for name in NAMES], ["#"]


def with_heads(text: str, heads: list[str]) -> str:
    """Make a version 2 trace of a version 1 one: four more lines, whatever the heads."""
    lines = ["version 2", *heads]
    return "\n".join(lines + ["#"] * (4 - len(lines))) + "\n" + text


def bad_bytes(text: str) -> set[tuple[int, int]]:
    """Give an event's line number and a byte, for all bytes from a hazard's first to its last."""
    try:
        hazards = explore(text, most=MOST)
    except TooMany:
        assume(False)
    return {(h.line, byte) for h in hazards for byte in range(h.address, h.address + h.size)}


def trial(most: int) -> settings:
    return settings(max_examples=examples(most), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("text", [e[1] for e in WORKED_EXAMPLES + SMALL_EXAMPLES])
def test_on_one_core_and_complete_at_once_the_examples_are_as_before(text: str) -> None:
    assert_as_before(text)


@trial(150)
@given(traces())
def test_on_one_core_and_complete_at_once_a_trace_is_as_before(text: str) -> None:
    assert_as_before(text)


def assert_as_before(text: str) -> None:
    names = {line.split()[0] for line in text.splitlines() if line.partition("#")[0].split()} - {
        "line",
        "option",
    }
    heads = [f"core k {' '.join(sorted(names))}"]
    before = [hazard._replace(line=hazard.line + 4) for hazard in explorer.explore(text)]
    assert explore(with_heads(text, [*heads, "#", "#"])) == before


@st.composite
def ordered_traces(draw: DrawFn, most: int = 12) -> list[str]:
    """Draw the lines of a version 1 trace with barriers put in, and ``#`` where one more could stand."""
    lines = draw(traces(max_events=most)).splitlines()
    heads = [line for line in lines if line.startswith(("line", "option"))]
    lines = lines[len(heads) :]
    for _ in range(draw(st.integers(0, 6))):
        barrier = f"{draw(st.sampled_from(NAMES))} {draw(st.sampled_from(['dsb', 'dmb', 'dmb', 'isb']))}"
        lines.insert(draw(st.integers(0, len(lines))), barrier)
    lines.insert(draw(st.integers(0, len(lines))), "#")
    return ["option order", *heads, *lines]


SAID = st.sampled_from([ONE_CORE, CORE_EACH, UNSAID])


@trial(100)
@given(
    SAID,
    ordered_traces(),
    st.sampled_from([f"{name} {op}" for name in NAMES for op in ("dsb", "dmb", "isb")]),
)
def test_a_barrier_only_takes_hazards_away(said: list[str], lines: list[str], barrier: str) -> None:
    """Its agent has begun in both: else the barrier would make later switches wait for an ISB."""
    agent = barrier.split()[0]
    begun = [line for line in lines if line.startswith(("line", "option"))]
    begun += [f"{agent} isb", *lines[len(begun) :]]
    without = with_heads("\n".join(begun), said)
    with_it = with_heads("\n".join(barrier if line == "#" else line for line in begun), said)
    assert bad_bytes(with_it) <= bad_bytes(without)


@trial(60)
@given(SAID, ordered_traces(), st.sampled_from(NAMES))
def test_a_dsb_does_all_that_a_dmb_does(said: list[str], lines: list[str], name: str) -> None:
    with_dmb, with_dsb = (
        with_heads("\n".join(f"{name} {op}" if line == "#" else line for line in lines), said)
        for op in ("dmb", "dsb")
    )
    assert bad_bytes(with_dsb) <= bad_bytes(with_dmb)


@trial(60)
@given(SAID, ordered_traces(), st.sampled_from(NAMES))
def test_a_dmb_adds_nothing_to_a_dsb(said: list[str], lines: list[str], name: str) -> None:
    where = lines.index("#")
    one, both = (
        with_heads("\n".join([*lines[:where], before, f"{name} dsb", *lines[where + 1 :]]), said)
        for before in ("#", f"{name} dmb")
    )
    assert bad_bytes(one) == bad_bytes(both)


@trial(100)
@given(SAID, ordered_traces())
def test_order_only_adds_hazards(said: list[str], lines: list[str]) -> None:
    at_once = ["#" if line.endswith(("dsb", "dmb", "isb", "order")) else line for line in lines]
    assert bad_bytes(with_heads("\n".join(at_once), said)) <= bad_bytes(with_heads("\n".join(lines), said))


@trial(100)
@given(ordered_traces())
def test_saying_that_cores_are_several_only_takes_hazards_away(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert bad_bytes(with_heads(text, CORE_EACH)) <= bad_bytes(with_heads(text, UNSAID))


@trial(100)
@given(traces(max_events=12))
def test_saying_that_the_core_is_one_only_takes_hazards_away_where_all_is_complete_at_once(text: str) -> None:
    assert bad_bytes(with_heads(text, ONE_CORE)) <= bad_bytes(with_heads(text, UNSAID))


@st.composite
def cacheable_traces(draw: DrawFn) -> list[str]:
    """Draw a trace of three agents whose data accesses are all cacheable, and that invalidates no dirty line."""
    lines = [f"{name} map {P} normal-{draw(st.sampled_from(['wb', 'wt', 'wt']))}" for name in NAMES]
    data = st.sampled_from(["write", "write", "read", "dc cvau", "dc cvac", "dc civac", "dc zva"])
    where = st.sampled_from([X, X, Y, "0x1004 8"])
    ops = st.one_of(
        st.builds("{} {}".format, data, where),
        st.builds("walk {} normal-wb".format, where),
        st.sampled_from(["dsb", "dmb"]),
    )
    events = st.lists(st.builds("{} {}".format, st.sampled_from(NAMES), ops), max_size=8)
    return ["option order", "line 16", *lines, *draw(events), *(f"{name} read 0x1000 16" for name in NAMES)]


@trial(100)
@given(SAID, cacheable_traces())
def test_write_through_stores_are_coherent_with_cacheable_accesses(said: list[str], lines: list[str]) -> None:
    assert bad_bytes(with_heads("\n".join(lines), said)) == set()


# -- the search --------------------------------------------------------------------------------------------

COLD = steps_of.Shared(explorer.INVALID, False, explorer.INVALID, False, True)
State = tuple[steps_of.Shared, tuple[steps_of.Core, ...]]


def plainly(
    read: reading.Trace, steps: list[reading.Step], byte: int, profile: steps_of.Profile
) -> list[set[str]]:
    """
    Give the kinds of hazard that each step is for a byte, by a search that packs and forgets nothing.

    The rules are the explorer's own: this is about its search.
    """
    assert read.start == "cold"
    found = []
    states = {(COLD, (steps_of.Core(),) * max(len(read.cores), 1))}
    everybody = set(range(len(read.cores)))
    for n, step in enumerate(steps):
        states = closed(states, oracle.rules_before(steps, n, everybody), profile)
        kinds: set[str] = set()
        reached: set[State] = set()
        for event in step.events(byte):
            on = {state for state in states if not any(steps_of.awaits(event, core) for core in state[1])}
            if oracle.is_check(step, event, profile):
                kinds |= plain_kinds(on, step, event, profile)
            rule = partial(steps_of.effect_of, event=event, profile=profile)
            reached |= {after for state in on for after in moved(state, max(step.core, 0), rule)}
        found.append(kinds)
        if step.ways and (step.op != "give" or profile.gifts):
            states = reached
        states = closed(states, oracle.rules_of(step, everybody), profile)
    return found


def moved(state: State, at: int, rule: oracle.Rule) -> Iterator[State]:
    shared, cores = state
    for after, own, others in rule(shared, cores[at]):
        rest = [steps_of.meanwhile(core, others) for core in cores]
        yield after, (*rest[:at], own, *rest[at + 1 :])


def closed(states: set[State], rules: steps_of.Rules, profile: steps_of.Profile) -> set[State]:
    seen, todo = set(states), list(states)
    while todo:
        state = todo.pop()
        new = {
            (shared, state[1]) for shared in steps_of.shared_steps(state[0], rules.alias_live, rules.below)
        }
        for at, fetches in enumerate(rules.cores):
            new.update(moved(state, at, partial(steps_of.core_steps, fetches=fetches, profile=profile)))
        todo += new - seen
        seen |= new
        assume(len(seen) < 1500)
    return seen


def plain_kinds(
    states: set[State], step: reading.Step, event: steps_of.Event, profile: steps_of.Profile
) -> set[str]:
    kinds = set()
    for shared, cores in states:
        core = cores[max(step.core, 0)]
        if not steps_of.goes_on(shared, core, event) or all(
            steps_of.fresh_copies(shared, core, event, profile)
        ):
            continue
        if profile.gifts:
            return {"leak"}
        fetch = event.action.startswith("fetch")
        for projected in [core] if fetch else cores[: step.occurred] or [steps_of.Core()]:
            copies = [shared.f1, shared.f2, shared.fm, steps_of.fresh_in(projected.icache)]
            copies += [shared.through == steps_of.FRESH, *(core.store == steps_of.FRESH for core in cores)]
            kinds.add(("stale-fetch" if fetch else "stale-read") if any(copies) else "lost-write")
    return kinds


@pytest.mark.long
@trial(60)
@given(SAID, ordered_traces(most=9), st.integers(0, 15))
def test_a_plainer_search_finds_the_same(said: list[str], lines: list[str], byte: int) -> None:
    assert_plainly(with_heads("\n".join(lines), said), byte)


def assert_plainly(text: str, byte: int) -> None:
    read = reading.read_trace(text)
    for steps in list(read.lines.values())[:1]:
        for profile in (read.profile, read.profile._replace(gifts=True)):
            events = tuple(step.events(byte) for step in steps)
            packed = oracle.Byte(oracle.Memory(), read.cores, profile, most=None)
            found = list(oracle.follow(steps, events, packed, profile))
            plain = plainly(read, steps, byte, profile)
            assert plain == found + [set()] * (len(plain) - len(found))
