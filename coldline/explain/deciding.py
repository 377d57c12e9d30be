# SPDX-License-Identifier: GPL-2.0-or-later
"""What decides a story: the step after which the bad read could no longer be right.

The old copy that the read returns is followed backwards, through the fills and write-backs that it came by, to the
write that left it old. If every copy of the last write was lost, the step that lost the last of them decides.
"""

import enum
from collections.abc import Sequence
from typing import Final, NamedTuple

from coldline.checker.state.findings import HazardEntry
from coldline.events import ZVA_BLOCK, Event, Op
from coldline.explain.leaked import leaked
from coldline.explain.witness import WitnessStep
from coldline.rules.microstate import COLD, Microstate
from coldline.rules.profile import Profile

LEVEL_1: Final = "level 1"
LEVEL_2: Final = "level 2"
INSTRUCTION: Final = "the instruction cache"
MEMORY: Final = "memory"
PREFETCHED: Final = "a prefetched instruction"

_READ_COPIES: Final = {
    "level 1": LEVEL_1,
    "level 2": LEVEL_2,
    "memory": MEMORY,
    "instruction cache": INSTRUCTION,
    "prefetched": PREFETCHED,
}
"""The copy that a read returns, by the outcome of its step."""


class Role(enum.Enum):
    """What a deciding step did."""

    LEFT_OLD = "left-old"
    """A store went past a copy: the copy stayed as it was."""
    FILLED_OLD = "filled-old"
    """A cache took old bytes from memory after the store."""
    WROTE_OLD = "wrote-old"
    """An old line was written back over new bytes."""
    DISCARDED = "discarded"
    """The only copy of new bytes was invalidated, and not written back."""
    CHANGED = "changed"
    """A descriptor got another type without break-before-make."""
    GIVEN = "given"
    """The page was given to another owner, and nobody has written the byte since."""


class Deciding(NamedTuple):
    """The step that decides a story.

    Attributes
    ----------
    role : Role
        What it did.
    step : int
        Its index in the story.
    event : int
        The index of the event that answers for it: the step itself if that is an event, else the event that issued
        it, or the store whose bytes are missed.
    copy : str
        The copy that was left old, was filled, or was written over; empty if that is not known.
    """

    role: Role
    step: int
    event: int
    copy: str = ""


def deciding(story: Sequence[WitnessStep], entry: HazardEntry, profile: Profile) -> Deciding | None:
    """Find the step that decides a story; None if the story is empty, or its read has no write of the bad byte.

    Parameters
    ----------
    story : sequence of WitnessStep
        The story of the hazard.
    entry : HazardEntry
        The hazard: its first byte is followed.
    profile : Profile
        The implementation's promises.
    """
    if entry.kind == "bbm":
        return Deciding(Role.CHANGED, len(story) - 1, len(story) - 1) if story else None
    store = _last_store(story, entry.address, len(story))
    gift = _gift(story, entry.address) if entry.kind == "leak" else None
    if gift is not None and (store is None or store < gift):
        return Deciding(Role.GIVEN, gift, gift)
    if store is None:
        return None
    found = _lost(story, entry.address) if entry.kind == "lost-write" else None
    found = found or _old(story, store, entry.address, profile)
    return found if story[found.event].line_event is not None else None


def _gift(story: Sequence[WitnessStep], address: int) -> int | None:
    """The index of the event that gave the page to its last owners."""
    found = leaked(story, address)
    if found is None:
        return None
    return next(index for index, step in enumerate(story) if step.line_event is found.gift)


def _last_store(story: Sequence[WitnessStep], address: int, before: int) -> int | None:
    """The index of the last event before index `before` that writes the byte."""
    for index in range(before - 1, -1, -1):
        line_event = story[index].line_event
        if line_event is not None and _writes(line_event.event, address):
            return index
    return None


def _writes(event: Event, address: int) -> bool:
    if event.op is Op.DC_ZVA:
        start, end = event.address, event.address + event.size
        return start - start % ZVA_BLOCK <= address < end + -end % ZVA_BLOCK
    return event.op is Op.WRITE and event.address <= address < event.address + event.size


def before_step(story: Sequence[WitnessStep], index: int) -> Microstate:
    """The copies before a step of a story."""
    return story[index - 1].state if index else COLD


def _lost(story: Sequence[WitnessStep], address: int) -> Deciding | None:
    """The step after which no copy, and no store in flight, had the last write any more."""
    step = len(story) - 1
    if not _is_lost(story, step - 1):
        return None
    while step and _is_lost(story, step - 1):
        step -= 1
    role, copy = _loss(before_step(story, step), story[step].state)
    return Deciding(role, step, _answering(story, step, address), copy)


def _is_lost(story: Sequence[WitnessStep], index: int) -> bool:
    """Whether the last write is lost after a step."""
    if index < 0:
        return False
    in_flight = any("store new" in words for _, words in story[index].pending)
    return story[index].state.lost and not in_flight


def _loss(before: Microstate, after: Microstate) -> tuple[Role, str]:
    """How a step lost the last copy of the last write."""
    if before.fresh_memory:
        return Role.WROTE_OLD, MEMORY
    if before.fresh2 and after.level2:
        return Role.WROTE_OLD, LEVEL_2
    if before.fresh1 and after.level1:
        return Role.WROTE_OLD, LEVEL_1
    copies = {LEVEL_1: before.fresh1, LEVEL_2: before.fresh2, INSTRUCTION: before.fresh_i}
    return Role.DISCARDED, next((copy for copy, fresh in copies.items() if fresh), "")


def _answering(story: Sequence[WitnessStep], step: int, address: int) -> int:
    """The event that answers for a step: itself, the one that issued it, or the last store before it."""
    if story[step].line_event is not None:
        return step
    operation, core = story[step].operation, story[step].core
    for index in range(step - 1, -1, -1):
        line_event = story[index].line_event
        if line_event is None or story[index].core != core or not operation:
            continue
        if line_event.event.op.words == operation:
            return index
    store = _last_store(story, address, step)
    return store if store is not None else step


def _old(story: Sequence[WitnessStep], store: int, address: int, profile: Profile) -> Deciding:
    """What made the copy old that the last step reads: a step after the store, or else the store."""
    last = len(story) - 1
    copy = copy_read(story[last], before_step(story, last), profile)
    filled: tuple[int, str] | None = None
    for index in range(last - 1, store, -1):
        before, after = before_step(story, index), story[index].state
        if not has(after, copy) or is_fresh(after, copy):
            break  # a view of another core: the copies are not told any farther back
        if not has(before, copy):
            origin = source(before, copy, profile)
            if origin == MEMORY:
                filled = (index, copy)
            copy = origin
        elif is_fresh(before, copy):
            return Deciding(Role.WROTE_OLD, index, _answering(story, index, address), copy)
    if filled is not None and copy == MEMORY:
        return Deciding(Role.FILLED_OLD, filled[0], store, filled[1])
    return Deciding(Role.LEFT_OLD, store, store, copy)


def copy_read(step: WitnessStep, before: Microstate, profile: Profile) -> str:
    """The copy that the bad read returns."""
    if step.outcome in _READ_COPIES:
        return _READ_COPIES[step.outcome]
    assert step.line_event is not None
    letter = step.line_event.letter
    name = getattr(getattr(letter, "act", letter), "name", "")
    if name.endswith("_NC"):
        return MEMORY
    if step.line_event.event.op is Op.FETCH:
        return INSTRUCTION if before.icache else source(before, INSTRUCTION, profile)
    return LEVEL_1 if before.level1 else LEVEL_2 if before.level2 else MEMORY


def source(before: Microstate, copy: str, profile: Profile) -> str:
    """Where a copy that was not there before comes from."""
    if copy == INSTRUCTION and profile.idc and before.level1:
        return LEVEL_1
    if copy in (INSTRUCTION, LEVEL_1) and before.level2:
        return LEVEL_2
    if copy == LEVEL_2 and before.level1 == 2:
        return LEVEL_1
    return MEMORY


def has(state: Microstate, copy: str) -> bool:
    """Whether there is a copy."""
    valid = {
        LEVEL_1: bool(state.level1),
        LEVEL_2: bool(state.level2),
        INSTRUCTION: state.icache,
        MEMORY: True,
    }
    return valid.get(copy, False)


def is_fresh(state: Microstate, copy: str) -> bool:
    """Whether a copy has the last write."""
    fresh = {
        LEVEL_1: state.fresh1,
        LEVEL_2: state.fresh2,
        INSTRUCTION: state.fresh_i,
        MEMORY: state.fresh_memory,
    }
    return fresh.get(copy, False)
