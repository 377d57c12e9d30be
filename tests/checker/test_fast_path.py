# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled loop finds the same hazards as the interpreter and leaves memory in the same state."""

import io
import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldline.arm import MemoryType
from coldline.checker import Checker
from coldline.checker.dense_rows import COMPILE_FROM
from coldline.checker.fast_path import FastPath
from coldline.checker.state.dense_chunks import CHUNK
from coldline.checker.state.findings import entries
from coldline.checker.state.memory import NOT_DENSE, PAGES
from coldline.checker.state.partitions import CROWD, OWN, SHARED
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules import Profile
from coldline.trace.text import TextReader, parse_event
from tests.helpers.effort import ASKED, examples
from tests.helpers.trace_strategies import broken_traces, traces
from tests.helpers.worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES
from tests.oracles import explorer

LINE_SIZES = (16, 64, 2048)
LAST = (1 << 52) - PAGE_SIZE
Numbered = list[tuple[int, Event]]

hunt = settings(
    max_examples=examples(400),
    derandomize=ASKED is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def read(text: str, *, line: int | None = None) -> tuple[Profile, Numbered]:
    """A trace's profile, with `line` as its line size if given, and its events."""
    reader = TextReader(io.StringIO(text))
    numbered = [(where, event) for where, event in reader]
    profile = reader.profile
    if line is not None:
        profile = Profile(
            line, profile.nc_may_hit, profile.setway_effective, idc=profile.idc, dic=profile.dic
        )
    return profile, numbered


def batch_of(numbered: Numbered) -> Batch:
    return Batch.of((event for _, event in numbered), (where for where, _ in numbered))


def by_events(profile: Profile, numbered: Numbered, *, distinct: bool = False) -> Checker:
    checker = Checker(profile, distinct=distinct)
    for where, event in numbered:
        checker.event(event, where)
    return checker


def machine_of(checker: Checker) -> FastPath:
    """The compiled loops, even for few events."""
    machine = checker._fast(COMPILE_FROM)
    assert machine is not None
    return machine


def by_stream(
    profile: Profile, parts: Iterable[Numbered], *, distinct: bool = False, cramped: bool = False
) -> Checker:
    checker = Checker(profile, distinct=distinct)
    for part in parts:
        if cramped:  # any record is a crowd, and there are next to no numbers for shared ones
            pool = checker.state.lines.partitions.pool
            pool[CROWD], pool[SHARED] = 1, max(pool[SHARED], OWN - 2)
        machine_of(checker).feed(batch_of(part))
    return checker


def hazards_of(checker: Checker) -> list[tuple[Any, ...]]:
    """Every hazard of a checker, line by line."""
    return [tuple(entry) for entry in entries(checker.findings, checker.profile.line)]


def pages_of(numbered: Numbered) -> list[int]:
    """The pages in a trace, and their neighbours."""
    ends = {
        page
        for _, event in numbered
        if event.op.has_range
        for page in (event.address // PAGE_SIZE, (event.address + event.size - 1) // PAGE_SIZE)
    }
    return sorted({page + near for page in ends for near in (-1, 0, 1) if 0 <= page + near < PAGES})


def states_of(checker: Checker, pages: Sequence[int]) -> dict[int, Any]:
    """Each page's aliases, its setting, and the automaton's states of the bytes of each of its lines."""
    memory = checker.state.memory
    known = {}
    for page in pages:
        row = memory.row(page)
        (sparse,) = memory.ranges(page, page + 1)
        per_page = memory.lines_per_page
        whole = {sparse.state: (1 << checker.profile.line) - 1}
        dense = row != NOT_DENSE
        lines = [checker.state.lines.parts(row, index) if dense else whole for index in range(per_page)]
        page_class = memory.page_class(page)
        known[page] = (
            {
                checker.state.page_classes.agents[number].name: alias
                for number, alias in checker.state.page_classes.classes[page_class]
            },
            checker.state.page_classes.settings[page_class],
            lines,
        )
    return known


def assert_same(streamed: Checker, stepped: Checker, numbered: Numbered) -> None:
    """Compare two checkers; hazards one by one, so that a failure shows the first difference."""
    for one, other in zip(hazards_of(streamed), hazards_of(stepped), strict=False):
        assert one == other
    assert (streamed.hazards, streamed.events) == (stepped.hazards, stepped.events)
    assert len(hazards_of(streamed)) == len(hazards_of(stepped))
    assert sorted(map(switches_of, streamed.state.page_classes.agents)) == sorted(
        map(switches_of, stepped.state.page_classes.agents)
    )
    pages = pages_of(numbered)
    one_state, other_state = states_of(streamed, pages), states_of(stepped, pages)
    differ = [hex(page) for page in pages if one_state[page] != other_state[page]]
    assert differ == []
    for first in range(0, len(pages), 64):
        run = pages[first : first + 64]
        where = (run[0] * PAGE_SIZE, min(run[-1] - run[0] + 1, 1 << 12) * PAGE_SIZE)
        assert list(streamed.would_read(*where)) == list(stepped.would_read(*where))


def switches_of(agent: Any) -> str:
    return f"{agent.name} {agent.mmu} {agent.dcache} {agent.now.icache}"


# -- random traces ---------------------------------------------------------------------------------------------


@hunt
@given(
    traces(),
    st.sampled_from([None, *LINE_SIZES]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 18),
    st.integers(0, 18),
)
def test_any_trace(
    text: str, line: int | None, distinct: bool, cramped: bool, first: int, second: int
) -> None:
    """A trace fed whole or in parts has the same result; each part is a batch with its own order of agents."""
    profile, numbered = read(text, line=line)
    low, high = sorted((min(first, len(numbered)), min(second, len(numbered))))
    parts = (numbered[:low], numbered[low:high], numbered[high:])
    streamed = by_stream(profile, parts, distinct=distinct, cramped=cramped)
    assert_same(streamed, by_events(profile, numbered, distinct=distinct), numbered)


@hunt
@given(traces(), st.integers(0, 18), st.booleans())
def test_the_two_ways_take_turns(text: str, cut: int, stream_first: bool) -> None:
    """Each engine goes on from the other's state of agents, pages and lines."""
    profile, numbered = read(text)
    mixed = Checker(profile)
    for part, streams in ((numbered[:cut], stream_first), (numbered[cut:], not stream_first)):
        if streams:
            machine_of(mixed).feed(batch_of(part))
        else:
            for where, event in part:
                mixed.event(event, where)
    assert_same(mixed, by_events(profile, numbered), numbered)


@hunt
@given(broken_traces(), st.integers(0, 10))
def test_a_broken_trace_is_refused_at_the_same_event(broken: tuple[str, int], cut: int) -> None:
    text, number = broken
    try:
        profile, numbered = read(text)
    except TraceError:
        return  # no trace for the reader of text
    if any(event.address + event.size > ADDRESS_LIMIT for _, event in numbered):
        return  # below, on its own
    with pytest.raises(TraceError) as stepped:
        by_events(profile, numbered)
    with pytest.raises(TraceError) as streamed:
        by_stream(profile, (numbered[:cut], numbered[cut:]))
    assert (streamed.value.where, streamed.value.reason) == (stepped.value.where, stepped.value.reason)
    assert streamed.value.where == str(number)


@pytest.mark.parametrize(
    "words",
    [
        f"g read {ADDRESS_LIMIT:#x} 8",
        f"g write {ADDRESS_LIMIT + 64:#x} 8",
        f"g fetch {1 << 60:#x} 4",
        f"g dc civac {ADDRESS_LIMIT:#x} 64",
        f"g map {ADDRESS_LIMIT:#x} 0x1000 normal-wb",
        f"g read {ADDRESS_LIMIT - 4:#x} 8",
    ],
)
def test_what_is_past_the_last_address_is_an_error_in_a_long_trace_too(words: str) -> None:
    profile, numbered = read(f"g mmu off\n{words}\n")
    with pytest.raises(TraceError, match=r"^2: .* reaches past 2\^52$"):
        by_stream(profile, [numbered])


# -- long traces -----------------------------------------------------------------------------------------------


def endless(text: str) -> str:
    """A trace, then events that undo it, so that it can be repeated: no mappings, every MMU and data cache on."""
    reader = explorer.Reader()
    for _ in reader.events(text):
        pass
    undo = []
    for name, agent in reader.agents.items():
        undo += [f"{name} unmap {page * 4096:#x} 4096" for page in agent.pages]
        undo += [f"{name} mmu on", f"{name} dcache on"]
    body = [line for line in text.splitlines() if not line.startswith(("line", "option"))]
    return "\n".join([*body, *undo]) + "\n"


def repeated(text: str, *, line: int, count: int) -> tuple[Profile, Numbered]:
    """A trace, repeated until there are `count` events."""
    profile, once = read(text, line=line)
    events = [event for _, event in once] * (count // len(once) + 1)
    return profile, list(enumerate(events, start=1))


@pytest.mark.parametrize("line", LINE_SIZES)
def test_the_worked_examples_over_and_over(line: int) -> None:
    text = "".join(endless(example[1]) for example in WORKED_EXAMPLES + SMALL_EXAMPLES[::6])
    profile, numbered = repeated(text, line=line, count=1000)
    stepped = by_events(profile, numbered)
    assert stepped.hazards > 50
    for cramped in (False, True):
        assert_same(by_stream(profile, [numbered], cramped=cramped), stepped, numbered)


# -- ranges and their lines ------------------------------------------------------------------------------------


RANGED = (Op.READ, Op.WRITE, Op.WALK, Op.DC_CVAC, Op.DC_CIVAC, Op.DC_IVAC, Op.DC_CVAU, Op.DC_CISW, Op.IC_IVAU)


@st.composite
def ranged_events(draw: st.DrawFn) -> list[Event]:
    """Events over whole pages and parts of pages, by an agent with a cacheable map and one without."""
    listed = [
        Event("wb", Op.MAP, 0x1000, 0x3000, MemoryType.NORMAL_WB),
        Event("nc", Op.MAP, 0x1000, 0x3000, MemoryType.NORMAL_NC),
    ]
    for _ in range(draw(st.integers(1, 9))):
        op = draw(st.sampled_from(RANGED))
        start, end = sorted(
            draw(st.tuples(st.integers(0, 48), st.integers(0, 48)).filter(lambda e: e[0] != e[1]))
        )
        kind = draw(st.sampled_from((MemoryType.NORMAL_WB, MemoryType.NORMAL_NC))) if op is Op.WALK else None
        agent = draw(st.sampled_from(("wb", "nc")))
        listed.append(Event(agent, op, 0x1000 + start * 256, (end - start) * 256, kind))
    return listed


@hunt
@given(ranged_events())
def test_an_event_over_a_range_is_one_for_each_of_its_lines(listed: list[Event]) -> None:
    whole, split = Checker(), Checker()
    for number, event in enumerate(listed, start=1):
        whole.event(event, number)
        pieces = range(event.address, event.address + event.size, 64)
        several = (
            [event._replace(address=at, size=64) for at in pieces] if event.op is not Op.MAP else [event]
        )
        machine_of(split).feed(batch_of([(number, piece) for piece in several]))

    def told(checker: Checker) -> set[tuple[int, str, int, int]]:
        return {(e.where, e.kind, e.address, e.size) for e in entries(checker.findings, 64)}

    assert told(whole) == told(split)
    assert list(whole.states(0x1000, 0x3000)) == list(split.states(0x1000, 0x3000))


@settings(hunt, max_examples=examples(12))
@given(traces(max_events=40), st.sampled_from(LINE_SIZES))
def test_any_trace_over_and_over(text: str, line: int) -> None:
    profile, numbered = repeated(endless(text), line=line, count=800)
    assert_same(by_stream(profile, [numbered]), by_events(profile, numbered), numbered)


@pytest.mark.parametrize("count", [1999, 2000])
def test_a_long_batch_takes_the_fast_path_and_a_short_one_does_not(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldline.checker.dense_rows.LOAD_FROM", 2000)
    machine_of(Checker())  # compiled from now on, if it was not before
    streamed = []
    feed = FastPath.feed

    def spy(machine: FastPath, batch: Batch) -> None:
        streamed.append(len(batch))
        feed(machine, batch)

    monkeypatch.setattr(FastPath, "feed", spy)
    text = "w map 0x1000 0x1000 normal-wb\nn map 0x1000 0x1000 normal-nc\n"
    _, numbered = read(text + "n write 0x1000 8\nw read 0x1000 8\nw write 0x1000 64\n" * (count // 3 + 1))
    fed = Checker()
    fed.feed(batch_of(numbered[:count]))
    assert streamed == ([count] if count >= 2000 else [])
    assert_same(fed, by_events(Profile(), numbered[:count]), numbered[:count])
    assert fed.hazards > 100


def test_events_that_nobody_does_may_be_all_that_there_is() -> None:
    profile, numbered = read("version 2\noption order\n" + "power-off 0x1000 0x1000\n" * 3)
    assert by_stream(profile, [numbered]).events == by_events(profile, numbered).events == 3


def test_mappings_end_in_the_compiled_loop() -> None:
    """Page after page is mapped, taken away and mapped again; an ending that was lost is an error or a hazard."""
    lines = ["version 2", "option order", "core k a", "core l b", "b map 0x1000 0x20000 normal-nc"]
    for page in range(0x1000, 0x21000, 0x1000):
        taken = f"a descriptor {page:#x} 0x1000 invalid; a dsb; a tlbi {page:#x} 0x1000; a dsb"
        once = (
            f"a map {page:#x} 0x1000 normal-wb; a read {page:#x} 8; {taken}; a dc civac {page:#x} 64; a dsb"
        )
        lines += f"{once}; b write {page:#x} 8; b dsb; {once}".split("; ")
    profile, numbered = read("\n".join(lines) + "\n")
    streamed = by_stream(profile, [numbered])
    assert_same(streamed, by_events(profile, numbered), numbered)
    assert streamed.hazards == 0


# -- many pages ------------------------------------------------------------------------------------------------

WB, WT, NC, DEVICE = MemoryType.NORMAL_WB, MemoryType.NORMAL_WT, MemoryType.NORMAL_NC, MemoryType.DEVICE


class Crowd:
    """
    Draws a long trace over hundreds of pages, in which every possible event happens now and then.

    Parameters
    ----------
    seed : int
        The seed of the random choices.
    pages : int
        The number of pages.
    prefetches : bool
        Whether agents fetch with their MMUs off.
    """

    def __init__(self, seed: int, *, pages: int, prefetches: bool = False) -> None:
        self.prefetches = prefetches
        self.random = random.Random(seed)
        # Some in a row, some far apart: of one group or chunk, and of many.
        self.pages = [*range(0x40000, 0x40000 + pages // 2), *range(0x80000, 0x80000 + 97 * pages // 2, 97)]
        self.mapped: dict[str, dict[int, tuple[MemoryType, bool]]] = {
            name: {} for name in ("dom0", "guest", "guest-nc", "xen")
        }
        self.mmu = dict.fromkeys(self.mapped, True)

    def events(self, count: int) -> list[Event]:
        found: list[Event] = []
        for name in self.mapped:
            for page in self.pages:
                if self.random.random() < 0.5:
                    found.append(self.map(name, page))
        while len(found) < count:
            found += self.draw()
        return found[:count]

    def map(self, name: str, page: int) -> Event:
        kind = self.random.choice((WB, WB, WB, NC, NC, WT, DEVICE))
        executable = self.random.random() < 0.5
        self.mapped[name][page] = kind, executable
        return Event(name, Op.MAP, page * PAGE_SIZE, PAGE_SIZE, kind, executable)

    def draw(self) -> list[Event]:
        name = self.random.choice(list(self.mapped))
        page = self.random.choice(self.pages)
        start = page * PAGE_SIZE + self.random.choice((0, 60, 64, 1000, 2040, 2048, 4032, 4095))
        size = min(self.random.choice((1, 4, 8, 8, 16, 64, 100, 2048)), (page + 1) * PAGE_SIZE - start)
        throw = self.random.random()
        if throw < 0.08:
            if page in self.mapped[name]:
                del self.mapped[name][page]
                return [Event(name, Op.UNMAP, page * PAGE_SIZE, PAGE_SIZE)]
            return [self.map(name, page)]
        if throw < 0.25:
            op = self.random.choice((Op.DC_CIVAC, Op.DC_CVAC, Op.DC_CVAU, Op.DC_IVAC, Op.IC_IVAU))
            return [Event(name, op, start, size)]
        if throw < 0.26:
            op = self.random.choice((Op.DC_CISW, Op.DC_CIVAC, Op.DC_CVAC))
            return [Event(name, op, page * PAGE_SIZE, self.random.choice((1, 4, 40)) * PAGE_SIZE)]
        if throw < 0.264:
            return [Event(name, self.random.choice((Op.IC_IALLU, Op.IC_IALLUIS)))]
        if throw < 0.27:
            op = self.random.choice((Op.MMU_ON, Op.MMU_OFF, Op.ICACHE_ON, Op.ICACHE_OFF, Op.DCACHE_OFF))
            self.mmu[name] = {Op.MMU_ON: True, Op.MMU_OFF: False}.get(op, self.mmu[name])
            return [Event(name, op)] + ([Event(name, Op.DCACHE_ON)] if op is Op.DCACHE_OFF else [])
        if throw < 0.33:
            kind = self.random.choice((WB, WB, NC, WT))
            return [Event(name, Op.WALK, start & ~7, 8, kind)] if self.mmu[name] else []
        mapped, executable = self.mapped[name].get(page, (None, False))
        if self.mmu[name] and mapped is None:
            return []
        if throw < 0.36:
            zva = self.mmu[name] and mapped is not DEVICE
            return [Event(name, Op.DC_ZVA, start & ~63, 64)] if zva else []
        if throw < 0.5:
            can = executable if self.mmu[name] else self.prefetches
            return [Event(name, Op.FETCH, start, size)] if can else []
        if throw < 0.52:
            start, size = page * PAGE_SIZE, PAGE_SIZE
        return [Event(name, self.random.choice((Op.READ, Op.WRITE)), start, size)]


@pytest.mark.parametrize(
    ("line", "pages", "count"),
    [
        (16, 40, 1000),
        (64, 40, 1000),
        (2048, 40, 1000),
        pytest.param(64, 600, 4000, marks=pytest.mark.long),
    ],
)
def test_a_crowd(line: int, pages: int, count: int) -> None:
    """The same with more pages than the loop's table has, and than there is room for at the start."""
    numbered = list(enumerate(Crowd(seed=line + pages, pages=pages).events(count), start=1))
    profile = Profile(line)
    stepped = by_events(profile, numbered)
    assert stepped.hazards > 50
    for cramped in (False, True):
        assert_same(by_stream(profile, [numbered], cramped=cramped), stepped, numbered)


def test_a_crowd_that_fetches_with_its_mmus_off() -> None:
    events = Crowd(seed=1, pages=60, prefetches=True).events(1500)
    numbered = list(enumerate(events, start=1))
    streamed = by_stream(Profile(), [numbered])
    assert_same(streamed, by_events(Profile(), numbered), numbered)


def test_a_fetch_with_the_mmu_off_lets_a_prefetch_reach_the_next_page_wherever_the_one_before_was() -> None:
    """
    The second fetch's page may have been reached from the first one's; the third page only from the second's.

    The instruction cache, filled before, has old bytes for a store there.
    """
    text = """\
g icache on
g mmu off
g fetch 0x1000 4
g fetch 0x2000 4
n map 0x3000 0x1000 normal-nc
n write 0x3000 4
g fetch 0x3000 4
"""
    assert same_both_ways(text).hazards == 1


@pytest.mark.parametrize("distinct", [False, True])
def test_a_crowd_in_small_parts(distinct: bool) -> None:
    events = Crowd(seed=1, pages=60).events(1500)
    numbered = list(enumerate(events, start=1))
    parts = [numbered[start : start + 137] for start in range(0, len(numbered), 137)]
    streamed = by_stream(Profile(), parts, distinct=distinct)
    assert_same(streamed, by_events(Profile(), numbered, distinct=distinct), numbered)


# -- edges -----------------------------------------------------------------------------------------------------


def same_both_ways(text: str, *, line: int = 64) -> Checker:
    profile, numbered = read(text, line=line)
    streamed = by_stream(profile, [numbered])
    assert_same(streamed, by_events(profile, numbered), numbered)
    return streamed


@pytest.mark.parametrize("line", LINE_SIZES)
@pytest.mark.parametrize(
    "words",
    [
        "a read 0x1ffc 4",
        "a read 0x1ffc 8",  # over a page end
        "a write 0x1000 0x2000",
        "a dc zva 0x1fff 1",
        "a dc zva 0x1fc1 64",
        "a dc civac 0x1001 1",
        "a dc civac 0x1fff 2",
        "a fetch 0x1000 0x1000",
        "a walk 0x1ff8 16 normal-wb",
        "a ic ivau 0x1234 8",
        f"a map {LAST:#x} 0x1000 normal-wb\na write {LAST + 4095:#x} 1\na read {LAST + 4088:#x} 8",
        "b mmu off\nb icache on\nb fetch 0x1ffc 4\nb fetch 0x2ffc 8\nb fetch 0x1ffc 4",
    ],
)
def test_the_ends_of_lines_and_pages(words: str, line: int) -> None:
    before = "a map 0x1000 0x2000 normal-wb exec\nn map 0x1000 0x2000 normal-nc\nn write 0x1004 8\n"
    again = words.splitlines()[-1]
    after = "n read 0x1000 64\na read 0x1000 64\na read 0x1fc0 64\n"
    same_both_ways(f"{before}{words}\n{again}\n{after}", line=line)


def test_more_hazards_than_are_noted_at_a_time() -> None:
    times = 9000
    text = "w map 0x1000 0x1000 normal-wb\nw write 0x1000 8\ng mmu off\n" + "g read 0x1000 8\n" * times
    checker = same_both_ways(text)
    assert checker.hazards == times == len(checker.findings)
    assert [finding.number for finding in checker.findings] == list(range(3, 3 + times))


def test_no_events_are_no_news() -> None:
    checker = Checker()
    machine_of(checker).feed(Batch.of([]))
    assert (checker.events, checker.findings) == (0, [])


def test_agents_are_who_they_are_in_whichever_order_a_batch_names_them() -> None:
    lines = [
        ["w map 0x1000 0x1000 normal-wb", "n map 0x1000 0x1000 normal-nc"],
        ["n write 0x1000 8", "w read 0x1000 8"],  # here n is number 0
        ["x mmu off", "w read 0x1000 8", "n read 0x1000 8"],
    ]
    parts = [[(0, parse_event(line.split())) for line in part] for part in lines]
    numbered = [pair for part in parts for pair in part]
    streamed = by_stream(Profile(), parts)
    assert_same(streamed, by_events(Profile(), numbered), numbered)
    assert streamed.hazards == 2


# -- each hazard once ------------------------------------------------------------------------------------------


def ways(hazards: list[tuple[Any, ...]], line: int) -> list[tuple[int, str, bool]]:
    """Each hazard's line and kind, and whether it is of a fetch."""
    return [(address // line, kind, event.op is Op.FETCH) for _, _, event, kind, address, *_ in hazards]


@hunt
@given(traces(), st.booleans())
def test_distinct_is_a_subset_with_each_line_and_kind_once(text: str, stream: bool) -> None:
    """Data and code count separately: a wrong read of a line and a later wrong fetch are two findings."""
    profile, numbered = read(text)
    everything = by_events(profile, numbered)
    chosen = (
        by_stream(profile, [numbered], distinct=True)
        if stream
        else by_events(profile, numbered, distinct=True)
    )
    assert chosen.hazards == everything.hazards
    once = ways(hazards_of(chosen), profile.line)
    assert set(once) == set(ways(hazards_of(everything), profile.line))
    first_of: dict[Any, Any] = {}
    for hazard, way in zip(hazards_of(everything), ways(hazards_of(everything), profile.line), strict=True):
        first_of.setdefault(way, hazard)
    listed = hazards_of(chosen)
    assert {hazard[:4] for hazard in first_of.values()} <= {hazard[:4] for hazard in listed}
    assert set(listed) <= set(hazards_of(everything))


@pytest.mark.parametrize("stream", [False, True])
def test_distinct_lines_are_told_once_however_often_they_go_wrong(stream: bool) -> None:
    text = "w map 0x1000 0x1000 normal-wb\nw write 0x1000 128\ng mmu off\n" + "g read 0x1000 128\n" * 50
    text += "g fetch 0x1000 128\n" * 50
    profile, numbered = read(text)
    checker = (
        by_stream(profile, [numbered], distinct=True)
        if stream
        else by_events(profile, numbered, distinct=True)
    )
    found = [(where, kind, address) for _, where, _, kind, address, *_ in hazards_of(checker)]
    assert found == [
        (4, "stale-read", 0x1000),
        (4, "stale-read", 0x1040),
        (54, "stale-fetch", 0x1000),
        (54, "stale-fetch", 0x1040),
    ]
    assert checker.hazards == 200


@pytest.mark.parametrize("pages", [1, 1000])
def test_distinct_pages_are_told_once_too(pages: int) -> None:
    size = f"{pages * PAGE_SIZE:#x}"
    text = f"w map 0 {size} normal-wb\nw write 0 {size}\ng mmu off\n" + f"g read 0 {size}\n" * 3
    profile, numbered = read(text)
    checker = by_events(profile, numbered, distinct=True)
    assert {where for _, where, *_ in hazards_of(checker)} == {4}


@pytest.mark.parametrize(
    "stream",
    [
        False,
        True,
    ],
)
def test_distinct_lines_are_told_once_first_as_a_page_and_then_alone(stream: bool) -> None:
    text = "w map 0x1000 0x1000 normal-wb\nw write 0x1000 0x1000\ng mmu off\n"
    profile, numbered = read(text + "g read 0x1000 0x1000\ng read 0x1000 8\ng read 0x1000 0x1000\n")
    checker = (
        by_stream(profile, [numbered], distinct=True)
        if stream
        else by_events(profile, numbered, distinct=True)
    )
    once = ways(hazards_of(checker), profile.line)
    assert len(once) == len(set(once)) == PAGE_SIZE // 64


def test_pages_that_are_looked_up_ahead_are_made_once() -> None:
    """A page that becomes dense between the look ahead and its event has one row."""
    numbers = np.random.default_rng(2)
    chunks = np.repeat(numbers.permutation(400), 3)
    pages = chunks * CHUNK + numbers.integers(0, CHUNK, len(chunks))
    rows = np.zeros(len(pages), EVENT_DTYPE)
    rows["address"], rows["size"], rows["op"] = pages * PAGE_SIZE + 8, 8, Op.WRITE
    checker = Checker()
    checker.event(Event("a", Op.MAP, 0, 400 * CHUNK * PAGE_SIZE, MemoryType.NORMAL_WB))
    machine_of(checker).feed(Batch(["a"], rows))
    assert checker.state.memory.rows == 400 * CHUNK
