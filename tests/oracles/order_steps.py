# SPDX-License-Identifier: GPL-2.0-or-later
"""
What may become of one byte of a version 2 trace: the rules of ``order_explorer.py``.

Each copy of the byte has one bit. It says whether the copy is *fresh*; or, in a search for leaks
(``Profile.gifts``), whether it was *written since the gift*. Which copies there are, and what waits for what,
depends on neither, so that the two searches need not be one.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.oracles.explorer import CLEAN, DIRTY, INVALID, SET_WAY

NONE, STALE, FRESH = 0, 1, 2  # what an instruction cache, a store in flight or a prefetch has of the byte
WALKS = ("walk wb", "walk nc", "walk snoop", "walk bare")
FETCHES = ("fetch cacheable", "fetch not cacheable")
CHECKED = ("read wb", "read nc", "read snoop", "read bare", *WALKS, *FETCHES)
POLLS = ("poll wb", "poll nc", "poll snoop", "poll bare")
WRITES = ("write wb", "write wt", "write nc", "write snoop", "write bare")
ACCESSES = (*CHECKED, *POLLS, *WRITES)
DATA_ACCESSES = ("read wb", "read nc", "read snoop", "poll wb", "poll nc", "poll snoop", *WRITES[:4])
"""What waits for what a dmb has ordered: what does not snoop, and walks and fetches, do not."""

MAINTENANCE = ("cvau", "cvac", "civac", "ivac")
NOBODY = -1
"""The number of the core of a master, and of an event with no agent."""


class Shared(NamedTuple):
    """
    What one byte is like in level 1, level 2 and memory: each f says whether that copy is fresh.

    ``through`` is the write-through store on its way to memory, of which there is one at most.
    """

    l1: int
    f1: bool
    l2: int
    f2: bool
    fm: bool
    through: int = NONE


class Operation(NamedTuple):
    """
    A data operation that is pending.

    ``noted`` says whether it was issued through a cacheable alias; ``ordered`` whether a dmb came after it;
    ``held`` whether its core's store in flight, which was ordered before it, has to reach memory first.
    """

    op: str
    noted: bool
    ordered: bool
    held: bool


class Core(NamedTuple):
    """
    What one core has of the byte, and what it has pending on the line.

    ``store`` is a store in flight that is not a write-through one; ``through`` says whether the write-through
    one is this core's. It has one of them at most; ``ordered`` says whether a dmb came after that.
    """

    icache: int = NONE
    dcs: tuple[Operation, ...] = ()
    ic_local: bool = False
    ic_all: bool = False
    store: int = NONE
    through: bool = False
    ordered: bool = False
    prefetched: int = NONE


class Profile(NamedTuple):
    """The switches of a trace; and whether it is leaks that are looked for."""

    nc_may_hit: bool
    setway_effective: bool
    idc: bool
    dic: bool
    order: bool
    gifts: bool = False


class Fetches(NamedTuple):
    """What fetches of a core are possible, and whether a fetch of the core is to check the byte yet."""

    cacheable: bool
    uncacheable: bool
    awaited: bool


class Rules(NamedTuple):
    """What decides a byte's steps at the moment."""

    alias_live: bool
    cores: tuple[Fetches, ...]


class Event(NamedTuple):
    """
    One event on the line.

    ``own`` says whether it touches the byte; ``noted`` whether its agent has the page by a cacheable alias.
    """

    action: str
    own: bool
    noted: bool


class Outcome(NamedTuple):
    """
    What becomes of the shared part and of the core that acts; ``others`` says what the other cores do.

    Where nobody's core acts, ``core`` is any core, as one of the others.
    """

    shared: Shared
    core: Core
    others: str = "keep"


# -- one step of the closure -------------------------------------------------------------------------------


def data_copy(s: Shared) -> bool:
    """Return whether what a cacheable read returns is fresh."""
    return s.f1 if s.l1 else copy_below(s)


def copy_below(s: Shared) -> bool:
    """Return whether what a level 1 miss reads is fresh."""
    return s.f2 if s.l2 else _memory(s)


def _memory(s: Shared) -> bool:
    """Return whether what a cacheable look at memory sees is fresh."""
    return s.through == FRESH if s.through else s.fm


def _instruction(s: Shared, core: Core, profile: Profile) -> int:
    """Give what a cacheable fetch returns: STALE or FRESH."""
    return core.icache or _miss(s, profile)


def _miss(s: Shared, profile: Profile) -> int:
    """Give what a cacheable fetch that misses returns: STALE or FRESH."""
    return _copy(data_copy(s) if profile.idc else copy_below(s))


def _copy(fresh: bool) -> int:
    return FRESH if fresh else STALE


def shared_steps(s: Shared, alias_live: bool, fetch_possible: bool) -> Iterator[Shared]:
    """Give what one step of the levels by themselves makes of them."""
    if s.l1 == DIRTY:  # write back 1
        yield s._replace(l2=DIRTY, f2=s.f1, l1=CLEAN)
        yield s._replace(l2=DIRTY, f2=s.f1, l1=INVALID, f1=False)
    if s.l1 == CLEAN:  # drop 1
        yield s._replace(l1=INVALID, f1=False)
    if s.l2 == DIRTY:  # write back 2
        yield s._replace(fm=s.f2, l2=CLEAN)
        yield s._replace(fm=s.f2, l2=INVALID, f2=False)
    if s.l2 == CLEAN:  # drop 2
        yield s._replace(l2=INVALID, f2=False)
    if s.l2 == INVALID and (alias_live or fetch_possible):  # fill 2
        yield s._replace(l2=CLEAN, f2=_memory(s))
    if s.l1 == INVALID and alias_live:  # fill 1
        yield s._replace(l1=CLEAN, f1=copy_below(s))


def core_steps(s: Shared, core: Core, fetches: Fetches, profile: Profile) -> Iterator[Outcome]:
    """Give what one step of one core makes of it and of the levels."""
    if core.icache:  # drop I
        yield Outcome(s, core._replace(icache=NONE))
    if fetches.cacheable and not profile.dic:  # fill I
        yield Outcome(s, forgetful(core._replace(icache=_miss(s, profile)), fetches.awaited))
    if core.prefetched:
        yield Outcome(s, core._replace(prefetched=NONE))
    prefetches = fetches.awaited and profile.order
    if prefetches and fetches.cacheable:
        yield Outcome(s, core._replace(prefetched=_instruction(s, core, profile)))
    if prefetches and fetches.uncacheable:
        yield Outcome(s, core._replace(prefetched=_copy(s.fm)))
    if core.dcs and not core.dcs[0].held:
        for after in _maintain(s, core.dcs[0].op):
            yield Outcome(after, core._replace(dcs=core.dcs[1:]))
    if core.ic_local:
        yield Outcome(s, core._replace(icache=NONE, ic_local=False))
    if core.ic_all:
        yield Outcome(s, core._replace(icache=NONE, ic_all=False), "lose I")
    if core.store:
        yield Outcome(s._replace(fm=core.store == FRESH), _store_gone(core))
    if core.through:
        yield Outcome(s._replace(fm=s.through == FRESH, through=NONE), _store_gone(core))


def _store_gone(core: Core) -> Core:
    """Give what becomes of a core when its store in flight has reached memory."""
    dcs = tuple(dc._replace(held=False) for dc in core.dcs)
    return core._replace(dcs=dcs, store=NONE, through=False, ordered=False)


def forgetful(core: Core, awaited: bool) -> Core:
    """
    Forget what nothing can tell apart any more.

    Once the last fetch of the core has checked the byte, a prefetched instruction is nothing, and an
    instruction cache is either a fresh copy (not all is lost) or none.
    """
    if awaited or not (core.prefetched or core.icache == STALE):
        return core
    return core._replace(prefetched=NONE, icache=FRESH if core.icache == FRESH else NONE)


def _maintain(s: Shared, op: str) -> list[Shared]:
    """Give the outcomes of a data operation that takes effect."""
    if op == "cvau":
        return [s._replace(l2=DIRTY, f2=s.f1, l1=CLEAN) if s.l1 == DIRTY else s]
    cleaned = _cleaned(s)
    if op == "cvac":
        return [cleaned]
    if op == "civac":
        return [_invalid(cleaned)]
    assert op == "ivac"
    return [_invalid(s), _invalid(cleaned)]


def _cleaned(s: Shared) -> Shared:
    """Clean to memory."""
    if s.l1 == DIRTY:
        return s._replace(l1=CLEAN, l2=CLEAN if s.l2 else INVALID, f2=s.f1 if s.l2 else False, fm=s.f1)
    if s.l2 == DIRTY:
        return s._replace(l2=CLEAN, fm=s.f2)
    return s


def _invalid(s: Shared) -> Shared:
    return s._replace(l1=INVALID, f1=False, l2=INVALID, f2=False)


def meanwhile(core: Core, others: str) -> Core:
    """Give what becomes of a core while another one acts."""
    if others == "lose I":
        return core._replace(icache=NONE)
    return _grown_old(core) if others == "grow old" else core


def _grown_old(core: Core) -> Core:
    """Give a core whose copies, and what it has in flight, have lost their bit."""
    return core._replace(
        icache=min(core.icache, STALE),
        store=min(core.store, STALE),
        prefetched=min(core.prefetched, STALE),
    )


# -- the events --------------------------------------------------------------------------------------------


def awaits(event: Event, core: Core) -> bool:
    """Return whether an event by any core has to wait for what a core has ordered."""
    if event.action not in DATA_ACCESSES:
        return False
    return any(dc.ordered for dc in core.dcs) or (event.own and core.ordered)


def goes_on(s: Shared, core: Core, event: Event) -> bool:
    """
    Return whether the event may happen now, with what its core and all cores have pending.

    What any core has ordered is not looked at (``awaits``).
    """
    stores = core.store or core.through
    if event.action == "dsb":
        return not (core.dcs or core.ic_local or core.ic_all or stores)
    if event.action in ("read wb", "poll wb", "write wb", "write wt") and any(dc.noted for dc in core.dcs):
        return False
    if not event.own:
        return True
    waits = {
        "write wb": s.through,
        "write wt": s.through or stores,
        "write nc": stores,
        "write snoop": s.through,
    }
    return not waits.get(event.action)


def effect_of(s: Shared, core: Core, event: Event, profile: Profile) -> list[Outcome]:
    """Give the outcomes of an event; none where it has to wait."""
    if not goes_on(s, core, event):
        return []
    kind = event.action.partition(" ")[0]
    if kind in ("read", "poll", "walk"):
        return [Outcome(_after_read(s, event), core)]
    if kind == "fetch":
        return list(_fetch(s, core, event, profile))
    if event.action in ("write snoop", "write bare"):
        return list(_masters_write(s, core, event, profile))
    if kind == "write":
        return _write(s, core, event, profile)
    if kind == "give":
        return [_gift(s, core)]
    if kind == "ic":
        return [_ic(s, core, event.action, profile)]
    if kind == "isb":
        return [Outcome(s, core._replace(prefetched=NONE))]
    if kind == "dsb":
        return [Outcome(s, core)]
    if kind == "dmb":
        dcs = tuple(dc._replace(ordered=True) for dc in core.dcs)
        return [Outcome(s, core._replace(dcs=dcs, ordered=core.store != NONE or core.through))]
    return list(_dc(s, core, event, profile))


def _after_read(s: Shared, event: Event) -> Shared:
    """Give what a data read or a walk makes of the levels."""
    if event.action not in ("read wb", "poll wb", "walk wb") or s.l1:
        return s
    return s._replace(l1=CLEAN, f1=copy_below(s))


def _fetch(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[Outcome]:
    if event.own and core.prefetched:
        yield Outcome(s, core)
    if event.action == "fetch cacheable" and not profile.dic:
        yield Outcome(s, core._replace(icache=_instruction(s, core, profile)))
    else:
        yield Outcome(s, core)


def _write(s: Shared, core: Core, event: Event, profile: Profile) -> list[Outcome]:
    if not event.own:
        return [Outcome(s._replace(l1=DIRTY, f1=data_copy(s)) if event.action == "write wb" else s, core)]
    s, core, others = _older(s, core, profile)
    pending = profile.order
    if event.action == "write wb":
        after = s._replace(l1=DIRTY, f1=True)
    elif event.action == "write wt":
        after = s._replace(f1=s.l1 != INVALID, f2=s.l2 != INVALID, fm=s.fm or not pending)
        after = after._replace(through=FRESH if pending else s.through)
        core = core._replace(through=pending)
    else:
        after = s._replace(fm=s.fm or not pending)
        core = core._replace(store=FRESH if pending else NONE)
    return [Outcome(after, core, others)]


def _older(s: Shared, core: Core, profile: Profile) -> tuple[Shared, Core, str]:
    """Take the bit from each copy as a write does, which has to give it to what it writes: a gift it takes not."""
    if profile.gifts:
        return s, core, "keep"
    return _without_bits(s), _grown_old(core), "grow old"


def _without_bits(s: Shared) -> Shared:
    return s._replace(f1=False, f2=False, fm=False, through=min(s.through, STALE))


def _gift(s: Shared, core: Core) -> Outcome:
    """Do ``give``: nothing is written since."""
    return Outcome(_without_bits(s), _grown_old(core), "grow old")


def _masters_write(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[Outcome]:
    """Write as a master does: at once."""
    snoops = event.action == "write snoop"
    lower = s.f1 if s.l1 == DIRTY else copy_below(s)  # what level 2 gets of bytes that are not written
    into_level_2 = s._replace(l1=INVALID, f1=False, l2=DIRTY)
    if not event.own:
        yield Outcome(s, core)
        if snoops:
            yield Outcome(into_level_2._replace(f2=lower), core)
        return
    older, core, others = _older(s, core, profile)
    if not snoops:
        yield Outcome(older._replace(fm=True), core, others)
        return
    yield Outcome(older._replace(f1=s.l1 != INVALID, f2=s.l2 != INVALID, fm=True), core, others)
    yield Outcome(older._replace(l1=INVALID, f1=False, l2=DIRTY, f2=True), core, others)


def _ic(s: Shared, core: Core, action: str, profile: Profile) -> Outcome:
    if not profile.order:
        return Outcome(s, core._replace(icache=NONE), "keep" if action == "ic local" else "lose I")
    pending = core._replace(ic_local=True) if action == "ic local" else core._replace(ic_all=True)
    return Outcome(s, pending)


def _dc(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[Outcome]:
    set_way = event.action in SET_WAY
    op = SET_WAY.get(event.action, event.action)
    assert op in MAINTENANCE
    if set_way and not profile.setway_effective:
        yield Outcome(s, core)
    if profile.order:
        noted = event.noted and not set_way
        issued = Operation(op, noted, ordered=False, held=core.ordered)
        yield Outcome(s, core._replace(dcs=(*core.dcs, issued)))
    else:
        for after in _maintain(s, op):
            yield Outcome(after, core)


def fresh_copies(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[bool]:
    """Say of each copy of the byte that a checked event may return whether it is fresh."""
    kind, _, how = event.action.partition(" ")
    if kind == "fetch":
        yield s.fm if how == "not cacheable" else _instruction(s, core, profile) == FRESH
        if core.prefetched:
            yield core.prefetched == FRESH
        return
    if how in ("wb", "snoop"):
        yield data_copy(s)
        return
    if how == "bare":
        yield s.fm
        return
    own = (s.through if core.through else core.store) if kind == "read" else NONE
    yield own == FRESH if own else s.fm
    if profile.nc_may_hit and s.l1:
        yield s.f1
    if profile.nc_may_hit and s.l2:
        yield s.f2
