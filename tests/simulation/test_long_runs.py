# SPDX-License-Identifier: GPL-2.0-or-later
"""Stories and repairs of long runs look at few events, and are those that all events give.

The batches of the sample guests are made small, so that there are many.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coldline import trial_repair
from coldline.arm.cores import CORES
from coldline.cli.arguments.values import DEFAULT_CORES
from coldline.cli.inputs.trials import TrialRun
from coldline.events import Op, words
from coldline.events.batch import Batch, InstructionState
from coldline.events.batch_footprints import Footprints
from coldline.events.footprints import EventRanges, slots_of
from coldline.events.layout import EVENT_SIZE, EVERYWHERE_SLOT, GRANULE_SLOTS, MARKS_SIZE, MUCH, PAGE_SLOTS
from coldline.events.op import Kind
from coldline.events.source import Sink
from coldline.explain import second_pass
from coldline.explain.selection import KeptEvents
from coldline.first_pass import check
from coldline.frontends.unicorn import End, Until
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.image import load_kernel
from coldline.repair.kept_events import APART, KeptSearch
from coldline.repair.result import Target
from coldline.samples import sample
from coldline.simulation import Trial
from coldline.support.units import PAGE_SIZE
from coldline.verdict import Judgement, judge
from tests.simulation.test_arm64 import midway_trial
from tests.simulation.test_repaired_runs import RACES

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVERYWHERE = [op for op in Op if op.traits.everywhere or not op.has_range]

ON_PAGES = [op for op in Op if op.kind is Kind.ALIAS or op in (Op.FETCH, Op.WALK)]


def judged(trial: Trial, *, notes: bool = True, kept: KeptEvents | None = None) -> Judgement:
    run = TrialRun(trial)
    checker = check(run, trial.profile, distinct=True, at_length=True)
    if not notes:
        checker.footprints = None
    return judge(checker, run, most=10, stories=10, kept=kept)


@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("events", [1, 5, 64])
def test_stories_are_those_that_all_events_give(
    monkeypatch: pytest.MonkeyPatch, events: int, slow: bool, order: bool
) -> None:
    monkeypatch.setattr(words, "HIGH_WATER", events)
    if slow:
        locate_slowly(monkeypatch)
    trial = replace(midway_trial("rfc", "flush"), order=order)
    few, every = judged(trial), judged(trial, notes=False)
    assert len(few.hazards) == 2
    for one, other in zip(few.hazards, every.hazards, strict=True):
        assert (one.entry, one.code, one.decided) == (other.entry, other.code, other.decided)
        told = [
            [
                (
                    step.line_event and (step.line_event.number, step.line_event.event, step.line_event.code),
                    step.step,
                )
                for step in each.story
            ]
            for each in (one, other)
        ]
        assert told[0] == told[1]


def locate_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a long run on an emulator that looks up the program counter at each access."""
    monkeypatch.setattr(second_pass, "LONG_RUN", 0)
    monkeypatch.setattr(TrialRun, "locates_slowly", True)


def slots_by_hand(batch: Batch) -> set[int]:
    """The slots of a batch's events."""
    slots = set()
    for index in range(len(batch)):
        event = batch.event(index)
        if event.op in EVERYWHERE or event.size >= MUCH:
            slots.add(EVERYWHERE_SLOT)
            continue
        last = event.address + event.size - 1
        slots |= {number % GRANULE_SLOTS for number in range(event.address // 256, last // 256 + 1)}
        if event.op in ON_PAGES:
            pages = range(event.address // PAGE_SIZE, last // PAGE_SIZE + 1)
            slots |= {GRANULE_SLOTS + number % PAGE_SLOTS for number in pages}
    return slots


def test_only_batches_that_concern_the_lines_are_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "HIGH_WATER", 4)
    trial = midway_trial("rfc", "flush")
    batches: list[tuple[set[int], int]] = []
    noted = Footprints()

    def sink(batch: Batch) -> None:
        batch.want_marks()
        assert len(batch.rows)
        noted.feed(batch)
        batches.append((slots_by_hand(batch), len(batch)))
        marks = batch.marks()
        if marks is not None:
            assert set(np.flatnonzero(marks).tolist()) == batches[-1][0]

    trial.run(sink)
    wanted = {EVERYWHERE_SLOT, 0x4000_0800 // 256 % GRANULE_SLOTS}
    slots = np.zeros(MARKS_SIZE, np.bool_)
    slots[list(wanted)] = True
    ranges = noted.concerning(slots)
    number = 0
    for marked, events in batches:
        assert ranges.touch(number, number + events) == bool(marked & wanted)
        number += events
    assert 0 < ranges.events < number


@pytest.fixture
def long_trial(debian_arm64_kernel: Path) -> Trial:
    """Of more than 400,000 events of one vCPU."""
    return Trial(
        plan=make_plan(load_kernel(debian_arm64_kernel), GuestOptions(memory=128 << 20)),
        strategy="uncached",
        model=HOST_MODELS["rfc"],
        core=CORES["armv8-a"],
        until=Until(End.LIMIT, 1_500_000),
    )


def test_marks_tell_the_part_of_a_batch(long_trial: Trial) -> None:
    longest = 0

    def sink(batch: Batch) -> None:
        nonlocal longest
        batch.want_marks()
        assert len(batch.rows)
        marks, expected = batch.marks(), np.zeros(MARKS_SIZE, np.uint8)
        if marks is None:
            return  # the host's
        longest = max(longest, len(batch))
        for index, (address, size, op) in enumerate(batch.rows[["address", "size", "op"]].tolist()):
            bit = 1 << min(index // 32768, 7)
            if op in EVERYWHERE or size >= MUCH:
                expected[EVERYWHERE_SLOT] |= bit
                continue
            last = address + size - 1
            for number in range(address // 256, last // 256 + 1):
                expected[number % GRANULE_SLOTS] |= bit
            for number in range(address // PAGE_SIZE, last // PAGE_SIZE + 1) if op in ON_PAGES else ():
                expected[GRANULE_SLOTS + number % PAGE_SLOTS] |= bit
        np.testing.assert_array_equal(marks, expected)

    long_trial.run(sink)
    assert longest > 3 * 32768


class Marked(Batch):
    """A batch without rows that has a number of events, and the parts of its slots."""

    def __init__(self, events: int, parts: dict[int, int]) -> None:
        super().__init__(["guest"], bytearray(events * EVENT_SIZE))
        self._marks = np.zeros(MARKS_SIZE, np.uint8)
        for slot, part in parts.items():
            self._marks[slot] = part

    def marks(self) -> "NDArray[np.uint8]":
        return self._marks


def test_what_a_story_may_tell_is_in_parts_of_batches() -> None:
    """Slot 7 is in part 1 of each batch, slot 8 in parts 0 and 2 of batch 12, and slot 9 does not matter."""
    noted, size = Footprints(), 100_000
    for index in range(30):
        seldom = {8: 0b101} if index == 12 else {}
        noted.feed(Marked(size, {7: 0b10, 9: 0b1000, **seldom}))
    slots = np.zeros(MARKS_SIZE, np.bool_)
    slots[[7, 8]] = True
    part, before = 32768, 4096
    parts = [
        *((index * size + part - before, index * size + 2 * part) for index in range(8)),
        (12 * size - before, 12 * size + part),
        (12 * size + 2 * part - before, 12 * size + 3 * part),
        *((index * size + part - before, index * size + 2 * part) for index in range(17, 26)),
    ]
    found = noted.seldom(slots, [25 * size])
    assert found.events == sum(end - start for start, end in parts)
    for start, end in parts:
        assert found.touch(start, start + 1)
        assert found.touch(end - 1, end)
        assert not found.touch(end, end + 1)
        assert found.same_from(start) == end - start


def test_instructions_are_looked_up_where_they_are_wanted_alone(long_trial: Trial) -> None:
    wanted = EventRanges([(100_000, 130_000), (200_000, 200_001)])

    def run(located: EventRanges | None) -> tuple[bytes, "NDArray[np.uint64]"]:
        """A digest of the events, and for each its `InstructionState`."""
        digest, states = hashlib.sha256(), []

        def sink(batch: Batch) -> None:
            digest.update(batch.rows.tobytes())
            instructions = batch.instructions
            states.append(
                np.zeros(len(batch), "<u8") if instructions is None else instructions["state"].copy()
            )

        long_trial.run(sink, instructions=True, located=located)
        return digest.digest(), np.concatenate(states)

    (events, every), (same, known) = run(None), run(wanted)
    assert same == events
    late = 1_000
    """Events of a block of code, which is not cut, and what is between two."""
    inside = np.zeros(len(every), np.bool_)
    for start, end in ((100_000, 130_000), (200_000, 200_001)):
        assert (known[start + late : end] == every[start + late : end]).all()
        inside[start : end + late] = True
    assert np.count_nonzero(every[~inside]) > 10 * np.count_nonzero(known[~inside]) > 0  # of walks


def test_slots_are_those_of_the_bytes_and_of_the_pages_around() -> None:
    slots = np.flatnonzero(slots_of([(0x4000_1F00, 0x4000_2001)])).tolist()
    granules = [0x4000_1F00 // 256 % GRANULE_SLOTS, 0x4000_2000 // 256 % GRANULE_SLOTS]
    pages = [GRANULE_SLOTS + page % PAGE_SLOTS for page in range(0x3FFFF, 0x40005)]
    assert slots == sorted([*granules, *pages, EVERYWHERE_SLOT])
    assert slots_of([(0, MUCH)]).all()


@pytest.mark.parametrize("kept", [None, KeptEvents(1_000)])
def test_instructions_that_the_second_run_leaves_out_are_found_by_a_third(
    monkeypatch: pytest.MonkeyPatch, kept: KeptEvents | None
) -> None:
    monkeypatch.setattr(words, "HIGH_WATER", 5)
    trial = midway_trial("rfc", "flush")
    every = judged(trial, notes=False)
    locate_slowly(monkeypatch)
    monkeypatch.setattr(Footprints, "seldom", lambda *_: EventRanges([]))
    runs: list[tuple[bool, int]] = []
    run = Trial.run

    def counted(self: Trial, sink: Sink, **options: Any) -> Any:
        events = 0

        def count(batch: Batch) -> None:
            nonlocal events
            events += len(batch)
            runs[-1] = (options["instructions"], events)
            sink(batch)

        runs.append((False, 0))
        return run(self, count, **options)

    monkeypatch.setattr(Trial, "run", counted)
    few = judged(trial, kept=kept)
    assert [instructions for instructions, _ in runs] == [False, True, True]
    assert runs[2][1] < runs[1][1] == runs[0][1]  # it ends with the last event that a story needs
    codes = [
        [
            [hazard.code, *(step.line_event.code for step in hazard.story if step.line_event is not None)]
            for hazard in each.hazards
        ]
        for each in (few, every)
    ]
    assert codes[0] == codes[1]
    assert any(any(each) for each in codes[0])


@pytest.mark.parametrize("name", ["midway-arm64", "midway-arm32"])
@pytest.mark.parametrize("high_water", [5, words.HIGH_WATER])
def test_the_instructions_of_walks_are_known_without_looking_them_up(
    monkeypatch: pytest.MonkeyPatch, name: str, high_water: int
) -> None:
    monkeypatch.setattr(words, "HIGH_WATER", high_water)
    plan = make_plan(load_kernel(sample(name).image), GuestOptions(memory=16 << 20))
    trial = replace(midway_trial("rfc", "uncached"), plan=plan, core=CORES[DEFAULT_CORES[plan.architecture]])

    def instructions(located: EventRanges | None) -> dict[tuple[int, Op], tuple[int, ...]]:
        """By the number of an event and what it is; that of a walk is known, and others' perhaps."""
        found, events = dict[tuple[int, Op], tuple[int, ...]](), 0

        def sink(batch: Batch) -> None:
            nonlocal events
            if batch.instructions is not None:
                for number, row in enumerate(batch.instructions.tolist()):
                    if row[-1] != InstructionState.UNKNOWN:
                        found[events + number, Op(batch.rows["op"][number])] = row
            events += len(batch)

        trial.run(sink, instructions=True, located=located)
        return found

    every, noted = instructions(None), instructions(EventRanges([]))
    assert {key for key in every if key[1] is Op.WALK} == {key for key in noted if key[1] is Op.WALK} != set()
    assert noted == {key: every[key] for key in noted}
    assert len(noted) < len(every)


@pytest.mark.parametrize(
    ("first", "end", "touches"),
    [(0, 5, False), (0, 6, True), (7, 8, True), (8, 20, False), (19, 21, True), (22, 30, False)],
)
def test_ranges_of_events(first: int, end: int, touches: bool) -> None:
    assert EventRanges([(5, 8), (20, 22)]).touch(first, end) == touches


@pytest.mark.parametrize(
    ("number", "same"), [(0, 5), (4, 1), (5, 3), (7, 1), (8, 12), (20, 2), (21, 1), (22, None), (30, None)]
)
def test_how_far_events_are_alike(number: int, same: int | None) -> None:
    assert EventRanges([(5, 8), (20, 22)]).same_from(number) == same


def test_events_before_those_that_are_wanted_are_wanted_too() -> None:
    found = EventRanges.up_to([100, 5_000, 5_001, 20_000])
    assert found.events == 101 + 4098 + 4097
    assert found.touch(0, 1)
    assert not found.touch(101, 5_000 - 4096)
    assert not found.touch(20_001, 20_002)


def test_the_block_of_an_event_is_known_across_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The MMU is turned on in the middle of a block, after which the events so far are handed over."""
    monkeypatch.setattr(words, "HIGH_WATER", 5)
    trial, kept = midway_trial("rfc", "flush"), KeptEvents(1_000)
    few = judged(trial, kept=kept)
    (number,) = {
        step.line_event.number
        for hazard in few.hazards
        for step in hazard.story
        if step.line_event is not None and step.line_event.event.op is Op.MMU_ON
    }
    events: list[tuple[str, int]] = []

    def sink(batch: Batch) -> None:
        events.extend((batch.agents[0], int(op)) for op in batch.rows["op"])

    trial.run(sink)
    own = [op for agent, op in events[:number] if agent == "guest"]
    last = max(at for at, op in enumerate(own, 1) if op == Op.FETCH)
    found = kept.code_at(number)
    assert found is not None
    assert (found.pc, found.agent, found.fetch) == (0x4000_00C4, "guest", last)


@pytest.mark.parametrize("order", ["--order", "--no-order"])
@pytest.mark.parametrize("architecture", RACES)
def test_a_long_run_is_repaired_by_one_more_run(
    boot: Callable[..., tuple[int, Any]], monkeypatch: pytest.MonkeyPatch, architecture: str, order: str
) -> None:
    """The repairs that are found, and the places of those that are tried, are those of a short run."""
    words_of = (*RACES[architecture][:-1], order)
    _, one_by_one = boot(*words_of, "--repair")
    monkeypatch.setattr(trial_repair, "AT_ONCE_FROM", 0)
    monkeypatch.setattr(words, "HIGH_WATER", 16)
    runs: list[Trial] = []
    run = Trial.run

    def counted(self: Trial, *arguments: Any, **options: Any) -> Any:
        runs.append(self)
        return run(self, *arguments, **options)

    monkeypatch.setattr(Trial, "run", counted)
    status, at_once = boot(*words_of, "--repair")
    assert (status, len(runs)) == (1, 3)  # the check, the stories, and the run with the repairs
    assert at_once["repaired"] == one_by_one["repaired"]
    for one, other in zip(at_once["causes"], one_by_one["causes"], strict=True):
        assert one["repairs"]["failed"] == other["repairs"]["failed"]
        found = [
            [{**each, "with": None, "right": None} for each in cause["repairs"]["found"]]
            for cause in (one, other)
        ]
        assert found[0] == found[1]
        first, second = (cause["repairs"]["found"][0] for cause in (one, other))
        assert first["right"]
        assert first["with"] == second["with"]


def test_events_that_are_missing_are_noticed() -> None:
    trial = midway_trial("rfc", "flush")
    run = TrialRun(trial)
    checker = check(run, trial.profile, distinct=True, at_length=True)
    kept = KeptEvents(1_000)
    judgement = judge(checker, run, most=10, stories=10, kept=kept)
    targets = {number: Target((hazard.entry,)) for number, hazard in enumerate(judgement.hazards)}
    assert kept.complete
    search = KeptSearch(kept, trial.profile)
    assert search.is_exact(checker, targets)
    apart = search.find(Target(tuple(target.entries[0] for target in targets.values())))
    assert (len(apart.found), apart.remark) == (1, APART)
    few = KeptEvents(1_000)
    first = min(hazard.entry.number for hazard in judgement.hazards)
    for part in kept.parts:
        if part.numbers[-1] >= first:
            break
        few.keep(part, Batch(part.batch.agents, part.batch.rows), int(part.numbers[0]))
    assert not KeptSearch(few, trial.profile).is_exact(checker, targets)
    assert not KeptEvents(1_000).complete


def test_more_events_than_there_is_room_for_are_not_kept() -> None:
    kept = KeptEvents(10)
    judged(midway_trial("rfc", "flush"), kept=kept)
    assert not kept.complete
    assert kept.parts == []
