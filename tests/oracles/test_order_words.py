# SPDX-License-Identifier: GPL-2.0-or-later
"""The further words of version 2, against verdicts worked out by hand from the pages.

As in ``test_order_explorer.py``, each rule has a trace and, beside it, a variant with another verdict; names that end
in "(a reading)" are of places that the pages leave open.
"""

import pytest

from tests.oracles.order_explorer import Hazard, Malformed, explore
from tests.oracles.order_reading import Unjudged, not_judged
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
    ("no poll", [AT_ONCE, f"{_GIVE} h; h mmu off; h poll {X}"], NONE),
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

CASES = {
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
        ("version 2\noption", 2, "option"),
        ("a poll 0x1000 8", 1, "poll"),
    ],
)
def test_a_malformed_trace_names_the_line_and_the_word(text: str, number: int, word: str) -> None:
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == number
    assert word in caught.value.reason
