# SPDX-License-Identifier: GPL-2.0-or-later
"""The look: accesses that did not happen, which ask whether a guest reads what was loaded."""

from typing import TYPE_CHECKING

from coldline.arm import MemoryType
from coldline.events import Event, Op
from coldline.events.agent_names import LOOK

if TYPE_CHECKING:
    from coldline.guest.plan import Plan


def look_at(plan: "Plan") -> list[Event]:
    """Return the events of a look at everything that the builder loaded.

    The agent `LOOK` does what a guest can do that changes none of it. It reads all of it with its MMU off, as a guest
    starts. Then it maps it write-back and executable, turns its MMU on, fetches the segment with the entry, and reads
    all of it again, through the caches.

    Parameters
    ----------
    plan : Plan
        The guest that was built.
    """
    loaded = [each for each in plan.segments if each.data.nbytes]
    reads = [Event(LOOK, Op.READ, each.address, each.data.nbytes) for each in loaded]
    return [
        Event(LOOK, Op.MMU_OFF),
        *reads,
        *(Event(LOOK, Op.MAP, each.address, each.size, MemoryType.NORMAL_WB, True) for each in loaded),
        Event(LOOK, Op.MMU_ON),
        *(
            Event(LOOK, Op.FETCH, each.address, each.data.nbytes)
            for each in loaded
            if each.address <= plan.registers.pc < each.end
        ),
        *reads,
    ]
