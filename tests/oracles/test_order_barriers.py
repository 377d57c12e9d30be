# SPDX-License-Identifier: GPL-2.0-or-later
"""``dsb nsh``, against verdicts worked out by hand from the page on order.

As in ``test_order_explorer.py``, each rule has a trace and, beside it, a variant with another verdict.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.order_explorer import Malformed, explore
from tests.oracles.test_order_explorer import (
    _A,
    _CLEANED,
    _CODE,
    _N,
    AGENTS,
    AT_ONCE,
    FETCH,
    NAMES,
    NONE,
    ORDER,
    SAID,
    STALE,
    WB,
    Case,
    P,
    X,
    Y,
    bad_bytes,
    kinds,
    ordered_traces,
    trace,
    trial,
    with_heads,
)

_B_CODE = f"b map {WB} exec"
_NEW = f"{_CODE}; {_CLEANED}"
_NSH = f"a ic ivau {X}; a dsb nsh"
_B_FETCHES = f"b isb; b fetch {X}"
_A_FETCHES = f"a isb; a fetch {X}"
_STORED = f"{_N}; n write {X}"
_H_READS = f"h mmu off; h read {X}"
_FILLED = f"{_STORED}; n dsb; h walk {X} normal-wb"
_VIPT = f"{ORDER}; option vipt"
_UNSAID = f"{AGENTS}; option order; u map {WB} exec; u write {X}; u dc cvau {X}; u dsb"

CASES: list[Case] = [
    ("instead of dsb after ic ivau", [ORDER, _NEW, _NSH, _A_FETCHES], NONE),
    ("… after ic iallu", [ORDER, _NEW, "a ic iallu; a dsb nsh", _A_FETCHES], NONE),
    ("… after ic ialluis", [ORDER, _NEW, "a ic ialluis; a dsb nsh", _A_FETCHES], NONE),
    ("… before ic ivau", [ORDER, _NEW, f"a dsb nsh; a ic ivau {X}", _A_FETCHES], FETCH),
    ("by another agent of the core", [ORDER, _NEW, f"a ic ivau {X}; m dsb nsh", _A_FETCHES], NONE),
    ("by another core", [ORDER, _NEW, f"a ic ivau {X}; b dsb nsh", _A_FETCHES], FETCH),
    ("no isb", [ORDER, _NEW, _NSH, f"a fetch {X}"], FETCH),
    ("for another core", [ORDER, _B_CODE, _NEW, _NSH, _B_FETCHES], FETCH),
    ("for another core, ialluis", [ORDER, _B_CODE, _NEW, "a ic ialluis; a dsb nsh", _B_FETCHES], FETCH),
    ("for another core, and its own", [ORDER, _B_CODE, _NEW, _NSH, f"b dsb nsh; {_B_FETCHES}"], FETCH),
    ("for another core, and dsb", [ORDER, _B_CODE, _NEW, _NSH, "a dsb", _B_FETCHES], NONE),
    (
        "for another core, which invalidates",
        [ORDER, _B_CODE, _NEW, f"b ic iallu; b dsb nsh; {_B_FETCHES}"],
        NONE,
    ),
    ("nothing said", [_UNSAID, f"u ic ivau {X}; u dsb nsh; u isb; u fetch {X}"], NONE),
    ("nothing said: another's", [_UNSAID, f"u ic ivau {X}; v dsb nsh; u isb; u fetch {X}"], FETCH),
    ("vipt", [_VIPT, _NEW, _NSH, _A_FETCHES], NONE),
    (
        "vipt, for another core",
        [_VIPT, _NEW, _B_CODE, f"b ic ivau {X}; a ic ivau {X}; b dsb nsh", _B_FETCHES],
        NONE,
    ),
    (
        "vipt, for another core's copies of the same agent",
        [_VIPT, f"m map {WB} exec", _NEW, f"a ic ivau {X}; m ic ivau {X}; a dsb nsh", _A_FETCHES],
        NONE,
    ),
    (
        "vipt, of one of two agents",
        [_VIPT, f"m map {WB} exec", _NEW, f"a ic ivau {X}; a dsb nsh; m ic ivau {X}", _A_FETCHES],
        FETCH,
    ),
    # It completes nothing else.
    (
        "a clean",
        [ORDER, _CODE, f"a dc cvau {X}; a dsb nsh; a ic ivau {X}; a dsb", _A_FETCHES],
        FETCH,
    ),
    ("a clean, and dsb", [ORDER, _CODE, f"a dc cvau {X}; a dsb nsh; a dsb", _NSH, _A_FETCHES], NONE),
    ("a clean for a read", [ORDER, _A, f"a dc cvac {X}; a dsb nsh", _H_READS], STALE),
    ("a store", [ORDER, _STORED, "n dsb nsh", _H_READS], STALE),
    ("a store, and dsb", [ORDER, _STORED, "n dsb nsh; n dsb", _H_READS], NONE),
    (
        "it orders nothing",
        [ORDER, _A, _N, f"a dc cvac {X}; a dsb nsh; n read {Y}; n walk {X} normal-nc"],
        STALE,
    ),
    ("… as dmb does", [ORDER, _A, _N, f"a dc cvac {X}; a dmb; n read {Y}; n walk {X} normal-nc"], NONE),
    (
        "a tlbi",
        [
            ORDER,
            f"b map {WB}; b descriptor {P} invalid; b dsb; b tlbi all; b dsb nsh; n dc civac {X}; n dsb",
            _FILLED,
        ],
        STALE,
    ),
    (
        "… and dsb",
        [
            ORDER,
            f"b map {WB}; b descriptor {P} invalid; b dsb; b tlbi all; b dsb; n dc civac {X}; n dsb",
            _FILLED,
        ],
        NONE,
    ),
    (
        "it does not show an invalid descriptor",
        [
            ORDER,
            f"b map {WB}; b descriptor {P} invalid; b dsb nsh; b tlbi all; b dsb; n dc civac {X}; n dsb",
            _FILLED,
        ],
        STALE,
    ),
    ("it begins an agent", [ORDER, f"h dsb nsh; h mmu off; h map {WB}", _FILLED], STALE),
    (
        "… without it",
        [ORDER, f"h mmu off; h map {WB}; n dsb nsh", f"{_STORED}; n dsb; b walk {X} normal-wb"],
        NONE,
    ),
]


@pytest.mark.parametrize(("parts", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_a_trace_worked_out_by_hand(parts: list[str], expected: frozenset[str]) -> None:
    assert kinds(*parts) == expected


def test_the_cases_have_names_of_their_own() -> None:
    assert len({name for name, *_ in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([AT_ONCE, "a dsb nsh"], "order"),
        (["a dsb nsh"], "dsb"),
        ([ORDER, "a dsb ish"], "ish"),
        ([ORDER, "a dsb nsh now"], "now"),
        ([ORDER, "a dmb nsh"], "nsh"),
        ([ORDER, "a isb nsh"], "nsh"),
        ([ORDER, "master d", "d dsb nsh"], "dsb"),
    ],
)
def test_a_malformed_trace_names_the_line_and_the_word(parts: list[str], word: str) -> None:
    text = trace(*parts)
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == text.count("\n")
    assert word in caught.value.reason


# -- what must hold between verdicts -----------------------------------------------------------------------


@trial(60)
@given(SAID, ordered_traces(), st.sampled_from(NAMES))
def test_a_dsb_does_all_that_a_dsb_nsh_does_which_does_more_than_nothing(
    said: list[str], lines: list[str], name: str
) -> None:
    """Its agent has begun in all: else the barrier would make later switches wait for an ISB."""
    heads = [line for line in lines if line.startswith(("line", "option"))]
    rest = lines[len(heads) :]
    nothing, nsh, dsb = (
        with_heads("\n".join([*heads, f"{name} isb", *(op if line == "#" else line for line in rest)]), said)
        for op in ("#", f"{name} dsb nsh", f"{name} dsb")
    )
    assert bad_bytes(dsb) <= bad_bytes(nsh) <= bad_bytes(nothing)
