# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings that live on after their descriptor has changed: verdicts worked out by hand from the page on order.

As in ``test_order_explorer.py``, each rule has a trace and, beside it, a variant with another verdict; names that end
in "(a reading)" are of places that the page leaves open.
"""

import pytest

from tests.oracles.test_order_descriptors import (
    _B,
    _B_CHANGES,
    _B_NC,
    _B_WB,
    _INVALID,
    _OFF,
    _ON,
    _TLBI,
    BBM,
    BOTH,
)
from tests.oracles.test_order_explorer import (
    _A,
    _N,
    FETCH,
    NC,
    NONE,
    ORDER,
    STALE,
    WB,
    WT,
    Case,
    P,
    X,
    Y,
    kinds,
)
from tests.oracles.test_order_words import LEAK

_STORED = f"{_N}; n write {X}; n dsb"
_CIVAC = f"n dc civac {X}; n dsb"
_LOOK = f"{_STORED}; a walk {X} normal-wb"
_NOW = f"{_CIVAC}; {_LOOK}"  # stale where a line may be filled now
_N_READS = f"{_N}; n read {X}"
_ZVA_WALKED = f"b dc zva {X}; a walk {X} normal-wb"
_H_EXEC = f"h map {WB} exec; h descriptor {WB}"
_H_TLBI = f"h dsb; h tlbi {P}; h dsb"
_H_FETCH = f"h ic iallu; h dsb; h isb; {_STORED}; {_CIVAC}; h descriptor {WB} exec; h fetch {X}"
_CLEANED = f"b dc cvau {X}; b dsb; h ic iallu; h dsb; h isb; b dc cvac {X}; b dsb"

LIVES: list[Case] = [
    # Accesses.
    ("the new one serves", [ORDER, _A, _B_CHANGES, f"b read {X}"], BBM | STALE),
    ("… without it", [ORDER, _A, _B, f"b read {X}"], NONE),
    ("the old one serves", [ORDER, _B_CHANGES, _STORED, f"b read {X}"], BBM | STALE),
    ("… until it has ended", [ORDER, _B_CHANGES, _TLBI, _CIVAC, _STORED, f"b read {X}"], BBM),
    (
        "an owner's poll by the old one",
        [ORDER, f"give {P} b", _B_CHANGES, _STORED, f"b poll {X}"],
        BBM | LEAK,
    ),
    (
        "… until that has ended, an owner's poll",
        [ORDER, f"give {P} b", _B_CHANGES, _TLBI, _CIVAC, _STORED, f"b poll {X}"],
        BBM,
    ),
    ("a store by the old one", [ORDER, _B_CHANGES, f"b write {X}; b dsb", _N_READS], BBM | STALE),
    ("… until it has ended, a store", [ORDER, _B_CHANGES, _TLBI, f"b write {X}; b dsb", _N_READS], BBM),
    (
        "a store by the new one",
        [ORDER, f"b map {NC}; {_B_WB}; {_TLBI}; b write {X}; b dsb", _N_READS],
        BBM | STALE,
    ),
    ("zva by one that is not device memory", [ORDER, f"b map {P} device; {_B_WB}", _ZVA_WALKED], BBM),
    ("… by both", [ORDER, f"b map {NC}; {_B_WB}", _ZVA_WALKED], BBM | STALE),
    ("a fetch by one that is exec", [ORDER, _B, f"{_B_WB} exec; b fetch {X}"], NONE),
    ("… the old one", [ORDER, f"{_B} exec", f"{_B_WB}; b fetch {X}"], NONE),
    (
        "a fetch by one that is exec, past the caches",
        [ORDER, _B, f"b write {X}; b dc cvau {X}; b dsb; b isb; {_B_NC} exec; b fetch {X}"],
        BBM | FETCH,
    ),
    (
        "… not by one that is not",
        [ORDER, f"{_B} exec; b write {X}; {_B_NC}; {_CLEANED}; b ic iallu; b dsb; b isb; b fetch {X}"],
        BBM,
    ),
    (
        "one of two pages by the old one alone",
        [ORDER, "b map 0x1000 0x2000 normal-wb exec", f"{_B_WB}; b fetch 0x1ff8 16"],
        NONE,
    ),
    (
        "… and the other by the new one alone",
        [
            ORDER,
            f"{_B} exec; b map 0x2000 0x1000 normal-wb",
            f"{_B_WB}; b descriptor 0x2000 0x1000 normal-wb exec; b fetch 0x1ff8 16",
        ],
        NONE,
    ),
    (
        "two pages of which one has two types",
        [
            ORDER,
            f"b map {BOTH} normal-wb; {_B_NC}; {_N}; n map 0x2000 0x1000 normal-nc",
            "n write 0x2000 8; n dsb; b read 0x1ff8 16",
        ],
        BBM | STALE,
    ),
    # Fills.
    ("the old one lets fill", [ORDER, _B_CHANGES, _NOW], BBM | STALE),
    ("… until it has ended, a fill", [ORDER, _B_CHANGES, _TLBI, _NOW], BBM),
    ("the new one lets fill", [ORDER, f"b map {NC}; {_B_WB}", _NOW], BBM | STALE),
    ("… and the old one has ended", [ORDER, f"b map {NC}; {_B_WB}; {_TLBI}", _NOW], BBM | STALE),
    ("fetches by the old one", [ORDER, _H_EXEC, _H_FETCH], FETCH),
    ("… until it has ended, fetches", [ORDER, _H_EXEC, _H_TLBI, _H_FETCH], NONE),
    # Maintenance in program order.
    (
        "a clean by two that are cacheable",
        [ORDER, _A, f"m map {WT}; m descriptor {WB}; m dc cvac {X}; a read {Y}", _N_READS],
        BBM,
    ),
    (
        "a clean by two, one is not cacheable",
        [ORDER, _A, f"m map {NC}; m descriptor {WB}; m dc cvac {X}; a read {Y}", _N_READS],
        BBM | STALE,
    ),
    (
        "… until that has ended",
        [
            ORDER,
            _A,
            f"m map {NC}; m descriptor {WB}; m dsb; m tlbi all; m dsb; m dc cvac {X}; a read {Y}",
            _N_READS,
        ],
        BBM,
    ),
    (
        "a read that waits by one of two",
        [ORDER, _A, f"m map {NC}; m descriptor {WB}; a dc cvac {X}; m read {Y}", _N_READS],
        BBM | STALE,
    ),
]

_MAKES_WB = f"b map {NC}; b isb; {_B_WB}; b descriptor {P} device"

ENDS: list[Case] = [
    ("dsb, tlbi, dsb", [ORDER, _B_CHANGES, _TLBI, _NOW], BBM),
    ("no dsb before tlbi", [ORDER, _B_CHANGES, f"b tlbi {P}; b dsb", _NOW], BBM | STALE),
    ("no dsb after tlbi", [ORDER, _B_CHANGES, f"b dsb; b tlbi {P}", _NOW], BBM | STALE),
    ("tlbi of another page", [ORDER, _B_CHANGES, "b dsb; b tlbi 0x2000 0x1000; b dsb", _NOW], BBM | STALE),
    ("tlbi all", [ORDER, _B_CHANGES, "b dsb; b tlbi all; b dsb", _NOW], BBM),
    ("another core's, all", [ORDER, _B_CHANGES, "h dsb; h tlbi all; h dsb", _NOW], BBM),
    (
        "another core's tlbi has not seen it",
        [ORDER, _B_CHANGES, "b dsb; h tlbi all; h dsb", _NOW],
        BBM | STALE,
    ),
    ("unmap ends all", [ORDER, _B_CHANGES, f"b unmap {P}", _NOW], BBM),
    ("invalid: both are ending", [ORDER, _B, f"b descriptor {WT}; {_INVALID}; {_TLBI}", _NOW], BBM),
    (
        "invalid: the second is not seen",
        [ORDER, _B, f"b descriptor {WT}; b dsb; {_INVALID}; b tlbi all; b dsb", _NOW],
        BBM | STALE,
    ),
    (
        "… and by itself the first is",
        [ORDER, _B, f"{_B_NC}; b dsb; {_INVALID}; b tlbi all; b dsb", _NOW],
        BBM,
    ),
    ("mapped anew after both", [ORDER, _B_CHANGES, f"{_INVALID}; {_TLBI}; b map {NC}", _NOW], BBM),
    ("one page of two", [ORDER, f"b map {BOTH} normal-wb; b descriptor {BOTH} normal-nc", _TLBI, _NOW], BBM),
    (
        "the other page of two",
        [
            ORDER,
            f"b map {BOTH} normal-wb; b descriptor {BOTH} normal-nc",
            "b dsb; b tlbi 0x2000 0x1000; b dsb",
            _NOW,
        ],
        BBM | STALE,
    ),
    # What is again what it was.
    (
        "again by the descriptor, and what cores had seen is gone",
        [ORDER, _B_CHANGES, f"b dsb; {_B_WB}; {_INVALID}; b tlbi all; b dsb", _NOW],
        BBM | STALE,
    ),
    (
        "again by the descriptor, and a tlbi that is pending is gone",
        [ORDER, _B_CHANGES, f"b dsb; b tlbi all; {_B_WB}; {_B_NC}; b dsb", _NOW],
        BBM | STALE,
    ),
    (
        "… with a tlbi of its own",
        [ORDER, _B_CHANGES, f"b dsb; b tlbi all; {_B_WB}; {_B_NC}; {_TLBI}", _NOW],
        BBM,
    ),
    (
        "again by an invalid descriptor",
        [ORDER, _B, f"{_INVALID}; b dsb; b tlbi all; {_B_WB}; b dsb", _NOW],
        STALE,
    ),
    ("… and not again", [ORDER, _B, f"{_INVALID}; b dsb; b tlbi all; b dsb", _NOW], NONE),
    (
        "no change does not end it",
        [ORDER, _B, f"{_B_WB}; {_TLBI}", _NOW],
        STALE,
    ),
    # In no TLB.
    ("made while the MMU was off", [ORDER, f"b mmu off; {_B_CHANGES}; {_ON}", _NOW], NONE),
    ("… by descriptor", [ORDER, f"b map {NC}; {_OFF}; {_B_WB}; b descriptor {P} device; {_ON}", _NOW], NONE),
    ("… not by descriptor with the MMU on", [ORDER, _MAKES_WB, _NOW], BBM | STALE),
    (
        "made while the MMU was on",
        [ORDER, f"{_B}; b isb; {_OFF}; {_B_NC}; {_ON}", _NOW],
        STALE,
    ),
    (
        "made while the MMU might be on",
        [ORDER, f"b isb; b mmu off; {_B}; b isb; {_B_NC}; {_ON}", _NOW],
        STALE,
    ),
    ("the MMU was on since", [ORDER, f"b mmu off; {_B}; {_ON}; {_OFF}; {_B_NC}; {_ON}", _NOW], STALE),
    (
        "the MMU might be on since",
        [ORDER, f"b mmu off; b isb; {_B}; b mmu on; b mmu off; b isb; {_B_NC}; {_ON}", _NOW],
        STALE,
    ),
    ("an invalid descriptor leaves it", [ORDER, f"b mmu off; {_B}; {_INVALID}; {_B_NC}; {_ON}", _NOW], STALE),
    ("… until it has ended", [ORDER, f"b mmu off; {_B}; {_INVALID}; {_B_NC}; {_TLBI}; {_ON}", _NOW], NONE),
    (
        "an ending one that is made again is held as it was (a reading)",
        [ORDER, f"{_B}; {_OFF}; {_B_NC}; {_B_WB}; {_B_NC}; {_ON}", _NOW],
        STALE,
    ),
    (
        "an ending one that no TLB held, and is made again (a reading)",
        [ORDER, f"b mmu off; {_B}; {_INVALID}; {_B_WB}; {_B_NC}; {_ON}", _NOW],
        NONE,
    ),
    (
        "mapped before the switch that says how it starts (a reading)",
        [ORDER, f"{_B}; b mmu off; {_B_NC}; {_ON}", _NOW],
        STALE,
    ),
    # It is an event.
    (
        "a switch after it",
        [
            ORDER,
            f"h map 0x3000 0x1000 normal-wb; h descriptor 0x3000 0x1000 normal-wb; h mmu off; h map {WB}",
            _NOW,
        ],
        STALE,
    ),
    ("… without it", [ORDER, f"h map 0x3000 0x1000 normal-wb; h mmu off; h map {WB}", _NOW], NONE),
]

CASES = {"lives": LIVES, "ends": ENDS}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [pytest.param(*case[1:], id=f"{group}: {case[0]}") for group, cases in CASES.items() for case in cases],
)
def test_a_trace_worked_out_by_hand(parts: list[str], expected: frozenset[str]) -> None:
    assert kinds(*parts) == expected


def test_the_cases_have_names_of_their_own() -> None:
    for cases in CASES.values():
        assert len({name for name, *_ in cases}) == len(cases)
