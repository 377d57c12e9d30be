# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the tables from events to letters that no verdict depends on: what they do, caches do by themselves.

If caches may lead from one microstate to another and back, a byte that may be in one may be in the other. So an event
that makes of each microstate such another one changes no verdict. Stories may depend on it all the same: an event of
the trace says more than a fill by speculation.
"""

from collections.abc import Iterator

import pytest

from coldline.rules import line_rules
from coldline.rules.alphabet import ACCESSES, OTHER, Letter
from coldline.rules.automaton import Automaton, automaton
from coldline.rules.order.alphabet import AS_OTHER, Act, OrderedLetter, Possible
from coldline.rules.order.microstate import OrderedMicrostate, Pending, StoreInFlight
from coldline.rules.order.outcomes import outcomes
from coldline.rules.order.steps import steps
from coldline.rules.profile import Profile
from tests.explain.test_witness import told
from tests.rules.row_traces import AT_ONCE, WX, W, X, Y, in_lines

PROFILES = [Profile(idc=idc, dic=dic) for idc in (False, True) for dic in (False, True)]
NAMES = ["none", "dic", "idc", "idc and dic"]
NEEDS_DATA = {Letter.READ_WB, Letter.READ_WB_OTHER, Letter.WRITE_WB, Letter.WRITE_WB_OTHER, Letter.WRITE_WT}
NEEDS_FETCH = {Letter.FETCH_WB, Letter.FETCH_WB_OTHER}


def states_where_fetches_are_possible(found: Automaton) -> set[int]:
    """The states that a byte may be in while a cacheable fetch is possible, after events that are possible."""
    start = found.start, Letter.SET_NONE
    reached, waiting = {start}, [start]
    while waiting:
        state, at = waiting.pop()
        setting = at.setting
        assert setting is not None
        for letter in Letter:
            if (letter in NEEDS_DATA and not setting.data) or (letter in NEEDS_FETCH and not setting.fetch):
                continue
            after = found.step[state][letter], at if letter.setting is None else letter
            if after not in reached:
                reached.add(after)
                waiting.append(after)
    return {state for state, at in reached if at.setting is not None and at.setting.fetch}


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
def test_a_fetch_of_other_bytes_changes_no_verdict(profile: Profile) -> None:
    """`OTHER` of a fetch: while it is possible, instruction caches fill by themselves."""
    assert OTHER[Letter.FETCH_WB] is Letter.FETCH_WB_OTHER
    assert Letter.FETCH_WB in ACCESSES
    found = automaton(profile)
    states = states_where_fetches_are_possible(found)
    assert len(states) > 5
    assert all(found.step[state][Letter.FETCH_WB_OTHER] == state for state in states)


def microstates() -> Iterator[OrderedMicrostate]:
    """All copies that a byte may have, with each store that may be in flight, or none."""
    stores = [StoreInFlight(fresh, through) for fresh in (False, True) for through in (False, True)]
    for line in line_rules.microstates():
        yield OrderedMicrostate(line)
        for core in (0, 1):
            yield from (OrderedMicrostate(line).having(core, Pending(store=store)) for store in stores)


def is_led_back(m: OrderedMicrostate, after: OrderedMicrostate, possible: Possible, profile: Profile) -> bool:
    """Whether caches lead from a microstate to another one by one step, and back; or both are the same."""
    there = {each for _, each in steps(m, possible, profile)}
    back = {each for _, each in steps(after, possible, profile)}
    return after == m or (after in there and m in back)


@pytest.mark.parametrize("profile", PROFILES, ids=NAMES)
@pytest.mark.parametrize(
    ("act", "possible"),
    [
        (Act.FETCH_OTHER, Possible(fetch=True)),
        (Act.READ_FAR, Possible(data=True)),
        (Act.FETCH_NC_HELD_BY, Possible(held_by=(3,))),
    ],
    ids=lambda each: each.name if isinstance(each, Act) else "",
)
def test_what_an_event_does_caches_do_by_themselves(act: Act, possible: Possible, profile: Profile) -> None:
    """`AS_OTHER` of a fetch; and what `row_traces.INSTEAD` says of the rows that come next."""
    tried = 0
    for m in microstates():
        if profile.dic and m.line.icache:
            continue
        for core in (0, 1):
            found = list(outcomes(m, OrderedLetter(act, core, label=3), profile, barriers=True))
            assert found
            assert all(is_led_back(m, after, possible, profile) for after in found)
            tried += 1
    assert tried > 500


@pytest.mark.parametrize(
    ("row", "by_itself"), [(True, []), (False, ["fill I"])], ids=["with it", "without it"]
)
def test_a_story_says_that_a_fetch_of_other_bytes_has_filled_the_instruction_cache(
    row: bool, by_itself: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of `AS_OTHER` is for that."""
    assert AS_OTHER[Act.FETCH] is Act.FETCH_OTHER
    if not row:
        monkeypatch.delitem(AS_OTHER, Act.FETCH)
    text = in_lines(f"{AT_ONCE}; {W}; {WX}; x fetch {Y}; w write {X}; w dc cvau {X}; x fetch {X}")
    (hazard,) = told(text).hazards
    assert [each.step for each in hazard.story if each.step is not None] == by_itself
