# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings of two types, descriptors that change, and walks that come again: verdicts by hand, from order.md."""

import pytest

from coldline.checker import Checker
from coldline.errors import TraceError
from coldline.events import Event, Op
from tests.checker.test_words import Case, kinds, trace
from tests.explain.test_witness import told, witnesses
from tests.helpers.checking import check_text, checker_of

READ, FETCH, LOST, BBM = "stale-read", "stale-fetch", "lost-write", "bbm"
P, X = "0x1000 0x1000", "0x1000 8"
CORES = "core c0 k; core c1 l; core c2 h"

# -- mappings of two types: with order, and without ------------------------------------------------------------

_OTHER = f"n map {P} normal-nc; n write {X}; n dsb"
"""A store past the caches by somebody else."""

_FETCHES = f"m fetch {X}; {_OTHER}; m isb; m fetch {X}"


def _maps(types: str) -> str:
    return f"m map {P} {types}"


_PAST = "g mmu off; g dsb"

TWO_TYPES: list[Case] = [
    (
        "a write may stay in a cache",
        f"{_maps('normal-nc/normal-wb')}; m write {X}; m dsb; {_PAST}; g read {X}",
        {READ},
        {READ},
    ),
    (
        "… by either order",
        f"{_maps('normal-wb/normal-nc')}; m write {X}; m dsb; {_PAST}; g read {X}",
        {READ},
        {READ},
    ),
    (
        "… of write-through",
        f"{_maps('normal-wt/normal-nc')}; m write {X}; m dsb; {_PAST}; g read {X}",
        set(),
        set(),
    ),
    (
        "… of both that cache",
        f"{_maps('normal-wt/normal-wb')}; m write {X}; m dsb; {_PAST}; g read {X}",
        {READ},
        {READ},
    ),
    ("a cache may be filled", f"{_maps('normal-nc/normal-wb')}; {_OTHER}; m read {X}", {READ}, {READ}),
    ("… by write-through", f"{_maps('normal-nc/normal-wt')}; {_OTHER}; m read {X}", {READ}, {READ}),
    ("… not by one type", f"{_maps('normal-nc')}; {_OTHER}; m read {X}", set(), set()),
    (
        "an instruction cache may be filled",
        f"{_maps('normal-nc/normal-wb exec')}; {_FETCHES}",
        {FETCH},
        {FETCH},
    ),
    ("… not by one type", f"{_maps('normal-nc exec')}; {_FETCHES}", set(), set()),
    (
        "a walk may be past the caches",
        f"a map {P} normal-wb; a write {X}; a walk {X} normal-wb/normal-nc",
        {READ},
        {READ},
    ),
    (
        "… or not be",
        f"n map {P} normal-nc; a walk {X} normal-nc/normal-wb; n write {X}; n dsb; a walk {X} normal-wb",
        {READ},
        {READ},
    ),
    ("… as of one type", f"a map {P} normal-wb; a write {X}; a walk {X} normal-wb", set(), set()),
    (
        "dc zva is an access",
        f"{_maps('normal-nc/normal-wb')}; m dc zva {X}; m dsb; {_PAST}; g read {X}",
        {READ},
        {READ},
    ),
    (
        "program order, if both cache",
        f"{_maps('normal-wb/normal-wt')}; m dc ivac {X}; m write {X}; m dsb; m read {X}",
        set(),
        set(),
    ),
    (
        "… and else not",
        f"{_maps('normal-wb/normal-nc')}; m dc ivac {X}; m write {X}; m dsb; m read {X}",
        {LOST, READ},
        {READ},
    ),
    ("SCTLR.C clear", f"m dcache off; {_maps('normal-wb/normal-wt')}; {_OTHER}; m read {X}", set(), set()),
    (
        "a master's fills nothing",
        f"master dev; dev map {P} normal-wb/normal-nc; {_OTHER}; m map {P} normal-wb; m read {X}",
        set(),
        set(),
    ),
]


@pytest.mark.parametrize(
    ("text", "ordered", "at_once"), [pytest.param(*case[1:], id=case[0]) for case in TWO_TYPES]
)
def test_two_types(text: str, ordered: set[str], at_once: set[str]) -> None:
    assert kinds(trace(text, order=True)) == ordered
    plain = (each.strip() for each in text.split(";"))
    assert kinds(trace(*(each for each in plain if each.split()[-1] not in ("dsb", "isb")))) == at_once


# -- descriptors that change -----------------------------------------------------------------------------------

_MAP = f"k map {P} normal-wb"
_TO_NC = f"k descriptor {P} normal-nc"
_INVALID = f"k descriptor {P} invalid"
_ENDED = f"k dsb; k tlbi {P}; k dsb"
_CLEANED = f"k dc civac {X}; k dsb"
_OFF, _ON = "k dsb; k mmu off; k isb", "k mmu on; k isb"
_ALIEN = f"h map {P} normal-wb; h read {X}"
"""A read by another core that hits what a fill by an old mapping left."""

DESCRIPTORS: list[tuple[str, str, set[str]]] = [
    ("another type", f"{_MAP}; {_TO_NC}", {BBM}),
    ("the same", f"{_MAP}; k descriptor {P} normal-wb", set()),
    ("permissions", f"{_MAP}; k descriptor {P} normal-wb exec", set()),
    ("write-through", f"{_MAP}; k descriptor {P} normal-wt", {BBM}),
    ("two types", f"{_MAP}; k descriptor {P} normal-wb/normal-nc", {BBM}),
    (
        "two types, turned round",
        f"k map {P} normal-wb/normal-nc; k descriptor {P} normal-nc/normal-wb",
        {BBM},
    ),
    (
        "two types, the same",
        f"k map {P} normal-wb/normal-nc; k descriptor {P} normal-wb/normal-nc exec",
        set(),
    ),
    ("of a device", f"k map {P} device; {_TO_NC}", {BBM}),
    ("the whole sequence", f"{_MAP}; {_INVALID}; {_ENDED}; k map {P} normal-nc", set()),
    ("no TLBI", f"{_MAP}; {_INVALID}; k dsb; {_TO_NC}", {BBM}),
    ("a TLBI that is not complete", f"{_MAP}; {_INVALID}; k dsb; k tlbi {P}; {_TO_NC}", {BBM}),
    ("a TLBI before the DSB", f"{_MAP}; {_INVALID}; k tlbi {P}; k dsb; {_TO_NC}", {BBM}),
    ("a TLBI of another page", f"{_MAP}; {_INVALID}; k dsb; k tlbi 0x2000 0x1000; k dsb; {_TO_NC}", {BBM}),
    (
        "a TLBI by a core that has not seen it",
        f"{_MAP}; {_INVALID}; k dsb; l tlbi {P}; l dsb; {_TO_NC}",
        {BBM},
    ),
    ("invalid, and back", f"{_MAP}; {_INVALID}; k descriptor {P} normal-wb; k read {X}", set()),
    ("invalid, and back with permissions", f"{_MAP}; {_INVALID}; k descriptor {P} normal-wb exec", set()),
    (
        "back, and invalid again",
        f"{_MAP}; {_INVALID}; k descriptor {P} normal-wb; {_INVALID}; {_TO_NC}",
        {BBM},
    ),
    ("one of two pages", f"k map 0x1000 0x2000 normal-wb; {_INVALID}; {_ENDED}; k map {P} normal-nc", set()),
    ("the MMU is off from the start", f"k mmu off; {_MAP}; {_TO_NC}", set()),
    (
        "… so that nothing is left of it",
        f"k mmu off; {_MAP}; {_TO_NC}; k mmu on; k write {X}; k dsb; {_ALIEN}",
        set(),
    ),
    ("… and is used once it is on", f"k mmu off; {_MAP}; k mmu on; {_TO_NC}", {BBM}),
    ("the MMU was on", f"{_MAP}; k read {X}; k mmu off; k isb; {_TO_NC}", set()),
    (
        "… so that the old one comes back",
        f"{_MAP}; {_OFF}; {_TO_NC}; {_CLEANED}; {_ON}; k write {X}; k dsb; {_ALIEN}",
        {READ},
    ),
    (
        "… unless a TLBI ended it",
        f"{_MAP}; {_OFF}; {_TO_NC}; {_ENDED}; {_CLEANED}; {_ON}; k write {X}; k dsb; {_ALIEN}",
        set(),
    ),
    ("the MMU may be on", f"{_MAP}; k read {X}; k mmu off; {_TO_NC}", {BBM}),
    ("an access of either kind", f"{_MAP}; {_TO_NC}; k write {X}; k dsb; l mmu off; l read {X}", {BBM, READ}),
    ("… of the new kind", f"{_MAP}; {_TO_NC}; {_ENDED}; k write {X}; k dsb; l mmu off; l read {X}", {BBM}),
    ("a fill by the old one", f"{_MAP}; {_TO_NC}; {_ENDED}; k write {X}; k dsb; {_ALIEN}", {BBM, READ}),
    (
        "… that is cleaned after the TLBI",
        f"{_MAP}; {_TO_NC}; {_ENDED}; k dc civac {X}; k dsb; k write {X}; k dsb; {_ALIEN}",
        {BBM},
    ),
    (
        "… that is cleaned before it",
        f"{_MAP}; {_TO_NC}; k dc civac {X}; {_ENDED}; k write {X}; k dsb; {_ALIEN}",
        {BBM, READ},
    ),
    (
        "a fetch by the old permissions",
        f"k map {P} normal-wb exec; k descriptor {P} normal-wb; k fetch {X}",
        set(),
    ),
    ("all end at once", f"{_MAP}; {_TO_NC}; k unmap {P}; k map {P} normal-wt; k read {X}", {BBM}),
    ("another agent's", f"{_MAP}; h map {P} normal-nc; h descriptor {P} normal-nc exec", set()),
    ("written again", f"{_MAP}; {_TO_NC}; {_TO_NC} exec; {_TO_NC}", {BBM}),
]


@pytest.mark.parametrize(("text", "found"), [pytest.param(*case[1:], id=case[0]) for case in DESCRIPTORS])
def test_descriptors(text: str, found: set[str]) -> None:
    assert kinds(trace(CORES, text, order=True)) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"k descriptor {P} normal-wb", "k has not mapped 0x1000"),
        (f"{_MAP}; k descriptor 0x1000 0x2000 normal-wb", "k has not mapped 0x2000"),
        (f"{_MAP}; {_INVALID}; {_ENDED}; {_TO_NC}", "k has not mapped 0x1000"),
        (f"{_MAP}; {_TO_NC}; {_INVALID}; {_INVALID}", "k's descriptor of 0x1000 is invalid already"),
        (f"{_MAP}; {_TO_NC}; k map {P} normal-nc", "k has 0x1000 mapped already"),
        (f"{_MAP}; {_TO_NC}; {_INVALID}; k map {P} normal-nc", "k's old mapping of 0x1000 has not ended"),
        (
            f"k map {P} normal-wb exec; k descriptor {P} normal-wb; {_ENDED}; k fetch {X}",
            "fetch at 0x1000: k's mapping there is not exec",
        ),
        (
            f"{_MAP}; k descriptor {P} device; {_ENDED}; k dc zva {X}",
            "dc zva at 0x1000: dc zva on device memory",
        ),
        (
            f"master d; d map {P} normal-wb; d descriptor {P} normal-nc",
            "'descriptor' by d, which is a master",
        ),
    ],
)
def test_a_descriptor_that_cannot_be(text: str, reason: str) -> None:
    with pytest.raises(TraceError, match=reason):
        check_text(trace(CORES, text, order=True))


def test_an_access_may_be_by_the_mapping_that_allows_it() -> None:
    assert kinds(trace(f"{_MAP}; k descriptor {P} device; k dc zva {X}", order=True)) == {BBM}


def test_the_hazard_is_of_every_line_of_the_pages_that_changed() -> None:
    text = trace(
        "k map 0x1000 0x1000 normal-wb; k map 0x2000 0x1000 normal-nc; k map 0x3000 0x2000 normal-wt",
        "k read 0x3000 8",
        "k descriptor 0x1000 0x4000 normal-nc",
        order=True,
    )
    found = checker_of(text).findings
    assert [(each.address, each.lines) for each in found] == [(0x1000, 64), (0x3000, 128)]
    assert checker_of(text).kinds == {BBM: 192}


def test_a_distinct_hazard_is_told_once() -> None:
    checker = Checker(checker_of(trace("a dsb", order=True)).profile, distinct=True)
    types = ("normal-wb", "normal-nc", "normal-wb")
    for number, word in enumerate(types):
        line = f"a {'descriptor' if number else 'map'} {P} {word}"
        for each in _events(line):
            checker.event(each)
    assert checker.kinds == {BBM: 64}
    assert checker.hazards == 128


def _events(line: str) -> list[Event]:
    from coldline.trace.text import TextReader

    return [each.event for each in TextReader(trace(line, order=True).splitlines())]


def test_two_types_without_a_version_that_has_them() -> None:
    (event,) = _events(f"a map {P} normal-wb/normal-nc")
    with pytest.raises(TraceError, match="two memory types in a trace without 'version 2'"):
        Checker().event(event)
    assert event.op is Op.MAP


# -- walks that come again -------------------------------------------------------------------------------------

PREPARED = f"k map {P} normal-wb; k write {X}; k dc civac {X}; k dsb; k unmap {P}"
_WALK = f"k walk {X} normal-wb"
_STORED = f"l mmu off; l write {X}; l dsb"

WALKS: list[tuple[str, str, set[str]]] = [
    ("the line may be filled again", f"{_WALK}; {_CLEANED}; {_STORED}; {_WALK}", {READ}),
    ("… for anybody", f"{_WALK}; {_CLEANED}; {_STORED}; {_ALIEN}", {READ}),
    ("without a walk before", f"{_CLEANED}; {_STORED}; {_WALK}", set()),
    ("a walk past the caches", f"k walk {X} normal-nc; {_CLEANED}; {_STORED}; {_WALK}", set()),
    ("a walk of either kind", f"k walk {X} normal-nc/normal-wb; {_CLEANED}; {_STORED}; {_WALK}", {READ}),
    (
        "a walk of another line of the page",
        f"k walk 0x1100 8 normal-wb; {_CLEANED}; {_STORED}; {_WALK}",
        {READ},
    ),
    ("a walk of another page", f"k walk 0x2000 8 normal-wb; {_CLEANED}; {_STORED}; {_WALK}", set()),
    ("a walk past level 1", f"k walk {X} pou; {_CLEANED}; {_STORED}; {_WALK}", {READ}),
    ("the MMU is off", f"{_WALK}; k mmu off; k isb; {_CLEANED}; {_STORED}; {_ALIEN}", set()),
    ("… and on again", f"{_WALK}; k mmu off; k isb; k mmu on; k isb; {_CLEANED}; {_STORED}; {_WALK}", set()),
    (
        "… without an isb between",
        f"{_WALK}; k mmu off; k mmu on; k isb; {_CLEANED}; {_STORED}; {_WALK}",
        {READ},
    ),
    ("the MMU may be on", f"{_WALK}; k mmu off; {_CLEANED}; {_STORED}; {_ALIEN}", {READ}),
    ("SCTLR.C is clear", f"{_WALK}; k dcache off; k isb; {_CLEANED}; {_STORED}; {_ALIEN}", set()),
    (
        "… and set again",
        f"{_WALK}; k dcache off; k isb; k dcache on; k isb; {_CLEANED}; {_STORED}; {_ALIEN}",
        {READ},
    ),
    ("a TLBI", f"{_WALK}; k tlbi {P}; k dsb; {_CLEANED}; {_STORED}; {_WALK}", set()),
    ("… of all", f"{_WALK}; k tlbi all; k dsb; {_CLEANED}; {_STORED}; {_WALK}", set()),
    ("… of another page", f"{_WALK}; k tlbi 0x2000 0x1000; k dsb; {_CLEANED}; {_STORED}; {_WALK}", {READ}),
    ("… complete with the clean", f"{_WALK}; k tlbi {P}; {_CLEANED}; {_STORED}; {_WALK}", {READ}),
    ("… by another core", f"{_WALK}; h tlbi {P}; h dsb; {_CLEANED}; {_STORED}; {_WALK}", set()),
    ("… and another core's DSB", f"{_WALK}; h tlbi {P}; k dsb; {_CLEANED}; {_STORED}; {_WALK}", {READ}),
    ("… and a walk after it", f"{_WALK}; k tlbi {P}; {_WALK}; k dsb; {_CLEANED}; {_STORED}; {_WALK}", {READ}),
    (
        "… and a walk of the other kind after it",
        f"{_WALK}; k tlbi {P}; k walk {X} pou; k dsb; {_CLEANED}; {_STORED}; {_WALK}",
        {READ},
    ),
    ("a master's", f"master d snoops; d walk {X} normal-wb; {_CLEANED}; {_STORED}; {_ALIEN}", set()),
]


@pytest.mark.parametrize(("text", "found"), [pytest.param(*case[1:], id=case[0]) for case in WALKS])
def test_walks(text: str, found: set[str]) -> None:
    head, _, rest = text.partition("; ") if text.startswith("master") else ("", "", text)
    assert kinds(trace(head, CORES, PREPARED, rest, order=True)) == found


def test_without_order_a_walk_fills_once() -> None:
    text = "; ".join(
        each
        for each in trace(CORES, PREPARED, _WALK, _CLEANED, _STORED, _WALK).split("\n")
        if each.split()[-1:] != ["dsb"]
    )
    assert kinds(text.replace("; ", "\n")) == set()


def test_what_walks_past_level_1_left_is_in_level_2() -> None:
    """A copy in level 1 that a `dc cvau` would not reach cannot be: level 2's is what a later pou walk reads."""
    walked = trace(CORES, PREPARED, f"k walk {X} pou; {_CLEANED}; {_STORED}; k walk {X} pou", order=True)
    assert kinds(walked) == {READ}


# -- stories ---------------------------------------------------------------------------------------------------

STORIES = [
    *(text for _, text, found in DESCRIPTORS if found),
    *(f"{PREPARED}; {text}" for _, text, found in WALKS if found),
    *(text for _, text, found, _ in TWO_TYPES if found),
]


@pytest.mark.parametrize("text", STORIES)
def test_a_witness_has_the_hazard_of_the_trace(text: str) -> None:
    whole = trace(CORES, text, order=True)
    found = told(whole, most=8)
    assert found.hazards
    for hazard, witness in zip(found.hazards, witnesses(found), strict=True):
        last = max(each.line for each in check_text(witness))
        assert hazard.entry.kind in {each.kind for each in check_text(witness) if each.line == last}
        assert witness.count(f"#! {hazard.entry.kind} ") == 1
