# SPDX-License-Identifier: GPL-2.0-or-later
"""Microstates that a set may have or lack, as no later event can tell: with them, sets that mean the same are equal.

A byte that was written and one beside it in its line may be in different microstates and still find the same hazards
for ever. An automaton that is known whole is minimised; one whose states are worked out when they are met cannot be.
So a set gets each microstate that adds nothing to it. That is one of which the set has

- a *companion*: one with the same copies valid, the same dirty and the same pending, and no store in flight. They
  take the same steps, and the next write makes them equal, as it says of every copy whether it is fresh;
- up to that write, one that finds whatever it finds. That is any at all if each of its copies is fresh. It is
  the one that a write has just made, with a dirty level 1 and all else old, and with the same instruction cache, if
  its data caches are *in order*: a clean copy is as fresh as the next one below, a dirty one at least as fresh, and
  the first one is fresh.

This is so for freshness alone: by the meaning of owners a write takes a mark from no copy. ``tests/rules`` works out
from the tables that the second part holds.
"""

from collections.abc import Iterator
from itertools import product

from coldline.rules.microstate import Level, Microstate
from coldline.rules.order.microstate import OrderedMicrostate

_FLAGS = (False, True)


def indistinct(m: OrderedMicrostate) -> Iterator[tuple[OrderedMicrostate, OrderedMicrostate | None]]:
    """The microstates that a set with companion `m` may have or lack.

    Yields
    ------
    other : OrderedMicrostate
        Such a microstate.
    needed : OrderedMicrostate or None
        What else has to be in the set; None for nothing.
    """
    if m.instructions or any(pending.store is not None for _, pending in m.pending):
        return
    for line in _companions(m.line):
        other = m.having_line(line)
        if _is_fresh(line) and m.of(0).prefetched is not False:
            yield other, None
        elif is_in_order(line):
            yield other, m.having_line(just_written(line))


def companion(m: OrderedMicrostate) -> OrderedMicrostate:
    """The companion of `m` of which no copy is fresh: the same for all companions, and in no set by `indistinct`."""
    line = m.line._replace(fresh1=False, fresh2=False, fresh_i=False, fresh_memory=False)
    return m.having_line(line)


def just_written(line: Microstate) -> Microstate:
    """The line just after a write that found level 2 invalid, with the same instruction cache as `line`."""
    return line._replace(
        level1=Level.DIRTY, fresh1=True, level2=Level.INVALID, fresh2=False, fresh_memory=False
    )


def is_in_order(line: Microstate) -> bool:
    """Whether each data cache's copy is as fresh as what is below, or fresher if it is dirty; the first is fresh."""
    first = line.fresh_memory
    for level, fresh in ((line.level2, line.fresh2), (line.level1, line.fresh1)):
        if level:
            if fresh < first or (fresh != first and level is Level.CLEAN):
                return False
            first = fresh
    return first


def _is_fresh(line: Microstate) -> bool:
    return (
        line.fresh_memory
        and line.fresh1 == bool(line.level1)
        and line.fresh2 == bool(line.level2)
        and line.fresh_i == line.icache
    )


def _companions(line: Microstate) -> Iterator[Microstate]:
    """The other lines with the same copies valid, and the same dirty."""
    valid = (line.level1, line.level2, line.icache, True)
    for fresh1, fresh2, fresh_i, fresh_memory in product(*(_FLAGS if each else (False,) for each in valid)):
        other = line._replace(fresh1=fresh1, fresh2=fresh2, fresh_i=fresh_i, fresh_memory=fresh_memory)
        if other != line:
            yield other
