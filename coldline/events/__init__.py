# SPDX-License-Identifier: GPL-2.0-or-later
"""Events: what agents did to memory. Front ends and builders write them, the check reads them."""

from coldline.events.event import ADDRESS_LIMIT, ZVA_BLOCK, Event, Recorder
from coldline.events.op import Op
from coldline.support.units import PAGE_SIZE

__all__ = ["ADDRESS_LIMIT", "PAGE_SIZE", "ZVA_BLOCK", "Event", "Op", "Recorder"]
