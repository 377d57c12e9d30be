# SPDX-License-Identifier: GPL-2.0-or-later
"""Events: the narrow waist between those who touch memory and those who judge it."""

from coldline.trace.events import ADDRESS_LIMIT, PAGE_SIZE, ZVA_BLOCK, Event, Op, Recorder

__all__ = ["ADDRESS_LIMIT", "PAGE_SIZE", "ZVA_BLOCK", "Event", "Op", "Recorder"]
