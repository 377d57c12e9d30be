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
WALKS = ("walk wb", "walk nc", "walk pou", "walk snoop", "walk bare")
FETCHES = ("fetch cacheable", "fetch not cacheable")
CHECKED = ("read wb", "read nc", "read snoop", "read bare", *WALKS, *FETCHES)
POLLS = ("poll wb", "poll nc", "poll snoop", "poll bare")
LEAKING = (*CHECKED, *POLLS)
"""What may be a leak: a poll may, which is checked for nothing else."""

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

    ``icache`` has a copy for each label: numbers of base 3, the first label's lowest. Without ``vipt`` the one
    label is 0, so that it is one of NONE, STALE and FRESH. An instruction operation of all cores is in two parts,
    as ``dsb nsh`` completes the one: ``ic_own`` says whether this core's instruction cache is to go yet,
    ``ic_others`` whether the others' are. ``ic_by`` and ``ic_by_others`` have the labels of which it is so.
    ``store`` is a store in flight that is not a write-through one; ``through`` says whether the write-through
    one is this core's. It has one of them at most; ``ordered`` says whether a dmb came after that.
    """

    icache: int = NONE
    dcs: tuple[Operation, ...] = ()
    ic_own: bool = False
    ic_others: bool = False
    ic_by: tuple[int, ...] = ()
    ic_by_others: tuple[int, ...] = ()
    store: int = NONE
    through: bool = False
    ordered: bool = False
    prefetched: int = NONE


class Profile(NamedTuple):
    """The switches of a trace; and whether it is leaks that are looked for."""

    setway_effective: bool
    idc: bool
    dic: bool
    order: bool
    nc_fetch_held: bool = False
    gifts: bool = False


class Fetches(NamedTuple):
    """
    What fetches of a core are possible, by the labels of the agents that may make them.

    ``awaited`` says whether a fetch of the core is to check the byte yet.
    """

    cacheable: tuple[int, ...]
    uncacheable: tuple[int, ...]
    awaited: bool


class Rules(NamedTuple):
    """What decides a byte's steps at the moment: whether data caches may fill, level 2 alone may, and the fetches."""

    alias_live: bool
    cores: tuple[Fetches, ...]
    level_2_fills: bool = False

    @property
    def below(self) -> bool:
        """Whether level 2 may fill where level 1 may not."""
        return self.level_2_fills or any(fetches.cacheable for fetches in self.cores)


class Event(NamedTuple):
    """
    One event on the line.

    ``own`` says whether it touches the byte, and for maintenance whether it is sure of it; ``near`` whether a
    data access touches the granule of the byte that a data operation is sure of; ``noted`` whether its agent
    has the page by a cacheable alias; ``hits`` whether its agent may hit where it is not cacheable; ``label``
    is its agent's.
    """

    action: str
    own: bool
    near: bool = True
    noted: bool = False
    hits: bool = False
    label: int = 0


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


def _instructions(s: Shared, icache: int, label: int, profile: Profile) -> set[int]:
    """Give what a cacheable fetch by the agent of a label may return: STALE or FRESH."""
    valid = {copy for copy in copies_in(icache) if copy}
    return valid if icache // 3**label % 3 else valid | {_miss(s, profile)}


def _memory_instructions(s: Shared, icache: int, profile: Profile) -> set[int]:
    """Give what a fetch that is not cacheable may return."""
    held = {copy for copy in copies_in(icache) if copy} if profile.nc_fetch_held else set()
    return {_copy(s.fm), *held}


def _miss(s: Shared, profile: Profile) -> int:
    """Give what a cacheable fetch that misses returns: STALE or FRESH."""
    return _copy(data_copy(s) if profile.idc else copy_below(s))


def copies_in(icache: int) -> Iterator[int]:
    """Give the copy of each label, up to the last that there is."""
    while icache:
        yield icache % 3
        icache //= 3


def _with_copy(icache: int, label: int, copy: int) -> int:
    place: int = 3**label
    return icache + (copy - icache // place % 3) * place


def _without(icache: int, copy: int, instead: int) -> int:
    """Replace each copy of an age."""
    return sum((instead if each == copy else each) * 3**label for label, each in enumerate(copies_in(icache)))


def fresh_in(icache: int) -> bool:
    return FRESH in copies_in(icache)


def _copy(fresh: bool) -> int:
    return FRESH if fresh else STALE


def shared_steps(s: Shared, alias_live: bool, below: bool) -> Iterator[Shared]:
    """Give what one step of the levels by themselves makes of them: all may fill, or level 2 below may."""
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
    if s.l2 == INVALID and (alias_live or below):  # fill 2
        yield s._replace(l2=CLEAN, f2=_memory(s))
    if s.l1 == INVALID and alias_live:  # fill 1
        yield s._replace(l1=CLEAN, f1=copy_below(s))


def core_steps(s: Shared, core: Core, fetches: Fetches, profile: Profile) -> Iterator[Outcome]:
    """Give what one step of one core makes of it and of the levels."""
    for label, copy in enumerate(copies_in(core.icache)):
        if copy:  # drop I
            yield Outcome(s, core._replace(icache=_with_copy(core.icache, label, NONE)))
    for icache in _fills(s, core.icache, fetches, profile):
        yield Outcome(s, forgetful(core._replace(icache=icache), fetches.awaited))
    if core.prefetched:
        yield Outcome(s, core._replace(prefetched=NONE))
    if fetches.awaited and profile.order:
        for instruction in _prefetches(s, core.icache, fetches, profile):
            yield Outcome(s, core._replace(prefetched=instruction))
    if core.dcs and not core.dcs[0].held:
        for after in _maintain(s, core.dcs[0].op):
            yield Outcome(after, core._replace(dcs=core.dcs[1:]))
    if core.ic_own:
        yield Outcome(s, core._replace(icache=NONE, ic_own=False))
    if core.ic_others:
        yield Outcome(s, core._replace(ic_others=False), "lose I")
    for label in core.ic_by:
        icache = _with_copy(core.icache, label, NONE)
        yield Outcome(s, core._replace(icache=icache, ic_by=_but(label, core.ic_by)))
    for label in core.ic_by_others:
        yield Outcome(s, core._replace(ic_by_others=_but(label, core.ic_by_others)), f"lose {label}")
    if core.store:
        yield Outcome(s._replace(fm=core.store == FRESH), _store_gone(core))
    if core.through:
        yield Outcome(s._replace(fm=s.through == FRESH, through=NONE), _store_gone(core))


def _but(label: int, labels: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(other for other in labels if other != label)


def _fills(s: Shared, icache: int, fetches: Fetches, profile: Profile) -> Iterator[int]:
    """Give the instruction cache after each fill I."""
    if profile.dic:
        return
    for label in fetches.cacheable:
        yield _with_copy(icache, label, _miss(s, profile))
    if profile.nc_fetch_held:
        for label in fetches.uncacheable:
            yield _with_copy(icache, label, _copy(s.fm))


def _prefetches(s: Shared, icache: int, fetches: Fetches, profile: Profile) -> set[int]:
    """Give what each fetch that is possible may return."""
    found = {each for label in fetches.cacheable for each in _instructions(s, icache, label, profile)}
    return found | _memory_instructions(s, icache, profile) if fetches.uncacheable else found


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
    if awaited or not (core.prefetched or core.icache):
        return core
    return core._replace(prefetched=NONE, icache=_without(core.icache, STALE, NONE))


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
    if others.startswith("lose "):
        return core._replace(icache=_with_copy(core.icache, int(others[5:]), NONE))
    return _grown_old(core) if others == "grow old" else core


def _grown_old(core: Core) -> Core:
    """Give a core whose copies, and what it has in flight, have lost their bit."""
    return core._replace(
        icache=_without(core.icache, FRESH, STALE),
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
    if event.action == "dsb nsh":
        return not (core.ic_own or core.ic_by)
    if event.action == "dsb":
        return not (core.dcs or core.ic_own or core.ic_others or core.ic_by or core.ic_by_others or stores)
    cacheable = event.action in ("read wb", "poll wb", "write wb", "write wt")
    if cacheable and event.near and any(dc.noted for dc in core.dcs):
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
    if kind == "power-off":
        return [Outcome(_powered_off(s), core)]
    if kind == "ic":
        return list(_ic(s, core, event, profile))
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
    if event.action == "walk pou" and not s.l2:
        return s._replace(l2=CLEAN, f2=_memory(s))
    if event.action not in ("read wb", "poll wb", "walk wb") or s.l1:
        return s
    return s._replace(l1=CLEAN, f1=copy_below(s))


def _fetch(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[Outcome]:
    has = core.icache // 3**event.label % 3 != NONE
    if event.own and core.prefetched:
        yield Outcome(s, core)
    if event.action == "fetch not cacheable":
        yield Outcome(s, core)
        if profile.nc_fetch_held and not (profile.dic or has):
            yield Outcome(s, core._replace(icache=_with_copy(core.icache, event.label, _copy(s.fm))))
        return
    if core.icache or profile.dic:  # a hit, be it of what another agent fetched; or no instruction cache
        yield Outcome(s, core)
    if not (has or profile.dic):
        yield Outcome(s, core._replace(icache=_with_copy(core.icache, event.label, _miss(s, profile))))


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


def _powered_off(s: Shared) -> Shared:
    """Lose what is dirty."""
    if s.l1 == DIRTY:
        s = s._replace(l1=INVALID, f1=False)
    return s._replace(l2=INVALID, f2=False) if s.l2 == DIRTY else s


def _ic(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[Outcome]:
    if not event.own:
        yield Outcome(s, core)
    label = event.label
    if profile.order:
        if event.action == "ic local":
            yield Outcome(s, core._replace(ic_own=True))
        elif event.action == "ic all":
            yield Outcome(s, core._replace(ic_own=True, ic_others=True))
        else:
            own, others = (tuple(sorted({*those, label})) for those in (core.ic_by, core.ic_by_others))
            yield Outcome(s, core._replace(ic_by=own, ic_by_others=others))
    elif event.action == "ic by":
        icache = _with_copy(core.icache, label, NONE)
        yield Outcome(s, core._replace(icache=icache), f"lose {label}")
    else:
        yield Outcome(s, core._replace(icache=NONE), "keep" if event.action == "ic local" else "lose I")


def _dc(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[Outcome]:
    set_way = event.action in SET_WAY
    op = SET_WAY.get(event.action, event.action)
    assert op in MAINTENANCE
    if (set_way and not profile.setway_effective) or not event.own:
        yield Outcome(s, core)
    if profile.order:
        noted = event.noted and event.own and not set_way  # the address was not of this granule
        issued = Operation(op, noted, ordered=False, held=core.ordered)
        yield Outcome(s, core._replace(dcs=(*core.dcs, issued)))
    else:
        for after in _maintain(s, op):
            yield Outcome(after, core)


def fresh_copies(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[bool]:
    """Say of each copy of the byte that a checked event may return whether it is fresh."""
    kind, _, how = event.action.partition(" ")
    if kind == "fetch":
        instructions = _memory_instructions(s, core.icache, profile)
        if how == "cacheable":
            instructions = _instructions(s, core.icache, event.label, profile)
        yield from (instruction == FRESH for instruction in instructions)
        if core.prefetched:
            yield core.prefetched == FRESH
        return
    if how in ("wb", "snoop"):
        yield data_copy(s)
        return
    if how == "pou":
        yield copy_below(s)
        return
    if how == "bare":
        yield s.fm
        return
    own = NONE if kind == "walk" else s.through if core.through else core.store
    yield own == FRESH if own else s.fm
    if event.hits and s.l1:
        yield s.f1
    if event.hits and s.l2:
        yield s.f2
