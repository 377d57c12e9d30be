# SPDX-License-Identifier: GPL-2.0-or-later
"""Stories and repairs of long runs look at few events, and are those that all events give.

The batches of the sample guests are made small, so that there are many.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coldline import trial_repair
from coldline.cli.trials import TrialRun
from coldline.events import Op, words
from coldline.events.batch import Batch
from coldline.events.footprints import EventRanges, Footprints
from coldline.events.layout import EVERYWHERE_SLOT, SLOTS
from coldline.explain.selection import KeptEvents
from coldline.repair.kept_events import KeptSearch
from coldline.repair.result import Target
from coldline.simulation import Trial
from coldline.support.units import PAGE_SIZE
from coldline.verdict import Judgement, check, judge
from tests.simulation.test_arm64 import midway_trial
from tests.simulation.test_repaired_runs import RACES

EVERYWHERE = [op for op in Op if op.traits.everywhere or not op.has_range]


def judged(trial: Trial, *, notes: bool = True, kept: KeptEvents | None = None) -> Judgement:
    run = TrialRun(trial)
    checker = check(run, trial.profile, distinct=True, at_length=True)
    if not notes:
        checker.footprints = None
    return judge(checker, run, most=10, stories=10, kept=kept)


@pytest.mark.parametrize("events", [1, 5, 64])
def test_stories_are_those_that_all_events_give(monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    monkeypatch.setattr(words, "HIGH_WATER", events)
    trial = midway_trial("rfc", "flush")
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


def test_only_batches_that_concern_the_lines_are_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "HIGH_WATER", 4)
    trial = midway_trial("rfc", "flush")
    batches: list[tuple[set[int], bool, int]] = []
    noted = Footprints()

    def sink(batch: Batch) -> None:
        rows = batch.rows
        noted.feed(batch)
        pages = {
            page % SLOTS
            for address, size in zip(rows["address"].tolist(), rows["size"].tolist(), strict=True)
            for page in range(address // PAGE_SIZE, (address + max(size, 1) - 1) // PAGE_SIZE + 1)
        }
        everywhere = bool(np.isin(rows["op"], EVERYWHERE).any())
        batches.append((pages, everywhere, len(batch)))
        marks = batch.page_marks()
        if marks is not None:
            assert bool(marks[EVERYWHERE_SLOT]) == everywhere
            assert everywhere or set(np.flatnonzero(marks[:SLOTS]).tolist()) == pages

    trial.run(sink)
    wanted = {0x4000_1000 // PAGE_SIZE}
    slots = {page % SLOTS for page in wanted}
    ranges = noted.concerning(wanted)
    number = 0
    for pages, everywhere, events in batches:
        assert ranges.touch(number, number + events) == (everywhere or bool(pages & slots))
        number += events
    assert 0 < ranges.events < number


@pytest.mark.parametrize(
    ("first", "end", "touches"),
    [(0, 5, False), (0, 6, True), (7, 8, True), (8, 20, False), (19, 21, True), (22, 30, False)],
)
def test_ranges_of_events(first: int, end: int, touches: bool) -> None:
    assert EventRanges([(5, 8), (20, 22)]).touch(first, end) == touches


@pytest.mark.parametrize("architecture", RACES)
def test_a_long_run_is_repaired_by_one_more_run(
    boot: Callable[..., tuple[int, Any]], monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    """The repairs that are found, and the places of those that are tried, are those of a short run."""
    _, one_by_one = boot(*RACES[architecture], "--repair")
    monkeypatch.setattr(trial_repair, "AT_ONCE_FROM", 0)
    monkeypatch.setattr(words, "HIGH_WATER", 16)
    runs: list[Trial] = []
    run = Trial.run

    def counted(self: Trial, *arguments: Any, **options: Any) -> Any:
        runs.append(self)
        return run(self, *arguments, **options)

    monkeypatch.setattr(Trial, "run", counted)
    status, at_once = boot(*RACES[architecture], "--repair")
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
    assert KeptSearch(kept, trial.profile).is_exact(checker, targets)
    few = KeptEvents(1_000)
    for part in kept.parts[:-1]:
        few.keep(part, part.batch, int(part.numbers[0]))
    assert not KeptSearch(few, trial.profile).is_exact(checker, targets)
    assert not KeptEvents(1_000).complete


def test_more_events_than_there_is_room_for_are_not_kept() -> None:
    kept = KeptEvents(10)
    judged(midway_trial("rfc", "flush"), kept=kept)
    assert not kept.complete
    assert kept.parts == []
