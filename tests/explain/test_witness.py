# SPDX-License-Identifier: GPL-2.0-or-later
"""Each witness is a valid trace, can be replayed microstate by microstate, and is a shortest one.

`replay`, which replays them, and the search for shorter ones use the explorer, which is written from
``docs/reference/rules.md`` and shares no code with `coldline.explain`.
"""

import io
import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from coldline.checker import Checker
from coldline.events.batch import Batch
from coldline.events.source import Batches
from coldline.explain.explained import ExplainedHazard
from coldline.explain.line_history import MAX_STORY
from coldline.explain.paths import OUTCOMES
from coldline.explain.witness import START
from coldline.report.model import Report
from coldline.report.reporters.witness import witness_lines
from coldline.rules.line_rules import STEPS
from coldline.trace.text import TextReader
from coldline.verdict import Judgement, judge
from tests.helpers.checking import Found, check_text
from tests.helpers.effort import ASKED, examples
from tests.helpers.trace_strategies import traces
from tests.helpers.worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES
from tests.oracles.replay import NEEDS, Refused, fewest_steps, read, replay

EXAMPLES = [example for example in WORKED_EXAMPLES + SMALL_EXAMPLES if example[2]]
STORIES = 6
"""Hazards of a random trace that are looked at."""

hunt = settings(
    max_examples=examples(300),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def told(text: str, *, batch: int = 1 << 16, most: int = STORIES) -> Judgement:
    """The judgement of a trace whose events come in batches of some size."""
    reader = TextReader(io.StringIO(text))
    numbered = list(reader)
    batches = [
        Batch.of((event for _, event in part), (where for where, _ in part))
        for part in (numbered[start : start + batch] for start in range(0, len(numbered), batch))
    ]
    checker = Checker(reader.profile)

    source = Batches(batches)
    source.run(checker.feed)
    return judge(checker, source, most=most, stories=most)


def witnesses(found: Judgement) -> list[str]:
    """The witness of each hazard."""
    text = "".join(f"{line}\n" for line in witness_lines(Report(subject="a.trace", judgement=found)))
    return text.split("\n\n")[:-1]


def steps_of(hazard: ExplainedHazard) -> list[str]:
    return [step.step for step in hazard.story if step.step is not None and step.step != START]


def items(hazard: ExplainedHazard) -> list[int | str]:
    """A story as lines of the text and steps."""
    return [
        step.line_event.where if step.line_event is not None else step.step or "" for step in hazard.story
    ]


@st.composite
def polled_traces(draw: DrawFn) -> str:
    """Traces in which some sequences of accesses and maintenance repeat several times."""
    lines = draw(traces(max_events=10)).splitlines()
    for _ in range(2):
        start = draw(st.integers(0, len(lines) - 1))
        stretch = []
        for line in lines[start : start + draw(st.integers(1, 3))]:
            if not re.match(r"\S+ (read|write|fetch|walk|dc|ic) ", line):
                break
            stretch.append(line)
        lines[start + len(stretch) : start + len(stretch)] = stretch * draw(st.integers(2, 4))
    return "\n".join(lines) + "\n"


ANY_TRACE = st.one_of(traces(), traces(), polled_traces())


# -- each is what it says ----------------------------------------------------------------------------------------


def assert_replays(text: str, most: int = STORIES) -> None:
    """Assert that each witness leads from a cold line to its bad read, as the rules and the trace allow."""
    found = told(text, most=most)
    lines = text.splitlines()
    of_file = check_text(text) if found.hazards else []
    for hazard, witness in zip(found.hazards, witnesses(found), strict=True):
        replay(witness)
        entry = hazard.entry
        start = entry.address - entry.address % found.profile.line
        # Of several lines it has the first.
        size = min(entry.size, start + found.profile.line - entry.address)
        assert read(witness)[0] == (entry.kind, entry.event.agent, entry.address, size)
        # As a trace, it has what the file has: all hazards of that event on that line, and of no other line.
        alone = check_text(witness)
        last = max(line.number for line in read(witness)[1])
        assert {each.address // found.profile.line for each in alone} == {start // found.profile.line}
        assert sorted(each[1:] for each in alone if each.line == last) == sorted(
            each[1:]
            for each in of_file
            if each.line == entry.where and each.address // found.profile.line == start // found.profile.line
        )
        # It has the file's events, in their order, ending with the hazard's own.
        told_lines = [item for item in items(hazard) if isinstance(item, int)]
        assert told_lines == sorted(set(told_lines))
        assert told_lines[-1] == entry.where
        for step in hazard.story:
            if step.line_event is not None:
                spelt = list(TextReader([lines[step.line_event.where - 1]]))
                assert [each.event for each in spelt] == [step.line_event.event]


@pytest.mark.parametrize("text", [e[1] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_witnesses_of_examples(text: str) -> None:
    assert told(text).hazards
    assert_replays(text, most=100)
    assert_shortest(text, most=100)


@hunt
@given(ANY_TRACE)
def test_any_witness_is_a_way_that_the_rules_allow(text: str) -> None:
    assert_replays(text)


# -- none is shorter ---------------------------------------------------------------------------------------------


def assert_shortest(text: str, most: int) -> None:
    for hazard in told(text, most=most).hazards:
        entry = hazard.entry
        assert len(steps_of(hazard)) == fewest_steps(text, entry.where, entry.kind, entry.address)


@settings(hunt, max_examples=examples(250))
@given(st.one_of(traces(max_events=12), polled_traces()))
def test_any_witness_has_the_fewest_steps(text: str) -> None:
    assert_shortest(text, most=3)


# -- the replayer refuses what is none ---------------------------------------------------------------------------


def is_step(line: str) -> bool:
    return line.startswith("#! ") and line[3:].split(" #")[0].split()[0] in ("write", "drop", "fill")


def refused(lines: list[str], *, states: bool = True) -> bool:
    try:
        replay("\n".join(lines) + "\n", states=states)
    except Refused:
        return True
    return False


@settings(hunt, max_examples=examples(150))
@given(ANY_TRACE, st.data())
def test_a_witness_that_is_tampered_with_is_refused(text: str, data: st.DataObject) -> None:
    found = told(text, most=3)
    assume(found.hazards)
    for witness in witnesses(found):
        lines = witness.splitlines()
        replay(witness)
        steps = [number for number, line in enumerate(lines) if is_step(line)]
        for at in steps:
            # With one step less it would be shorter than the shortest, whatever it shows.
            assert refused([line for number, line in enumerate(lines) if number != at], states=False)
            # The state that is shown changes with a step, so it can stand nowhere else.
            assert refused([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])
            assert refused([*lines[:at], lines[at], *lines[at:]]) or "fill I" in lines[at]
        body = [number for number, line in enumerate(lines) if " # L1 " in line]
        at = data.draw(st.sampled_from(body))
        name = data.draw(st.sampled_from(sorted(STEPS)))
        before = "L1 invalid, L2 invalid, I invalid, memory new" if at == body[0] else lines[at - 1]
        if not may_happen(name, before):
            outcomes = (" clean", " invalid") if name.startswith("write back") else ("",)
            state = before.partition("# ")[2]
            for outcome in outcomes:
                assert refused([*lines[:at], f"#! {name}{outcome} # {state}", *lines[at:]])


def may_happen(name: str, state: str) -> bool:
    """Whether a line's state, in words, allows a step."""
    level1, level2, icache, _ = re.sub(r".*(L1 .*? memory \w+).*", r"\1", state).split(", ")
    return {
        "write back 1": "dirty" in level1,
        "drop 1": "clean" in level1,
        "write back 2": "dirty" in level2,
        "drop 2": "clean" in level2,
        "drop I": "valid " in icache,
        "fill 2": "invalid" in level2,
        "fill 1": "invalid" in level1,
        "fill I": True,
    }[name]


def test_the_replayer_tells_good_from_bad() -> None:
    """A witness by hand: set/way maintenance missed a dirty line, which is then written back over new data."""
    good = [
        "#! lost-write n 0x1000 8",
        "w map 0x1000 0x1000 normal-wb exec # L1 invalid, L2 invalid, I invalid, memory new",
        "w write 0x1000 64                  # L1 dirty new, L2 invalid, I invalid, memory OLD",
        "n map 0x1000 0x1000 normal-nc      # L1 dirty new, L2 invalid, I invalid, memory OLD",
        "n dc isw 0x1000 64 #! nothing      # L1 dirty new, L2 invalid, I invalid, memory OLD",
        "n write 0x1000 64                  # L1 dirty OLD, L2 invalid, I invalid, memory new",
        "#! write back 1 invalid            # L1 invalid, L2 dirty OLD, I invalid, memory new",
        "#! write back 2 clean              # L1 invalid, L2 clean OLD, I invalid, memory OLD",
        "n read 0x1000 8                    # L1 invalid, L2 clean OLD, I invalid, memory OLD",
    ]
    replay("\n".join(good))
    assert read("\n".join(good))[0] == Found(0, "lost-write", "n", 0x1000, 8)[1:]

    def changed(at: int, old: str, new: str) -> list[str]:
        assert old in good[at]
        return [*good[:at], good[at].replace(old, new), *good[at + 1 :]]

    tampered = [
        changed(0, "lost-write", "stale-read"),
        changed(0, " n ", " w "),
        changed(0, "0x1000", "0x1008"),
        changed(0, "#!", "#"),
        changed(4, "nothing", "discard"),
        changed(4, "nothing", "clean"),
        changed(4, "nothing", "cleaned"),
        changed(4, "#! nothing", ""),
        changed(5, "64 ", "64 #! clean "),
        changed(5, "dirty OLD", "dirty new"),
        changed(6, "invalid  ", "clean  "),
        changed(6, "write back 1", "write back 3"),
        changed(6, "write back 1 invalid", "fill 2"),
        changed(6, "write back 1 invalid", "fill I"),
        changed(7, "clean  ", "invalid  "),
        changed(7, "memory OLD", "memory new"),
        changed(8, "8 ", "8 #! memory "),
        changed(8, "read 0x1000 8", "write 0x1000 8"),
        changed(8, "read 0x1000 8", "read 0x1008 8"),
        good[:-1],
        [*good, good[7]],
        [*good[:6], *good[7:]],
        [*good[:6], good[7], good[6], good[8]],
        [*good[:3], *good[4:]],
    ]
    assert [lines for lines in tampered if not refused(lines)] == []


SCRUBBED = """\
w map 0x1000 0x1000 normal-wb
n map 0x1000 0x1000 normal-nc
w write 0x1000 64
n dc {op} 0x1000 64
n read 0x1000 8
"""


@pytest.mark.parametrize(
    ("header", "op", "outcome"),
    [
        ("", "ivac", "discard"),
        ("", "csw", "nothing"),
        ("", "cisw", "nothing"),
        ("", "isw", "nothing"),
        ("option setway-effective", "isw", "discard"),
    ],
)
def test_what_came_of_an_event_is_said_where_it_may_be_more_than_one_thing(
    header: str, op: str, outcome: str
) -> None:
    hazards = told(f"{header}\n{SCRUBBED.format(op=op)}").hazards
    assert outcome in {hazard.story[-2].outcome for hazard in hazards}
    assert all(hazard.story[-1].outcome == "" for hazard in hazards)


@pytest.mark.parametrize("op", ["cvau", "ivac"])
def test_what_came_of_an_event_is_not_said_where_it_is_one_thing(op: str) -> None:
    hazards = told(SCRUBBED.format(op=op)).hazards
    assert {step.outcome for hazard in hazards for step in hazard.story if step.line_event} == (
        {"", "discard"} if op == "ivac" else {""}
    )


def test_the_copy_that_is_read_is_said_where_it_may_be_any() -> None:
    text = """\
option nc-may-hit
w map 0x1000 0x1000 normal-wb
n map 0x1000 0x1000 normal-nc
w read 0x1000 64
w dcache off
n write 0x1000 64
n read 0x1000 8
"""
    (hazard,) = told(text).hazards
    assert hazard.story[-1].outcome == "level 1"
    (witness,) = witnesses(told(text))
    assert "n read 0x1000 8 #! level 1" in witness
    replay(witness)


def test_replayer_and_stories_have_the_same_words() -> None:
    assert set(NEEDS) == set(STEPS)
    assert {word for words in OUTCOMES.values() for word in words} == {"nothing", "discard", "clean"}


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


def counts(hazard: ExplainedHazard) -> list[tuple[int, int]]:
    """The lines of a story's events, and how often each happened."""
    return [(step.line_event.where, step.times) for step in hazard.story if step.line_event is not None]


def test_what_comes_again_at_once_is_told_once() -> None:
    text = RACE.replace("guest write 0x40000008 8\n", "guest write 0x40000008 8\n" * 50)
    text = text.replace("guest read 0x40000000 64\n", "guest read 0x40000000 64\n" * 3)
    hazards = told(text).hazards
    assert [hazard.entry.where for hazard in hazards] == [58, 59, 60]
    start = [*((line, 1) for line in range(1, 6)), (6, 50), (56, 1), (57, 1)]
    assert [counts(hazard) for hazard in hazards] == [
        [*start, (58, 1)],
        [*start, (58, 1), (59, 1)],
        [*start, (58, 2), (60, 1)],
    ]
    assert_replays(text)


@pytest.mark.long
def test_a_loop_is_told_once() -> None:
    loop = "a write 0x40000000 8\na read 0x40000000 8\na dc cvac 0x40000000 8\n"
    text = f"""\
a map 0x40000000 0x1000 normal-wb
b map 0x40000000 0x1000 normal-nc
{loop * 3000}a write 0x40000000 8
b read 0x40000000 8
"""
    (hazard,) = told(text).hazards
    assert counts(hazard) == [(1, 1), (2, 1), (3, 3000), (4, 3000), (5, 3000), (9003, 1), (9004, 1)]
    assert steps_of(hazard) == []
    replay(witnesses(told(text))[0])


def test_a_loop_of_mappings_is_told_once() -> None:
    lap = "a map 0x40000000 0x1000 normal-wb\na write 0x40000000 8\na unmap 0x40000000 0x1000\n"
    text = f"{lap * 500}g mmu off\ng read 0x40000000 8\n"
    (hazard,) = told(text).hazards
    assert len(hazard.story) < 12
    assert sum(times for _, times in counts(hazard)) == 1502
    replay(witnesses(told(text))[0])


@pytest.mark.long
def test_a_line_with_a_long_life_has_no_story() -> None:
    """No two writes are the same, so that none of them can be left out."""
    writes = "".join(f"a write {0x1000 + n % 61} {1 + n // 61}\n" for n in range(MAX_STORY - 3))
    start = "line 2048\na map 0x1000 0x1000 normal-wb\nb map 0x1000 0x1000 normal-nc\n"
    (hazard,) = told(f"{start}{writes}b read 0x1000 4\n").hazards
    assert len(hazard.story) == MAX_STORY
    late = told(f"{start}{writes}a write 0x1400 4\nb read 0x1000 4\n")
    assert [hazard.story for hazard in late.hazards] == [[]]
    (witness,) = witnesses(late)
    assert "\n# this hazard has no story" in witness


def test_switches_of_others_are_not_told_until_they_matter() -> None:
    storm = "x mmu off\nx dcache off\nx mmu on\n" * 40
    text = f"""\
w map 0x1000 0x1000 normal-wb
{storm}w write 0x1000 64
x map 0x1000 0x1000 normal-wb
x read 0x1000 8
"""
    (hazard,) = told(text).hazards
    assert counts(hazard) == [(1, 1), (120, 1), (122, 1), (123, 1), (124, 1)]
    assert_replays(text)
    idle = text.replace("x map 0x1000 0x1000 normal-wb", "x dc ivac 0x1000 8").replace("x read", "w read")
    (hazard,) = told(idle).hazards
    assert counts(hazard) == [(1, 1), (122, 1), (123, 1), (124, 1)]


def test_a_prefetch_that_an_instruction_cache_allows_later_is_told() -> None:
    """The fetch is of another line and comes before SCTLR.I is set; it lets the prefetch reach this one."""
    text = """\
w map 0x1000 0x1000 normal-nc exec
g mmu off
g fetch 0x1800 4
g icache on
w write 0x1000 64
g icache off
w icache on
w unmap 0x1000 0x1000
w map 0x1000 0x1000 normal-wb exec
w fetch 0x1000 4
"""
    (hazard,) = told(text).hazards
    assert [line for line, _ in counts(hazard)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert steps_of(hazard) in (["fill I"], ["fill 2"])
    assert_replays(text)
    # Had SCTLR.I never been set, there would be no hazard; where it is set too late, the fetch is not told.
    assert check_text(text.replace("g icache on\n", "")) == []


def test_maintenance_of_everything_is_told() -> None:
    """`ic iallu` has no address, and its agent may have no other event."""
    text = """\
w map 0x1000 0x1000 normal-wb exec
w fetch 0x1000 4
w write 0x1000 64
x ic iallu
w fetch 0x1000 4
"""
    (hazard,) = told(text).hazards
    assert [line for line, _ in counts(hazard)] == [1, 2, 3, 4, 5]
    assert_replays(text)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 100])
def test_a_story_is_the_same_however_its_events_come(batch: int) -> None:
    for _, text, _ in WORKED_EXAMPLES:
        whole, parts = told(text), told(text, batch=batch)
        assert [items(hazard) for hazard in parts.hazards] == [items(hazard) for hazard in whole.hazards]
        assert [hazard.entry for hazard in parts.hazards] == [hazard.entry for hazard in whole.hazards]


def test_steps_of_every_cache_occur_in_stories() -> None:
    """A fill of level 1 is not needed: a fill of level 2 has the same effect, and the story is as short."""
    seen = {
        name
        for _, text, _ in EXAMPLES
        for hazard in told(text, most=100).hazards
        for name in steps_of(hazard)
    }
    assert seen <= STEPS.keys()
    assert seen >= {"write back 1", "write back 2", "fill 2", "fill I", "drop I"}
