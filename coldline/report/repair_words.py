# SPDX-License-Identifier: GPL-2.0-or-later
"""Says which operations repair a cause, where, and why others do not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coldline.repair.result import Place, PutIn, Repair, Repairs

_NUMBERS = {1: "one operation", 2: "two operations"}


def repair_words(repairs: "Repairs") -> Iterator[str]:
    """The repairs of a cause, in lines."""
    if repairs.found:
        count = len(repairs.found[0].events)
        yield f"repaired by {_NUMBERS.get(count, f'{count} operations')}, as the checker proves on the whole trace:"
        for repair in repairs.found:
            yield f"  {_repair(repair)}"
            yield from _put_in(repair.put_in)
        if repairs.remark:
            yield repairs.remark
    else:
        yield f"no repair was found: {repairs.remark}"
    if repairs.failed:
        yield "not repaired by:"
        for each in repairs.failed:
            yield f"  {each.event} before {_place(each.place)}: {each.why}"


def _repair(repair: "Repair") -> str:
    parts = [
        f"{event} {_between(first, last)}"
        for event, first, last in zip(repair.events, repair.earliest, repair.latest, strict=True)
    ]
    return " and ".join(parts)


def _put_in(put_in: "PutIn | None") -> Iterator[str]:
    """A repair as ``coldline boot --with`` takes it, and how the guest ran with it."""
    if put_in is None:
        return
    yield "    " + " ".join(f"--with '{each}'" for each in put_in.operations)
    them = "the repairs of all causes" if put_in.together else "it"
    yield f"    run again with {them}: {'the hazards are gone' if put_in.right else 'hazards are left'}"


def _between(first: "Place", last: "Place") -> str:
    if first == last:
        return f"before {_place(last)}"
    return f"before {_place(first)} at the earliest, {_place(last)} at the latest"


def _place(place: "Place") -> str:
    return f"line {place.where}" if place.where else f"event {place.number:,}"
