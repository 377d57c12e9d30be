# SPDX-License-Identifier: GPL-2.0-or-later
"""From events to a report: one pass for the verdict, and a second one for the stories where it is a hazard."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from coldline.checker.state.findings import HazardEntry, entries
from coldline.errors import RepeatError
from coldline.events import Op
from coldline.events.batch import Batch
from coldline.events.relay import Relay
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.checker import Checker
    from coldline.explain.history import Code
    from coldline.explain.witness import WitnessStep

_MANY = 100_000
"""Events at length: worth loading machine code for, and not worth making it."""

Sink = Callable[[Batch, "NDArray[Any] | None"], None]
"""Takes batches, with each event's program counter where it is known."""

Source = Callable[[Sink], None]
"""Hands all its events to a sink, in order; the same ones each time that it is called."""


class Hazard(NamedTuple):
    """A hazard with its story.

    Attributes
    ----------
    entry : HazardEntry
        What may go wrong.
    code : Code or None
        Where the instruction that reads is, where that is known.
    story : list of WitnessStep
        A shortest way there; empty where it was not asked for, or is too long to be told.
    """

    entry: HazardEntry
    code: "Code | None"
    story: "list[WitnessStep]"


@dataclass(slots=True)
class Report:
    """What a check says.

    Attributes
    ----------
    profile : Profile
        The promises that it relied on.
    hazards : list of Hazard
        In order of events, then addresses, then kinds.
    kinds : dict of str to int
        How many hazards there are of each kind, listed or not.
    events : int
        How many events were taken.
    """

    profile: Profile
    hazards: list[Hazard] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    events: int = 0

    @property
    def found(self) -> int:
        """How many hazards there are, listed or not."""
        return sum(self.kinds.values())

    @property
    def coherent(self) -> bool:
        """Whether no event may go wrong."""
        return not self.kinds


def check(
    source: Source,
    profile: Profile,
    *,
    distinct: bool = False,
    most: int | None = None,
    at_length: bool = False,
) -> "Checker":
    """Follow memory through all events of `source`: the first pass.

    Parameters
    ----------
    source : callable
        The events.
    profile : Profile
        The implementation's promises.
    distinct, most : bool, int or None
        See `Checker`.
    at_length : bool
        Whether there will be so many events that the first one need not wait to see.

    Raises
    ------
    TraceError
        If an event cannot be.
    """
    if at_length:
        from coldline.checker.loops import prepare

        prepare()

    def make(checker: "type[Checker]") -> "Checker":
        made = checker(profile, distinct=distinct, most=most)
        if at_length:
            made.expect(_MANY)
        return made

    reader = _Reader(make)
    with Relay(reader.open) as relay:
        source(relay.put)
    return reader.close()


class _Reader:
    """A checker that is made where and when it is first needed, while the events' source is busy already."""

    def __init__(self, make: "Callable[[type[Checker]], Checker]") -> None:
        self._make = make
        self._checker: Checker | None = None

    def open(self) -> Callable[[Batch], None]:
        from coldline.checker.checker import Checker

        self._checker = self._make(Checker)
        return self._checker.feed

    def close(self) -> "Checker":
        assert self._checker is not None
        return self._checker


def report(checker: "Checker", source: Source, *, most: int, stories: int) -> Report:
    """What a first pass found, with the stories that a second pass over the same events tells.

    Parameters
    ----------
    checker : Checker
        After `check`.
    source : callable
        The same events.
    most : int
        How many hazards to list.
    stories : int
        How many of them to tell a story of.

    Raises
    ------
    RepeatError
        If the second pass has other events than the first.
    """
    profile = checker.profile
    listed = list(islice(entries(checker.findings, profile.line), most))
    told = _tell(listed[:stories], source, profile, checker.events) if stories and listed else []
    told += [Hazard(entry, None, []) for entry in listed[len(told) :]]
    return Report(profile, told, dict(sorted(checker.kinds.items())), checker.events)


def _tell(listed: list[HazardEntry], source: Source, profile: Profile, events: int) -> list[Hazard]:
    # Most checks end without a story to tell, and need nothing that tells one.
    from coldline.explain.history import History
    from coldline.explain.least_cost import LeastCosts
    from coldline.explain.witness import shortest

    ways = LeastCosts(profile)
    lines = [_line_of(entry, profile) for entry in listed]
    history = History(ways, lines, (entry.number for entry in listed))
    source(history.feed)
    if history.events != events:
        raise RepeatError(
            f"{history.events:,} events in the second pass, {events:,} in the first: "
            "their source did not repeat them"
        )
    told = []
    for entry, line in zip(listed, lines, strict=True):
        story: list[WitnessStep] = []
        last = history.of(entry.number, line)
        if last is not None:  # else it happened too late in a line's life to have been kept
            story = shortest(last, entry, line, ways, history.epoch(entry.number))
        code = history.code.get(entry.number)
        if code is not None and entry.event.op is Op.FETCH:
            into = entry.address - entry.event.address
            code = code._replace(virtual=code.virtual + into, physical=code.physical + into)
        told.append(Hazard(entry, code, story))
    return told


def _line_of(entry: HazardEntry, profile: Profile) -> int:
    return entry.address - entry.address % profile.line
