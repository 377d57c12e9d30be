# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of order for one byte, as they concern one core: what events do.

================= =================================================== ===========================================
table             says                                                source: Arm ARM DDI 0487
================= =================================================== ===========================================
`ORDERED_EFFECTS` what an event does: every outcome it may have; none 'Ordering and completion of data and
                  where a barrier or an access has to wait for what   instruction cache instructions', 'Data
                  is pending                                          Synchronization Barrier', 'Data Memory
                                                                      Barrier'
================= =================================================== ===========================================

An event without an outcome in a microstate says that the microstate cannot be: the barrier has completed what is
still pending in it. `coldline.rules.order.steps` has what may happen at any time, and `coldline.rules.order.reads`
which copy a read may return.
"""

from collections.abc import Callable, Iterator

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.microstate import Level
from coldline.rules.order.alphabet import DATA_OPERATIONS, Act
from coldline.rules.order.maintenance_queue import issued, without_needless
from coldline.rules.order.masters import master_write, snooping_write, snooping_write_other
from coldline.rules.order.microstate import (
    NOTHING,
    Maintenance,
    OrderedMicrostate,
    StoreInFlight,
    held,
)
from coldline.rules.profile import Profile

# Effects of events ------------------------------------------------------------------------------------------


OrderedEffect = Callable[[OrderedMicrostate, int, Profile], Iterator[OrderedMicrostate]]


def _nothing(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    yield m


def _allocate(letter: Letter) -> OrderedEffect:
    """A cacheable access that may bring the line into a cache, and does not write the byte."""
    effect = line_rules.EFFECTS[letter]

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        for line in effect(m.as_caches_see, profile):
            yield m.with_line(line)

    return apply


def _allocate_2(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A cacheable walk that may bring the line into level 2."""
    line = m.as_caches_see
    yield m if line.level2 else m.with_line(line._replace(level2=Level.CLEAN, fresh2=line.fresh_memory))


def _power_off(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """Caches lose their power: what is dirty is lost; what is clean may stay, as it may be dropped at any time."""
    line = m.line
    if line.level1 is Level.DIRTY:
        line = line._replace(level1=Level.INVALID, fresh1=False)
    if line.level2 is Level.DIRTY:
        line = line._replace(level2=Level.INVALID, fresh2=False)
    yield m.having_line(line)


def _data_access(effect: OrderedEffect, *, cacheable: bool = False, touches: bool = True) -> OrderedEffect:
    """A data access: what has to be complete by then is.

    That is the maintenance of the line, and the stores to the bytes that it touches, that any core has ordered by a
    DMB; and for a cacheable access its own core's maintenance of the line through a cacheable alias.
    """

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        for number, pending in m.pending:
            for each in pending.maintenance:
                if each.ordered or (cacheable and each.cacheable and number == core):
                    return
            if touches and pending.store is not None and pending.store.ordered:
                return
        yield from effect(m, core, profile)

    return apply


def by_own_core(effect: OrderedEffect) -> OrderedEffect:
    """An event that concerns an instruction cache: other cores' do nothing to the one that is followed."""

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        yield from effect(m, core, profile) if core == 0 else (m,)

    return apply


def _hold(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A non-cacheable fetch that misses in the instruction cache, which may hold memory's copy from then on."""
    yield m
    if not m.line.icache and not profile.dic:
        yield m.having_line(held(m.line))


def _write(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A write-back write; a write-through store before it has reached memory, as caches keep them in order."""
    if m.write_through is not None:
        return
    for line in line_rules.EFFECTS[Letter.WRITE_WB](m.line, profile):
        yield m.having_line(line).overtaken


def _store(*, write_through: bool) -> OrderedEffect:
    """A store that reaches memory later; it waits for its core's earlier one to the same byte.

    A write-through store waits for any core's earlier one, as caches keep them in order.
    """

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        if m.of(core).store is not None or (write_through and m.write_through is not None):
            return
        kept1, kept2 = write_through and bool(m.line.level1), write_through and bool(m.line.level2)
        line = m.line._replace(fresh1=kept1, fresh2=kept2, fresh_i=False, fresh_memory=False)
        after = m.having_line(line).overtaken
        yield after.having(core, after.of(core)._replace(store=StoreInFlight(True, write_through)))

    return apply


def _issue(operation: Letter, *, cacheable: bool | int) -> OrderedEffect:
    """A data cache operation: it is pending, and nothing else changes."""

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        pending = m.of(core)
        after_store = pending.store is not None and pending.store.ordered
        new = Maintenance(operation, bool(cacheable), after_store=after_store)
        yield m.having(core, pending._replace(maintenance=issued(pending.maintenance, new)))

    return apply


def _issue_perhaps(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A ``dc ivac`` of another granule may concern the byte or not; program order is about what it was issued to."""
    yield m
    yield from _issue(Letter.DC_IVAC, cacheable=False)(m, core, profile)


def _issue_by_setway(operation: Letter) -> OrderedEffect:
    """Set/way maintenance may concern the line or not (see `line_rules`)."""
    issue = _issue(operation, cacheable=False)

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        if not profile.setway_effective:
            yield m
        yield from issue(m, core, profile)

    return apply


def _instruction(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    yield m.having(core, m.of(core)._replace(instruction=True))


def _dsb(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    if m.of(core)._replace(prefetched=None) == NOTHING:
        yield m


def _dsb_nsh(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """Its own core's instruction cache is the only one in its domain; data maintenance goes on."""
    pending = m.of(core)
    if core != 0 or not (pending.instruction or pending.instruction_by):
        yield m


def _dmb(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """It completes nothing: data accesses after it wait for what is pending, and nothing else does."""
    pending = m.of(core)
    queue = tuple(each._replace(ordered=True) for each in pending.maintenance)
    store = pending.store and pending.store._replace(ordered=True)
    yield m.having(core, pending._replace(maintenance=without_needless(queue), store=store))


def _isb(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    yield m.having(core, m.of(core)._replace(prefetched=None))


ORDERED_EFFECTS: dict[Act, OrderedEffect] = {
    Act.READ: _data_access(_allocate(Letter.READ_WB), cacheable=True),
    Act.READ_OTHER: _data_access(_allocate(Letter.READ_WB_OTHER), cacheable=True, touches=False),
    Act.READ_FAR: _data_access(_allocate(Letter.READ_WB_OTHER), touches=False),
    Act.READ_NC: _data_access(_nothing),
    Act.READ_NC_OTHER: _data_access(_nothing, touches=False),
    Act.READ_NC_MAY_HIT: _data_access(_nothing),
    Act.WALK: _allocate(Letter.READ_WB),
    Act.WALK_OTHER: _allocate(Letter.READ_WB_OTHER),
    Act.WALK_POU: _allocate_2,
    Act.WALK_POU_OTHER: _allocate_2,
    Act.WALK_NC: _nothing,
    Act.WALK_NC_MAY_HIT: _nothing,
    Act.WRITE: _data_access(_write, cacheable=True),
    Act.WRITE_OTHER: _data_access(_allocate(Letter.WRITE_WB_OTHER), cacheable=True, touches=False),
    Act.WRITE_FAR: _data_access(_allocate(Letter.WRITE_WB_OTHER), touches=False),
    Act.WRITE_WT: _data_access(_store(write_through=True), cacheable=True),
    Act.WRITE_WT_OTHER: _data_access(_nothing, cacheable=True, touches=False),
    Act.WRITE_NC: _data_access(_store(write_through=False)),
    Act.WRITE_NC_OTHER: _data_access(_nothing, touches=False),
    Act.FETCH: by_own_core(_allocate(Letter.FETCH_WB)),
    Act.FETCH_OTHER: by_own_core(_allocate(Letter.FETCH_WB_OTHER)),
    Act.FETCH_NC: _nothing,
    Act.FETCH_NC_HELD: by_own_core(_hold),
    **{
        act: _issue(letter, cacheable=cacheable)
        for letter, acts in DATA_OPERATIONS.items()
        for cacheable, act in enumerate(acts)
    },
    Act.DC_IVAC_OTHER: _issue_perhaps,
    Act.DC_CSW: _issue_by_setway(Letter.DC_CVAC),
    Act.DC_CISW: _issue_by_setway(Letter.DC_CIVAC),
    Act.DC_ISW: _issue_by_setway(Letter.DC_IVAC),
    Act.IC: _instruction,
    Act.IC_LOCAL: by_own_core(_instruction),
    Act.POWER_OFF: _power_off,
    Act.DSB: _dsb,
    Act.DMB: _dmb,
    Act.DSB_NSH: _dsb_nsh,
    Act.ISB: _isb,
    Act.POLL: _data_access(_allocate(Letter.READ_WB), cacheable=True),
    Act.POLL_NC: _data_access(_nothing),
    Act.POLL_NC_MAY_HIT: _data_access(_nothing),
    Act.SNOOPING_READ: _data_access(_nothing),
    Act.SNOOPING_READ_OTHER: _data_access(_nothing, touches=False),
    Act.SNOOPING_POLL: _data_access(_nothing),
    Act.SNOOPING_WRITE: _data_access(snooping_write),
    Act.SNOOPING_WRITE_OTHER: _data_access(snooping_write_other, touches=False),
    Act.MASTER_READ: _nothing,
    Act.MASTER_POLL: _nothing,
    Act.MASTER_WRITE: master_write,
    Act.GIVE: _nothing,
}
"""Every outcome that an event may have, by the core that did it."""


MAINTENANCE_OF = {
    Act.DC_CSW: Letter.DC_CSW,
    Act.DC_CISW: Letter.DC_CISW,
    Act.DC_ISW: Letter.DC_ISW,
    Act.DC_IVAC_OTHER: Letter.DC_ISW,
    **{act: letter for letter, acts in DATA_OPERATIONS.items() for act in acts},
}
"""The letter of a data cache operation where everything takes effect at once."""
