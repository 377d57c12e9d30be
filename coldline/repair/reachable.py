# SPDX-License-Identifier: GPL-2.0-or-later
"""Which microstates of a byte can be reached, and what an event makes of them."""

from typing import Any, Final

from coldline.explain.least_cost import UNREACHABLE, LeastCosts
from coldline.explain.ordered_cost import OrderedCosts, ReachedCosts
from coldline.explain.remembered import Remembered
from coldline.rules.line_rules import Hazard

MOST_REMEMBERED: Final = 1 << 23
"""The most microstates, over all that is remembered; each takes 8 bytes."""

_MOST_SETS: Final = 1 << 12
"""The most sets among which an equal one is looked for."""

_REACHED = bytes(0 if cost != UNREACHABLE else UNREACHABLE for cost in range(256))
_HAZARDS = (Hazard.STALE, Hazard.LOST, Hazard.LEAK)


class Reachable:
    """The sets of microstates that a byte may be in, as costs of which each is the least.

    Parameters
    ----------
    ways : LeastCosts or OrderedCosts
        The rules.
    """

    def __init__(self, ways: LeastCosts | OrderedCosts) -> None:
        self._ways = ways
        self._pairs: dict[int, tuple[int, int]] = {}
        self._own: dict[Any, Any] = {}
        self.start = self._reached(ways.start)
        self.after = Remembered(self._after, _size, MOST_REMEMBERED)
        self.hazards = Remembered(self._hazards, lambda found: 1, MOST_REMEMBERED >> 8)

    def _after(self, costs: Any, letter: Any, setting: Any) -> Any:
        """The set once an event with a letter and a setting has come; equal ones are one object."""
        if len(self._own) > _MOST_SETS:
            self._own.clear()
        found = self._reached(self._ways.take(costs, letter, setting).after)
        return self._own.setdefault(found, found)

    def _hazards(self, costs: Any, letter: Any, setting: Any) -> tuple[Hazard, ...]:
        """How a read with a letter and a setting may go wrong."""
        found = []
        for hazard in _HAZARDS:
            for view in self._ways.views(letter, hazard):
                seen = view.costs
                ready = seen.take(view.of(costs), letter, setting).ready
                if seen.cheapest_bad(ready, letter, hazard) is not None:
                    found.append(hazard)
                    break
        return tuple(found)

    def _reached(self, costs: Any) -> Any:
        """The same costs, each as the least: which microstates can be reached is all that a search needs."""
        if isinstance(costs, bytes):
            return costs.translate(_REACHED)
        pairs = self._pairs
        return tuple(
            ReachedCosts([pairs.setdefault(number, (number, 0)) for number, _ in part]) for part in costs
        )


def _size(costs: Any) -> int:
    return len(costs) // 8 + 8 if isinstance(costs, bytes) else sum(map(len, costs)) + 16
