# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of order: the sizes of their automata, each row, and the automaton whose states are learned.

It is longer than 300 lines because each row has a line with its trace.
"""

import random
import re
from collections.abc import Iterator, Sequence

import pytest

from coldline.checker.state import learned_tables
from coldline.checker.state.learned_tables import MOST_LETTERS, LearnedTables
from coldline.errors import TraceError
from coldline.rules import line_rules
from coldline.rules.order import machine
from coldline.rules.order.alphabet import BARRIER_ACTS, CHECKED, Act, OrderedLetter, Possible
from coldline.rules.order.at_once import AT_ONCE
from coldline.rules.order.cores import CoreEvent, CoresMachine, Speculation
from coldline.rules.order.effects import ORDERED_EFFECTS, OrderedEffect
from coldline.rules.order.machine import OrderMachine
from coldline.rules.order.microstate import NOTHING, OrderedMicrostate
from coldline.rules.order.ordering import CoreAgents, Ordering
from coldline.rules.order.owners import OWNERS_ORDERED
from coldline.rules.order.steps import HOLD, PENDING_STEPS, OrderedStep, steps
from coldline.rules.order.virtual_caches import LABELLED
from coldline.rules.profile import Profile
from tests.helpers.checking import check_text
from tests.helpers.repository import ROOT
from tests.oracles.test_order_explorer import (
    _A,
    _B,
    _CLEANED,
    _CODE,
    _G,
    _G_ON,
    _INVALIDATED,
    _M,
    _N,
    _N_READS,
    _T,
    ORDER,
    WB,
    P,
    X,
    Y,
    trace,
)
from tests.rules.least_states import least_states

# -- sizes -----------------------------------------------------------------------------------------------------

PENDING: dict[str, frozenset[Act]] = {
    "cleans": frozenset({Act.DC_CVAC, Act.DC_CIVAC, Act.DC_CVAU, Act.DC_CSW, Act.DC_CISW})
    | {Act.CACHEABLE_CVAC, Act.CACHEABLE_CIVAC, Act.CACHEABLE_CVAU},
    "ivac": frozenset({Act.DC_IVAC, Act.DC_ISW, Act.CACHEABLE_IVAC}),
    "ic": frozenset({Act.IC}),
    "stores": frozenset({Act.WRITE_WT, Act.WRITE_NC}),
    "prefetch": frozenset(),
}
"""The acts that are complete at a barrier, by what is pending; a prefetch needs none."""

_CACHEABLE = {Act.CACHEABLE_CVAC, Act.CACHEABLE_CIVAC, Act.CACHEABLE_IVAC, Act.CACHEABLE_CVAU}
_BY_OPTION = {Act.READ_NC_MAY_HIT, Act.WALK_NC_MAY_HIT, Act.FETCH_NC_HELD, Act.READ_FAR, Act.WRITE_FAR}
_BY_OPTION |= {Act.DC_IVAC_OTHER, Act.WALK_POU, Act.WALK_POU_OTHER, Act.POWER_OFF}
"""Acts that only further options ask for."""

_BARRIERS = {Act.DSB, Act.DMB, Act.ISB}


_OF_MASTERS = {act for act in Act if act.name.startswith(("MASTER", "SNOOPING"))}


def size(pending: Sequence[str], *, idc: bool = False, dic: bool = False, masters: bool = False) -> int:
    """The states of one core of which some operations are pending, and all others complete at once."""
    late = frozenset().union(*(PENDING[each] for each in pending))
    effects = {act: (ORDERED_EFFECTS if act in late else AT_ONCE)[act] for act in ORDERED_EFFECTS}
    left_out = (_CACHEABLE - late) | (set() if pending else _BARRIERS) | {Act.IC_LOCAL} | _BY_OPTION
    left_out |= set() if masters else _OF_MASTERS
    settings = [
        Possible(data, fetch, fetch, fetch and "prefetch" in pending)
        for data in (False, True)
        for fetch in (False, True)
    ]
    letters = [OrderedLetter(act, 0) for act in ORDERED_EFFECTS if act not in left_out]
    return least_states(Profile(idc=idc, dic=dic), effects, letters, settings, 2000)


SIZES: list[tuple[tuple[str, ...], tuple[bool, bool], int]] = [
    ((), (False, False), 311),
    ((), (True, False), 101),
    ((), (True, True), 22),
    (("ic",), (False, False), 676),
    (("ic",), (True, False), 210),
    (("prefetch",), (False, False), 741),
    (("prefetch",), (True, True), 77),
    (("stores",), (True, True), 66),
]

NAMES = {
    (): "nothing",
    ("ic",): "instruction cache operations",
    ("prefetch",): "prefetched instructions",
    ("stores",): "stores",
}
"""What is pending, in the words of the page."""


@pytest.mark.parametrize(
    ("pending", "promises", "states"),
    [pytest.param(*each, marks=pytest.mark.long if each[2] > 400 else ()) for each in SIZES],
)
def test_the_sizes_of_the_smallest_automata(
    pending: tuple[str, ...], promises: tuple[bool, bool], states: int
) -> None:
    idc, dic = promises
    assert size(pending, idc=idc, dic=dic) == states


def test_the_page_has_the_same_sizes() -> None:
    page = (ROOT / "docs" / "reference" / "order.md").read_text()
    for pending, (idc, dic), states in SIZES:
        promises = "idc and dic" if dic else "idc" if idc else "none"
        row = rf"^\| {NAMES[pending]} \|.*"
        (found,) = re.findall(row, page, re.MULTILINE)
        columns = dict(zip(("none", "idc", "idc and dic"), found.split("|")[2:5], strict=True))
        assert columns[promises].strip() == str(states)


@pytest.mark.parametrize(
    ("promises", "states"), [((False, False), 359), ((True, False), 121), ((True, True), 29)]
)
def test_the_sizes_with_masters(promises: tuple[bool, bool], states: int) -> None:
    idc, dic = promises
    assert size((), idc=idc, dic=dic, masters=True) == states
    page = (ROOT / "docs" / "reference" / "order.md").read_text()
    (found,) = re.findall(r"^\| nothing, with masters \|(.*)\|$", page, re.MULTILINE)
    assert found.split("|")[idc + dic].strip() == str(states)


# -- each row --------------------------------------------------------------------------------------------------


@pytest.fixture
def _forget() -> Iterator[None]:
    """Forget what was worked out by other rules."""
    machine.order_machine.cache_clear()
    yield
    machine.order_machine.cache_clear()


def _does_nothing(effect: OrderedEffect) -> OrderedEffect:
    return lambda m, core, profile: iter((m,))


def _waits(effect: OrderedEffect) -> OrderedEffect:
    """The same, but it waits for all that its core has pending."""
    return lambda m, core, profile: effect(m, core, profile) if m.of(core) == NOTHING else iter(())


def _never_waits(effect: OrderedEffect) -> OrderedEffect:
    """The same, but it does not wait for its core's maintenance."""

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        held = m.of(core).maintenance
        for after in effect(m.having(core, m.of(core)._replace(maintenance=())), core, profile):
            yield after.having(core, after.of(core)._replace(maintenance=held))

    return apply


def _waits_for_all(effect: OrderedEffect) -> OrderedEffect:
    """The same, but it waits for all that any core has pending."""
    return lambda m, core, profile: iter(()) if m.pending else effect(m, core, profile)


def _waits_for_nothing(effect: OrderedEffect) -> OrderedEffect:
    """The same, but it does not wait for what any core has pending."""

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        for after in effect(m._replace(pending=()), core, profile):
            yield after._replace(pending=m.pending)

    return apply


def _never_happens(effect: OrderedEffect) -> OrderedEffect:
    """The same, but only its first outcome."""
    return lambda m, core, profile: iter(list(effect(m, core, profile))[:1])


def _always_happens(effect: OrderedEffect) -> OrderedEffect:
    """The same, but only its last outcome."""
    return lambda m, core, profile: iter(list(effect(m, core, profile))[-1:])


_FETCHED_ANEW = f"a isb; a fetch {X}"
_DIRTY = f"{_A}; a unmap {P}"
_HITS = "option nc-may-hit m"
_HELD = "option nc-fetch-held"
_WIDE, FAR = "line 32; option dmin 16", "0x1010 8"

_MASTERS = "master s snoops; master u"
_GIFT = f"give {P} a b n t"

WEAKER = {
    Act.READ: (_never_waits, [_A, f"a dc cvac {X}; a read {X}", _N_READS]),
    Act.READ_OTHER: (_never_waits, [_A, f"a dc cvac {X}; a read {Y}", _N_READS]),
    Act.READ_NC: (_waits, [_A, _M, f"a dc cvac {X}; m read {X}", _N_READS]),
    Act.READ_NC_OTHER: (_never_waits, [_A, _M, f"a dc cvac {X}; a dmb; m read {Y}", f"n walk {X} normal-nc"]),
    Act.READ_NC_MAY_HIT: (_waits, [_HITS, _A, _M, f"a dc cvac {X}; m read {X}", _N_READS]),
    Act.WALK_NC_MAY_HIT: (_waits, [_HITS, _A, _M, f"m dc cvac {X}; m walk {X} normal-nc", _N_READS]),
    # What a walk fills, walks that come again fill as well; only that it waits for nothing is its own.
    Act.WALK: (_waits, [_A, f"a dc cvac {X}; a walk {X} normal-wb", _N_READS]),
    Act.WALK_OTHER: (_waits, [_A, f"a dc cvac {X}; a walk {Y} normal-wb", _N_READS]),
    Act.WALK_POU: (_waits, [_A, f"a dc cvac {X}; a walk {X} pou", _N_READS]),
    Act.WALK_POU_OTHER: (_waits, [_A, f"a dc cvac {X}; a walk {Y} pou", _N_READS]),
    Act.WALK_NC: (_waits, [_A, f"a dc cvac {X}; a walk {X} normal-nc", _N_READS]),
    Act.WRITE: (_never_waits, [f"a map {WB}; a dc ivac {X}; a write {X}; a dsb; a read {X}"]),
    Act.WRITE_OTHER: (_never_waits, [_A, f"a dc cvac {X}; a write {Y}", _N_READS]),
    Act.WRITE_WT: (_does_nothing, [_T, f"t write {X}", _N_READS]),
    Act.WRITE_WT_OTHER: (_never_waits, [_A, _T, f"a dc cvac {X}; t write {Y}", _N_READS]),
    Act.WRITE_NC: (_does_nothing, [_G, f"g write {X}", _N_READS]),
    Act.WRITE_NC_OTHER: (
        _never_waits,
        [_A, _M, f"a dc cvac {X}; a dmb; m write {Y}", f"n walk {X} normal-nc"],
    ),
    Act.FETCH: (_waits, [_CODE, _CLEANED, f"a ic ivau {X}", _FETCHED_ANEW]),
    Act.FETCH_OTHER: (_waits, [_CODE, f"a dc cvac {X}; a fetch {Y}", _N_READS]),
    Act.FETCH_NC: (_waits, [f"{_M} exec; m write {X}; m isb; m fetch {X}"]),
    Act.FETCH_NC_HELD: (_waits, [_HELD, _A, f"{_M} exec; a dc cvac {X}; m fetch {X}", _N_READS]),
    Act.DC_IVAC_OTHER: (_never_happens, [_WIDE, _A, _G, f"g dc ivac {FAR}; g dsb; a read {X}"]),
    Act.READ_FAR: (_waits, [_WIDE, _A, f"a dc cvac {X}; a read {FAR}", _N_READS]),
    Act.WRITE_FAR: (_waits, [_WIDE, _A, f"a dc cvac {X}; a write {FAR}", _N_READS]),
    Act.DC_CVAC: (_does_nothing, [_A, _G, f"g dc cvac {X}; g dsb", _N_READS]),
    Act.DC_CIVAC: (_does_nothing, [_A, _G, f"g dc civac {X}; g dsb", _N_READS]),
    Act.DC_IVAC: (_does_nothing, [_B, _G, f"g write {X}; g dmb; g dc ivac {X}; g dsb", _G_ON]),
    Act.DC_CVAU: (_does_nothing, [_CODE, _G, f"g dc cvau {X}; g dsb", _INVALIDATED, _FETCHED_ANEW]),
    Act.CACHEABLE_CVAC: (_does_nothing, [_A, f"a dc cvac {X}; a dsb", _N_READS]),
    Act.CACHEABLE_CIVAC: (_does_nothing, [_A, f"a dc civac {X}; a dsb", _N_READS]),
    Act.CACHEABLE_IVAC: (
        _does_nothing,
        [f"a map {WB}", _N, f"n write {X}; n dsb; a dc ivac {X}; a dsb; a read {X}"],
    ),
    Act.CACHEABLE_CVAU: (_does_nothing, [_CODE, _CLEANED, _INVALIDATED, _FETCHED_ANEW]),
    Act.DC_CSW: (_always_happens, [_A, f"a dc csw {X}; a dsb", _N_READS]),
    Act.DC_CISW: (_always_happens, [_A, f"a dc cisw {X}; a dsb", _N_READS]),
    Act.DC_ISW: (_never_happens, [_A, f"a dc isw {X}; a dsb; a read {X}"]),
    Act.IC: (_does_nothing, [_CODE, _CLEANED, _INVALIDATED, _FETCHED_ANEW]),
    Act.IC_LOCAL: (_does_nothing, [_CODE, _CLEANED, "a ic iallu; a dsb", _FETCHED_ANEW]),
    Act.POWER_OFF: (_does_nothing, [f"a map {WB}; a write {X}; power-off {X}; a read {X}"]),
    Act.POLL_NC_MAY_HIT: (_waits, [_HITS, _A, _M, f"a dc cvac {X}; m poll {X}", _N_READS]),
    Act.DSB: (_does_nothing, [_A, f"a dc cvac {X}; a dsb", _N_READS]),
    Act.DSB_NSH: (_does_nothing, [_CODE, _CLEANED, "a ic iallu; a dsb nsh", _FETCHED_ANEW]),
    Act.DMB: (_does_nothing, [_A, f"a dc cvac {X}; a dmb", _N_READS]),
    Act.ISB: (_does_nothing, [_CODE, _CLEANED, _INVALIDATED, _FETCHED_ANEW]),
    Act.POLL: (_never_waits, [_A, f"a dc cvac {X}; a poll {X}", _N_READS]),
    Act.POLL_NC: (_waits, [_A, _M, f"a dc cvac {X}; m poll {X}", _N_READS]),
    Act.SNOOPING_READ: (
        _waits_for_nothing,
        [_A, _N, f"a dc cvac {X}; a dmb; s read {X}; n walk {X} normal-nc"],
    ),
    Act.SNOOPING_READ_OTHER: (
        _waits_for_nothing,
        [_A, _N, f"a dc cvac {X}; a dmb; s read {Y}; n walk {X} normal-nc"],
    ),
    Act.SNOOPING_POLL: (
        _waits_for_nothing,
        [_A, _N, f"a dc cvac {X}; a dmb; s poll {X}; n walk {X} normal-nc"],
    ),
    Act.SNOOPING_WRITE: (_never_happens, [f"s write {X}", _N_READS]),
    Act.SNOOPING_WRITE_OTHER: (
        _never_happens,
        [_N, f"n write {X}; n dsb; s write {Y}; n write {X}; n dsb; n read {X}"],
    ),
    Act.MASTER_READ: (_waits_for_all, [_A, f"a dc cvac {X}; u read {X}", _N_READS]),
    Act.MASTER_POLL: (_waits_for_all, [_A, f"a dc cvac {X}; u poll {X}", _N_READS]),
    Act.MASTER_WRITE: (_does_nothing, [_B, f"u write {X}; b read {X}"]),
}
"""For each row of the effects, how it is weakened, and a trace that shows it."""


def test_each_act_has_a_trace_or_is_one_of_an_agents_fetches() -> None:
    assert {*WEAKER, *LABELLED, Act.GIVE} == set(Act)


@pytest.mark.usefixtures("_forget")
@pytest.mark.parametrize("act", WEAKER, ids=[act.name for act in WEAKER])
def test_a_trace_shows_each_effect(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    change, parts = WEAKER[act]
    found = check_text(trace(ORDER, _MASTERS, *parts))
    machine.order_machine.cache_clear()
    monkeypatch.setitem(ORDERED_EFFECTS, act, change(ORDERED_EFFECTS[act]))
    assert check_text(trace(ORDER, _MASTERS, *parts)) != found


FORGETFUL = {
    Act.WRITE: [_A, _GIFT, f"a write {X}; a dc civac {X}; a dsb; a write {X}", _N_READS],
    Act.WRITE_WT: [_T, _GIFT, f"t write {X}; t dsb; t read {X}; t write {X}", _N_READS],
    Act.WRITE_NC: [_B, _N, _GIFT, f"b write {X}; n write {X}; n dsb; b read {X}"],
    Act.SNOOPING_WRITE: [_N, _GIFT, f"n write {X}; n dsb; s write {X}; n read {X}"],
    Act.MASTER_WRITE: [_B, _GIFT, f"b write {X}; u write {X}; b read {X}"],
    Act.GIVE: [_B, f"b write {X}", _GIFT, f"b read {X}"],
}
"""A trace for each row of the owners' effects that differs: without it, a read is a leak, or is none."""


def test_every_row_has_a_trace() -> None:
    """Those that concern one agent's fetches alone are compared in ``tests/checker/test_words.py``."""
    assert {*WEAKER, *FORGETFUL, *LABELLED} == set(Act)


def test_each_row_of_owners_that_differs_has_a_trace() -> None:
    assert set(FORGETFUL) == {act for act in Act if OWNERS_ORDERED.get(act) is not ORDERED_EFFECTS.get(act)}


@pytest.mark.usefixtures("_forget")
@pytest.mark.parametrize("act", FORGETFUL, ids=[act.name for act in FORGETFUL])
def test_a_trace_shows_each_effect_on_owners(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    text = trace(ORDER, _MASTERS, *FORGETFUL[act])
    found = check_text(text)
    machine.order_machine.cache_clear()
    monkeypatch.setitem(OWNERS_ORDERED, act, ORDERED_EFFECTS[act])
    if act is Act.GIVE:
        monkeypatch.setattr(machine, "given", lambda m: m)
    assert check_text(text) != found


SHOWN = {
    "write back 1": [_DIRTY, _N, f"n write {X}; n dsb; n read {X}"],
    "write back 2": [_DIRTY, _N, f"n write {X}; n dsb; n read {X}"],
    "fill 2": ["h icache on; h mmu off", f"h fetch {X}", _N, f"n write {X}; n dsb; b map {WB}; b read {X}"],
    "fill I": [_CODE, _CLEANED, _FETCHED_ANEW],
    "complete": [_A, f"a dc ivac {X}; a dsb; a read {X}"],
    "complete ic": [_CODE, f"a dc cvau {X}", _INVALIDATED, _FETCHED_ANEW],
    "store arrives": [_G, f"h mmu off; g write {X}; h write {X}; h dsb; g dsb", _N_READS],
    HOLD: [_HELD, f"{_M} exec; m write {X}; m dsb; m isb; m fetch {X}"],
    "prefetch": [f"{_M} exec; m write {X}; m dsb; m fetch {X}"],
}
"""Traces that show steps."""

ALSO_OTHERWISE = {
    "fill 1": "level 2 fills, and a read looks there",
    "drop 1": "whatever filled level 1 need not have, or it is written back and left invalid",
    "drop 2": "whatever filled level 2 need not have, or it is written back and left invalid",
    "drop I": "a line of the instruction cache is filled anew",
    "drop prefetch": "a fetch need not return what was prefetched",
}
"""Steps that no trace shows by themselves, and what else comes to the same."""


def test_each_step_is_there() -> None:
    assert {*SHOWN, *ALSO_OTHERWISE} == {*line_rules.STEPS, HOLD, *PENDING_STEPS}


@pytest.mark.usefixtures("_forget")
@pytest.mark.parametrize("name", SHOWN)
def test_a_trace_shows_each_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def others(
        m: OrderedMicrostate, possible: Possible, profile: Profile
    ) -> Iterator[tuple[OrderedStep, OrderedMicrostate]]:
        return ((step, after) for step, after in steps(m, possible, profile) if step.name != name)

    text = trace(ORDER, *SHOWN[name])
    found = check_text(text)
    machine.order_machine.cache_clear()
    monkeypatch.setattr(machine, "steps", others)
    assert found
    assert check_text(text) != found


# -- the states that are learned -------------------------------------------------------------------------------

EVENTS = [CoreEvent(act, core) for core in (0, 1) for act in Act]
LETTERS: list[CoreEvent | Speculation] = [
    *EVENTS,
    Speculation(),
    Speculation(True),
    Speculation(True, frozenset({0}), frozenset({1})),
]
LOOKS = [event for event in EVENTS if event.act in CHECKED]


TWO_CORES = Ordering((CoreAgents("cpu0", ("a",)), CoreAgents("cpu1", ("b",))), barriers=True)


def learned(first: Sequence[CoreEvent | Speculation]) -> LearnedTables:
    """Tables that have met some letters."""
    tables = LearnedTables(CoresMachine(Profile(ordering=TWO_CORES)))
    for letter in first:
        tables.number(letter)
    return tables


def findings(tables: LearnedTables, word: Sequence[CoreEvent | Speculation]) -> list[int]:
    """What each read would find after each letter of a word."""
    state, found = tables.start, []
    for letter in word:
        state = tables.after(state, tables.number(letter))
        found += [int(tables.bad[tables.number(look), state]) for look in LOOKS]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_letters_are_learned_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    words = [rng.choices(LETTERS, k=8) for _ in range(5)]
    tables = [learned(first) for first in ([], LETTERS, rng.sample(LETTERS, len(LETTERS)))]
    found = [[findings(each, word) for word in words] for each in tables]
    assert found[0] == found[1] == found[2]
    # Nor does that of the words.
    again = learned([])
    assert [findings(again, word) for word in reversed(words)] == found[0][::-1]
    assert again.unsettled.sum() == tables[0].unsettled.sum() > 0


@pytest.mark.parametrize("owners", [False, True], ids=["freshness", "owners"])
def test_the_barriers_that_change_a_state_are_those_that_lead_to_another(owners: bool) -> None:
    rng = random.Random(0)
    order = OrderMachine(Profile(), barriers=True, owners=owners)
    events = [OrderedLetter(act, core) for core in (0, 1, 2) for act in ORDERED_EFFECTS]
    fetches = Possible(True, True, True, prefetch=True, prefetch_past=True)
    state, changing = order.start([OrderedMicrostate()]), set[Act]()
    for number in range(200):
        if number % 4 == 0:  # so that not too much is pending
            for core in (0, 1, 2):
                state = order.step(state, OrderedLetter(Act.DSB, core))
        speculation = rng.choice((Possible(), Possible(True), fetches))
        state = order.step(state, speculation if rng.random() < 0.05 else rng.choice(events))
        changed = {
            act
            for act in BARRIER_ACTS
            for core in (0, 1, 2)
            if order.step(state, OrderedLetter(act, core)) != state
        }
        assert order.barriers_that_change(state) == changed
        changing |= changed
    assert changing == set(BARRIER_ACTS)


def test_a_byte_in_too_many_states_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_tables, "MOST_LEARNED", 5)
    with pytest.raises(TraceError, match=r"^5: a byte of memory may be in more than 5 different states$"):
        check_text(trace("version 2; option order", _A, f"a dc cvac {X}; a dsb; a read {X}"))


def test_too_many_letters_are_an_error() -> None:
    tables = learned([CoreEvent(Act.DSB, core) for core in range(MOST_LETTERS - 1)])
    with pytest.raises(
        TraceError, match=r"^too many cores, or too many ways in which pages are mapped, to fol"
    ):
        tables.number(CoreEvent(Act.DMB, 0))


def test_cores_with_too_much_pending_at_once_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each core doubles what may be: so there is a bound, and the line that passes it is named."""
    monkeypatch.setattr(machine, "MOST_AT_ONCE", 200)
    machine.order_machine.cache_clear()
    agents = [f"a{number}" for number in range(8)]
    events = [f"{agent} map 0x1000 0x1000 normal-wb exec" for agent in agents]
    events += [f"{agent} dc ivac 0x1000 64" for agent in agents]
    text = "\n".join(["version 2", "option order", *events])
    with pytest.raises(TraceError, match="too many cores have something pending") as caught:
        check_text(text)
    assert 10 < int(caught.value.where) <= 18
    machine.order_machine.cache_clear()
