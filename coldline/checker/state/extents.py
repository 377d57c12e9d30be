# SPDX-License-Identifier: GPL-2.0-or-later
"""The bytes that an event is sure of: its range, widened to the blocks that the operation acts on."""

from coldline.events import Event, Op
from coldline.events.op import Kind
from coldline.rules.profile import Profile

_OF_LINES = (Op.DC_ISW, Op.DC_CSW, Op.DC_CISW, Op.POWER_OFF)


def unit_of(op: Op, profile: Profile) -> int:
    """The bytes of a block that an operation acts on as a whole.

    That is a granule for maintenance by address, a line for that by set/way and for ``power-off``, a block for
    ``dc zva``, and else a byte.
    """
    if op is Op.DC_ZVA:
        return profile.zva
    if op in _OF_LINES:
        return profile.line
    if op.kind is not Kind.MAINTENANCE:
        return 1
    return profile.imin if op is Op.IC_IVAU else profile.dmin


def extent_of(event: Event, profile: Profile) -> tuple[int, int]:
    """The first byte that an event with a range is sure of, and the one past the last."""
    unit, end = unit_of(event.op, profile), event.address + event.size
    return event.address - event.address % unit, end + -end % unit


def reach_of(event: Event, profile: Profile) -> tuple[int, int]:
    """The bytes that an event is sure of; all, for one that may concern any line."""
    return (0, 1 << 64) if event.op.traits.everywhere else extent_of(event, profile)
