# SPDX-License-Identifier: GPL-2.0-or-later
"""Hazards with their stories."""

from typing import TYPE_CHECKING, NamedTuple

from coldline.checker.final_read import StaleRange
from coldline.checker.state.findings import HazardEntry

if TYPE_CHECKING:
    from coldline.explain.deciding import Deciding
    from coldline.explain.event_code import Code
    from coldline.explain.witness import WitnessStep


class ExplainedHazard(NamedTuple):
    """A hazard with its story.

    Attributes
    ----------
    entry : HazardEntry
        The hazard, of one line or of adjacent lines with the same events.
    code : Code or None
        The place of the reading instruction, if it is known.
    story : list of WitnessStep
        A shortest sequence of steps that leads to its first line; empty if it was not requested or is too long.
    decided : Deciding or None
        The step of the story that decides it; None if there is no story.
    """

    entry: HazardEntry
    code: "Code | None"
    story: "list[WitnessStep]"
    decided: "Deciding | None" = None


class Unread(NamedTuple):
    """What the final read found in adjacent lines, with a story.

    Attributes
    ----------
    found : StaleRange
        The lines.
    hazard : ExplainedHazard or None
        The read of one of them; None if none of them was followed.
    """

    found: StaleRange
    hazard: ExplainedHazard | None
