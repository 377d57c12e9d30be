# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a path through the microstates of a byte, of which stories are made."""

from typing import TYPE_CHECKING, Any, NamedTuple

from coldline.rules.alphabet import Letter
from coldline.rules.microstate import Microstate

if TYPE_CHECKING:
    from coldline.rules.order.microstate import OrderedMicrostate

OUTCOMES: dict[Letter, tuple[str, ...]] = {
    Letter.DC_IVAC: ("discard", "clean"),
    Letter.DC_CSW: ("nothing", "clean"),
    Letter.DC_CISW: ("nothing", "clean"),
    Letter.DC_ISW: ("nothing", "discard", "clean"),
}
"""Names for an event's possible outcomes, in the order of its `line_rules.EFFECTS`, where it has several."""


class Taken(NamedTuple):
    """A byte's costs just before an event, just after it, and once caches have acted again."""

    ready: Any
    done: Any
    after: Any


class CacheStep(NamedTuple):
    """A step that nobody asked for: of a cache, or of an operation that takes effect later than it was issued.

    Attributes
    ----------
    name : str
        A key of `line_rules.STEPS`, or a word of `coldline.rules.order.steps.PENDING_STEPS`.
    state : Microstate or OrderedMicrostate
        The microstate that it led to.
    core : str
        The name of the core whose operation it is, or empty.
    operation : str
        The data cache operation, such as ``dc cvau``, or empty.
    outcome : str
        Which of two outcomes that had.
    pending : tuple of (str, str)
        What each core has pending after it.
    """

    name: str
    state: "Microstate | OrderedMicrostate"
    core: str = ""
    operation: str = ""
    outcome: str = ""
    pending: tuple[tuple[str, str], ...] = ()


class Back(NamedTuple):
    """The last part of a shortest path: from the microstate number `start` through one event.

    Attributes
    ----------
    start : int
        The microstate before the steps of `before`.
    before : tuple of CacheStep
        The steps before the event that only this event allows.
    origin, landed : int
        The microstates just before and just after the event.
    after : tuple of CacheStep
        The steps after the event.
    """

    start: int
    before: tuple[CacheStep, ...]
    origin: int
    landed: int
    after: tuple[CacheStep, ...]


class CoreView(NamedTuple):
    """Costs by which a read may be explained, and which part of a byte's costs are theirs; None for the whole."""

    costs: Any
    part: int | None = None

    def of(self, costs: Any) -> Any:
        """The part of a byte's costs that is this view's."""
        return costs if self.part is None else costs[self.part]
