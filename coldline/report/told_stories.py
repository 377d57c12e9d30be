# SPDX-License-Identifier: GPL-2.0-or-later
"""The stories of a report that have been told: one that begins like another need not tell the beginning again.

What the host and the guest's first instructions do is the same for most lines.
"""

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.witness import WitnessStep

_LEAST: Final = 8
"""The fewest steps that are left out. Fewer are quicker to read than to look up."""

_LAST: Final = 64
"""How many stories are remembered, so that thousands of them do not take long to compare."""


class Before(NamedTuple):
    """The steps at the beginning of a story that another one has, too: how many, and the other's number."""

    steps: int
    number: int


class Stories:
    """The last stories that have been told."""

    def __init__(self) -> None:
        self._told: deque[tuple[int, Sequence[WitnessStep]]] = deque(maxlen=_LAST)

    def before(self, hazard: "ExplainedHazard", number: int) -> Before | None:
        """Take the next story, which has a number; return what it has in common with an earlier one, if that is much.

        The deciding step, the event that answers for it and the last step are always told.
        """
        story = hazard.story
        most = len(story) - 1
        if hazard.decided is not None:
            most = min(most, hazard.decided.step, hazard.decided.event)
        common = [
            Before(min(same_start(story, other), most), other_number) for other_number, other in self._told
        ]
        self._told.append((number, story))
        longest = max(common, key=lambda each: each.steps, default=None)
        return longest if longest is not None and longest.steps >= _LEAST else None


def same_start(one: "Sequence[WitnessStep]", other: "Sequence[WitnessStep]") -> int:
    """How many steps two stories have in common at their beginning: the same events with the same copies after."""
    count = 0
    for first, second in zip(one, other, strict=False):
        if _told(first) != _told(second):
            break
        count += 1
    return count


def _told(step: "WitnessStep") -> tuple[object, ...]:
    """What a row says of a step."""
    number = step.line_event.number if step.line_event is not None else None
    return number, *step[1:]
