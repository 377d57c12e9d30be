# SPDX-License-Identifier: GPL-2.0-or-later
"""Of when old bytes are: the fill, or the store, that a copy of the line is from."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from coldline.events import Op
from coldline.explain.deciding import (
    INSTRUCTION,
    LEVEL_1,
    LEVEL_2,
    MEMORY,
    Deciding,
    Role,
    before_step,
    copy_read,
    has,
    is_fresh,
    source,
)
from coldline.explain.line_history import LineEvent
from coldline.explain.witness import WitnessStep
from coldline.rules.microstate import Microstate
from coldline.rules.profile import Profile

_DATA: Final = frozenset({Op.DC_IVAC, Op.DC_CIVAC, Op.DC_ZVA})
_SET_WAY: Final = frozenset({Op.DC_ISW, Op.DC_CISW})


class OldCopy(NamedTuple):
    """The copy that a bad read returns.

    Attributes
    ----------
    copy : str
        Its name, as in `Deciding`.
    before : int
        The number of an event: the copy has what the line held just before it.
    ends : frozenset of Op
        The maintenance that removes the copy, or, if it is memory, renews it.
    """

    copy: str
    before: int
    ends: frozenset[Op]


class OldLine(NamedTuple):
    """A line of a cache that is older than a store.

    Attributes
    ----------
    copy : str
        Its level, as in `Deciding`.
    since : LineEvent
        The event that made it what it is, or after which it was filled.
    """

    copy: str
    since: LineEvent


def old_copy(story: Sequence[WitnessStep], profile: Profile) -> OldCopy | None:
    """Find of when the copy is that the last step of a story returns; None if the story does not tell.

    A copy has the line as it was when it was filled, and what was stored into it since through the caches.
    """
    last = len(story) - 1
    if last < 1:
        return None
    copy = copy_read(story[last], before_step(story, last), profile)
    taken = _taken_at(story, profile).get(copy)
    if taken is None:
        return None
    after = (step.line_event for step in story[taken + 1 :])
    event = next((each for each in after if each is not None), None)
    return OldCopy(copy, event.number, _ends(copy, profile)) if event is not None else None


def old_line(story: Sequence[WitnessStep], decided: Deciding, profile: Profile) -> OldLine | None:
    """Find the line of a cache that a store past the caches did not reach, and that makes the story's read wrong.

    Either the read finds it, or it is written back over what was stored. None if no such line decides the story.
    """
    store = story[decided.event].line_event
    if store is None or store.event.op is not Op.WRITE or _stores_through_caches(story[decided.event]):
        return None
    if decided.role is Role.LEFT_OLD:
        copy = decided.copy
    elif decided.role is Role.WROTE_OLD:
        copy = _dirty(before_step(story, decided.step))
    else:
        return None
    if copy not in (LEVEL_1, LEVEL_2):
        return None
    taken = _taken_at(story[: decided.event + 1], profile)
    since = taken.get(copy, taken.get(LEVEL_1))  # it may come from level 1 after the store
    events = [step.line_event for step in story[: since + 1]] if since is not None else []
    event = next((each for each in reversed(events) if each is not None), None)
    return OldLine(copy, event) if event is not None else None


def _taken_at(story: Sequence[WitnessStep], profile: Profile) -> dict[str, int]:
    """For each copy the index of the step after which memory, as all have written it, was what the copy has."""
    taken = {MEMORY: -1}
    for index, step in enumerate(story[:-1]):
        before, after = before_step(story, index), step.state
        known = dict(taken)
        for copy in (LEVEL_1, LEVEL_2, INSTRUCTION):
            if not has(after, copy):
                taken.pop(copy, None)
            elif not has(before, copy):
                origin = source(before, copy, profile)
                taken[copy] = (
                    index if is_fresh(before, origin) and origin == MEMORY else known.get(origin, index)
                )
            elif is_fresh(after, copy) and copy != INSTRUCTION and _stores_through_caches(step):
                taken[copy] = index
            elif is_fresh(before, copy) and not is_fresh(after, copy) and step.line_event is None:
                taken[copy] = known.get(LEVEL_1, index)
        if is_fresh(after, MEMORY):
            taken[MEMORY] = index
        elif is_fresh(before, MEMORY) and not _is_write(step):
            taken[MEMORY] = known.get(_dirty(before), index)
    return taken


def _dirty(state: Microstate) -> str:
    return LEVEL_2 if state.level2 == 2 else LEVEL_1


def _is_write(step: WitnessStep) -> bool:
    return step.line_event is not None and step.line_event.event.op in (Op.WRITE, Op.DC_ZVA)


def _stores_through_caches(step: WitnessStep) -> bool:
    if step.line_event is None or not _is_write(step):
        return False
    letter = step.line_event.letter
    return not getattr(getattr(letter, "act", letter), "name", "").endswith("_NC")


def _ends(copy: str, profile: Profile) -> frozenset[Op]:
    if copy == INSTRUCTION:
        return frozenset({Op.IC_IVAU, Op.IC_IALLU, Op.IC_IALLUIS})
    by_set_way = _SET_WAY if profile.setway_effective else frozenset()
    if copy == MEMORY:
        return _DATA | {Op.DC_CVAC, Op.DC_CSW} | _SET_WAY
    return _DATA | by_set_way
