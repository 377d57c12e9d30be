# SPDX-License-Identifier: GPL-2.0-or-later
"""
A brute-force explorer of version 2 traces, with cores and order: an oracle to compare the checker with.

It is a second implementation of the pages on cores and order, on top of ``explorer.py``, which reads what a
version 1 trace has too. It shares no code with ``coldline``. A microstate is one byte's, and *joint*: the
levels and memory, and for every core its instruction cache and all that it has pending, where the data
operations are a plain list in program order. A set of microstates is closed by plain graph search.

A ``dmb`` completes nothing. It marks what its core has pending (data operations, and its store in flight) as
*ordered*, and removes no microstate. What is ordered is waited for by data accesses of all cores, and holds
up the data operations that its core issues later: a store does, for operations stand in a list anyway.

One byte is followed for each class of bytes of a line that the same accesses touch: nothing couples two
bytes but that an event touches the line. Only bytes that some event checks are followed, until the last
event that does; and what no later check can tell apart is forgotten (``_forgetful``).

A text whose first line is not ``version 2`` is a version 1 trace, and ``explorer.py`` explores it.

Where the pages leave room, this is how they are read (``tests/oracles/test_order_explorer.py`` has a test for
each that a trace can show):

- Without ``option order`` nothing is ever prefetched: ``isb`` is an error there, so it could never go.
- ``line``, ``option`` and ``core`` come in any order, before the first event. A ``core`` line names at least
  one agent; the same name on two of them is an error, and so is an agent twice, on one line or on two. The
  head words of later pages (``master``, ``give``, ``power-off``) are no agents' names. ``version`` may be.
- A dot or a plus in an agent's name says nothing: only ``core`` lines say who shares a core.
- ``option vipt``, ``tlbi``, ``descriptor`` and settings that change at an ``isb`` are left for later: errors.
- Kinds of a data read or walk: an agent of whom nothing is said, before its first event, may have fetched
  what any such agent may fetch; but its instruction cache is no copy yet. Its first event may be the check.
- A cacheable look at memory sees a write-through store on its way there even where another core's
  non-cacheable store has made it stale, and has itself reached memory. A copy filled so stays stale.
- A write-back and a dc operation move nothing of it: what they write is in memory, until it gets there.
- A walk that is not cacheable sees no store in flight, its core's own write-through store neither.
- A write waits for a write-through store on the bytes that it writes, not on others of the line; nor does
  anything but writes and barriers wait for one.
- A non-cacheable read with ``nc-may-hit`` may return a level's copy even where a store of its core is
  pending.
- A fetch that returns a prefetched instruction leaves it there, and fills nothing.
- A prefetch that misses leaves no copy in the instruction cache (*fill I* may do that, as a step of its own).
- ``dc zva`` waits, is pending and is ordered, as a store through its alias would be.
- No data operation waits for what another core has ordered, with a ``dmb`` of its own core before it neither:
  a ``dmb`` orders what its own core issued, and not what that core has seen of others.
- A data operation is held up by the store that was ordered when it was issued, and by none that its core
  makes or orders later. One by set/way is ordered, and held up, as its namesake is.
- Nothing of another byte holds anything up: a store in flight there may go at any time.
- The second of two ``ic`` of one reach adds nothing to the first while that is pending.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from tests.oracles import explorer
from tests.oracles.explorer import (
    CLEAN,
    DIRTY,
    INVALID,
    LIMIT,
    PAGE,
    SET_WAY,
    Agent,
    Hazard,
    Malformed,
    Touch,
)

__all__ = ["Hazard", "Malformed", "TooMany", "explore"]

NONE, STALE, FRESH = 0, 1, 2  # what an instruction cache, a store in flight or a prefetch has of the byte
BARRIERS = ("dsb", "dmb", "isb")
NO_AGENTS = ("line", "option", "core", "master", "give", "power-off")
CHECKED = ("read wb", "read nc", "walk wb", "walk nc", "fetch cacheable", "fetch not cacheable")
WRITES = ("write wb", "write wt", "write nc")
ACCESSES = (*CHECKED, *WRITES)
DATA_ACCESSES = ("read wb", "read nc", *WRITES)
MAINTENANCE = ("cvau", "cvac", "civac", "ivac")


class TooMany(Exception):  # noqa: N818
    """A byte has more microstates than the caller allows."""


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
    """The switches of a trace."""

    nc_may_hit: bool
    setway_effective: bool
    idc: bool
    dic: bool
    order: bool


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
    """What becomes of the shared part and of the core that acts; ``others`` says what the other cores do."""

    shared: Shared
    core: Core
    others: str = "keep"


# -- one step of the closure -------------------------------------------------------------------------------


def _data(s: Shared) -> bool:
    """Return whether what a cacheable read returns is fresh."""
    return s.f1 if s.l1 else _below(s)


def _below(s: Shared) -> bool:
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
    return _copy(_data(s) if profile.idc else _below(s))


def _copy(fresh: bool) -> int:
    return FRESH if fresh else STALE


def _shared_steps(s: Shared, alias_live: bool, fetch_possible: bool) -> Iterator[Shared]:
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
        yield s._replace(l1=CLEAN, f1=_below(s))


def _core_steps(s: Shared, core: Core, fetches: Fetches, profile: Profile) -> Iterator[Outcome]:
    """Give what one step of one core makes of it and of the levels."""
    if core.icache:  # drop I
        yield Outcome(s, core._replace(icache=NONE))
    if fetches.cacheable and not profile.dic:  # fill I
        yield Outcome(s, _forgetful(core._replace(icache=_miss(s, profile)), fetches.awaited))
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


def _forgetful(core: Core, awaited: bool) -> Core:
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


def _meanwhile(core: Core, others: str) -> Core:
    """Give what becomes of a core while another one acts."""
    if others == "lose I":
        return core._replace(icache=NONE)
    return _sees_write(core) if others == "see a write" else core


def _sees_write(core: Core) -> Core:
    """Give what becomes of a core's copies and of what it has in flight when anybody writes the byte."""
    return core._replace(
        icache=min(core.icache, STALE),
        store=min(core.store, STALE),
        prefetched=min(core.prefetched, STALE),
    )


# -- the events --------------------------------------------------------------------------------------------


def _awaits(event: Event, core: Core) -> bool:
    """Return whether an event by any core has to wait for what a core has ordered."""
    if event.action not in DATA_ACCESSES:
        return False
    return any(dc.ordered for dc in core.dcs) or (event.own and core.ordered)


def _goes_on(s: Shared, core: Core, event: Event) -> bool:
    """
    Return whether the event may happen now, with what its core and all cores have pending.

    What any core has ordered is not looked at (``_awaits``).
    """
    stores = core.store or core.through
    if event.action == "dsb":
        return not (core.dcs or core.ic_local or core.ic_all or stores)
    if event.action in ("read wb", "write wb", "write wt") and any(dc.noted for dc in core.dcs):
        return False
    if not event.own:
        return True
    waits = {"write wb": s.through, "write wt": s.through or stores, "write nc": stores}
    return not waits.get(event.action)


def _effect(s: Shared, core: Core, event: Event, profile: Profile) -> list[Outcome]:
    """Give the outcomes of an event; none where it has to wait."""
    if not _goes_on(s, core, event):
        return []
    kind = event.action.partition(" ")[0]
    if kind in ("read", "walk"):
        return [Outcome(_after_read(s, event), core)]
    if kind == "fetch":
        return list(_fetch(s, core, event, profile))
    if kind == "write":
        return _write(s, core, event, profile)
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
    if event.action not in ("read wb", "walk wb") or s.l1:
        return s
    return s._replace(l1=CLEAN, f1=_below(s))


def _fetch(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[Outcome]:
    if event.own and core.prefetched:
        yield Outcome(s, core)
    if event.action == "fetch cacheable" and not profile.dic:
        yield Outcome(s, core._replace(icache=_instruction(s, core, profile)))
    else:
        yield Outcome(s, core)


def _write(s: Shared, core: Core, event: Event, profile: Profile) -> list[Outcome]:
    if not event.own:
        return [Outcome(s._replace(l1=DIRTY, f1=_data(s)) if event.action == "write wb" else s, core)]
    s, core = s._replace(through=min(s.through, STALE)), _sees_write(core)
    pending = profile.order
    if event.action == "write wb":
        after = s._replace(l1=DIRTY, f1=True, f2=False, fm=False)
    elif event.action == "write wt":
        after = s._replace(f1=s.l1 != INVALID, f2=s.l2 != INVALID, fm=not pending)
        after = after._replace(through=FRESH if pending else NONE)
        core = core._replace(through=pending)
    else:
        after = s._replace(f1=False, f2=False, fm=not pending)
        core = core._replace(store=FRESH if pending else NONE)
    return [Outcome(after, core, "see a write")]


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


def _fresh_copies(s: Shared, core: Core, event: Event, profile: Profile) -> Iterator[bool]:
    """Say of each copy of the byte that a checked event may return whether it is fresh."""
    kind, _, how = event.action.partition(" ")
    if kind == "fetch":
        yield s.fm if how == "not cacheable" else _instruction(s, core, profile) == FRESH
        if core.prefetched:
            yield core.prefetched == FRESH
        return
    if how == "wb":
        yield _data(s)
        return
    own = (s.through if core.through else core.store) if kind == "read" else NONE
    yield own == FRESH if own else s.fm
    if profile.nc_may_hit and s.l1:
        yield s.f1
    if profile.nc_may_hit and s.l2:
        yield s.f2


# -- sets of joint microstates -----------------------------------------------------------------------------

# A joint microstate is a tuple (the shared part, one core, the next) in which each part is a number. The
# tuple is packed into one number, the shared part lowest. It has at most 62 bits with three cores: Python is
# quick at that. The cold parts are number 0, so the cold microstate is 0 for any number of cores.
SHARED_BITS = 8
CORE_BITS = 18
SHARED_MASK = (1 << SHARED_BITS) - 1
CORE_MASK = (1 << CORE_BITS) - 1
Part = TypeVar("Part", Shared, Core)
Rule = Callable[[Shared, Core], Iterable[Outcome]]


class Numbers(Generic[Part]):
    """Numbers the parts of microstates."""

    def __init__(self) -> None:
        self._numbers: dict[Part, int] = {}
        self.parts: list[Part] = []

    def of(self, part: Part) -> int:
        number = self._numbers.setdefault(part, len(self.parts))
        if number == len(self.parts):
            self.parts.append(part)
        return number


class Table(dict[int, tuple[int, ...]]):
    """
    What a rule makes of a microstate, when the core at a place acts: what to add to its number.

    The keys are the numbers that a shared part and that core make. ``loud`` has the moves that the other
    cores notice, where there are any, each with what they do first.
    """

    def __init__(self, memory: "Memory", place: int, rule: Rule) -> None:
        super().__init__()
        self.loud: dict[int, list[tuple[int, str]]] = {}
        self._memory = memory
        self._rule = rule
        self._place = place
        self.mask = SHARED_MASK | CORE_MASK << _shift(place)

    def __missing__(self, pair: int) -> tuple[int, ...]:
        shared, core = self._memory.shared_of(pair), self._memory.core_of(pair, self._place)
        quiet = []
        for outcome in self._rule(shared, core):
            delta = self._memory.number(outcome.shared, outcome.core, self._place) - pair
            if outcome.others == "keep":
                quiet.append(delta)
            else:
                self.loud.setdefault(pair, []).append((delta, outcome.others))
        self[pair] = tuple(quiet)
        return self[pair]

    def after(self, states: set[int]) -> set[int]:
        """Give the microstates that the rule makes of some."""
        mask, loud = self.mask, self.loud
        found = {state + delta for state in states for delta in self[state & mask]}
        if loud:
            meanwhile, place = self._memory.meanwhile, self._place
            for state in states:
                for delta, others in loud.get(state & mask, ()):
                    found.add(meanwhile(state, place, others) + delta)
        return found


def _shift(place: int) -> int:
    return SHARED_BITS + CORE_BITS * place


class Memory:
    """Numbers parts, and remembers what the rules make of them: traces have much in common."""

    def __init__(self) -> None:
        self._shared: Numbers[Shared] = Numbers()
        self._cores: Numbers[Core] = Numbers()
        self._tables: dict[tuple[object, ...], Table] = {}
        self._meanwhile: dict[tuple[int, str], int] = {}
        assert self.number(Shared(INVALID, False, INVALID, False, True), Core(), 0) == 0

    def size(self) -> int:
        return sum(map(len, self._tables.values())) + len(self._cores.parts)

    def number(self, shared: Shared, core: Core, place: int) -> int:
        return self._shared.of(shared) | self._core_number(core) << _shift(place)

    def _core_number(self, core: Core) -> int:
        number = self._cores.of(core)
        assert number <= CORE_MASK, "a trace whose cores have too many states"
        return number

    def shared_of(self, state: int) -> Shared:
        return self._shared.parts[state & SHARED_MASK]

    def core_of(self, state: int, place: int) -> Core:
        return self._cores.parts[state >> _shift(place) & CORE_MASK]

    def meanwhile(self, state: int, acting: int, others: str) -> int:
        """Give a microstate after what every core but one does while that one acts."""
        shift, rest, place = SHARED_BITS, state >> SHARED_BITS, 0
        while rest:  # then all others are cold, and stay so
            if place != acting:
                core = rest & CORE_MASK
                if (core, others) not in self._meanwhile:
                    after = _meanwhile(self._cores.parts[core], others)
                    self._meanwhile[core, others] = self._core_number(after)
                state += self._meanwhile[core, others] - core << shift
            shift, rest, place = shift + CORE_BITS, rest >> CORE_BITS, place + 1
        return state

    def unhindered(self, states: set[int], event: Event, cores: int) -> set[int]:
        """Give the microstates in which nothing that any core has ordered has to go before an event."""
        for place in range(cores):
            shift = _shift(place)
            numbers = {state >> shift & CORE_MASK for state in states}
            awaited = {number for number in numbers if _awaits(event, self._cores.parts[number])}
            if awaited:
                states = {state for state in states if state >> shift & CORE_MASK not in awaited}
        return states

    def levels(self, alias_live: bool, fetch_possible: bool) -> Table:
        """Give the moves of the levels by themselves; they are no core's, so any place will do."""

        def rule(s: Shared, core: Core) -> Iterator[Outcome]:
            return (Outcome(after, core) for after in _shared_steps(s, alias_live, fetch_possible))

        return self._table(("levels", alias_live, fetch_possible), 0, rule)

    def steps(self, place: int, fetches: Fetches, profile: Profile) -> Table:
        def rule(s: Shared, core: Core) -> Iterator[Outcome]:
            return _core_steps(s, core, fetches, profile)

        return self._table((fetches, profile), place, rule)

    def forgets(self, place: int) -> Table:
        def rule(s: Shared, core: Core) -> list[Outcome]:
            return [Outcome(s, _forgetful(core, awaited=False))]

        return self._table(("forgets",), place, rule)

    def effect(self, place: int, event: Event, profile: Profile) -> Table:
        def rule(s: Shared, core: Core) -> list[Outcome]:
            return _effect(s, core, event, profile)

        return self._table((event, profile), place, rule)

    def bad(self, place: int, event: Event, profile: Profile) -> Table:
        """Give a table with a move where a checked event may go on and return a copy that is not fresh."""

        def rule(s: Shared, core: Core) -> list[Outcome]:
            bad = _goes_on(s, core, event) and not all(_fresh_copies(s, core, event, profile))
            return [Outcome(s, core)] if bad else []

        return self._table(("bad", event, profile), place, rule)

    def _table(self, key: tuple[object, ...], place: int, rule: Rule) -> Table:
        return self._tables.setdefault((*key, place), Table(self, place, rule))


class Byte:
    """The set of joint microstates of one byte, as a trace goes on."""

    def __init__(self, memory: Memory, cores: int, profile: Profile, most: int | None) -> None:
        self._memory = memory
        self._cores = cores
        self._profile = profile
        self._most = most
        self.states = {0}
        self._closed: Rules | None = None

    def close(self, rules: Rules) -> None:
        """Add all that any number of steps makes of the microstates."""
        if rules == self._closed:
            return
        self._forget(rules)
        fetch_possible = any(fetches.cacheable for fetches in rules.cores)
        tables = [self._memory.levels(rules.alias_live, fetch_possible)]
        for place, fetches in enumerate(rules.cores):
            tables.append(self._memory.steps(place, fetches, self._profile))
        new = self.states
        while new:
            new = set().union(*(table.after(new) for table in tables)) - self.states
            self.states |= new
            if self._most is not None and len(self.states) > self._most:
                raise TooMany(f"more than {self._most} microstates")
        self._closed = rules

    def _forget(self, rules: Rules) -> None:
        for place, fetches in enumerate(rules.cores):
            if not fetches.awaited:
                table = self._memory.forgets(place)
                self.states = table.after(self.states)

    def apply(self, core: int, event: Event, occurred: int) -> set[str]:
        """
        Do an event on the line by a core, and give the kinds of hazard that it is for the byte.

        Of all cores the first so many have occurred by then.
        """
        effect = self._memory.effect(core, event, self._profile)
        self.states = self._memory.unhindered(self.states, event, self._cores)
        checked = event.own and event.action in CHECKED
        kinds = self._kinds(core, event, occurred) if checked else set()
        self.states = effect.after(self.states)
        self._closed = None
        assert self.states, "every wait ends in some microstate"
        return kinds

    def _kinds(self, core: int, event: Event, occurred: int) -> set[str]:
        bad = self._memory.bad(core, event, self._profile)
        fetch = event.action.startswith("fetch")
        stale = "stale-fetch" if fetch else "stale-read"
        projections = range(core, core + 1) if fetch else range(occurred)
        kinds: set[str] = set()
        for state in self.states:
            if bad[state & bad.mask]:
                fresh = self._somewhere_fresh(state, projections)
                kinds.update(stale if somewhere else "lost-write" for somewhere in fresh)
                if len(kinds) == 2:
                    break
        return kinds

    def _somewhere_fresh(self, state: int, projections: range) -> list[bool]:
        """Say for the projection of each of some cores whether some copy of the byte is fresh."""
        shared = self._memory.shared_of(state)
        cores = [self._memory.core_of(state, place) for place in range(self._cores)]
        everybodys = shared.f1 or shared.f2 or shared.fm or shared.through == FRESH
        everybodys = everybodys or any(core.store == FRESH for core in cores)
        return [everybodys or cores[place].icache == FRESH for place in projections]


# -- the text ----------------------------------------------------------------------------------------------


class Reader(explorer.Reader):
    """Reads a version 2 trace event by event, and keeps the state of every agent."""

    def __init__(self) -> None:
        super().__init__()
        self.order = False
        self.core_of: dict[str, str] = {}
        self.declared: list[str] = []

    def events(self, text: str) -> Iterator[tuple[int, str, list[Touch]]]:
        """
        Yield each event's line number, agent and touches, just after its effect on the agents.

        Raises
        ------
        Malformed
            At the first line that is an error.
        """
        versioned = False
        for self._number, line in enumerate(text.split("\n"), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if not versioned:
                versioned = True
                if words != ["version", "2"]:
                    raise self._wrong(f"{words[0]}: version 2 comes first")
            elif words[0] in ("line", "option", "core"):
                if self.agents:
                    raise self._wrong(f"{words[0]}: comes after the first event")
                self._header(words)
            else:
                yield self._number, words[0], self._line(words)

    def _header(self, words: list[str]) -> None:
        if words == ["option", "order"]:
            self.order = True
        elif words[0] == "core":
            self._core(words[1:])
        else:
            super()._header(words)

    def _core(self, words: list[str]) -> None:
        if len(words) < 2:
            raise self._wrong("core: takes a name and its agents")
        if words[0] in self.declared:
            raise self._wrong(f"{words[0]}: a core already")
        self.declared.append(words[0])
        for agent in words[1:]:
            if agent in NO_AGENTS:
                raise self._wrong(f"{agent}: no agent's name")
            if agent in self.core_of:
                raise self._wrong(f"{agent}: in a core already")
            self.core_of[agent] = words[0]

    def _line(self, words: list[str]) -> list[Touch]:
        if words[0] in NO_AGENTS:
            raise self._wrong(f"{words[0]}: no agent's name")
        agent = self.agents.setdefault(words[0], Agent())
        if len(words) < 2:
            raise self._wrong(f"{words[0]}: an agent that does nothing")
        return self._event(agent, words[1], words[2:])

    def _event(self, agent: Agent, op: str, rest: list[str]) -> list[Touch]:
        if op in BARRIERS:
            if not self.order:
                raise self._wrong(f"{op}: only with option order")
            if rest:
                raise self._wrong(f"{' '.join(rest)}: {op} takes no range")
            return [Touch(0, LIMIT, op)]
        touches = super()._event(agent, op, rest)
        if op == "walk":
            return [touch._replace(action=touch.action.replace("read", "walk")) for touch in touches]
        if op == "ic":
            action = "ic local" if rest == ["iallu"] else "ic all"
            return [touch._replace(action=action) for touch in touches]
        return touches


class Step(NamedTuple):
    """
    What a trace's event is for one line: ``core`` is the number of its core; no touch is (0, 0).

    Of all cores the first ``occurred`` have occurred by then, the event included.
    """

    number: int
    name: str
    core: int
    alias_live: bool
    fetches: tuple[tuple[bool, bool], ...]
    action: str
    noted: bool
    first: int
    last: int
    occurred: int

    def owns(self, byte: int) -> bool:
        return self.action in ACCESSES and self.first <= byte < self.last


def _fetches_memory(agent: Agent, page: int) -> bool:
    """Return whether an agent may fetch from a page not cacheably."""
    if agent.mmu:
        executable = page in agent.pages and agent.pages[page][1]
    else:
        executable = page in agent.fetched or page - 1 in agent.fetched
    return executable and not agent.may_fetch(page)


def _core_names(reader: Reader) -> list[tuple[str, str]]:
    """Give every core that has occurred: those declared, then as they come those of whom nothing is said."""
    alone = [name for name in reader.agents if name not in reader.core_of]
    return [("core", name) for name in reader.declared] + [("agent", name) for name in alone]


def _core_name(reader: Reader, agent: str) -> tuple[str, str]:
    return ("core", reader.core_of[agent]) if agent in reader.core_of else ("agent", agent)


def _possible_fetches(reader: Reader, core: tuple[str, str], page: int) -> tuple[bool, bool]:
    """Return whether a core may fetch from a page, cacheably and not cacheably."""
    declared = core[1] if core[0] == "core" else None  # those of whom nothing is said are as one here
    agents = [agent for name, agent in reader.agents.items() if reader.core_of.get(name) == declared]
    return (
        any(agent.may_fetch(page) for agent in agents),
        any(_fetches_memory(agent, page) for agent in agents),
    )


def _step(
    reader: Reader, cores: list[tuple[str, str]], number: int, name: str, base: int, touch: Touch
) -> Step:
    """Make what an event, just read, is for the line at an address."""
    page = base // PAGE
    return Step(
        number,
        name,
        cores.index(_core_name(reader, name)),
        any(agent.keeps_alias_live(page) for agent in reader.agents.values()),
        tuple(_possible_fetches(reader, core, page) for core in cores),
        touch.action,
        reader.agents[name].keeps_alias_live(page),
        max(touch.start - base, 0),
        min(touch.end - base, reader.profile.line),
        len(_core_names(reader)),
    )


class Trace(NamedTuple):
    """The steps of every line that some event checks, by its address; and what holds all along."""

    lines: dict[int, list[Step]]
    line_size: int
    cores: int
    profile: Profile


def _read(text: str) -> Trace:
    """Read a version 2 trace."""
    reader = Reader()
    checked: set[int] = set()
    for _, _, touches in reader.events(text):
        size = reader.profile.line
        for touch in touches:
            if touch.action in CHECKED:
                checked.update(range(touch.start // size * size, touch.end, size))
    cores = _core_names(reader)
    size = reader.profile.line

    lines: dict[int, list[Step]] = {base: [] for base in sorted(checked)}
    reader = Reader()
    for number, name, touches in reader.events(text):
        for base, steps in lines.items():
            here = [touch for touch in touches if touch.start < base + size and base < touch.end]
            assert len(here) <= 1, "an access that is cut is cut at a page's end"
            steps.append(_step(reader, cores, number, name, base, *here or [Touch(base, base, "")]))
    p = reader.profile
    profile = Profile(p.nc_may_hit, p.setway_effective, p.idc, p.dic, reader.order)
    return Trace(lines, size, len(cores), profile)


# -- the exploration ---------------------------------------------------------------------------------------


def _classes(steps: list[Step], size: int) -> dict[tuple[bool, ...], list[int]]:
    """Give the bytes of a line that the same accesses touch, by what touches them."""
    classes: dict[tuple[bool, ...], list[int]] = {}
    for byte in range(size):
        classes.setdefault(tuple(step.owns(byte) for step in steps), []).append(byte)
    return classes


def _rules(step: Step, later_fetches: set[int]) -> Rules:
    return Rules(
        step.alias_live,
        tuple(Fetches(*fetches, core in later_fetches) for core, fetches in enumerate(step.fetches)),
    )


def _follow(steps: list[Step], owned: tuple[bool, ...], byte: Byte, profile: Profile) -> Iterator[set[str]]:
    """Give for every step up to the last that checks the byte what kinds of hazard it is for it."""
    checks = [n for n, step in enumerate(steps) if owned[n] and step.action in CHECKED]
    for n, step in enumerate(steps[: max(checks, default=-1) + 1]):
        later = {steps[m].core for m in checks if m >= n and steps[m].action.startswith("fetch")}
        rules = _rules(step, later)
        byte.close(rules)
        kinds: set[str] = set()
        if step.action:
            kinds = byte.apply(step.core, Event(step.action, owned[n], step.noted), step.occurred)
            byte.close(rules)
        yield kinds


_MEMORY = [Memory()]
ENOUGH = 1 << 17  # for the memory to start afresh


def explore(text: str, most: int | None = None) -> list[Hazard]:
    """
    Give every hazard of a trace, in the order of trace-format.md.

    Parameters
    ----------
    text : str
        The trace.
    most : int, optional
        The most joint microstates that a byte may have; no end of them by default.

    Returns
    -------
    list of Hazard
        One for each event, kind and cache line; empty if the trace is coherent.

    Raises
    ------
    Malformed
        At the first line that is an error.
    TooMany
        Where a byte has more microstates than ``most``.
    """
    if not _is_version_2(text):
        return explorer.explore(text)
    trace = _read(text)
    if _MEMORY[0].size() > ENOUGH:
        _MEMORY[0] = Memory()
    found: list[Hazard] = []
    for base, steps in trace.lines.items():
        bad: dict[tuple[int, str], list[int]] = {}
        for owned, class_ in _classes(steps, trace.line_size).items():
            byte = Byte(_MEMORY[0], trace.cores, trace.profile, most)
            for n, kinds in enumerate(_follow(steps, owned, byte, trace.profile)):
                for kind in kinds:
                    bad.setdefault((n, kind), []).extend(class_)
        for (n, kind), where in bad.items():
            low, high = min(where), max(where)
            found.append(Hazard(steps[n].number, kind, steps[n].name, base + low, high + 1 - low))
    return sorted(found, key=lambda hazard: (hazard.line, hazard.address, hazard.kind))


def _is_version_2(text: str) -> bool:
    """Return whether the first line that is not blank or comment says so."""
    lines = (line.partition("#")[0].split() for line in text.split("\n"))
    return next(filter(None, lines), []) == ["version", "2"]
