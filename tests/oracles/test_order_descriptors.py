# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors that change: verdicts worked out by hand from the page on order.

As in ``test_order_explorer.py``, each rule has a trace and, beside it, a variant with another verdict; names that end
in "(a reading)" are of places that the page leaves open.
"""

import pytest

from tests.oracles.order_explorer import Hazard, Malformed, explore
from tests.oracles.test_order_explorer import (
    AT_ONCE,
    NC,
    NONE,
    ORDER,
    WB,
    Case,
    P,
    X,
    kinds,
    trace,
)

BBM = frozenset({"bbm"})
BOTH = "0x1000 0x2000"
_B = f"b map {WB}"
_B_NC = f"b descriptor {NC}"
_B_WB = f"b descriptor {WB}"
_B_CHANGES = f"{_B}; {_B_NC}"
_INVALID = f"b descriptor {P} invalid"
_TLBI = f"b dsb; b tlbi {P}; b dsb"
_OFF = "b mmu off; b isb"
_ON = "b mmu on; b isb"

NEEDED: list[Case] = [
    ("another type", [ORDER, _B_CHANGES], BBM),
    ("the same", [ORDER, _B, _B_WB], NONE),
    ("exec", [ORDER, _B, f"{_B_WB} exec"], NONE),
    ("exec no more", [ORDER, f"{_B} exec", _B_WB], NONE),
    ("another type and exec", [ORDER, _B, f"{_B_NC} exec"], BBM),
    ("an outer type beside it", [ORDER, _B, f"{_B_WB}/normal-nc"], BBM),
    ("inner and outer change places", [ORDER, f"{_B}/normal-nc", f"{_B_NC}/normal-wb"], BBM),
    ("the same two", [ORDER, f"{_B}/normal-nc", f"{_B_WB}/normal-nc exec"], NONE),
    ("one of the two", [ORDER, f"{_B}/normal-nc", _B_WB], BBM),
    ("device memory", [ORDER, f"b map {P} device", _B_NC], BBM),
    ("another agent's type", [ORDER, f"a map {NC}", _B, _B_WB], NONE),
    # The descriptor is invalid.
    ("broken, not invalidated", [ORDER, _B, f"{_INVALID}; {_B_NC}"], BBM),
    ("broken, the same type", [ORDER, _B, f"{_INVALID}; {_B_WB}"], NONE),
    ("broken, the same type and exec", [ORDER, _B, f"{_INVALID}; {_B_WB} exec"], NONE),
    ("tlbi is not complete", [ORDER, _B, f"{_INVALID}; b dsb; b tlbi all; {_B_NC}"], BBM),
    (
        "tlbi is not complete by dsb nsh",
        [ORDER, _B, f"{_INVALID}; b dsb; b tlbi all; b dsb nsh; {_B_NC}"],
        BBM,
    ),
    ("no dsb before tlbi", [ORDER, _B, f"{_INVALID}; b tlbi all; b dsb; {_B_NC}"], BBM),
    ("tlbi of another page", [ORDER, _B, f"{_INVALID}; b dsb; b tlbi 0x2000 0x1000; b dsb; {_B_NC}"], BBM),
    ("all that it takes", [ORDER, _B, f"{_INVALID}; {_TLBI}; b map {NC}"], NONE),
    ("unmapped", [ORDER, _B, f"b unmap {P}; b map {NC}"], NONE),
    (
        "one of two that are ending",
        [ORDER, f"{_B}; b mmu off; b isb; {_B_NC}; {_ON}; {_INVALID}", _B_NC],
        BBM,
    ),
    (
        "… and the descriptor is valid",
        [ORDER, f"{_B}; b mmu off; b isb; {_B_NC}; {_ON}", f"{_B_NC} exec"],
        NONE,
    ),
    # The MMU.
    ("MMU off", [ORDER, f"{_B}; {_OFF}", _B_NC], NONE),
    ("MMU off, no isb", [ORDER, f"{_B}; b isb; b mmu off", _B_NC], BBM),
    ("MMU off, an isb of another core", [ORDER, f"{_B}; b isb; b mmu off; a isb", _B_NC], BBM),
    ("MMU on, no isb", [ORDER, f"{_B}; {_OFF}; b mmu on", _B_NC], BBM),
    ("MMU on and off, no isb", [ORDER, f"{_B}; {_OFF}; b mmu on; b mmu off", _B_NC], BBM),
    ("MMU off at the start", [ORDER, f"b mmu off; {_B}", _B_NC], NONE),
    ("MMU off, broken", [ORDER, f"{_B}; {_OFF}; {_INVALID}", _B_NC], NONE),
    ("MMU off when it was made, and on", [ORDER, f"b mmu off; {_B}; b isb; {_ON}", _B_NC], BBM),
    ("data cache off", [ORDER, f"{_B}; b dcache off; b isb", _B_NC], BBM),
]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in NEEDED],
)
def test_a_trace_worked_out_by_hand(parts: list[str], expected: frozenset[str]) -> None:
    assert kinds(*parts) == expected


def test_the_cases_have_names_of_their_own() -> None:
    assert len({name for name, *_ in NEEDED}) == len(NEEDED)


# -- what a hazard says ------------------------------------------------------------------------------------


def broken(*parts: str) -> list[tuple[int, str, int, int]]:
    """Give the bytes that needed break-before-make: for each run the event's number, its agent, start and end."""
    runs: list[tuple[int, str, int, int]] = []
    for hazard in explore(trace(ORDER, *parts)):
        if hazard.kind == "bbm":
            line, _, agent, start, size = hazard._replace(line=hazard.line - trace(ORDER).count("\n"))
            if runs and runs[-1][:2] == (line, agent) and runs[-1][3] == start:
                start = runs.pop()[2]
            runs.append((line, agent, start, hazard.address + size))
    return runs


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([_B_CHANGES], [(2, "b", 0x1000, 0x2000)]),
        ([f"{_B_CHANGES}; {_B_WB}; {_B_WB}"], [(2, "b", 0x1000, 0x2000), (3, "b", 0x1000, 0x2000)]),
        ([f"{_B_CHANGES}; {_B_NC} exec; {_INVALID}; {_B_NC}"], [(2, "b", 0x1000, 0x2000), (5, "b", 0x1000, 0x2000)]),
        ([f"b map {BOTH} normal-wb; b descriptor {BOTH} normal-nc"], [(2, "b", 0x1000, 0x3000)]),
        ([f"{_B}; b map 0x2000 0x1000 normal-nc; b descriptor {BOTH} normal-nc"], [(3, "b", 0x1000, 0x2000)]),
        (
            ["b map 0x1000 0x3000 normal-wb; b unmap 0x2000 0x1000; b map 0x2000 0x1000 device",
             "b descriptor 0x1000 0x3000 device"],
            [(4, "b", 0x1000, 0x2000), (4, "b", 0x3000, 0x4000)],
        ),
        (["g map 0x1000 0x1000 device; b map 0x1000 0x1000 device; g descriptor 0x1000 0x1000 normal-wt"],
         [(3, "g", 0x1000, 0x2000)]),
    ],
)  # fmt: skip
def test_break_before_make_is_of_whole_pages(
    parts: list[str], expected: list[tuple[int, str, int, int]]
) -> None:
    assert broken(*parts) == expected


def test_each_line_of_the_page_has_the_hazard() -> None:
    text = trace("version 2; line 2048; option order", _B_CHANGES)
    assert explore(text) == [Hazard(5, "bbm", "b", 0x1000, 2048), Hazard(5, "bbm", "b", 0x1800, 2048)]


# -- the text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([AT_ONCE, _B, _B_NC], "option order"),
        ([_B, _B_NC], "descriptor"),
        ([ORDER, "master d", f"d map {WB}", f"d descriptor {NC}"], "descriptor"),
        ([ORDER, _B, f"b descriptor {P}"], "invalid"),
        ([ORDER, _B, f"b descriptor {P} exec"], "exec"),
        ([ORDER, _B, f"b descriptor {P} pou"], "pou"),
        ([ORDER, _B, f"b descriptor {P} normal"], "normal"),
        ([ORDER, _B, f"b descriptor {P} normal-wb/normal-wb"], "normal-wb/normal-wb"),
        ([ORDER, _B, f"{_B_NC} now"], "now"),
        ([ORDER, _B, f"{_B_NC} exec now"], "now"),
        ([ORDER, _B, f"{_INVALID} exec"], "exec"),
        ([ORDER, _B, "b descriptor 0x1000 64 normal-nc"], "pages"),
        ([ORDER, _B, "b descriptor 0x1000 0 normal-nc"], "0"),
        ([ORDER, _B_NC], "0x1000"),
        ([ORDER, f"a map {WB}", _B_NC], "0x1000"),
        ([ORDER, _B, f"b descriptor {BOTH} normal-nc"], "0x1000"),
        ([ORDER, _B, f"b descriptor {BOTH} invalid"], "0x1000"),
        ([ORDER, f"{_B}; {_INVALID}; {_TLBI}", _B_NC], "0x1000"),
        ([ORDER, f"{_B}; {_INVALID}; b unmap {P}", _B_NC], "0x1000"),
        ([ORDER, f"{_B_CHANGES}; b unmap {P}", _B_NC], "0x1000"),
        ([ORDER, f"{_B_CHANGES}; b unmap {P}", f"b read {X}"], "alias"),
        ([ORDER, f"{_B_CHANGES}; {_INVALID}", _INVALID], "0x1000"),
        ([ORDER, f"b map {BOTH} normal-wb; {_INVALID}", f"b descriptor {BOTH} invalid"], "0x1000"),
        ([ORDER, _B_CHANGES, _B], "0x1000"),
        ([ORDER, f"{_B_CHANGES}; {_INVALID}; b dsb; b tlbi all", _B], "0x1000"),
        ([ORDER, f"{_B} exec; {_B_WB}; {_TLBI}", f"b fetch {X}"], "exec"),
        ([ORDER, f"{_B}; b descriptor {P} device; {_TLBI}", f"b dc zva {X}"], "zva"),
        ([ORDER, f"b map {P} device; b descriptor {P} device exec", f"b dc zva {X}"], "zva"),
        ([ORDER, f"{_B_CHANGES}", "b fetch 0x1000 4"], "exec"),
        ([ORDER, f"{_B} exec; {_B_WB}; b map 0x2000 0x1000 normal-wb", "b fetch 0x1ff8 16"], "exec"),
    ],
)
def test_a_malformed_trace_names_the_line_and_the_word(parts: list[str], word: str) -> None:
    text = trace(*parts)
    with pytest.raises(Malformed) as caught:
        explore(text)
    assert caught.value.line_number == text.count("\n")
    assert word in caught.value.reason


@pytest.mark.parametrize(
    "parts",
    [
        [f"{_B_CHANGES}; {_INVALID}; {_TLBI}; {_B}"],
        [f"{_B_CHANGES}; b unmap {P}; {_B}"],
        [f"{_B}; {_INVALID}; {_B_WB}; {_INVALID}"],
        [f"{_B}; {_INVALID}; {_B_WB} exec; {_INVALID}; b read {X}"],
        [f"b mmu off; {_B_CHANGES}; {_INVALID}"],
    ],
)
def test_a_valid_trace(parts: list[str]) -> None:
    assert kinds(ORDER, *parts) <= BBM
