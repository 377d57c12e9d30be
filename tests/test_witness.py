# SPDX-License-Identifier: GPL-2.0-or-later
"""
Witnesses: each is walked again, microstate by microstate, by the explorer's rules.

The explorer is written from ``docs/rules.md`` and shares no code with what tells the stories, so a witness that
it can follow, from a cold line to a bad read, is one.
"""

import io
import os
from collections.abc import Iterator
from typing import NamedTuple

import explorer
import pytest
from checking import profile_of
from explorer import CLEAN, DIRTY, INVALID
from hypothesis import HealthCheck, given, settings
from trace_strategies import traces
from worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES

from coldline.coherence import Checker, Hazard, Report, Sink, report
from coldline.coherence.automaton import LETTERS, READS, automaton
from coldline.coherence.rules import STEPS, Microstate, Profile
from coldline.trace.columns import Batch
from coldline.trace.text import TextReader

EXAMPLES = [example for example in WORKED_EXAMPLES + SMALL_EXAMPLES if example[2]]
STORIES = 6
"""Hazards of a random trace that are looked at."""

ASKED = os.environ.get("COLDLINE_EXAMPLES")
hunt = settings(
    max_examples=int(ASKED or 300),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def told(text: str, *, batch: int = 1 << 16, most: int = STORIES) -> Report:
    """What the check says of a trace, its events handed over in batches of some size."""
    reader = TextReader(io.StringIO(text))
    numbered = list(reader)
    batches = [
        Batch.of((event for _, event in part), (where for where, _ in part))
        for part in (numbered[start : start + batch] for start in range(0, len(numbered), batch))
    ]
    checker = Checker(profile_of(reader.header))

    def source(sink: Sink) -> None:
        for each in batches:
            sink(each, None)

    source(lambda each, _: checker.feed(each))
    return report(checker, source, most=most, stories=most)


# -- the trace, as the explorer reads it -----------------------------------------------------------------------


class Moment(NamedTuple):
    """
    One event of a trace, as one line sees it.

    ``touches`` are what befalls the line: rows of the table of events, and the mask of bytes. ``rules`` are in
    force after the event.
    """

    number: int
    words: list[str]
    touches: list[tuple[str, int]]
    rules: explorer.Rules

    @property
    def agent(self) -> str:
        return self.words[0]

    @property
    def op(self) -> str:
        return self.words[1]

    def remaps(self, page: int) -> bool:
        """Whether it changes an alias of a page."""
        if self.op not in ("map", "unmap"):
            return False
        start, size = int(self.words[2], 0), int(self.words[3], 0)
        return start // 4096 <= page < (start + size) // 4096

    @property
    def switches(self) -> bool:
        return self.op in ("mmu", "icache", "dcache")


def moments(text: str, line: int) -> tuple[explorer.Profile, list[Moment]]:
    """What befalls a line, event by event."""
    reader = explorer.Reader()
    lines = text.splitlines()
    found = []
    for number, _, touches in reader.events(text):
        size, page = reader.profile.line, line // 4096
        rules = explorer.Rules(
            any(agent.keeps_alias_live(page) for agent in reader.agents.values()),
            any(agent.may_fetch(page) for agent in reader.agents.values()),
            reader.profile.idc,
            reader.profile.dic,
        )
        mine = []
        for touch in touches:
            first, last = max(touch.start, line), min(touch.end, line + size)
            if first < last:
                mine.append((touch.action, (1 << (last - line)) - (1 << (first - line))))
        found.append(Moment(number, lines[number - 1].partition("#")[0].split(), mine, rules))
    return reader.profile, found


def cold(profile: explorer.Profile) -> explorer.Microstate:
    return explorer.Microstate(INVALID, 0, INVALID, 0, False, 0, (1 << profile.line) - 1)


def of_byte(state: explorer.Microstate, offset: int) -> Microstate:
    """What is so of one byte."""

    def fresh(mask: int) -> bool:
        return bool(mask >> offset & 1)

    projected = (
        *(state.l1, fresh(state.f1), state.l2, fresh(state.f2)),
        *(state.ic, fresh(state.fi), fresh(state.fm)),
    )
    return Microstate(*projected)  # type: ignore[arg-type]  # a level is a number there


def is_named(name: str, before: explorer.Microstate, after: explorer.Microstate) -> bool:
    """Whether a step is the row of the closure's table that it says it is."""
    return {
        "write back 1": before.l1 == DIRTY and after.l1 != DIRTY and after.l2 == DIRTY,
        "drop 1": before.l1 == CLEAN and after.l1 == INVALID,
        "write back 2": before.l2 == DIRTY and after.l2 != DIRTY and after.fm == before.f2,
        "drop 2": before.l2 == CLEAN and after.l2 == INVALID,
        "drop I": before.ic and not after.ic,
        "fill 2": before.l2 == INVALID and after.l2 == CLEAN,
        "fill 1": before.l1 == INVALID and after.l1 == CLEAN,
        "fill I": after.ic and (before.l1, before.l2) == (after.l1, after.l2),
    }[name]


# -- walking a witness again -----------------------------------------------------------------------------------


def walk_again(text: str, hazard: Hazard) -> None:
    """Assert that a witness is a way from a cold line to its bad read that the rules and the trace allow."""
    entry = hazard.entry
    size = next((int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")), 64)
    line = entry.address // size * size
    profile, trace = moments(text, line)
    offset = entry.address - line
    after = {moment.number: moment for moment in trace}
    agents = {
        step.happening.event.agent
        for step in hazard.story
        if step.happening is not None and step.happening.event.op.has_range
    }
    states = {cold(profile)}
    rules = [explorer.Rules(False, False, profile.idc, profile.dic)]
    to_come = iter(trace)
    repeats: list[int] = []
    for number, step in enumerate(hazard.story):
        if step.step is not None:
            ahead = next(each.happening for each in hazard.story[number:] if each.happening is not None)
            # A fetch allows a prefetch before it; nothing else acts before it has come.
            now = [*rules, *([after[ahead.wheres[0]].rules] if ahead.event.op.words == "fetch" else [])]
            states = {
                t
                for s in states
                for each in now
                for t in explorer._spontaneous(s, each)
                if is_named(step.step, s, t) and of_byte(t, offset) == step.state
            }
            assert states, f"{step.step} leads nowhere"
            continue
        assert step.happening is not None
        moment = _skip_to(step.happening.wheres[0], to_come, line // 4096, agents, repeats)
        assert str(step.happening.event).split()[:2] == moment.words[:2]
        assert _concerns(moment, line // 4096, agents), f"{moment.words} is no concern of the line"
        repeats = step.happening.wheres
        if number == len(hazard.story) - 1:
            assert entry.where in step.happening.wheres
            _assert_bad(states, moment, hazard, offset, profile)
            return
        for action, mask in moment.touches:
            states = {t for s in states for t in explorer._effect(s, action, mask, profile)}
        states = {s for s in states if of_byte(s, offset) == step.state}
        assert states, f"{moment.words} does not do that"
        rules = [moment.rules]
    raise AssertionError("the story has no end")


def _skip_to(
    number: int, to_come: Iterator[Moment], page: int, agents: set[str], repeats: list[int]
) -> Moment:
    """The moment of an event's line; what comes before it concerns the line no more, or is the same again."""
    for moment in to_come:
        if moment.number == number:
            return moment
        if moment.number not in repeats:
            assert not moment.touches, f"{moment.words} is left out"
            assert not moment.remaps(page), f"{moment.words} is left out"
            assert not moment.switches or moment.agent not in agents, f"{moment.words} is left out"
    raise AssertionError(f"line {number} is not an event that comes next")


def _concerns(moment: Moment, page: int, agents: set[str]) -> bool:
    """Whether an event touches the line, changes its page's aliases, or is a switch of somebody who does."""
    if moment.touches or moment.remaps(page):
        return True
    if moment.switches:
        return moment.agent in agents
    # A fetch with the MMU off, from this page or the one before it, lets a prefetch reach the line.
    return moment.op == "fetch" and int(moment.words[2], 0) // 4096 in (page - 1, page)


def _assert_bad(
    states: set[explorer.Microstate],
    moment: Moment,
    hazard: Hazard,
    offset: int,
    profile: explorer.Profile,
) -> None:
    """In every state that the story may be in, the read gets its first byte wrong, in the way it says."""
    ((action, mask),) = moment.touches
    assert {of_byte(state, offset) for state in states} == {hazard.story[-1].state}
    for state in states:
        bad = explorer._bad_bytes({state}, action, mask, profile)[hazard.entry.kind]
        assert bad >> offset & 1


# -- the fewest steps ------------------------------------------------------------------------------------------


def fewest_steps(text: str, hazard: Hazard, line: int) -> int:
    """The least number of steps of the caches' own that leads to a hazard, by trying them all."""
    profile, trace = moments(text, line)
    offset = hazard.entry.address - line
    costs = {cold(profile): 0}
    for moment in trace:
        costs = _settled(costs, moment.rules)
        if moment.number == hazard.entry.where:
            ((action, mask),) = moment.touches
            return min(
                cost
                for state, cost in costs.items()
                if explorer._bad_bytes({state}, action, mask, profile)[hazard.entry.kind] >> offset & 1
            )
        for action, mask in moment.touches:
            reached: dict[explorer.Microstate, int] = {}
            for state, cost in costs.items():
                for target in explorer._effect(state, action, mask, profile):
                    reached[target] = min(cost, reached.get(target, cost))
            costs = reached
        costs = _settled(costs, moment.rules)
    raise AssertionError("the trace does not come to the hazard")


def _settled(costs: dict[explorer.Microstate, int], rules: explorer.Rules) -> dict[explorer.Microstate, int]:
    """All that is reached by any number of steps, each with the fewest."""
    found = dict(costs)
    waiting = sorted(found, key=found.__getitem__)
    while waiting:
        reached = []
        for state in waiting:
            for target in explorer._spontaneous(state, rules):
                if found[state] + 1 < found.get(target, 1 << 30):
                    found[target] = found[state] + 1
                    reached.append(target)
        waiting = reached
    return found


def steps_of(hazard: Hazard) -> list[str]:
    return [step.step for step in hazard.story if step.step is not None]


def line_of(text: str, hazard: Hazard) -> int:
    size = next((int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")), 64)
    return hazard.entry.address // size * size


@pytest.mark.parametrize("text", [e[1] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_witnesses_of_examples(text: str) -> None:
    found = told(text, most=100).hazards
    assert found
    for hazard in found:
        walk_again(text, hazard)
        assert len(steps_of(hazard)) == fewest_steps(text, hazard, line_of(text, hazard))


@hunt
@given(traces())
def test_any_witness_is_a_way_that_the_rules_allow(text: str) -> None:
    for hazard in told(text).hazards:
        walk_again(text, hazard)


@settings(hunt, max_examples=int(ASKED or 250))
@given(traces(max_events=12))
def test_any_witness_has_the_fewest_steps(text: str) -> None:
    for hazard in told(text, most=3).hazards:
        assert len(steps_of(hazard)) == fewest_steps(text, hazard, line_of(text, hazard))


# -- what a story says -----------------------------------------------------------------------------------------

RACE = """\
builder map 0x40000000 0x1000 normal-wb
builder write 0x40000000 64
builder dc civac 0x40000000 64
builder unmap 0x40000000 0x1000
guest mmu off
guest write 0x40000008 8
guest map 0x40000000 0x1000 normal-wb
guest mmu on
guest read 0x40000000 64
"""


def items(hazard: Hazard) -> list[int | str]:
    """A story as lines of the text and steps."""
    return [
        step.happening.wheres[0] if step.happening is not None else step.step or "" for step in hazard.story
    ]


def test_the_race_is_told_in_one_step() -> None:
    (hazard,) = told(RACE).hazards
    story = items(hazard)
    assert story[3] in ("fill 1", "fill 2")
    assert story[:3] + story[4:] == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_hazard_that_needs_no_step_has_none() -> None:
    text = "w map 0x1000 0x1000 normal-wb\nw write 0x1000 8\ng mmu off\ng read 0x1000 8\n"
    (hazard,) = told(text).hazards
    assert items(hazard) == [1, 2, 3, 4]
    assert str(hazard.story[-1].state) == "L1 dirty new, L2 invalid, I invalid, memory OLD"


def test_a_story_has_nothing_of_other_lines_pages_and_agents() -> None:
    others = """\
idle map 0x9000 0x1000 normal-wb
idle mmu off
builder map 0x50000000 0x1000 normal-wb
builder write 0x40000040 64
guest write 0x40000040 8
guest walk 0x50000000 8 normal-wb
idle icache on
idle fetch 0x9000 4
builder dc civac 0x50000000 64
"""
    mixed = others.splitlines()
    whole = RACE.splitlines()
    # After "builder map" and before "guest mmu off": all of these can be there.
    text = "\n".join([whole[0], *mixed[:4], *whole[1:8], mixed[5], *mixed[6:], whole[8]]) + "\n"
    (hazard,) = told(text).hazards
    lines = text.splitlines()
    events = [lines[item - 1] for item in items(hazard) if isinstance(item, int)]
    assert events == whole


def test_what_comes_again_at_once_is_told_once() -> None:
    text = RACE.replace("guest write 0x40000008 8\n", "guest write 0x40000008 8\n" * 50)
    text = text.replace("guest read 0x40000000 64\n", "guest read 0x40000000 64\n" * 3)
    hazards = told(text).hazards
    assert [hazard.entry.where for hazard in hazards] == [58, 59, 60]
    for hazard in hazards:
        counts = [len(step.happening.wheres) for step in hazard.story if step.happening is not None]
        assert counts == [1, 1, 1, 1, 1, 50, 1, 1, 3]
        walk_again(text, hazard)


@pytest.mark.parametrize(
    "profile",
    [
        Profile(),
        Profile(nc_may_hit=True),
        Profile(idc=True),
        Profile(dic=True),
        Profile(idc=True, dic=True),
    ],
    ids=["none", "nc-may-hit", "idc", "dic", "idc-dic"],
)
def test_the_same_event_again_at_once_changes_nothing(profile: Profile) -> None:
    """So a story may tell it once, and a read that comes again is bad where the first one is."""
    machine = automaton(profile)
    for state, row in enumerate(machine.step):
        for letter in LETTERS:
            after = row[letter]
            assert machine.step[after][letter] == after
            if letter in READS:
                column = READS.index(letter)
                assert not machine.bad[after][column] & ~machine.bad[state][column]


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 100])
def test_a_story_is_the_same_however_its_events_come(batch: int) -> None:
    for _, text, _ in WORKED_EXAMPLES:
        whole, parts = told(text), told(text, batch=batch)
        assert [items(hazard) for hazard in parts.hazards] == [items(hazard) for hazard in whole.hazards]
        assert [hazard.entry for hazard in parts.hazards] == [hazard.entry for hazard in whole.hazards]


def test_steps_of_every_cache_occur_in_stories() -> None:
    """Filling level 1 does no more harm than filling level 2, which is as short, so it need not be told."""
    seen = {
        name
        for _, text, _ in EXAMPLES
        for hazard in told(text, most=100).hazards
        for name in steps_of(hazard)
    }
    assert seen <= STEPS.keys()
    assert seen >= {"write back 1", "write back 2", "fill 2", "fill I", "drop I"}
