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

An instruction cache operation of all cores is pending in two parts, its own core's and the others', as ``dsb nsh``
completes the one.

Leaks are looked for in a search of their own. There a copy's bit does not say that it is fresh, but that it was
written since the page was given. No step and no wait looks at the bit, so that nothing is lost by it.

One byte is followed for each class of bytes of a line for which all events are the same: nothing couples two
bytes but that an event touches the line. Only bytes that some event checks are followed, until the last
event that does; and what no later check can tell apart is forgotten (``forgetful``).

A text whose first line is not ``version 2`` is a version 1 trace, and ``explorer.py`` explores it.

Where the pages leave room, this is how they are read (``tests/oracles/test_order_explorer.py`` has a test for
each that a trace can show; ``test_order_words.py`` and others for masters, owners and all that is later):

- Without ``option order`` nothing is ever prefetched: ``isb`` is an error there, so it could never go.
- ``line``, ``option`` and ``core`` come in any order, before the first event. A ``core`` line names at least
  one agent; the same name on two of them is an error, and so is an agent twice, on one line or on two. The
  words ``master``, ``give`` and ``power-off`` are no agents' names. ``version`` may be.
- A dot or a plus in an agent's name says nothing of cores: only ``core`` lines say who shares a core.
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
- An owner is who is named, and every ``NAME+WORD`` of a NAME that is: NAME and WORD may have a plus in them. A
  dot says nothing. Owners are the same as before where the names are. To be named in a ``give``, or in an
  option, is not to occur.
- The walk of a master that snoops returns what its read does, and waits for nothing. Its type may be ``pou``.
- A master's read is judged by the projections of the cores that have occurred; where there are none, by the
  one without an instruction cache. It counts as no core.
- ``option nc-may-hit`` is for data reads and walks, with names as without: a fetch that is not cacheable
  returns memory (or what is held). A master that is named there hits no more than another.
- The lines of ``nc-may-hit`` and ``ivac-cleans`` add up; of ``dmin``, ``imin``, ``zva`` and ``start`` the last
  counts. A granule above ``line`` is an error of its own line, whichever comes first.
- A prefetch that is not cacheable returns what such a fetch may return, what ``nc-fetch-held`` holds included.
- An access waits for a noted operation if it touches the granule of the byte that is followed, be the operation
  sure of that byte or not.
- ``option start any`` is the largest set of joint microstates whose projections are those of the page: some copy
  of levels and memory is fresh, or each core's instruction cache is. With ``dic`` none of them is valid.
- In a set of ``start``, cores that occur later have what they may have, too.
- A setting that makes an access impossible in one of the pages that it touches is none for its part there alone.
- Two settings that differ only in a switch that the trace has not set (``icache``) are as one.
- A core that has seen a descriptor has seen it in every page that was made so before its ``dsb``.
- An ending mapping that is made again with the MMU off is held by TLBs if it was before: it is not a new one.
- A mapping is made with the MMU on if its event comes before the switch that says that its agent starts with it off.
- An access is possible if some mapping of each page that it touches allows it, be it another one in each page.
- A walk that is not cacheable is no last walk of any kind: a ``tlbi`` before it goes on to end older walks.
- A ``dsb nsh`` does for descriptors, ``tlbi`` and walks what is no ``dsb``: nothing.
- An ``unmap`` ends an ending alias, and what is pending for it goes: a ``map`` after it is a new alias.
- A ``tlbi`` by a core whose ``tlbi`` is pending already adds nothing. One that concerns nothing is no error.
- Where an alias has two types, ``dc zva`` is of either kind, and its fetches may be prefetched past the caches too.
- A master may have a page, and a walk, of two types, as of one.
- A fetch counts for the MMU-off window also where it hits, and where another setting has the MMU on.
- A poll is judged by a ``read`` of its agent, and by no walk, fetch or poll; a leak it may be itself.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, product
from typing import Generic, TypeVar

from tests.oracles import explorer
from tests.oracles.explorer import CLEAN, DIRTY, INVALID, PAGE, Hazard, Malformed
from tests.oracles.order_reading import Step, is_version_2, read_trace
from tests.oracles.order_steps import (
    CHECKED,
    FRESH,
    LEAKING,
    NOBODY,
    NONE,
    STALE,
    Core,
    Event,
    Fetches,
    Outcome,
    Profile,
    Rules,
    Shared,
    awaits,
    core_steps,
    effect_of,
    forgetful,
    fresh_copies,
    fresh_in,
    goes_on,
    meanwhile,
    shared_steps,
)

__all__ = ["Hazard", "Malformed", "TooMany", "explore"]


class TooMany(Exception):  # noqa: N818
    """A byte has more microstates than the caller allows."""


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

    def joint(self, shared: Shared, cores: list[Core]) -> int:
        numbers = (self._core_number(core) << _shift(place) for place, core in enumerate(cores))
        return sum(numbers, self._shared.of(shared))

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
                    after = meanwhile(self._cores.parts[core], others)
                    self._meanwhile[core, others] = self._core_number(after)
                state += self._meanwhile[core, others] - core << shift
            shift, rest, place = shift + CORE_BITS, rest >> CORE_BITS, place + 1
        return state

    def unhindered(self, states: set[int], event: Event, cores: int) -> set[int]:
        """Give the microstates in which nothing that any core has ordered has to go before an event."""
        for place in range(cores):
            shift = _shift(place)
            numbers = {state >> shift & CORE_MASK for state in states}
            awaited = {number for number in numbers if awaits(event, self._cores.parts[number])}
            if awaited:
                states = {state for state in states if state >> shift & CORE_MASK not in awaited}
        return states

    def levels(self, alias_live: bool, below: bool) -> Table:
        """Give the moves of the levels by themselves; they are no core's, so any place will do."""

        def rule(s: Shared, core: Core) -> Iterator[Outcome]:
            return (Outcome(after, core) for after in shared_steps(s, alias_live, below))

        return self._table(("levels", alias_live, below), 0, rule)

    def steps(self, place: int, fetches: Fetches, profile: Profile) -> Table:
        def rule(s: Shared, core: Core) -> Iterator[Outcome]:
            return core_steps(s, core, fetches, profile)

        return self._table((fetches, profile), place, rule)

    def forgets(self, place: int) -> Table:
        def rule(s: Shared, core: Core) -> list[Outcome]:
            return [Outcome(s, forgetful(core, awaited=False))]

        return self._table(("forgets",), place, rule)

    def effect(self, place: int, event: Event, profile: Profile) -> Table:
        def rule(s: Shared, core: Core) -> list[Outcome]:
            return effect_of(s, core, event, profile)

        return self._table((event, profile), place, rule)

    def bad(self, place: int, event: Event, profile: Profile) -> Table:
        """Give a table with a move where a checked event may go on and return a copy that is not fresh."""

        def rule(s: Shared, core: Core) -> list[Outcome]:
            bad = goes_on(s, core, event) and not all(fresh_copies(s, core, event, profile))
            return [Outcome(s, core)] if bad else []

        return self._table(("bad", event, profile), place, rule)

    def _table(self, key: tuple[object, ...], place: int, rule: Rule) -> Table:
        return self._tables.setdefault((*key, place), Table(self, place, rule))


class Byte:
    """The set of joint microstates of one byte, as a trace goes on."""

    def __init__(
        self,
        memory: Memory,
        cores: tuple[tuple[int, ...], ...],
        profile: Profile,
        most: int | None = None,
        start: str = "cold",
    ) -> None:
        self._memory = memory
        self._cores = len(cores)
        self._profile = profile
        self._most = most
        self.states = {0}
        self._closed: Rules | None = None
        if start == "any":
            self.states = self._any(cores)
        elif start != "cold":
            self._fill(cores, write=start == "dirty")

    def _fill(self, cores: tuple[tuple[int, ...], ...], *, write: bool) -> None:
        """Start with what all caches may hold that may fill, and perhaps with a dirty line."""
        profile, self._profile = self._profile, self._profile._replace(order=False)  # nothing is prefetched
        rules = Rules(alias_live=True, cores=tuple(Fetches(labels, (), awaited=True) for labels in cores))
        self.close(rules)
        if write:
            clean = set(self.states)
            self.apply(NOBODY, [Event("write wb", own=True)], 0, checked=False)
            self.states |= clean
            self.close(rules)
        self._profile, self._closed = profile, None

    def _any(self, cores: tuple[tuple[int, ...], ...]) -> set[int]:
        """
        Give every microstate of which each core's projection has some copy that is fresh.

        With no cores, it is the projection without an instruction cache.
        """
        level = [(INVALID, False), *product((CLEAN, DIRTY), (False, True))]
        copies = (NONE,) if self._profile.dic else (NONE, STALE, FRESH)
        icaches = []
        for labels in cores:
            held = product(copies, repeat=len(labels))
            icaches.append([sum(copy * 3**n for n, copy in zip(labels, each, strict=True)) for each in held])
        found = set()
        for (l1, f1), (l2, f2), fm in product(level, level, (False, True)):
            for each in product(*icaches):
                fresh = [f1 or f2 or fm or fresh_in(icache) for icache in each] or [f1 or f2 or fm]
                if all(fresh):
                    found.add(
                        self._memory.joint(Shared(l1, f1, l2, f2, fm), [Core(icache) for icache in each])
                    )
        return found

    def close(self, rules: Rules) -> None:
        """Add all that any number of steps makes of the microstates."""
        if rules == self._closed:
            return
        self._forget(rules)
        tables = [self._memory.levels(rules.alias_live, rules.below)]
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

    def apply(self, core: int, ways: Iterable[Event], occurred: int, *, checked: bool) -> set[str]:
        """
        Do an event on the line by a core (or by ``NOBODY``), and give the kinds of hazard that it is.

        It is one of some events, any of them. Of all cores the first so many have occurred by then.
        """
        kinds: set[str] = set()
        after: set[int] = set()
        for event in ways:
            states = self._memory.unhindered(self.states, event, self._cores)
            effect = self._memory.effect(max(core, 0), event, self._profile)
            kinds |= self._kinds(states, core, event, occurred) if checked else set()
            after |= effect.after(states)
        self.states = after
        self._closed = None
        assert self.states, "every wait ends in some microstate"
        return kinds

    def _kinds(self, states: set[int], core: int, event: Event, occurred: int) -> set[str]:
        bad = self._memory.bad(max(core, 0), event, self._profile)
        if self._profile.gifts:
            return {"leak"} if any(bad[state & bad.mask] for state in states) else set()
        fetch = event.action.startswith("fetch")
        stale = "stale-fetch" if fetch else "stale-read"
        projections = range(core, core + 1) if fetch else range(occurred)
        kinds: set[str] = set()
        for state in states:
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
        return [everybodys or fresh_in(cores[place].icache) for place in projections] or [everybodys]


# -- the exploration ---------------------------------------------------------------------------------------


def _classes(steps: list[Step], size: int) -> dict[tuple[tuple[Event, ...], ...], list[int]]:
    """Give the bytes of a line by what the events are for them."""
    ends = {end for step in steps for end in (step.first, step.last) if 0 < end < size}
    cuts = sorted({*range(0, size + 1, steps[0].dmin), *ends})
    classes: dict[tuple[tuple[Event, ...], ...], list[int]] = {}
    for first, last in pairwise(cuts):
        classes.setdefault(tuple(step.events(first) for step in steps), []).extend(range(first, last))
    return classes


def rules_of(step: Step, later_fetches: set[int]) -> Rules:
    """Give what holds from an event on."""
    return Rules(
        step.alias_live,
        tuple(Fetches(*fetches, core in later_fetches) for core, fetches in enumerate(step.fetches)),
        step.level_2_fills,
    )


def rules_before(steps: list[Step], number: int, later_fetches: set[int]) -> Rules:
    """
    Give what holds when an event comes.

    That is what holds from it on, but for a walk: what it touches is walked once more only after it.
    """
    if steps[number].op != "walk":
        return rules_of(steps[number], later_fetches)
    if number:
        return rules_of(steps[number - 1], later_fetches)
    return Rules(False, (Fetches((), (), awaited=True),) * len(steps[0].fetches))


def is_check(step: Step, event: Event, profile: Profile) -> bool:
    """Return whether what an event returns of a byte is looked at."""
    if profile.gifts:
        return event.own and event.action in LEAKING and step.owner
    return event.own and event.action in CHECKED


def follow(
    steps: list[Step], events: tuple[tuple[Event, ...], ...], byte: Byte, profile: Profile
) -> Iterator[set[str]]:
    """Give for every step up to the last that checks the byte what kinds of hazard it is for it."""
    checks = [n for n, ways in enumerate(events) if any(is_check(steps[n], event, profile) for event in ways)]
    for n, step in enumerate(steps[: max(checks, default=-1) + 1]):
        later = {steps[m].core for m in checks if m >= n and steps[m].op == "fetch"}
        byte.close(rules_before(steps, n, later))
        rules = rules_of(step, later)
        kinds: set[str] = set()
        if step.ways and (step.op != "give" or profile.gifts):
            kinds = byte.apply(step.core, events[n], step.occurred, checked=n in checks)
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
    if not is_version_2(text):
        return explorer.explore(text)
    trace = read_trace(text)
    if _MEMORY[0].size() > ENOUGH:
        _MEMORY[0] = Memory()
    size = trace.line_size
    found = [
        Hazard(line, "bbm", agent, base, size)
        for line, agent, page in trace.broken
        for base in range(page * PAGE, (page + 1) * PAGE, size)
    ]
    for base, steps in trace.lines.items():
        bad: dict[tuple[int, str], list[int]] = {}
        for events, class_ in _classes(steps, size).items():
            for profile in (trace.profile, trace.profile._replace(gifts=True)):
                byte = Byte(_MEMORY[0], trace.cores, profile, most, trace.start)
                for n, kinds in enumerate(follow(steps, events, byte, profile)):
                    for kind in kinds:
                        bad.setdefault((n, kind), []).extend(class_)
        for (n, kind), where in bad.items():
            low, high = min(where), max(where)
            found.append(Hazard(steps[n].number, kind, steps[n].name, base + low, high + 1 - low))
    return sorted(found, key=lambda hazard: (hazard.line, hazard.address, hazard.kind))
