# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks an event by itself."""

from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event


def validate(event: Event) -> None:
    """Check what can be wrong with an event whatever came before it.

    Raises
    ------
    TraceError
        If it cannot be; ``where`` is empty.
    """
    op, address, size = event.op, event.address, event.size
    if not op.has_range:
        return
    if size <= 0:
        raise TraceError("", f"the size of '{op.words}' is 0")
    if address < 0 or address + size > ADDRESS_LIMIT:
        raise TraceError("", f"{address:#x} + {size:#x} reaches past 2^52")
    if op.traits.whole_pages and (address | size) % PAGE_SIZE:
        raise TraceError("", f"'{op.words}' of a partial page: {address:#x} + {size:#x}")
    if op.has_type and event.memory_type is None and not op.traits.may_be_invalid:
        raise TraceError("", f"'{op.words}' needs a memory type")
