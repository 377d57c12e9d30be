# SPDX-License-Identifier: GPL-2.0-or-later
"""The data cache operations that one core has pending on a line, in program order and in their shortest form."""

from coldline.rules.alphabet import Letter
from coldline.rules.order.microstate import Maintenance

MOST_PENDING = 4
"""The most operations that are pending one by one: see `issued`."""

_STRENGTH = {Letter.DC_CVAU: 1, Letter.DC_CVAC: 2, Letter.DC_CIVAC: 3}
"""The operations that clean: one with a greater number does all that one with a smaller number does."""


def issued(queue: tuple[Maintenance, ...], new: Maintenance) -> tuple[Maintenance, ...]:
    """The pending operations with one more, in their shortest form.

    A queue longer than `MOST_PENDING` is not followed exactly: its first ``dc ivac`` then stands for any number of
    them, which allows more than the architecture does, and never less.
    """
    queue = without_needless((*queue, new))
    while len(queue) > MOST_PENDING:
        queue = _shortened(queue)
    return queue


def without_needless(queue: tuple[Maintenance, ...]) -> tuple[Maintenance, ...]:
    """The queue without the operations that no later event can tell from none.

    An operation that cleans may take effect early without being seen, as caches may write back and drop lines on
    their own. So one before another that does as much is left out, unless something waits for the first alone.
    """
    kept: list[Maintenance] = []
    for each in queue:
        while kept and _is_needless(kept[-1], each):
            kept.pop()
        kept.append(each)
    return tuple(kept)


def _is_needless(first: Maintenance, second: Maintenance) -> bool:
    return (
        0 < _STRENGTH.get(first.operation, 0) <= _STRENGTH.get(second.operation, 0)
        and first.cacheable <= second.cacheable
        and first.ordered <= second.ordered
        and first.after_store <= second.after_store
    )


def _shortened(queue: tuple[Maintenance, ...]) -> tuple[Maintenance, ...]:
    at = next((n for n, each in enumerate(queue) if each.operation in _STRENGTH), None)
    if at is not None:
        return queue[:at] + queue[at + 1 :]
    first, second = queue[:2]
    merged = Maintenance(
        Letter.DC_IVAC,
        first.cacheable and second.cacheable,
        ordered=first.ordered and second.ordered,
        after_store=first.after_store and second.after_store,
        repeats=True,
    )
    return (merged, *queue[2:])
