# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations that are added to a guest's code: at which instruction, which execution of it, and which core."""

import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from coldline.events import Event

ROW: Final = struct.Struct("<2Q")
"""A virtual address, and the number of its addition."""

PC_AT, NUMBER_AT = 0, 8

RECORD: Final = struct.Struct("<6Q")
"""An addition: which time, how often its place was reached, its first event, one past its last, `UNTIL_AT` and
`FETCH_AT`."""

WANTED_AT, REACHED_AT, FIRST_AT, LAST_AT = 0, 8, 16, 24
UNTIL_AT = 32
"""If not 0, only times count at which the core had appended fewer events than this."""

FETCH_AT = 40
"""If not 0, the addition is for the block whose fetch is this event of the core, from 1, without what is added. Which
time its place is reached then is noted."""

EVENT: Final = struct.Struct("<3Q")
"""An event: its `Op`, its address and its size."""


class CodePlace(NamedTuple):
    """A place in a guest's run: just before an instruction is executed.

    Attributes
    ----------
    pcs : tuple of int
        The virtual addresses of the instruction. Code may run at two: where it was loaded, and where it was linked.
    nth : int
        Which time, from 1.
    core : int
        The number of the vCPU.
    """

    pcs: tuple[int, ...]
    nth: int = 1
    core: int = 0

    def __str__(self) -> str:
        return f"pc {self.pcs[0]:#x}#{self.nth}" + (f" on cpu{self.core}" if self.core else "")


class Addition(NamedTuple):
    """Operations that are added at a place, as if the guest had the instructions for them.

    Attributes
    ----------
    place : CodePlace
        The place.
    events : tuple of Event
        Maintenance of physical addresses, and barriers, which have no effect without `Trial.order`. The agent is that
        of the core.
    """

    place: CodePlace
    events: tuple[Event, ...]

    def __str__(self) -> str:
        operations = (str(event).removeprefix(f"{event.agent} ") for event in self.events)
        return f"{'; '.join(operations)} at {self.place}"


def by_place(additions: Iterable[Addition]) -> tuple[Addition, ...]:
    """The same operations with one addition for each place, and adjacent ranges of an operation as one.

    Operations on different lines can be done in any order. So ranges stay as they are where there is a barrier, or
    where those of two operations have a line in common.
    """
    places: dict[CodePlace, list[Event]] = {}
    for each in dict.fromkeys(additions):
        places.setdefault(each.place, []).extend(each.events)
    return tuple(Addition(place, tuple(_joined(events))) for place, events in places.items())


def _joined(events: Sequence[Event]) -> list[Event]:
    """Some operations, with adjacent and overlapping ranges of each as one."""
    if not all(event.op.has_range for event in events):
        return list(events)
    joined: list[Event] = []
    for event in sorted(events, key=lambda event: (event.op, event.address)):
        last = joined[-1] if joined else None
        if last is not None and last.op is event.op and event.address <= last.address + last.size:
            end = max(last.address + last.size, event.address + event.size)
            joined[-1] = last._replace(size=end - last.address)
        else:
            joined.append(event)
    ends = sorted((event.address, event.address + event.size) for event in joined)
    apart = all(end <= start for (_, end), (start, _) in pairwise(ends))
    return joined if apart else list(events)


class Additions:
    """The additions to a run, as the compiled callbacks read them.

    Parameters
    ----------
    additions : sequence of Addition
        The additions.
    until : sequence of int
        For each addition `UNTIL_AT`, 0 for no limit; none of them has one if it is empty.
    fetches : sequence of int
        For each addition `FETCH_AT`, 0 where the place says which time; it does for all if it is empty.
    orders : bool
        Whether barriers are events.

    Attributes
    ----------
    records, events : bytearray
        A `RECORD` for each addition, and an `EVENT` for each event of each.
    """

    def __init__(
        self,
        additions: Sequence[Addition],
        *,
        until: Sequence[int] = (),
        fetches: Sequence[int] = (),
        orders: bool = False,
    ) -> None:
        self._additions = tuple(additions)
        self.records, self.events = bytearray(), bytearray()
        first = 0
        for number, each in enumerate(self._additions):
            kept = [
                event for event in each.events if event.op.has_range or not event.op.traits.ordered or orders
            ]
            last = first + len(kept)
            limit = until[number] if until else 0
            fetch = fetches[number] if fetches else 0
            nth = 0 if fetch else each.place.nth
            self.records += RECORD.pack(nth, 0, first, last, limit, fetch)
            for event in kept:
                self.events += EVENT.pack(event.op, event.address, event.size)
            first = last
        self.events += bytes(EVENT.size)  # so that it has an address even if there are no events

    def rows(self, core: int) -> bytearray:
        """A `ROW` for each address of each place on a core."""
        rows = bytearray()
        for number, each in enumerate(self._additions):
            for pc in each.place.pcs if each.place.core == core else ():
                rows += ROW.pack(pc, number)
        return rows

    def pcs(self, core: int) -> list[int]:
        """The addresses of the places on a core."""
        return sorted({pc for each in self._additions if each.place.core == core for pc in each.place.pcs})

    def reached(self) -> tuple[int, ...]:
        """How often the place of each addition was reached."""
        return tuple(fields[1] for fields in RECORD.iter_unpack(self.records))

    def nth(self) -> tuple[int, ...]:
        """Which time the place of each addition is reached as it is added; 0 if that was to be noted, and was not."""
        return tuple(fields[0] for fields in RECORD.iter_unpack(self.records))
