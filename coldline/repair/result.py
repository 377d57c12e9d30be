# SPDX-License-Identifier: GPL-2.0-or-later
"""What a search for the missing operation is given, and what it finds."""

from typing import NamedTuple

from coldline.checker.state.findings import HazardEntry
from coldline.events import Event, Op


class Target(NamedTuple):
    """The hazards that are to be repaired: those of one cause.

    Attributes
    ----------
    entries : tuple of HazardEntry
        The hazards; the search follows the line of the first one.
    """

    entries: tuple[HazardEntry, ...]

    def lines(self, line: int) -> tuple[int, int]:
        """The first byte of the first cache line of all hazards, and one past the last byte of the last one."""
        first = min(entry.address for entry in self.entries)
        end = max(entry.address + entry.size for entry in self.entries)
        return first - first % line, end + -end % line


class Operation(NamedTuple):
    """An operation to put in: an agent and what it does, over all lines of the target; for a barrier, over none."""

    agent: str
    op: Op

    def event(self, address: int, size: int) -> Event:
        """The operation as an event over a range of bytes."""
        return Event(self.agent, self.op, address, size) if self.op.has_range else Event(self.agent, self.op)


class Place(NamedTuple):
    """A place of a trace: just before an event of this number, which is on this line of a text, or 0."""

    number: int
    where: int


class PutIn(NamedTuple):
    """A repair as it was added to the code of a guest, which was run again.

    Attributes
    ----------
    operations : tuple of str
        Each operation with its instruction, which time, and the core, as ``coldline boot --with`` takes it.
    right : bool
        Whether the hazards of the cause were gone in that run, and no others had come.
    together : bool
        Whether the repairs of other causes were in that run, too.
    """

    operations: tuple[str, ...]
    right: bool
    together: bool = False


class Repair(NamedTuple):
    """Operations that make the hazards impossible, which the checker has proven on the whole trace.

    Attributes
    ----------
    events : tuple of Event
        The operations, in order.
    earliest, latest : tuple of Place
        For each of them the earliest and the latest place at which it was proven.
    lines : int
        How many cache lines the operations by address concern, each counted for each of them.
    put_in : PutIn or None
        The repair in a guest's code; None for that of a trace, and where an event is not of the guest's code.
    """

    events: tuple[Event, ...]
    earliest: tuple[Place, ...]
    latest: tuple[Place, ...]
    lines: int
    put_in: PutIn | None = None


class Failure(NamedTuple):
    """An operation that does not make the hazards impossible at a place, and why.

    Attributes
    ----------
    event : Event
        The operation.
    place : Place
        The place: the best one that there is, or for one that helps elsewhere, the last one that is too early.
    why : str
        Why it fails.
    """

    event: Event
    place: Place
    why: str


class Repairs(NamedTuple):
    """The result of a search.

    Attributes
    ----------
    found : list of Repair
        The repairs with the fewest operations, the smallest first.
    failed : list of Failure
        Single operations that fail, and why.
    remark : str
        Why nothing was found, or what was not searched; else empty.
    """

    found: list[Repair]
    failed: list[Failure]
    remark: str = ""
