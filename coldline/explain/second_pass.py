# SPDX-License-Identifier: GPL-2.0-or-later
"""The second pass over the same events, which finds the stories of hazards."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from coldline.checker.final_read import Swept
from coldline.checker.finding_ranges import split_at
from coldline.checker.state.core_vocabulary import ByCore
from coldline.checker.state.findings import HazardEntry
from coldline.errors import RepeatError
from coldline.events import PAGE_SIZE
from coldline.events.agent_names import LOOK
from coldline.events.batch import Batch
from coldline.events.footprints import EventRanges, slots_of
from coldline.events.relay import Relay
from coldline.events.source import Locating, Source
from coldline.explain.broken import story_of
from coldline.explain.deciding import deciding
from coldline.explain.explained import ExplainedHazard, Unread
from coldline.explain.final_reads import FinalReads
from coldline.explain.history import History
from coldline.explain.history_cuts import HistoryCuts
from coldline.explain.least_cost import LeastCosts
from coldline.explain.locating import Missing, code_of_read
from coldline.explain.ordered_cost import OrderedCosts
from coldline.explain.selection import KeptEvents, Part, Selection
from coldline.explain.witness import WitnessStep, shortest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.checker import Checker


LONG_RUN: Final = 1 << 24
"""The number of events from which a run less is worth its while."""


class Told(NamedTuple):
    """What a second pass gave.

    Attributes
    ----------
    hazards : list of ExplainedHazard
        The hazards; those that were not worked out have no story.
    unread : list of Unread
        Whose bytes the final read found; empty if an interrupt ended the pass over the events.
    interrupted : bool
        Whether an interrupt ended it, so that stories or `unread` are missing.
    """

    hazards: list[ExplainedHazard]
    unread: list[Unread]
    interrupted: bool = False


def tell(
    listed: Sequence[HazardEntry],
    source: Source,
    checker: "Checker",
    final_read: Sequence[Swept],
    stories: int,
    *,
    repeated: Callable[[int], None],
    telling: Callable[[int, int], None],
    locating: Callable[[int], None] = lambda events: None,
    kept: KeptEvents | None = None,
    interruptible: bool = False,
) -> Told:
    """Tell the stories of hazards, and whose bytes the final read found.

    Parameters
    ----------
    listed : sequence of HazardEntry
        The hazards, those of adjacent lines joined. They are split where the lines' events differ.
    source : Source
        The events of the first pass.
    checker : Checker
        The result of the first pass.
    final_read : sequence of Swept
        The final read.
    stories : int
        How many lines to follow for the hazards, and as many for the final read.
    repeated : callable
        Called with the number of events so far, after each batch.
    telling : callable
        Called before each story is worked out, with its number, from 1, and the number of stories.
    locating : callable
        Called with the number of events so far of a third run, after each batch.
    kept : KeptEvents, optional
        Takes the events that may concern the hazards, if it is known which these are.
    interruptible : bool
        Whether KeyboardInterrupt ends the pass, with the stories that are complete; else it is raised.

    Raises
    ------
    RepeatError
        If the second pass has other events than the first.
    """
    line = checker.profile.line
    final = FinalReads(checker, final_read, stories)
    leaks = any(entry.kind == "leak" for entry in listed)
    ways = ways_of(checker, looks=bool(final.numbers), leaks=leaks)
    followed = _followed(listed, line, stories)
    numbers = [*(entry.number for entry in listed[:stories]), *final.numbers.values()]
    history = History(ways, [*followed, *final.numbers], numbers)
    cuts = HistoryCuts(listed, line, checker.profile.zva, walks=checker.profile.has_barriers)
    few = _few(
        checker,
        [
            *((entry.address, entry.address + entry.size) for entry in listed if entry.lines > 1),
            *((base, base + line) for base in followed),
            *final.ranges,
        ],
    )
    at_once = _located_at_once(source, checker, few, numbers)
    if at_once is not None and isinstance(source, Locating):
        source.locate_at(at_once)
    locates = bool(numbers)

    def sink(batch: Batch) -> None:
        first = history.events
        part = None
        if few is None:
            part = Part(batch, np.arange(first, first + len(batch)))
        elif few.ranges.touch(first, first + len(batch)):
            part = few.selection.of(batch, first)
            if kept is not None:
                kept.keep(part, batch, first)
        if kept is not None:
            kept.note(batch, first)
        if part is not None:
            final.feed(part.batch)
            cuts.feed(part)
            history.feed(part)
        history.count(batch)
        repeated(history.events)

    try:
        if few is None:
            source.run(sink, instructions=locates)
        else:
            with Relay(lambda: sink) as relay:
                source.run(relay.put, instructions=locates)
    except KeyboardInterrupt:
        if not interruptible:
            raise
        return Told([ExplainedHazard(entry, None, []) for entry in listed], [], interrupted=True)
    if history.events != checker.events:
        raise RepeatError(
            f"{history.events:,} events in the second pass, {checker.events:,} in the first: "
            "their source did not repeat them"
        )
    looks = final.look()
    history.feed(Part(looks, np.arange(history.events, history.events + len(looks))))
    parts = [part for entry in listed for part in split_at(entry, _cuts_of(entry, cuts), line)]
    worked_out = [at for at, part in enumerate(parts) if _line_of(part, line) in followed][:stories]
    found = final.found()
    reads = [(at, read) for at, (_, read) in enumerate(found) if read is not None]
    told = Told(
        [ExplainedHazard(part, None, []) for part in parts], [Unread(each, None) for each, _ in found]
    )
    total = len(worked_out) + len(reads)
    try:
        for story, at in enumerate(worked_out, 1):
            telling(story, total)
            told.hazards[at] = _explained(parts[at], history, ways)
        for story, (at, read) in enumerate(reads, len(worked_out) + 1):
            telling(story, total)
            told.unread[at] = told.unread[at]._replace(hazard=_explained(read, history, ways))
        if at_once is not None:
            missing = Missing(history.code, checker.events, at_once)
            missing.add(told.hazards)
            missing.add(hazard for _, hazard in told.unread if hazard is not None)
            missing.find(source, locating)
            for at in worked_out:
                told.hazards[at] = told.hazards[at]._replace(code=code_of_read(parts[at], history.code))
    except KeyboardInterrupt:
        if not interruptible:
            raise
        return told._replace(interrupted=True)
    return told


class _Few(NamedTuple):
    """Which events have to be looked at.

    Attributes
    ----------
    ranges : EventRanges
        Ranges that have all of them.
    selection : Selection
        The events in these.
    slots : ndarray of bool
        Their slots.
    """

    ranges: EventRanges
    selection: Selection
    slots: "NDArray[np.bool_]"


def _few(checker: "Checker", parts: Sequence[tuple[int, int]]) -> _Few | None:
    """The events that may concern some ranges of bytes; None if that is not known, and all may."""
    noted = checker.footprints
    if noted is None:
        return None
    slots = slots_of(parts)
    # With barriers it matters, too, which agents have had an event at all, and any batch may tell.
    ranges = EventRanges([(0, checker.events)]) if checker.profile.has_barriers else noted.concerning(slots)
    return _Few(ranges, Selection(slots), slots)


def _located_at_once(
    source: Source,
    checker: "Checker",
    few: _Few | None,
    numbers: Sequence[int],
) -> EventRanges | None:
    """The events whose instructions are looked up in the second pass; None for all.

    Where that takes long, a third run looks up those of stories that are not among these. `numbers` are those of
    events whose instructions are told in any case.
    """
    if few is None or checker.footprints is None or not isinstance(source, Locating):
        return None
    if not source.locates_slowly or checker.events < LONG_RUN:
        return few.ranges
    return checker.footprints.seldom(few.slots, numbers)


def _cuts_of(entry: HazardEntry, cuts: HistoryCuts) -> list[int]:
    """Where to split a joined hazard: a mapping's between pages alone, as its story is that of the page."""
    found = cuts.of(entry)
    return [cut for cut in found if cut % PAGE_SIZE == 0] if entry.kind == "bbm" else found


def ways_of(checker: "Checker", *, looks: bool = False, leaks: bool = False) -> LeastCosts | OrderedCosts:
    """The costs by the rules of a check.

    `looks` says whether `LOOK` is an agent, too, which is on no core; `leaks`, whether there are any.
    """
    vocabulary = checker.state.page_classes.vocabulary
    if isinstance(vocabulary, ByCore):
        cores = [*vocabulary.core_names, *([LOOK] if looks else [])]
        return OrderedCosts(checker.profile, cores, owners=leaks)
    return LeastCosts(checker.profile)


def _followed(listed: Sequence[HazardEntry], line: int, stories: int) -> set[int]:
    """The lines to follow: the first one of each hazard, then others while there are fewer than `stories`."""
    told = listed[:stories]
    followed = {_line_of(entry, line) for entry in told}
    for entry in told:
        first = _line_of(entry, line)
        more = min(entry.lines, stories + 1)
        for base in range(first, first + more * line, line):
            if len(followed) >= stories:
                return followed
            followed.add(base)
    return followed


def _line_of(entry: HazardEntry, line: int) -> int:
    return entry.address - entry.address % line


def _explained(entry: HazardEntry, history: History, ways: LeastCosts | OrderedCosts) -> ExplainedHazard:
    line = _line_of(entry, ways.profile.line)
    story: list[WitnessStep] = []
    last = history.of(entry.number, line)
    if last is not None and isinstance(ways, OrderedCosts) and entry.kind == "bbm":
        story = story_of(last, entry, ways, history.epoch(entry.number))
    elif last is not None:  # else the line had too many events before it, and it was not kept
        story = shortest(last, entry, line, ways, history.epoch(entry.number))
    code = code_of_read(entry, history.code)
    return ExplainedHazard(entry, code, story, deciding(story, entry, ways.profile))
