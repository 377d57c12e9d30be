# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of owners: whether a copy of a byte was written since its page was given to its owner.

Copies move as they do for freshness. So the rules are those of `coldline.rules.order.effects` with another meaning of
"fresh": written since the gift. Only two events differ: a gift clears it in every copy, a write takes it from none.

Sources: Arm ARM DDI 0487, 'Memory hierarchy', for what a read may return; that a page's old content must not be seen
by its next owner is a promise of hypervisors (Xen XSA-364, "arm: The cache may not be cleaned for newly allocated
scrubbed pages").
"""

from collections.abc import Iterator

from coldline.rules.order.alphabet import WRITES, Act
from coldline.rules.order.at_once import AT_ONCE
from coldline.rules.order.effects import ORDERED_EFFECTS, OrderedEffect
from coldline.rules.order.microstate import OrderedMicrostate, Pending
from coldline.rules.profile import Profile


def given(m: OrderedMicrostate) -> OrderedMicrostate:
    """The microstate just after a gift: no copy has been written since."""
    line = m.line._replace(fresh1=False, fresh2=False, fresh_i=False, fresh_memory=False)
    return m.having_line(line).overtaken


def _give(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    yield given(m)


def _taking_from_none(effect: OrderedEffect) -> OrderedEffect:
    """A write, after which every copy that was written since the gift still is."""

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        for after in effect(m, core, profile):
            yield _with_marks_of(m, after)

    return apply


def _with_marks_of(m: OrderedMicrostate, after: OrderedMicrostate) -> OrderedMicrostate:
    old, line = m.line, after.line
    line = line._replace(
        fresh1=line.fresh1 or bool(line.level1 and old.fresh1),
        fresh2=line.fresh2 or bool(line.level2 and old.fresh2),
        fresh_i=line.fresh_i or old.fresh_i,
        fresh_memory=line.fresh_memory or old.fresh_memory,
    )
    return after._replace(
        line=line,
        instructions=m.instructions,
        pending=tuple((core, _as_before(m.of(core), each)) for core, each in after.pending),
    )


def _as_before(before: Pending, after: Pending) -> Pending:
    """What a core has pending after a write: what was pending before it is as it was."""
    store = after.store if before.store is None else before.store
    return after._replace(store=store, prefetched=before.prefetched)


def _with_gifts(table: dict[Act, OrderedEffect]) -> dict[Act, OrderedEffect]:
    return {**table, **{act: _taking_from_none(table[act]) for act in WRITES}, Act.GIVE: _give}


OWNERS_ORDERED = _with_gifts(ORDERED_EFFECTS)
"""`ORDERED_EFFECTS` by the meaning of owners."""

OWNERS_AT_ONCE = _with_gifts(AT_ONCE)
"""`AT_ONCE` by the meaning of owners."""
