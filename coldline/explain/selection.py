# SPDX-License-Identifier: GPL-2.0-or-later
"""Selects the events of a run that may concern some ranges of bytes, and keeps them."""

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from coldline.events import Op
from coldline.events.batch import Batch
from coldline.events.footprints import starts_of
from coldline.events.source import Sink
from coldline.explain.repeated_barriers import RepeatedBarriers

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AROUND: Final = 2
"""Pages below and above those of a byte whose events may concern it: with the MMU off, a fetch lets the next page be
prefetched."""

_NEAR: Final = 16
"""How many events the first instruction of a block may have before its fetch: walks, and what they change."""


class Part(NamedTuple):
    """Some events of a batch.

    Attributes
    ----------
    batch : Batch
        The events, with their instructions if the batch has them.
    numbers : ndarray of int64, shape (events,)
        Their numbers in the trace, in ascending order.
    """

    batch: Batch
    numbers: "NDArray[np.int64]"

    def only(self, chosen: "NDArray[np.bool_]") -> "Part":
        """The events that are chosen, by a mask."""
        instructions = self.batch.instructions
        return Part(
            Batch(
                self.batch.agents,
                self.batch.rows[chosen],
                instructions=None if instructions is None else instructions[chosen],
            ),
            self.numbers[chosen],
        )


class Selection:
    """Selects the events that may concern some bytes.

    Parameters
    ----------
    slots : ndarray of bool
        Their slots (`coldline.events.footprints`).
    """

    def __init__(self, slots: "NDArray[np.bool_]") -> None:
        self._slots, self._starts = slots, starts_of(slots)

    def of(self, batch: Batch, first: int) -> Part:
        """The selected events of a batch, whose first event has number `first`."""
        rows, indices = batch.selected(self._slots, self._starts)
        instructions = batch.instructions
        return Part(
            Batch(
                batch.agents,
                rows,
                instructions=None if instructions is None else instructions[indices],
            ),
            indices + first,
        )


class _Place(NamedTuple):
    """A batch of a run: the number of its first event, one past that of its last, and the agent of the first."""

    first: int
    end: int
    agent: str


class _Fetch(NamedTuple):
    """The fetch of a block: its number in the run, its physical address and its size."""

    number: int
    address: int
    size: int


class KeptEvents:
    """The events of a run that may concern some lines, as a `Source` of their own.

    Nothing else that happens to these lines is missing, so a check of these events finds of the lines what a check of
    the run finds. Events have other numbers here than in the run. Barriers that change nothing are not kept.

    Parameters
    ----------
    most : int
        How many events to keep; if there are more, none are kept.

    Attributes
    ----------
    parts : list of Part
        The events.
    """

    repeatable = True

    def __init__(self, most: int) -> None:
        self._most = most
        self.parts: list[Part] = []
        self._fetches: list[NDArray[np.int64]] = []
        self._batches: list[_Place] = []
        self._joined: list[Batch] = []
        self._fetch: _Fetch | None = None
        self._fetch_until = 0
        self._events = 0
        self._numbers: NDArray[np.int64] | None = None
        self._first: list[int] = []
        self._barriers = RepeatedBarriers()

    @property
    def complete(self) -> bool:
        """Whether they are all kept."""
        return 0 < self._events <= self._most

    def note(self, batch: Batch, first: int) -> None:
        """Take a batch of the run, whose first event has number `first`, for the numbers of each core's events."""
        if len(batch):
            self._batches.append(_Place(first, first + len(batch), batch.agents[0]))

    def keep(self, part: Part, batch: Batch, first: int) -> None:
        """Keep some events of a batch whose first event has number `first`."""
        left = self._barriers.left(part.batch.rows, part.batch.agents)
        if not left.all():
            part = part.only(left)
        self._events += len(part.numbers)
        if self._events > self._most:
            self.parts, self._fetches = [], []
        elif len(part.numbers):
            self.parts.append(part)
            self._fetches.append(self._with_earlier(_fetches_of(batch, part, first), part, first))
        fetches = np.flatnonzero(batch.rows["op"] == Op.FETCH)
        if len(fetches):
            row = batch.rows[fetches[-1]]
            self._fetch = _Fetch(int(fetches[-1]) + first, int(row["address"]), int(row["size"]))
        self._fetch_until = first + len(batch)

    def _with_earlier(self, fetches: "NDArray[np.int64]", part: Part, first: int) -> "NDArray[np.int64]":
        """The fetches of a part's events, also of those whose block was fetched in the batch just before."""
        instructions, fetch = part.batch.instructions, self._fetch
        if instructions is None or fetch is None or self._fetch_until != first:
            return fetches
        physical = instructions["physical"]
        inside = (fetch.address <= physical) & (physical < fetch.address + fetch.size) & (fetches < 0)
        fetches[inside] = fetch.number
        return fetches

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""
        if not self._joined:
            self._joined = _joined([part.batch for part in self.parts])
        for batch in self._joined:
            sink(batch)

    def number_of(self, index: int) -> int:
        """The number in the run of an event that is kept."""
        return int(self._all_numbers()[index])

    def index_of(self, number: int) -> int | None:
        """The number among these events of an event of the run; None if it is not kept."""
        numbers = self._all_numbers()
        index = int(np.searchsorted(numbers, number))
        return index if index < len(numbers) and numbers[index] == number else None

    def code_at(self, number: int) -> "KeptCode | None":
        """The instruction of an event of the run; None if it is not kept, or of no instruction of a block."""
        index = self.index_of(number)
        if index is None:
            return None
        at = int(np.searchsorted(self._first, index, side="right")) - 1
        inside = index - self._first[at]
        batch, fetch = self.parts[at].batch, int(self._fetches[at][inside])
        if batch.instructions is None or fetch < 0 or not batch.instructions["state"][inside]:
            return None
        name = self._batch_of(fetch).agent
        before = sum(
            min(each.end, fetch) - each.first
            for each in self._batches
            if each.agent == name and each.first < fetch
        )
        return KeptCode(int(batch.instructions["virtual"][inside]), name, before + 1)

    def _batch_of(self, number: int) -> _Place:
        return next(each for each in self._batches if each.first <= number < each.end)

    def _all_numbers(self) -> "NDArray[np.int64]":
        if self._numbers is None:
            self._numbers = np.concatenate([part.numbers for part in self.parts])
            lengths = [len(part.numbers) for part in self.parts]
            self._first = [0, *np.cumsum(lengths).tolist()][:-1]
        return self._numbers


class KeptCode(NamedTuple):
    """The place of an instruction in a run.

    Attributes
    ----------
    pc : int
        Its virtual address.
    agent : str
        The first of its core's agents.
    fetch : int
        The event of that core, from 1, that fetches the block in which it is executed.
    """

    pc: int
    agent: str
    fetch: int


def _joined(batches: list[Batch]) -> list[Batch]:
    """The same events in fewer batches, without instructions."""
    found = []
    for agents, each in groupby(batches, key=lambda batch: tuple(batch.agents)):
        found.append(Batch(agents, np.concatenate([batch.rows for batch in each])))
    return found


def _fetches_of(batch: Batch, part: Part, first: int) -> "NDArray[np.int64]":
    """For each event of a part the number of the fetch of its block; -1 if that is not in the batch.

    It is the last one before the event; or the next one, of an event that belongs to the start of the next block,
    such as a walk for its translation.
    """
    found = np.full(len(part.numbers), -1, np.int64)
    if part.batch.instructions is None or not part.batch.instructions["state"].any():
        return found
    rows = batch.rows
    fetches = np.flatnonzero(rows["op"] == Op.FETCH)
    if not len(fetches) or batch.instructions is None:
        return found
    at = part.numbers - first
    before = np.searchsorted(fetches, at, side="right") - 1
    physical = batch.instructions["physical"][at]
    for which in (before + 1, before):
        inside = (which >= 0) & (which < len(fetches))
        index = fetches[np.clip(which, 0, len(fetches) - 1)]
        start = rows["address"][index]
        inside &= (start <= physical) & (physical < start + rows["size"][index])
        if which is not before:
            inside &= (index - at < _NEAR) & (start == physical)
        found[inside] = index[inside] + first
    return found
