# SPDX-License-Identifier: GPL-2.0-or-later
"""The second pass over the events of a check: the stories of hazards, and whose bytes the final read found."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from coldline.checker.final_read import Swept
from coldline.checker.state.findings import HazardEntry
from coldline.errors import RepeatError
from coldline.events import Op
from coldline.events.batch import Batch
from coldline.events.source import Source
from coldline.explain.final_reads import FinalReads
from coldline.explain.history import History
from coldline.explain.least_cost import LeastCosts
from coldline.explain.told import ExplainedHazard, Unread
from coldline.explain.witness import WitnessStep, shortest

if TYPE_CHECKING:
    from coldline.checker.checker import Checker


def tell(
    listed: list[HazardEntry],
    source: Source,
    checker: "Checker",
    final_read: list[Swept],
    stories: int,
    *,
    repeated: Callable[[int], None] = lambda events: None,
    telling: Callable[[int, int], None] = lambda story, stories: None,
) -> tuple[list[ExplainedHazard], list[Unread]]:
    """Run the events again; return the stories, and whose bytes the final read found.

    Parameters
    ----------
    listed : list of HazardEntry
        The hazards to tell, in the order of events.
    source : Source
        The events that `checker` had.
    checker : Checker
        The result of the first pass.
    final_read : list of Swept
        The final read.
    stories : int
        How many ranges that the final read found get a story.
    repeated : callable
        Called with the number of events so far, after each batch.
    telling : callable
        Called before each story is worked out, with its number, from 1, and the number of stories.

    Raises
    ------
    RepeatError
        If the events are not those of the first pass.
    """
    profile = checker.profile
    ways = LeastCosts(profile)
    final = FinalReads(checker, final_read, stories)
    lines = [entry.address - entry.address % profile.line for entry in listed]
    numbers = [*(entry.number for entry in listed), *final.numbers.values()]
    history = History(ways, [*lines, *final.numbers], numbers)

    def sink(batch: Batch) -> None:
        final.feed(batch)
        history.feed(batch)
        repeated(history.events)

    source.run(sink, instructions=bool(listed))
    if history.events != checker.events:
        raise RepeatError(
            f"{history.events:,} events in the second pass, {checker.events:,} in the first: "
            "their source did not repeat them"
        )
    history.feed(final.look())
    found = final.found()
    entries = [*listed, *(read for _, read in found if read is not None)]
    explained = []
    for number, entry in enumerate(entries, 1):
        telling(number, len(entries))
        explained.append(_explained(entry, history, ways))
    reads = iter(explained[len(listed) :])
    unread = [Unread(each, next(reads) if read is not None else None) for each, read in found]
    return explained[: len(listed)], unread


def _explained(entry: HazardEntry, history: History, ways: LeastCosts) -> ExplainedHazard:
    line = entry.address - entry.address % ways.profile.line
    story: list[WitnessStep] = []
    last = history.of(entry.number, line)
    if last is not None:  # else the line had too many events before it, and it was not kept
        story = shortest(last, entry, line, ways, history.epoch(entry.number))
    code = history.code.get(entry.number)
    if code is not None and entry.event.op is Op.FETCH:
        into = entry.address - entry.event.address
        code = code._replace(virtual=code.virtual + into, physical=code.physical + into)
    return ExplainedHazard(entry, code, story)
