# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks that may come again: verdicts worked out by hand from the page on order.

As in ``test_order_explorer.py``, each rule has a trace and, beside it, a variant with another verdict; names that end
in "(a reading)" are of places that the page leaves open.
"""

import pytest

from tests.oracles.test_order_explorer import (
    _N,
    AGENTS,
    AT_ONCE,
    LOST,
    NONE,
    ORDER,
    STALE,
    WB,
    Case,
    P,
    X,
    kinds,
)

_STORED = f"{_N}; n write {X}; n dsb"
_CIVAC = f"n dc civac {X}; n dsb"
# A line that may be filled now is not what is in memory after this, and a cacheable look sees it.
_NOW = f"{_CIVAC}; {_STORED}; b walk {X} normal-wb"
_W = f"a walk {X} normal-wb"
_POU = f"a walk {X} pou"
_TLBI = f"a tlbi {P}; a dsb"
_N_READS = f"{_N}; n read {X}"

WALKED: list[Case] = [
    ("walked", [ORDER, _W, _NOW], STALE),
    ("not walked", [ORDER, "a isb", _NOW], NONE),
    ("complete at once", [AT_ONCE, f"{_W}; n dc civac {X}; {_N}; n write {X}; b walk {X} normal-wb"], NONE),
    ("write-through", [ORDER, f"a walk {X} normal-wt", _NOW], STALE),
    ("not cacheable", [ORDER, f"a walk {X} normal-nc", _NOW], NONE),
    ("device memory", [ORDER, f"a walk {X} device", _NOW], NONE),
    ("by its outer type", [ORDER, f"a walk {X} normal-nc/normal-wb", _NOW], STALE),
    ("by its inner type", [ORDER, f"a walk {X} normal-wt/normal-nc", _NOW], STALE),
    ("at the PoU", [ORDER, _POU, _NOW], STALE),
    ("another line of the page", [ORDER, "a walk 0x1ff0 8 normal-wb", _NOW], STALE),
    ("another page", [ORDER, "a walk 0x2000 8 normal-wb", _NOW], NONE),
    ("over a page end", [ORDER, "a walk 0xff8 16 normal-wb", _NOW], STALE),
    ("many pages", [ORDER, "a walk 0x0 0x3000 normal-wb", _NOW], STALE),
    ("an access", [ORDER, f"a map {WB}; a read {X}; a unmap {P}", _NOW], NONE),
    ("a walk of a master", [ORDER, "master d snoops", f"d walk {X} normal-wb", _NOW], NONE),
    ("the walk that is first does not come before", [ORDER, _STORED, _W], NONE),
    ("what is unmapped is walked", [ORDER, f"a map {WB}; {_W}; a unmap {P}", _NOW], STALE),
    (
        "with the agent's mapping",
        [ORDER, f"a map {WB}; {_W}; a descriptor {P} invalid; a dsb; {_TLBI}", _NOW],
        NONE,
    ),
    ("an agent on no core", [AGENTS, "option order", f"u walk {X} normal-wb", _NOW], STALE),
    # Filled before a store has reached memory.
    (
        "a store in flight, filled before it",
        [ORDER, _W, f"{_N}; n write {X}; n dsb; b walk {X} normal-wb"],
        STALE,
    ),
    ("… cleaned after it", [ORDER, _W, f"{_STORED}; {_CIVAC}; b walk {X} normal-wb"], NONE),
]

_SETTINGS = "a dcache off; a isb; a mmu off"  # the MMU on and the cache off, and both off

WHILE: list[Case] = [
    ("SCTLR.C clear", [ORDER, _W, "a dcache off; a isb", _NOW], NONE),
    ("… no isb", [ORDER, _W, "a dcache off", _NOW], STALE),
    ("… another core's isb", [ORDER, _W, "a dcache off; b isb", _NOW], STALE),
    ("… an isb of its core", [ORDER, _W, "a dcache off; m isb", _NOW], NONE),
    ("SCTLR.C set again", [ORDER, _W, "a dcache off; a isb; a dcache on", _NOW], STALE),
    (
        "SCTLR.C clear when it walks",
        [ORDER, f"a isb; a dcache off; a isb; {_W}; a dcache on; a isb", _NOW],
        NONE,
    ),
    (
        "SCTLR.C clear when it walks at the PoU",
        [ORDER, f"a isb; a dcache off; a isb; {_POU}; a dcache on; a isb", _NOW],
        NONE,
    ),
    (
        "SCTLR.C clear, no isb, when it walks",
        [ORDER, f"a isb; a dcache off; {_W}; a isb; a dcache on; a isb", _NOW],
        STALE,
    ),
    ("MMU off", [ORDER, _W, "a mmu off; a isb", _NOW], NONE),
    ("MMU off, no isb", [ORDER, _W, "a mmu off", _NOW], STALE),
    ("MMU off, and on", [ORDER, _W, "a mmu off; a isb; a mmu on; a isb", _NOW], NONE),
    ("MMU off, and on, one isb", [ORDER, _W, "a mmu off; a mmu on; a isb", _NOW], STALE),
    ("MMU off, on, walked anew", [ORDER, _W, f"a mmu off; a isb; a mmu on; a isb; {_W}", _NOW], STALE),
    (
        "MMU off, on, walked anew elsewhere",
        [ORDER, _W, "a mmu off; a isb; a mmu on; a isb; a walk 0x2000 8 normal-wb", _NOW],
        NONE,
    ),
    ("another agent's MMU off", [ORDER, _W, "m mmu off; m isb", _NOW], STALE),
    ("icache off", [ORDER, _W, "a icache off; a isb", _NOW], STALE),
    ("not both in one setting", [ORDER, _W, f"{_SETTINGS}; a dcache on", _NOW], NONE),
    ("both in one setting", [ORDER, _W, "a dcache off; a isb; a dcache on; a mmu off", _NOW], STALE),
    (
        "both in one setting, no more",
        [ORDER, _W, "a dcache off; a isb; a dcache on; a mmu off; a isb", _NOW],
        NONE,
    ),
]

ENDS: list[Case] = [
    ("tlbi and dsb", [ORDER, _W, _TLBI, _NOW], NONE),
    ("tlbi all", [ORDER, _W, "a tlbi all; a dsb", _NOW], NONE),
    ("of many pages", [ORDER, _W, "a tlbi 0x0 0x4000; a dsb", _NOW], NONE),
    ("of another page", [ORDER, _W, "a tlbi 0x2000 0x1000; a dsb", _NOW], STALE),
    ("of one of two pages", [ORDER, "a walk 0xff8 16 normal-wb", _TLBI, _NOW], NONE),
    (
        "of the other of two pages",
        [ORDER, "a walk 0xff8 16 normal-wb", "a tlbi 0x0 0x1000; a dsb", _NOW],
        STALE,
    ),
    ("no dsb", [ORDER, _W, f"a tlbi {P}", _NOW], STALE),
    ("dsb nsh", [ORDER, _W, f"a tlbi {P}; a dsb nsh", _NOW], STALE),
    ("dmb", [ORDER, _W, f"a tlbi {P}; a dmb; a isb", _NOW], STALE),
    ("dsb alone", [ORDER, _W, "a dsb; a dsb", _NOW], STALE),
    ("dsb before tlbi", [ORDER, _W, f"a dsb; a tlbi {P}", _NOW], STALE),
    ("another core's", [ORDER, _W, f"b tlbi {P}; b dsb", _NOW], NONE),
    ("another core's, and its own dsb", [ORDER, _W, f"b tlbi {P}; a dsb", _NOW], STALE),
    ("its own, and another core's dsb", [ORDER, _W, f"a tlbi {P}; b dsb", _NOW], STALE),
    ("by agents of its core", [ORDER, _W, f"m tlbi {P}; t dsb", _NOW], NONE),
    ("before the walk", [ORDER, f"a tlbi {P}", _W, "a dsb", _NOW], STALE),
    ("before the last walk", [ORDER, _W, f"a tlbi {P}; {_W}; a dsb", _NOW], STALE),
    ("… and after it", [ORDER, _W, f"a tlbi {P}; {_W}; a tlbi {P}; a dsb", _NOW], NONE),
    (
        "before another's last walk",
        [
            ORDER,
            _W,
            f"a tlbi {P}; b walk {X} normal-wb; a dsb; b mmu off; b isb",
            _CIVAC,
            _STORED,
            f"h walk {X} normal-wb",
        ],
        NONE,
    ),
    (
        "before a walk of another page",
        [ORDER, _W, f"a tlbi {P}; a walk 0x2000 8 normal-wb; a dsb", _NOW],
        NONE,
    ),
    (
        "before a walk that is not cacheable (a reading)",
        [ORDER, _W, f"a tlbi {P}; a walk {X} normal-nc; a dsb", _NOW],
        NONE,
    ),
    ("at the PoU", [ORDER, _POU, _TLBI, _NOW], NONE),
    ("at the PoU, before the last walk", [ORDER, _POU, f"a tlbi {P}; {_POU}; a dsb", _NOW], STALE),
    ("begun anew", [ORDER, _W, f"{_TLBI}; {_W}", _NOW], STALE),
    ("all agents'", [ORDER, _W, f"h walk {X} normal-wb; {_TLBI}", _NOW], NONE),
]

# Level 2 may be dirty with what a device has written, and level 1 filled from it: then not all is lost.
_LOSES = f"dev write {X}; power-off {X}"
_DEV = f"{ORDER}; master dev snoops"

LEVELS: list[Case] = [
    ("not walked", [_DEV, _LOSES, _N_READS], LOST),
    ("level 1", [_DEV, _W, _LOSES, _N_READS], LOST | STALE),
    ("level 2 alone", [_DEV, _POU, _LOSES, _N_READS], LOST),
    ("both kinds", [_DEV, f"{_W}; {_POU}", _LOSES, _N_READS], LOST | STALE),
    ("both kinds, in the other order", [_DEV, f"{_POU}; {_W}", _LOSES, _N_READS], LOST | STALE),
    ("both by two agents", [_DEV, f"{_POU}; b walk {X} normal-wb", _LOSES, _N_READS], LOST | STALE),
    ("one ends before the other's walk", [_DEV, f"{_W}; a tlbi {P}; {_POU}; a dsb", _LOSES, _N_READS], LOST),
    ("… the other", [_DEV, f"{_POU}; a tlbi {P}; {_W}; a dsb", _LOSES, _N_READS], LOST | STALE),
    ("level 2 alone, SCTLR.C clear", [ORDER, _POU, "a dcache off; a isb", _NOW], NONE),
    ("level 2 alone, MMU off and on", [ORDER, _POU, "a mmu off; a isb; a mmu on; a isb", _NOW], NONE),
]

CASES = {"walked": WALKED, "while": WHILE, "ends": ENDS, "levels": LEVELS}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [pytest.param(*case[1:], id=f"{group}: {case[0]}") for group, cases in CASES.items() for case in cases],
)
def test_a_trace_worked_out_by_hand(parts: list[str], expected: frozenset[str]) -> None:
    assert kinds(*parts) == expected


def test_the_cases_have_names_of_their_own() -> None:
    for cases in CASES.values():
        assert len({name for name, *_ in cases}) == len(cases)
