# SPDX-License-Identifier: GPL-2.0-or-later
"""The further words of version 2, against verdicts worked out by hand from the pages.

As in ``test_order_explorer.py``, each rule has a trace and, beside it, a variant with another verdict; names that end
in "(a reading)" are of places that the pages leave open.
"""

import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis.errors import UnsatisfiedAssumption

from tests.helpers.order_traces import draw_worded
from tests.oracles.order_explorer import Hazard, Malformed, explore
from tests.oracles.order_reading import Reader, Unjudged, not_judged
from tests.oracles.order_steps import ACCESSES
from tests.oracles.test_order_explorer import (
    _A,
    _CODE,
    _N,
    _T,
    AGENTS,
    AT_ONCE,
    FETCH,
    LOST,
    NC,
    NONE,
    ORDER,
    STALE,
    WB,
    Case,
    P,
    X,
    Y,
    assert_plainly,
    bad_bytes,
    kinds,
    trace,
)

LEAK = frozenset({"leak"})
BOTH = "0x1000 0x2000"
LINE = "0x1000 16"
_B = f"b map {WB}"
_M_CODE = f"m map {NC} exec"
_H_READS = f"h mmu off; h read {X}"
_N_READS = f"{_N}; n read {X}"
_N_WRITES = f"{_N}; n write {X}"
_GIVE = f"give {P}"
_W = f"n walk {X} normal-nc"

OWNERS: list[Case] = [
    ("what nobody wrote", [AT_ONCE, f"{_GIVE} h", _H_READS], LEAK),
    ("never given", [AT_ONCE, _H_READS], NONE),
    ("given, and written", [AT_ONCE, f"{_GIVE} h", _N_WRITES, _H_READS], NONE),
    ("written, and given", [AT_ONCE, _N_WRITES, f"{_GIVE} h", _H_READS], LEAK),
    ("read by another", [AT_ONCE, f"{_GIVE} h", _N_READS], NONE),
    ("read by one of several", [AT_ONCE, f"{_GIVE} h n", _N_READS], LEAK),
    ("an owner reads what it wrote itself", [AT_ONCE, f"{_GIVE} n", _N_WRITES, f"n read {X}"], NONE),
    (
        "the scrub is not cleaned",
        [AT_ONCE, _A, f"{_GIVE} h; a write {X}; a unmap {P}", _H_READS],
        LEAK | STALE,
    ),
    ("the scrub is cleaned", [AT_ONCE, _A, f"{_GIVE} h; a write {X}; a dc civac {X}", _H_READS], NONE),
    ("another page", [AT_ONCE, "give 0x2000 0x1000 h", _H_READS], NONE),
    # Given twice.
    ("given again", [AT_ONCE, f"{_GIVE} h", _N_WRITES, f"{_GIVE} h", _H_READS], NONE),
    ("… in another order", [AT_ONCE, f"{_GIVE} h n", _N_WRITES, f"{_GIVE} n h", _H_READS], NONE),
    ("to one more", [AT_ONCE, f"{_GIVE} h", _N_WRITES, f"{_GIVE} h n", _H_READS], LEAK),
    ("there and back", [AT_ONCE, f"{_GIVE} h", _N_WRITES, f"{_GIVE} n; {_GIVE} h", _H_READS], LEAK),
    ("away", [AT_ONCE, f"{_GIVE} h", f"{_GIVE} n", _H_READS], NONE),
    ("with another page", [AT_ONCE, f"{_GIVE} h", _N_WRITES, f"give {BOTH} h", _H_READS], NONE),
    # Copies.
    ("an older copy in the caches", [AT_ONCE, _B, f"{_GIVE} b", _N_WRITES, f"b read {X}"], LEAK | STALE),
    (
        "a stale copy that was written since",
        [AT_ONCE, f"{_B}; {_GIVE} b; b write {X}; b dc civac {X}", _N_WRITES, f"b read {X}"],
        STALE,
    ),
    (
        "what a dirty line overwrites",
        [AT_ONCE, f"{_B}; {_GIVE} h", _N_WRITES, f"b write {Y}; b dc civac {X}", _H_READS],
        LEAK | LOST,
    ),
    (
        "what a dirty line overwrites with bytes that were written since",
        [AT_ONCE, f"{_B}; {_GIVE} h; b write {X}", _N_WRITES, f"b dc civac {X}", _H_READS],
        LOST,
    ),
    (
        "a write-through store in the copies that it writes",
        [AT_ONCE, _T, f"{_GIVE} t h; t write {X}; t read {X}", _H_READS],
        NONE,
    ),
    (
        "the instruction cache",
        [AT_ONCE, _CODE, f"{_GIVE} a; a write {X}; a dc cvau {X}; a fetch {X}"],
        LEAK | FETCH,
    ),
    (
        "the instruction cache, invalidated",
        [AT_ONCE, _CODE, f"{_GIVE} a; a write {X}; a dc cvau {X}; a ic ivau {X}; a fetch {X}"],
        NONE,
    ),
    (
        "another core's instruction cache",
        [AT_ONCE, _CODE, f"{_B}; {_GIVE} b; a write {X}; a dc cvac {X}; b read {X}"],
        NONE,
    ),
    ("a walk", [AT_ONCE, f"{_GIVE} a; a walk {X} normal-nc"], LEAK),
    ("a fetch with the MMU off", [AT_ONCE, f"{_GIVE} h; h mmu off; h fetch {X}"], LEAK),
    ("a poll", [AT_ONCE, f"{_GIVE} h; h mmu off; h poll {X}"], LEAK),
    ("a poll by another", [AT_ONCE, f"{_GIVE} n; h mmu off; h poll {X}"], NONE),
    ("a poll of what is written", [AT_ONCE, f"{_GIVE} h", _N_WRITES, f"h mmu off; h poll {X}"], NONE),
    (
        "a poll of what is stale alone",
        [AT_ONCE, _B, f"{_GIVE} b; b write {X}", _N_WRITES, f"b poll {X}"],
        NONE,
    ),
    ("a cacheable poll", [AT_ONCE, _B, f"{_GIVE} b", _N_WRITES, f"b poll {X}"], LEAK),
    ("a poll that may hit", [AT_ONCE, "option nc-may-hit", _B, f"{_GIVE} n", _N_WRITES, f"n poll {X}"], LEAK),
    ("… and may not", [AT_ONCE, _B, f"{_GIVE} n", _N_WRITES, f"n poll {X}"], NONE),
    ("a poll of its store in flight", [ORDER, f"{_GIVE} n", _N_WRITES, f"n poll {X}"], NONE),
    ("a poll of another's store in flight", [ORDER, f"{_GIVE} h", _N_WRITES, f"h mmu off; h poll {X}"], LEAK),
    # Names.
    ("another alias of an owner", [AT_ONCE, f"{_GIVE} h; h+v mmu off; h+v read {X}"], LEAK),
    ("… whose name only begins so", [AT_ONCE, f"{_GIVE} h; hv mmu off; hv read {X}"], NONE),
    ("… whose name has a dot", [AT_ONCE, f"{_GIVE} h; h.v mmu off; h.v read {X}"], NONE),
    ("… that is named itself", [AT_ONCE, f"{_GIVE} h+v; h+v mmu off; h+v read {X}"], LEAK),
    ("the one that an alias is of is not named by it", [AT_ONCE, f"{_GIVE} h+v", _H_READS], NONE),
    ("another alias of the same", [AT_ONCE, f"{_GIVE} h+v; h+w mmu off; h+w read {X}"], NONE),
    ("an alias of an alias (a reading)", [AT_ONCE, f"{_GIVE} h; h+v+w mmu off; h+v+w read {X}"], LEAK),
    ("a plus and no word (a reading)", [AT_ONCE, f"{_GIVE} h; h+ mmu off; h+ read {X}"], NONE),
    ("another alias of a master", [AT_ONCE, f"master d; master d+v; {_GIVE} d; d+v read {X}"], LEAK),
    # Order.
    ("a store in flight", [ORDER, _N_WRITES, f"{_GIVE} n; n dsb; n read {X}"], LEAK),
    ("a store in flight, seen by itself", [ORDER, _N_WRITES, f"{_GIVE} n; n read {X}"], LEAK),
    ("a store after the gift, seen by itself", [ORDER, f"{_GIVE} n", _N_WRITES, f"n read {X}"], NONE),
    ("… not by others", [ORDER, f"{_GIVE} h", _N_WRITES, _H_READS], LEAK | STALE),
    ("… but after dsb", [ORDER, f"{_GIVE} h", _N_WRITES, "n dsb", _H_READS], NONE),
    ("a write-through store in flight", [ORDER, _T, f"t write {X}; {_GIVE} t; t dsb; t read {X}"], LEAK),
    ("… after the gift", [ORDER, _T, f"{_GIVE} t b; t write {X}", _B, f"b read {X}"], NONE),
    (
        "a prefetched instruction",
        [ORDER, f"{_M_CODE}; {_GIVE} m; m write {X}; m dsb; m fetch {X}"],
        LEAK | FETCH,
    ),
    (
        "a prefetched instruction, and isb",
        [ORDER, f"{_M_CODE}; {_GIVE} m; m write {X}; m dsb; m isb; m fetch {X}"],
        NONE,
    ),
    (
        "a prefetched instruction, overwritten once more",
        [ORDER, f"{_M_CODE}; {_GIVE} m; m write {X}; m dsb; m isb; m write {X}; m dsb; m fetch {X}"],
        FETCH,
    ),
]

BARE, SNOOPS = "master dev", "master dev snoops"
_DEV_READS = f"dev read {X}"
_DEV_WRITES = f"dev write {X}"
_T_WRITES = f"{_T}; t write {X}"

MASTERS: list[Case] = [
    ("reads below a dirty line", [BARE, _A, _DEV_READS], STALE),
    ("… and snoops", [SNOOPS, _A, _DEV_READS], NONE),
    ("reads a cleaned line", [BARE, _A, f"a dc cvac {X}", _DEV_READS], NONE),
    ("reads what is past the caches", [BARE, _B, _N_WRITES, _DEV_READS], NONE),
    ("… and snoops a copy", [SNOOPS, _B, _N_WRITES, _DEV_READS], STALE),
    ("never hits", ["option nc-may-hit", BARE, _B, _N_WRITES, _DEV_READS], NONE),
    ("… but an agent may", ["option nc-may-hit", BARE, _B, _N_WRITES, f"n read {X}"], STALE),
    ("writes below a copy", [BARE, _B, _DEV_WRITES, f"b read {X}"], STALE),
    ("writes a copy", [SNOOPS, _B, _DEV_WRITES, f"b read {X}"], NONE),
    (
        "writes below a dirty line",
        [BARE, f"{_B}; b write {Y}", _DEV_WRITES, f"b dc cvac {X}", _DEV_READS],
        LOST,
    ),
    ("writes a dirty line", [SNOOPS, f"{_B}; b write {Y}", _DEV_WRITES, f"b dc cvac {X}", _DEV_READS], NONE),
    ("writes memory", [BARE, _DEV_WRITES, _N_READS], NONE),
    ("writes level 2, perhaps", [SNOOPS, _DEV_WRITES, _N_READS], STALE),
    ("writes level 2, cleaned", [SNOOPS, _DEV_WRITES, f"a dc cvac {X}", _N_READS], NONE),
    ("writes level 2, and discarded", [SNOOPS, _DEV_WRITES, f"a dc ivac {X}", _DEV_READS], LOST),
    ("writes memory, and no discarding", [BARE, _DEV_WRITES, f"a dc ivac {X}", _DEV_READS], NONE),
    ("keeps a dirty line's bytes", [SNOOPS, f"{_A}; dev write {Y}; a read {X}"], NONE),
    ("… in level 2", [SNOOPS, f"{_A}; dev write {Y}; a dc civac {X}", _N_READS], NONE),
    (
        "may make an old copy of other bytes dirty in level 2",
        [SNOOPS, _B, _N_WRITES, f"b unmap {P}; dev write {Y}; a dc cvac {X}", _DEV_READS],
        STALE | LOST,
    ),
    ("allocates nothing", [SNOOPS, f"{_DEV_READS}", _N_WRITES, _DEV_READS], NONE),
    ("… where a walk does", [SNOOPS, f"a walk {X} normal-wb", _N_WRITES, _DEV_READS], STALE),
    ("its aliases let nobody fill", [BARE, f"dev map {WB}", _N_WRITES, f"a walk {X} normal-wb"], NONE),
    ("… but an agent's do", [BARE, _B, _N_WRITES, f"a walk {X} normal-wb"], STALE),
    (
        "its executable aliases neither",
        [BARE, f"dev map {WB} exec", _N_WRITES, f"a walk {X} normal-wb"],
        NONE,
    ),
    ("the instruction cache is not snooped", [SNOOPS, f"{_B} exec", _DEV_WRITES, f"b fetch {X}"], FETCH),
    ("… invalidated", [SNOOPS, f"{_B} exec", _DEV_WRITES, f"b ic ivau {X}; b fetch {X}"], NONE),
    ("a walk is as a read", [BARE, _A, f"dev walk {X} normal-wb"], STALE),
    ("a walk that snoops is as a read", [SNOOPS, _A, f"dev walk {X} device"], NONE),
    ("a poll is not checked", [BARE, _A, f"dev poll {X}"], NONE),
    ("… but for leaks", [BARE, f"{_GIVE} dev; dev poll {X}"], LEAK),
    # Owners.
    ("an owner reads what nobody wrote", [BARE, f"{_GIVE} dev", _DEV_READS], LEAK),
    ("an owner snoops what nobody wrote", [SNOOPS, f"{_GIVE} dev", _DEV_READS], LEAK),
    ("an owner reads below the scrub", [BARE, f"{_GIVE} dev", _A, _DEV_READS], LEAK | STALE),
    ("an owner snoops the scrub", [SNOOPS, f"{_GIVE} dev", _A, _DEV_READS], NONE),
    ("writes for the owner", [BARE, f"{_GIVE} n", _DEV_WRITES, _N_READS], NONE),
    (
        "writes for the owner, into level 2 perhaps",
        [SNOOPS, f"{_GIVE} n", _DEV_WRITES, _N_READS],
        LEAK | STALE,
    ),
    (
        "writes, and an older copy keeps that it was written since",
        [BARE, f"{_B}; {_GIVE} b; b write {X}; b dc civac {X}", _DEV_WRITES, f"b read {X}"],
        STALE,
    ),
]

MASTERS_WITH_ORDER: list[Case] = [
    ("reads past a store in flight", [BARE, _N_WRITES, _DEV_READS], STALE),
    ("… and snoops past it", [SNOOPS, _N_WRITES, _DEV_READS], STALE),
    ("dmb is not enough", [BARE, _N_WRITES, "n dmb", _DEV_READS], STALE),
    ("… but for one that snoops", [SNOOPS, _N_WRITES, "n dmb", _DEV_READS], NONE),
    ("dsb is", [BARE, _N_WRITES, "n dsb", _DEV_READS], NONE),
    ("reads past a clean with dmb", [BARE, _A, f"a dc cvac {X}; a dmb", _DEV_READS], STALE),
    ("reads past a clean with dsb", [BARE, _A, f"a dc cvac {X}; a dsb", _DEV_READS], NONE),
    ("its read that snoops waits for a clean", [SNOOPS, _A, f"a dc cvac {X}; a dmb; dev read {Y}", _W], NONE),
    ("… its other read does not", [BARE, _A, f"a dc cvac {X}; a dmb; dev read {Y}", _W], STALE),
    ("… its poll does", [SNOOPS, _A, f"a dc cvac {X}; a dmb; dev poll {Y}", _W], NONE),
    ("… its write does", [SNOOPS, _A, f"a dc cvac {X}; a dmb; dev write {Y}", _W], NONE),
    (
        "… its walk does not (a reading)",
        [SNOOPS, _A, f"a dc cvac {X}; a dmb; dev walk {Y} normal-wb", _W],
        STALE,
    ),
    ("snoops a write-through store in flight", [SNOOPS, _T_WRITES, _DEV_READS], NONE),
    ("… does not", [BARE, _T_WRITES, _DEV_READS], STALE),
    ("… but after dsb", [BARE, _T_WRITES, "t dsb", _DEV_READS], NONE),
    (
        "its write is overwritten by a store in flight",
        [BARE, _N_WRITES, _DEV_WRITES, "n dsb", _DEV_READS],
        LOST,
    ),
    ("… its write that snoops, too", [SNOOPS, _N_WRITES, _DEV_WRITES, "n dsb", _DEV_READS], LOST),
    ("… that snoops, not after dmb", [SNOOPS, _N_WRITES, "n dmb", _DEV_WRITES, "n dsb", _DEV_READS], NONE),
    ("… after dmb", [BARE, _N_WRITES, "n dmb", _DEV_WRITES, "n dsb", _DEV_READS], LOST),
    ("… not after dsb", [BARE, _N_WRITES, "n dsb", _DEV_WRITES, "n dsb", _DEV_READS], NONE),
    (
        "its write that snoops waits for a write-through store",
        [SNOOPS, _T_WRITES, _DEV_WRITES, "t dsb", _DEV_READS],
        NONE,
    ),
    ("its other write does not", [BARE, _T_WRITES, _DEV_WRITES, "t dsb", _DEV_READS], LOST),
    (
        "a prefetched instruction is older than its write",
        [BARE, f"{_M_CODE}", _DEV_WRITES, f"m fetch {X}"],
        FETCH,
    ),
    ("… and gone after isb", [BARE, f"{_M_CODE}", _DEV_WRITES, f"m isb; m fetch {X}"], NONE),
    ("nothing of it is pending", [BARE, _DEV_WRITES, _N_READS], NONE),
]

POLLS: list[Case] = [
    ("is not checked", [AT_ONCE, _A, f"{_N}; n poll {X}"], NONE),
    ("a read after it is", [AT_ONCE, _A, f"{_N}; n poll {X}; n read {X}"], STALE),
    ("a cacheable one waits for its core's clean", [ORDER, _A, f"a dc cvac {X}; a poll {Y}", _N_READS], NONE),
    ("… on another line not", [ORDER, _A, f"a dc cvac {X}; a poll 0x1010 8", _N_READS], STALE),
    ("… one past the caches not", [ORDER, _A, f"m map {NC}; a dc cvac {X}; m poll {Y}", _N_READS], STALE),
    ("waits for what is ordered", [ORDER, _A, f"{_N}; a dc cvac {X}; a dmb; n poll {Y}", _W], NONE),
    ("… and for nothing else", [ORDER, _A, f"{_N}; a dc cvac {X}; n poll {Y}", _W], STALE),
]

_B_READS = f"b read {X}"
_N_WALKS = f"n walk {X} normal-nc"
_MAY_HIT = "option nc-may-hit"

HITS: list[Case] = [
    ("one who is named", [AT_ONCE, f"{_MAY_HIT} n", _B, _N_WRITES, f"n read {X}"], STALE),
    ("one who is not", [AT_ONCE, f"{_MAY_HIT} h b", _B, _N_WRITES, f"n read {X}"], NONE),
    (
        "several lines name more",
        [AT_ONCE, f"{_MAY_HIT} n; {_MAY_HIT} h", _B, _N_WRITES, f"n read {X}"],
        STALE,
    ),
    ("all", [AT_ONCE, _MAY_HIT, _B, _N_WRITES, f"n read {X}"], STALE),
    (
        "all, and one who is named",
        [AT_ONCE, f"{_MAY_HIT}; {_MAY_HIT} h", _B, _N_WRITES, f"n read {X}"],
        STALE,
    ),
    ("a walk", [AT_ONCE, f"{_MAY_HIT} n", _B, _N_WRITES, _N_WALKS], STALE),
    ("the walk of one who is not", [AT_ONCE, f"{_MAY_HIT} h", _B, _N_WRITES, _N_WALKS], NONE),
    ("no fetch (a reading)", [AT_ONCE, f"{_MAY_HIT} h", _B, _N_WRITES, f"h mmu off; h fetch {X}"], NONE),
    ("no master", [AT_ONCE, f"{_MAY_HIT} dev; {BARE}", _B, _N_WRITES, _DEV_READS], NONE),
    ("an owner", [AT_ONCE, f"{_MAY_HIT} n", _B, f"{_GIVE} n", _N_WRITES, f"n read {X}"], LEAK | STALE),
]

_CLEANS = "option ivac-cleans"
_EFFECTIVE = "option setway-effective"

IVAC_CLEANS: list[Case] = [
    ("one who is named", [AT_ONCE, f"{_CLEANS} a", _A, f"a dc ivac {X}", _N_READS], NONE),
    ("one who is not", [AT_ONCE, f"{_CLEANS} a", _A, f"b dc ivac {X}", _N_READS], LOST),
    ("several lines name more", [AT_ONCE, f"{_CLEANS} a; {_CLEANS} n", _A, f"a dc ivac {X}", _N_READS], NONE),
    ("nobody", [AT_ONCE, _A, f"a dc ivac {X}", _N_READS], LOST),
    ("isw", [AT_ONCE, f"{_CLEANS} a; {_EFFECTIVE}", _A, f"a dc isw {X}", _N_READS], NONE),
    ("isw, of one who is not", [AT_ONCE, f"{_CLEANS} n; {_EFFECTIVE}", _A, f"a dc isw {X}", _N_READS], LOST),
    ("isw, perhaps", [AT_ONCE, f"{_CLEANS} a", _A, f"a dc isw {X}", _N_READS], STALE),
    (
        "isw, perhaps, of one who is not",
        [AT_ONCE, f"{_CLEANS} n", _A, f"a dc isw {X}", _N_READS],
        LOST | STALE,
    ),
    ("with order", [ORDER, f"{_CLEANS} a", _A, f"a dc ivac {X}; a dsb", _N_READS], NONE),
    ("with order, and no dsb", [ORDER, f"{_CLEANS} a", _A, f"a dc ivac {X}", _N_READS], STALE),
]

_HELD = "option nc-fetch-held"
_WINDOW = f"h mmu off; h fetch 0x1000 4; h write {X}; h fetch {X}"
_OFF = f"a map {WB} exec; {_N_WRITES}; a icache off"
_OFF_ORDER = f"a map {WB} exec; {_N_WRITES}; n dsb; a icache off; a isb"

FETCH_HELD: list[Case] = [
    ("its core's copy", [AT_ONCE, _HELD, f"{_M_CODE}; m write {X}; m fetch {X}"], FETCH),
    ("not held", [AT_ONCE, f"{_M_CODE}; m write {X}; m fetch {X}"], NONE),
    ("dic", [AT_ONCE, f"{_HELD}; option dic", f"{_M_CODE}; m write {X}; m fetch {X}"], NONE),
    ("invalidated", [AT_ONCE, _HELD, f"{_M_CODE}; m write {X}; m ic ivau {X}; m fetch {X}"], NONE),
    ("by another core", [AT_ONCE, _HELD, f"{_M_CODE}; m write {X}; n ic iallu; m fetch {X}"], FETCH),
    ("another core's copy", [AT_ONCE, _HELD, f"{_M_CODE}; m write {X}; h mmu off; h fetch {X}"], NONE),
    ("in the window", [AT_ONCE, _HELD, _WINDOW], FETCH),
    ("in the window, not held", [AT_ONCE, _WINDOW], NONE),
    ("not in the window", [AT_ONCE, _HELD, f"h mmu off; h fetch 0x3000 4; h write {X}; h fetch {X}"], NONE),
    ("a copy that was fetched cacheably", [AT_ONCE, _HELD, f"{_OFF}; a fetch {X}"], FETCH),
    ("… not held", [AT_ONCE, f"{_OFF}; a fetch {X}"], NONE),
    ("… invalidated", [AT_ONCE, _HELD, f"{_OFF}; a ic ivau {X}; a fetch {X}"], NONE),
    (
        "a cacheable fetch of what is held",
        [AT_ONCE, _HELD, f"{_M_CODE}; m write {X}; {_T} exec; t fetch {X}"],
        FETCH,
    ),
    ("… not held, a cacheable fetch", [AT_ONCE, f"{_M_CODE}; m write {X}; {_T} exec; t fetch {X}"], NONE),
    (
        "a prefetch of what is held (a reading)",
        [ORDER, _HELD, f"{_OFF_ORDER}; a ic ivau {X}; a dsb; a fetch {X}"],
        FETCH,
    ),
    ("… not held, a prefetch", [ORDER, f"{_OFF_ORDER}; a ic ivau {X}; a dsb; a fetch {X}"], NONE),
    ("… and isb", [ORDER, _HELD, f"{_OFF_ORDER}; a ic ivau {X}; a dsb; a isb; a fetch {X}"], NONE),
]

_CLEAN, _DIRTY, _ANY = "option start clean", "option start dirty", "option start any"
_A_WALKS = f"a walk {X} normal-wb"
_H_FETCHES = f"h icache on; h mmu off; h fetch {X}"

START: list[Case] = [
    ("cold, a cacheable look", [AT_ONCE, "option start cold", _N_WRITES, _A_WALKS], NONE),
    ("clean, a cacheable look", [AT_ONCE, _CLEAN, _N_WRITES, _A_WALKS], STALE),
    ("clean, invalidated", [AT_ONCE, _CLEAN, _N_WRITES, f"n dc civac {X}", _A_WALKS], NONE),
    ("clean, memory", [AT_ONCE, _CLEAN, _N_WRITES, f"n read {X}"], NONE),
    ("clean, nothing written", [AT_ONCE, _CLEAN, _A_WALKS], NONE),
    ("clean, an instruction cache", [AT_ONCE, _CLEAN, _N_WRITES, f"n dc civac {X}", _H_FETCHES], FETCH),
    ("cold, an instruction cache", [AT_ONCE, _N_WRITES, f"n dc civac {X}", _H_FETCHES], NONE),
    ("clean, dic", [AT_ONCE, f"{_CLEAN}; option dic", _N_WRITES, f"n dc civac {X}", _H_FETCHES], NONE),
    ("clean, an owner", [AT_ONCE, f"{_CLEAN}; {_GIVE} a", _N_WRITES, _A_WALKS], LEAK | STALE),
    ("dirty, memory", [AT_ONCE, _DIRTY, _N_READS], STALE),
    ("dirty, cleaned", [AT_ONCE, _DIRTY, f"a dc cvac {X}", _N_READS], NONE),
    ("dirty, a cacheable look", [AT_ONCE, _DIRTY, _A_WALKS], NONE),
    ("dirty, and overwrites", [AT_ONCE, _DIRTY, _N_WRITES, f"n read {X}"], LOST),
    ("dirty, invalidated first", [AT_ONCE, _DIRTY, f"n dc ivac {X}", _N_WRITES, f"n read {X}"], NONE),
    # An instruction cache may have been filled from level 2, once level 1 was written back.
    ("dirty, discarded", [AT_ONCE, _DIRTY, f"a dc ivac {X}", _N_READS], LOST | STALE),
    ("dirty, discarded, dic", [AT_ONCE, f"{_DIRTY}; option dic", f"a dc ivac {X}", _N_READS], LOST),
    ("dirty, an owner", [AT_ONCE, f"{_DIRTY}; {_GIVE} n", _N_WRITES, f"n read {X}"], LEAK | LOST),
    ("dirty, no core", ["version 2; line 16", f"{_DIRTY}; {BARE}", _DEV_READS], STALE),
    # A clean copy may be the only fresh one, and go.
    ("any, memory", [AT_ONCE, _ANY, _N_READS], LOST | STALE),
    ("any, a cacheable look", [AT_ONCE, _ANY, _A_WALKS], LOST | STALE),
    ("any, a fetch", [AT_ONCE, _ANY, f"h mmu off; h fetch {X}"], LOST | FETCH),
    ("any, and overwrites", [AT_ONCE, _ANY, _N_WRITES, f"n read {X}"], LOST),
    ("any, written and cleaned", [AT_ONCE, _ANY, _A, f"a dc cvac {X}", _N_READS], NONE),
    ("any, no core", ["version 2; line 16", f"{_ANY}; {BARE}", _DEV_READS], LOST | STALE),
    ("the last one counts", [AT_ONCE, f"{_ANY}; {_DIRTY}; option start cold", _N_READS], NONE),
    ("nothing is pending", [ORDER, _ANY, _A, f"a dc cvac {X}; a dsb", _N_READS], NONE),
    (
        "nothing is prefetched",
        [ORDER, f"{_CLEAN}; option dic", _N_WRITES, f"n dsb; h mmu off; h fetch {X}"],
        NONE,
    ),
]

_OFF_X = f"power-off {X}"

POWER_OFF: list[Case] = [
    # Once level 1 was written back, its clean copy stays where level 2 goes.
    ("a dirty line", [AT_ONCE, _A, _OFF_X, _N_READS], LOST | STALE),
    ("a dirty line, touched at its end", [AT_ONCE, _A, "power-off 0x100f 1", _N_READS], LOST | STALE),
    ("another line", [AT_ONCE, _A, "power-off 0x1010 8", _N_READS], STALE),
    ("cleaned", [AT_ONCE, _A, f"a dc cvac {X}; {_OFF_X}", _N_READS], NONE),
    ("a clean copy stays", [AT_ONCE, f"{_B}; b unmap {P}", _N_WRITES, _OFF_X, _A_WALKS], STALE),
    (
        "… invalidated",
        [AT_ONCE, f"{_B}; b unmap {P}", _N_WRITES, f"n dc civac {X}; {_OFF_X}", _A_WALKS],
        NONE,
    ),
    ("a dirty line from the start", [AT_ONCE, _DIRTY, _OFF_X, _N_WRITES, f"n read {X}"], NONE),
    ("memory", [AT_ONCE, _N_WRITES, _OFF_X, f"n read {X}"], NONE),
    ("a store in flight", [ORDER, _N_WRITES, _OFF_X, "n dsb", _H_READS], NONE),
    ("a clean that is pending", [ORDER, _A, f"a dc cvac {X}", _OFF_X, "a dsb", _N_READS], LOST | STALE),
    ("an instruction cache", [AT_ONCE, _CODE, f"a dc cvac {X}", _OFF_X, f"a fetch {X}"], FETCH),
    ("an owner", [AT_ONCE, f"{_GIVE} n", _A, _OFF_X, _N_READS], LEAK | LOST | STALE),
]

_A_POU = f"a walk {X} pou"

POU: list[Case] = [
    ("a dirty level 1", [AT_ONCE, _A, _A_POU], STALE),
    ("… and a walk that looks into it", [AT_ONCE, _A, _A_WALKS], NONE),
    ("cleaned to the PoU", [AT_ONCE, _A, f"a dc cvau {X}", _A_POU], NONE),
    ("cleaned to the PoC", [AT_ONCE, _A, f"a dc cvac {X}", _A_POU], NONE),
    ("data cache off", [AT_ONCE, _A, f"a dc cvau {X}; a dcache off", _A_POU], STALE),
    ("data cache off, cleaned to the PoC", [AT_ONCE, _A, f"a dc cvac {X}; a dcache off", _A_POU], NONE),
    ("fills level 2", [AT_ONCE, _A_POU, _N_WRITES, _A_POU], STALE),
    ("fills level 2 with the line", [AT_ONCE, f"a walk {Y} pou", _N_WRITES, _A_WALKS], STALE),
    ("… where the data cache is off, not", [AT_ONCE, f"a dcache off; {_A_POU}", _N_WRITES, _A_WALKS], NONE),
    ("a write-through store in flight", [ORDER, _T, f"t write {X}", _A_POU], NONE),
    ("a store in flight", [ORDER, _N_WRITES, _A_POU], STALE),
    ("waits for nothing", [ORDER, _A, f"a dc cvau {X}; a dmb", _A_POU], STALE),
    ("… but after dsb", [ORDER, _A, f"a dc cvau {X}; a dsb", _A_POU], NONE),
    ("by a master", [AT_ONCE, SNOOPS, _A, f"dev walk {X} pou"], NONE),
    ("an owner", [AT_ONCE, f"{_GIVE} a", _A, _A_POU], LEAK | STALE),
]

_128 = f"{AT_ONCE}; line 128"
_128_ORDER = f"{ORDER}; line 128"
_64 = f"{AT_ONCE}; line 64"
FAR = "0x1040 8"
_FAR = f"a map {WB}; a write {FAR}"
_N_FAR = f"{_N}; n read {FAR}"
_FAR_CODE = f"a map {WB} exec; a write {FAR}; a dc cvau {FAR}"
_FAR_FETCH = f"a fetch {FAR}"

GRANULES: list[Case] = [
    ("another granule's clean", [_128, _FAR, f"a dc cvac {X}", _N_FAR], STALE),
    ("its own", [_128, _FAR, f"a dc cvac {FAR}", _N_FAR], NONE),
    ("its own, by the range", [_128, _FAR, "a dc cvac 0x103c 8", _N_FAR], NONE),
    ("its own, with dsb", [_128_ORDER, _FAR, f"a dc cvac {FAR}; a dsb", _N_FAR], NONE),
    ("another's, with dsb", [_128_ORDER, _FAR, f"a dc cvac {X}; a dsb", _N_FAR], STALE),
    ("dmin 128", [_128, "option dmin 128", _FAR, f"a dc cvac {X}", _N_FAR], NONE),
    ("line 64", [_64, _A, "a dc cvac 0x1030 8", _N_READS], NONE),
    ("line 64 and dmin 16", [_64, "option dmin 16", _A, "a dc cvac 0x1030 8", _N_READS], STALE),
    ("line 64 and dmin 32", [_64, "option dmin 32", _A, "a dc cvac 0x1018 8", _N_READS], NONE),
    ("ivac discards, perhaps, the other granule", [_128, _FAR, f"a dc ivac {X}; a read {FAR}"], LOST),
    ("… not where it cleans", [_128, f"{_CLEANS} a", _FAR, f"a dc ivac {X}; a read {FAR}"], NONE),
    (
        "ivac may leave the other granule",
        [_128, f"{_B}; {_N}; n write {FAR}; b unmap {P}; a dc ivac {X}; a walk {FAR} normal-wb"],
        STALE,
    ),
    (
        "… but not its own",
        [_128, f"{_B}; {_N}; n write {FAR}; b unmap {P}; a dc ivac {FAR}; a walk {FAR} normal-wb"],
        NONE,
    ),
    (
        "a write-back moves the whole line",
        [_128, f"{_B}; {_N}; b write {X}; n write {FAR}; n read {FAR}"],
        LOST,
    ),
    ("… of 64 bytes", [_64, f"{_B}; {_N}; b write {X}; n write {FAR}; n read {FAR}"], NONE),
    ("by set/way", [_128, _EFFECTIVE, _FAR, f"a dc csw {X}", _N_FAR], NONE),
    ("power-off", [_128, _DIRTY, _OFF_X, f"{_N}; n write {FAR}; n read {FAR}"], NONE),
    ("another granule's ic", [_128, _FAR_CODE, f"a ic ivau {X}", _FAR_FETCH], FETCH),
    ("its own ic", [_128, _FAR_CODE, f"a ic ivau {FAR}", _FAR_FETCH], NONE),
    ("imin 128", [_128, "option imin 128", _FAR_CODE, f"a ic ivau {X}", _FAR_FETCH], NONE),
    ("dmin 128 is not for ic", [_128, "option dmin 128", _FAR_CODE, f"a ic ivau {X}", _FAR_FETCH], FETCH),
    ("imin 16", [_64, "option imin 16", _CODE, f"a dc cvau {X}; a ic ivau 0x1010 8; a fetch {X}"], FETCH),
    ("imin 16 is not for dc", [_64, "option imin 16", _A, "a dc cvac 0x1010 8", _N_READS], NONE),
    ("iallu", [_128, _FAR_CODE, "a ic iallu", _FAR_FETCH], NONE),
    ("ialluis", [_128, _FAR_CODE, "b ic ialluis", _FAR_FETCH], NONE),
    # Order.
    (
        "an access to another granule does not wait",
        [_128_ORDER, _A, f"a dc cvac {X}; a read {FAR}", _N_READS],
        STALE,
    ),
    ("one to the same does", [_128_ORDER, _A, f"a dc cvac {X}; a read 0x1038 8", _N_READS], NONE),
    ("one over both does", [_128_ORDER, _A, f"a dc cvac {X}; a read 0x103c 8", _N_READS], NONE),
    (
        "dmin 128: it does",
        [_128_ORDER, "option dmin 128", _A, f"a dc cvac {X}; a read {FAR}", _N_READS],
        NONE,
    ),
    (
        "line 64, dmin 16: it does not",
        [f"{ORDER}; line 64; option dmin 16", _A, f"a dc cvac {X}; a read 0x1010 8", _N_READS],
        STALE,
    ),
    (
        "what a dmb ordered is waited for in the line",
        [_128_ORDER, _A, f"{_N}; a dc cvac {X}; a dmb; n read {FAR}", _W],
        NONE,
    ),
    ("… not without dmb", [_128_ORDER, _A, f"{_N}; a dc cvac {X}; n read {FAR}", _W], STALE),
    (
        "a write does not wait for an operation that named another granule, and perhaps discards it",
        [_128_ORDER, f"a map {WB}; a dc ivac {FAR}; a write {X}; a dsb; a read {X}"],
        LOST,
    ),
]

ZVA: list[Case] = [
    ("256 bytes", [AT_ONCE, "option zva 256", _B, f"{_N}; n dc zva {X}; b read 0x10f8 8"], STALE),
    ("no more", [AT_ONCE, "option zva 256", _B, f"{_N}; n dc zva {X}; b read 0x1100 8"], NONE),
    ("the default", [AT_ONCE, _B, f"{_N}; n dc zva {X}; b read 0x103c 4"], STALE),
    ("the default, no more", [AT_ONCE, _B, f"{_N}; n dc zva {X}; b read 0x1040 8"], NONE),
    ("16 bytes", [AT_ONCE, "option zva 16", _B, f"{_N}; n dc zva {X}; b read 0x1010 8"], NONE),
    (
        "each that it touches",
        [AT_ONCE, "option zva 16", _B, f"{_N}; n dc zva 0x100c 8; b read 0x1018 8"],
        STALE,
    ),
    ("2048 bytes", [AT_ONCE, "option zva 2048", _B, f"{_N}; n dc zva 0x1800 8; b read 0x1ff8 8"], STALE),
    (
        "2048 bytes, aligned",
        [AT_ONCE, "option zva 2048", _B, f"{_N}; n dc zva 0x1808 8; b read 0x17f8 8"],
        NONE,
    ),
    ("for the owner", [AT_ONCE, "option zva 16", f"{_N}; {_GIVE} n; n dc zva {LINE}; n read {LINE}"], NONE),
]

_VIPT = f"{AT_ONCE}; option vipt"
_VIPT_ORDER = f"{ORDER}; option vipt"
_M_ALIAS = f"m map {WB} exec"
_NEW = f"{_CODE}; a dc cvau {X}"
_NEW_ORDER = f"{_NEW}; a dsb"
_A_FETCHES = f"a fetch {X}"
_UNSAID = f"{AGENTS}; option vipt; u map {WB} exec; u unmap {P}; {_N_WRITES}; n dc civac {X}"
_V_FETCHES = f"v icache on; v mmu off; v fetch {X}"

VIPT: list[Case] = [
    ("its own copies", [_VIPT, _NEW, f"a ic ivau {X}", _A_FETCHES], NONE),
    ("another alias's copies", [_VIPT, _M_ALIAS, _NEW, f"a ic ivau {X}", _A_FETCHES], FETCH),
    ("… without vipt", [AT_ONCE, _M_ALIAS, _NEW, f"a ic ivau {X}", _A_FETCHES], NONE),
    ("both", [_VIPT, _M_ALIAS, _NEW, f"a ic ivau {X}; m ic ivau {X}", _A_FETCHES], NONE),
    ("by another alias", [_VIPT, _NEW, f"m ic ivau {X}", _A_FETCHES], FETCH),
    ("an alias that fetches nothing", [_VIPT, f"m map {WB}", _NEW, f"a ic ivau {X}", _A_FETCHES], NONE),
    ("iallu", [_VIPT, _M_ALIAS, _NEW, "a ic iallu", _A_FETCHES], NONE),
    ("ialluis", [_VIPT, _M_ALIAS, _NEW, "b ic ialluis", _A_FETCHES], NONE),
    ("another core's copies", [_VIPT, f"{_B} exec", _NEW, f"a ic ivau {X}; b fetch {X}"], FETCH),
    ("another core's, ialluis", [_VIPT, f"{_B} exec", _NEW, f"a ic ialluis; b fetch {X}"], NONE),
    ("another core's, by itself", [_VIPT, f"{_B} exec", _NEW, f"b ic ivau {X}; b fetch {X}"], NONE),
    ("the other alias's fetch", [_VIPT, _M_ALIAS, _NEW, f"a ic ivau {X}; m fetch {X}"], FETCH),
    ("… may hit what is first's", [_VIPT, _M_ALIAS, _NEW, f"m ic ivau {X}; m fetch {X}"], FETCH),
    ("dic", [_VIPT, "option dic", _M_ALIAS, _NEW, _A_FETCHES], NONE),
    ("what is held", [_VIPT, _HELD, f"{_M_CODE}; m write {X}; a ic ivau {X}; m fetch {X}"], FETCH),
    ("what is held, by itself", [_VIPT, _HELD, f"{_M_CODE}; m write {X}; m ic ivau {X}; m fetch {X}"], NONE),
    ("nothing said: the one that fetched", [_UNSAID, f"u ic ivau {X}", _V_FETCHES], NONE),
    ("nothing said: another", [_UNSAID, f"v ic ivau {X}", _V_FETCHES], FETCH),
    ("with order", [_VIPT_ORDER, _NEW_ORDER, f"a ic ivau {X}; a dsb; a isb", _A_FETCHES], NONE),
    ("with order, no dsb", [_VIPT_ORDER, _NEW_ORDER, f"a ic ivau {X}; a isb", _A_FETCHES], FETCH),
    (
        "with order, one",
        [_VIPT_ORDER, _M_ALIAS, _NEW_ORDER, f"a ic ivau {X}; a dsb; a isb", _A_FETCHES],
        FETCH,
    ),
    (
        "with order, both",
        [_VIPT_ORDER, _M_ALIAS, _NEW_ORDER, f"a ic ivau {X}; m ic ivau {X}; a dsb; a isb", _A_FETCHES],
        NONE,
    ),
    ("any core's copies at the start", [_VIPT, _CLEAN, _N_WRITES, f"n dc civac {X}", _H_FETCHES], FETCH),
    ("… invalidated", [_VIPT, _CLEAN, _N_WRITES, f"n dc civac {X}; h ic ivau {X}", _H_FETCHES], NONE),
    (
        "an older copy for an owner",
        [_VIPT, _M_ALIAS, f"{_GIVE} a", _NEW, f"a ic ivau {X}", _A_FETCHES],
        LEAK | FETCH,
    ),
]

CASES = {
    "hits": HITS,
    "ivac cleans": IVAC_CLEANS,
    "fetches that are held": FETCH_HELD,
    "start": START,
    "power-off": POWER_OFF,
    "walks at the PoU": POU,
    "granules": GRANULES,
    "zva": ZVA,
    "vipt": VIPT,
    "owners": OWNERS,
    "masters": [(name, [AT_ONCE, *parts], kinds) for name, parts, kinds in MASTERS],
    "masters, with order": [(name, [ORDER, *parts], kinds) for name, parts, kinds in MASTERS_WITH_ORDER],
    "polls": POLLS,
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


def test_kinds_are_told_in_the_order_of_the_alphabet_each_with_its_bytes() -> None:
    text = trace(f"{AGENTS}; {_GIVE} h; {_N}; n write 0x1004 4; a map {WB}; a write 0x1008 2", "h mmu off")
    assert explore(text + f"h read {LINE}\n") == [
        Hazard(9, "leak", "h", 0x1000, 16),
        Hazard(9, "stale-read", "h", 0x1008, 2),
    ]


def test_a_leak_is_of_the_bytes_that_nobody_wrote() -> None:
    text = trace(f"{AGENTS}; {_GIVE} n", _N_WRITES, f"n read {LINE}")
    assert explore(text) == [Hazard(6, "leak", "n", 0x1008, 8)]


def test_an_access_over_a_page_end_leaks_only_in_pages_of_its_agent() -> None:
    text = trace(f"{AGENTS}; give 0x2000 0x1000 h; give {P} n; h mmu off; h read 0x1ff8 16")
    assert explore(text) == [Hazard(6, "leak", "h", 0x2000, 8)]


def test_a_master_is_named() -> None:
    text = trace(f"{AGENTS}; {BARE}", _A, _DEV_READS)
    assert explore(text) == [Hazard(6, "stale-read", "dev", 0x1000, 8)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([f"n poll {X}"], [Unjudged(4, "n", 0x1000, 8)]),
        ([f"n poll {X}; n read {X}"], []),
        ([f"n read {X}; n poll {X}"], [Unjudged(5, "n", 0x1000, 8)]),
        ([f"n poll {X}; n read 0x1007 8"], []),
        ([f"n poll {X}; n read {Y}"], [Unjudged(4, "n", 0x1000, 8)]),
        ([f"n poll {X}; n poll {X}; n read {X}"], []),
        ([f"n poll {X}; n walk {X} normal-nc"], [Unjudged(4, "n", 0x1000, 8)]),
        ([f"n poll {X}; {_A}; a read {X}"], [Unjudged(4, "n", 0x1000, 8)]),
        ([f"n poll {X}; dev poll {Y}; n read {X}"], [Unjudged(5, "dev", 0x1008, 8)]),
        ([f"dev poll {X}; dev read {X}"], []),
    ],
)
def test_polls_that_nothing_judges(parts: list[str], expected: list[Unjudged]) -> None:
    assert not_judged(trace(f"version 2; {BARE}; {_N}", *parts)) == expected


# -- the text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"version 2\nmaster dev\nmaster b snoops\ncore k a\ndev map {WB}\ndev unmap {P}",
        "version 2\nmaster dev\ncore dev a",
        f"version 2\ncore k a\nmaster b\ngive {BOTH} a b c",
        "version 2\noption dmin 128\noption imin 16\nline 128\noption zva 16",
        "version 2\noption start any\noption start cold",
        f"version 2\nmaster dev\ndev walk {X} normal-nc\ndev write {X}",
    ],
)
def test_a_valid_trace_with_nothing_wrong(text: str) -> None:
    assert explore(text) == []


@pytest.mark.parametrize(
    ("text", "number", "word"),
    [
        ("version 2\nmaster", 2, "master"),
        ("version 2\nmaster line", 2, "line"),
        ("version 2\nmaster dev snoop", 2, "snoop"),
        ("version 2\nmaster dev snoops now", 2, "now"),
        ("version 2\nmaster dev\nmaster dev snoops", 3, "dev"),
        ("version 2\nmaster dev\ncore k dev", 3, "dev"),
        ("version 2\ncore k dev\nmaster dev", 3, "dev"),
        ("version 2\na ic iallu\nmaster dev", 3, "master"),
        (f"version 2\n{_GIVE} a\nmaster dev", 3, "master"),
        ("version 2\nmaster dev\ndev fetch 0x1000 4", 3, "fetch"),
        ("version 2\nmaster dev\ndev dc cvac 0x1000 4", 3, "dc"),
        ("version 2\nmaster dev\ndev dc zva 0x1000 4", 3, "dc"),
        ("version 2\nmaster dev\ndev ic iallu", 3, "ic"),
        ("version 2\nmaster dev\ndev mmu off", 3, "mmu"),
        ("version 2\nmaster dev\ndev dcache off", 3, "dcache"),
        ("version 2\noption order\nmaster dev\ndev dsb", 4, "dsb"),
        ("version 2\nmaster dev\ndev walk 0x1000 8", 3, "type"),
        ("version 2\nmaster dev\ndev walk 0x1000 8 cached", 3, "cached"),
        ("version 2\nmaster dev\ndev read 0x1000 0", 3, "0"),
        ("version 2\nmaster dev\ndev unmap 0x1000 0x1000", 3, "0x1000"),
        ("version 2\nmaster dev\ndev", 3, "dev"),
        ("version 2\ngive 0x1000 64 a", 2, "0x1000"),
        (f"version 2\ngive {P}", 2, "give"),
        ("version 2\ngive", 2, "address"),
        (f"version 2\ngive {P} a b a", 2, "a"),
        (f"version 2\ngive {P} core", 2, "core"),
        ("version 2\ngive 0x1000 0 a", 2, "0"),
        ("version 2\na poll 0x1000 8", 2, "0x1000"),
        ("version 2\na mmu off\na poll 0x1000", 3, "0x1000"),
        ("version 2\noption owners", 2, "nc-may-hit"),
        ("version 2\noption dmin 128\na ic iallu", 2, "128"),
        ("version 2\noption imin 64\nline 32", 2, "64"),
        ("version 2\noption dmin 8", 2, "8"),
        ("version 2\noption dmin 48", 2, "48"),
        ("version 2\noption dmin", 2, "power of two"),
        ("version 2\noption imin 16 32", 2, "32"),
        ("version 2\noption zva 4096", 2, "4096"),
        ("version 2\noption zva", 2, "power of two"),
        ("version 2\noption vipt a", 2, "a"),
        ("version 2\noption order now", 2, "now"),
        ("version 2\noption nc-fetch-held a", 2, "a"),
        ("version 2\noption ivac-cleans", 2, "ivac-cleans"),
        ("version 2\noption ivac-cleans give", 2, "give"),
        ("version 2\noption nc-may-hit core", 2, "core"),
        ("version 2\noption start", 2, "cold"),
        ("version 2\noption start warm", 2, "warm"),
        ("version 2\noption start any cold", 2, "any cold"),
        ("version 2\npower-off 0x1000", 2, "0x1000"),
        ("version 2\npower-off 0x1000 0", 2, "0"),
        ("version 2\npower-off 0x1000 8\noption order", 3, "option"),
        ("version 2\na mmu off\na walk 0x1000 8 pou", 3, "MMU"),
        ("version 2\na walk 0x1000 8 pou exec", 2, "exec"),
        (f"version 2\noption zva 16\na map {WB}\na map 0x2000 0x1000 device\na dc zva 0x1ff8 16", 5, "zva"),
        (f"version 2\noption zva 2048\na map {WB}\na dc zva 0x1ff8 16", 4, "0x2000"),
        ("option vipt", 1, "vipt"),
        ("option zva 64", 1, "option"),
        ("option nc-may-hit a", 1, "option"),
        ("a walk 0x1000 8 pou", 1, "pou"),
        ("version 2\noption", 2, "option"),
        ("a poll 0x1000 8", 1, "poll"),
    ],
)
def test_a_malformed_trace_names_the_line_and_the_word(text: str, number: int, word: str) -> None:
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == number
    assert word in caught.value.reason


# -- random traces -----------------------------------------------------------------------------------------

SEEDS = range(5000, 5900, 4)


@pytest.mark.long
def test_drawn_traces_are_valid_and_of_every_verdict() -> None:
    found = Counter[str]()
    for seed in SEEDS:
        text = draw_worded(seed)
        assert text == draw_worded(seed)
        found.update({hazard.kind for hazard in explore(text)} or {"coherent"})
    assert 0.5 * len(SEEDS) <= found["coherent"] <= 0.9 * len(SEEDS)
    assert (
        min(found[kind] for kind in ("leak", "lost-write", "stale-fetch", "stale-read")) >= len(SEEDS) // 50
    )


def test_drawn_traces_are_between_settings_and_translations() -> None:
    found = Counter[str]()
    for seed in SEEDS:
        reader = Reader()
        states: set[str] = set()
        ending = 0
        for _, _, touches in reader.events(draw_worded(seed)):
            now = sum(len(agent.endings) for agent in reader.by_name.values())
            states |= {"an alias ends by a dsb"} if now < ending and touches else set()
            states |= (
                {"an alias is ending and accessed"}
                if now and touches and touches[0].action in ACCESSES
                else set()
            )
            ways = {touch.action for touch in touches if touch.start == touches[0].start}
            states |= {"an access of several kinds"} if len(ways) > 1 else set()
            settings = max((len(agent.settings) for agent in reader.by_name.values()), default=1)
            states |= {f"{settings} settings"}
            ending = now
        states |= {"an alias is ending at the end"} if ending else set()
        found.update(states)
    assert min(found[f"{number} settings"] for number in (1, 2, 3)) >= len(SEEDS) // 20
    assert found["an alias ends by a dsb"] >= len(SEEDS) // 10
    assert found["an alias is ending at the end"] >= len(SEEDS) // 20
    assert found["an alias is ending and accessed"] >= len(SEEDS) // 20
    assert found["an access of several kinds"] >= len(SEEDS) // 5


def _instead(pattern: str, new: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, new, text, flags=re.MULTILINE)


def _granule(word: str, *, whole: bool) -> Callable[[str], str]:
    """Make a granule the whole line, or the least that there is."""

    def change(text: str) -> str:
        line = next(line.split()[1] for line in text.split("\n") if line.startswith("line "))
        return f"option {word} {line if whole else 16}\n{_instead(rf'^option {word} .*', '#')(text)}"

    return change


def _start(start: str) -> Callable[[str], str]:
    return lambda text: f"option start {start}\n{_instead('^option start .*', '#')(text)}"


def _option(option: str) -> Callable[[str], str]:
    return lambda text: f"option {option}\n{_instead(f'^option {option}$', '#')(text)}"


def _after(first: Callable[[str], str], second: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: second(first(text))


_past_the_caches = _instead(r"normal-\S+ exec", "normal-nc exec")
_code = _instead("(map .* normal-w.)$", r"\1 exec")
_by_set_way = _instead("dc cvac", "dc csw")

ONLY_ADDS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "order": (_instead("^option order|.* (dsb|dmb|isb)$", "#"), str),
    "vipt": (_instead("^option vipt", "#"), _option("vipt")),
    "nc-fetch-held": (
        _after(_past_the_caches, _instead("^option nc-fetch-held", "#")),
        _after(_past_the_caches, _option("nc-fetch-held")),
    ),
    "hits": (_instead("^option nc-may-hit$", "#"), _option("nc-may-hit")),
    "no cleaning": (str, _instead("^option ivac-cleans .*", "#")),
    "set/way that is not effective": (
        _after(_by_set_way, _option("setway-effective")),
        _after(_by_set_way, _instead("^option setway-effective", "#")),
    ),
    "no poll, but a read": (str, _instead(r"(\w) poll ", r"\1 read ")),
    "dmin": (_granule("dmin", whole=True), _granule("dmin", whole=False)),
    "imin": (_after(_code, _granule("imin", whole=True)), _after(_code, _granule("imin", whole=False))),
    "another type beside the inner one": (_instead(r"(normal-\w+)/normal-\w+", r"\1"), str),
    "another type beside the outer one": (_instead(r"normal-\w+/(normal-\w+)", r"\1"), str),
    "no isb": (str, _instead(r"^\w isb$", "#")),
    "clean": (_start("cold"), _start("clean")),
    "dirty": (_start("clean"), _start("dirty")),
    "any": (_start("dirty"), _start("any")),
}
"""Changes of a trace that keep its events in their lines, of which the second may only have more bad bytes."""


@pytest.mark.long
@pytest.mark.parametrize(("less", "more"), ONLY_ADDS.values(), ids=ONLY_ADDS)
def test_what_only_adds_hazards(less: Callable[[str], str], more: Callable[[str], str]) -> None:
    added = done = 0
    for seed in range(6000, 10000, 7):
        head, rest = draw_worded(seed, least=8, most=14).split("\n", 1)
        try:
            few, many = (_bad(f"{head}\n", change(rest), rest) for change in (less, more))
        except Malformed:  # what needs order: a descriptor, an access that only an older setting allows
            continue
        assert few <= many, seed
        added += few != many
        done += 1
        if done > 40 and added:
            return
    pytest.fail("no trace shows that it adds any")


def _bad(head: str, changed: str, rest: str) -> set[tuple[int, int]]:
    """Give what is bad by the lines of the trace that was changed: it may have one line more at its start."""
    more = changed.count("\n") - rest.count("\n")
    return {(line - more, byte) for line, byte in bad_bytes(head + changed)}


@pytest.mark.long
def test_a_plainer_search_finds_the_same() -> None:
    done = 0
    for seed in range(7000, 7800, 9):
        text = _instead("^option start .*", "#")(draw_worded(seed, least=4, most=9))
        try:
            assert_plainly(text, 4)
        except UnsatisfiedAssumption:
            continue
        done += 1
    assert done > 60
