# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose bytes a leak shows, and since when the page is another owner's."""

from collections.abc import Sequence
from typing import NamedTuple

from coldline.events import ZVA_BLOCK, Event, Op
from coldline.explain.line_history import LineEvent
from coldline.explain.witness import WitnessStep


class Leaked(NamedTuple):
    """The origin of a leak.

    Attributes
    ----------
    gift : LineEvent
        The event that gave the page to the reader: what it reads is from before that.
    owners : tuple of str
        Who owned the page before, by an earlier gift; empty if there was none.
    written : LineEvent or None
        The last write of the byte before the gift; None if there was none, and it is from before all events.
    """

    gift: LineEvent
    owners: tuple[str, ...]
    written: LineEvent | None


def leaked(story: Sequence[WitnessStep], address: int) -> Leaked | None:
    """Find the origin of what the last step of a story leaks; None if the story has no gift.

    Parameters
    ----------
    story : sequence of WitnessStep
        The story of a leak.
    address : int
        The byte that is followed.
    """
    events = [step.line_event for step in story if step.line_event is not None]
    found: Leaked | None = None
    owners: tuple[str, ...] = ()
    written: LineEvent | None = None
    for each in events:
        if each.event.op is Op.GIVE:
            given = tuple(sorted(each.event.agent.split(" ")))
            if given != owners:  # a gift to those who own it changes nothing
                found, owners = Leaked(each, owners, written), given
        elif _writes(each.event, address):
            written = each
    return found


def _writes(event: Event, address: int) -> bool:
    if event.op is Op.DC_ZVA:
        return (
            event.address // ZVA_BLOCK
            <= address // ZVA_BLOCK
            <= (event.address + event.size - 1) // ZVA_BLOCK
        )
    return event.op is Op.WRITE and event.address <= address < event.address + event.size
