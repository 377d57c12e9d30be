# SPDX-License-Identifier: GPL-2.0-or-later
"""Replays a witness of a version 2 trace, as ``replay`` does one of version 1.

It shares no code with `coldline.explain`: the explorer of order says which steps may happen, and what events do; this
module says how the witness names them. A witness is the view of one core, which it does not name: what that core's
instruction cache holds and what it prefetches is told, and of other cores neither. So each core is tried. Where a
witness leaves open which of two things happened, both are followed.

It is longer than 300 lines because the search for fewer steps needs all that the replay does.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from tests.oracles.explorer import CLEAN, DIRTY, INVALID, SET_WAY, Malformed
from tests.oracles.order_reading import Reader, Step, core_names, read_trace
from tests.oracles.order_steps import (
    CHECKED,
    FRESH,
    NOBODY,
    NONE,
    Core,
    Event,
    Fetches,
    Operation,
    Outcome,
    Profile,
    Shared,
    awaits,
    copies_in,
    core_steps,
    effect_of,
    fresh_copies,
    fresh_in,
    goes_on,
    meanwhile,
    shared_steps,
)
from tests.oracles.replay import LEVELS, STATE, Hazard, Line, Refused, read

STRENGTH = {"cvau": 1, "cvac": 2, "civac": 3}
"""Operations that clean: one does all that one with a smaller number does."""

FOLLOWED = 4
"""The most data operations of a core that are followed one by one."""

WORDS = {
    "ivac": ("discard", "clean"),
    "csw": ("nothing", "clean"),
    "cisw": ("nothing", "clean"),
    "isw": ("nothing", "discard", "clean"),
}
LEVEL = {number: name for name, number in LEVELS.items()}
AGE = {NONE: None, 1: "OLD", FRESH: "new"}


class BeyondError(Exception):
    """A core has more operations pending than are followed one by one."""


class State(NamedTuple):
    """A joint microstate of a byte, as the core of the number `view` sees it."""

    view: int
    shared: Shared
    cores: tuple[Core, ...]


class Rules(NamedTuple):
    """What decides the steps: whether an alias is live, and what each core may fetch."""

    alias_live: bool = False
    level_2_fills: bool = False
    fetches: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()


def _seen(state: State) -> State:
    """The state without what the view does not show, and with each list of data operations at its shortest."""
    cores = []
    for place, core in enumerate(state.cores):
        dcs: list[Operation] = []
        for dc in core.dcs:
            while dcs and _is_as_much(dc, dcs[-1]):
                dcs.pop()
            dcs.append(dc)
        if len(dcs) > FOLLOWED:
            raise BeyondError
        core = core._replace(dcs=tuple(dcs))
        if place == state.view:
            core = core._replace(ic_others=False, ic_by_others=())
        else:
            core = core._replace(icache=NONE, prefetched=NONE, ic_own=False, ic_by=())
        cores.append(core)
    return state._replace(cores=tuple(cores))


def _is_as_much(second: Operation, first: Operation) -> bool:
    """Whether the second of two operations does all that the first does, and is waited for wherever that is."""
    return (
        0 < STRENGTH.get(first.op, 0) <= STRENGTH.get(second.op, 0)
        and (second.noted or not first.noted)
        and (second.ordered or not first.ordered)
        and (second.held or not first.held)
    )


def _after(state: State, place: int, outcome: Outcome) -> State:
    """The state once a core has acted, and the others have seen it."""
    cores = [meanwhile(core, outcome.others) for core in state.cores]
    if place != NOBODY:
        cores[place] = outcome.core
    return _seen(State(state.view, outcome.shared, tuple(cores)))


# -- what happens by itself ------------------------------------------------------------------------------------


def steps(state: State, rules: Rules, profile: Profile, names: list[str]) -> Iterator[tuple[str, State]]:
    """Every step that may happen, by its name in a witness."""
    fetches = rules.fetches or (((), ()),) * len(names)
    below = rules.level_2_fills or any(cached for cached, _ in fetches)
    for shared in shared_steps(state.shared, rules.alias_live, below):
        yield _shared_name(state.shared, shared), _seen(state._replace(shared=shared))
    for place, core in enumerate(state.cores):
        cacheable, past = fetches[place]
        for may in (Fetches(cacheable, (), awaited=True), Fetches((), past, awaited=True)):
            seen = 0
            for outcome in core_steps(state.shared, core, may, profile):
                name = _core_name(core, outcome.core, names[place])
                if name == "fill I" and may.uncacheable:
                    name = "fill I from memory"
                if len(outcome.core.dcs) < len(core.dcs) and core.dcs[0].op == "ivac":
                    name, seen = f"{name} {WORDS['ivac'][seen]}", seen + 1
                yield name, _after(state, place, outcome)


def _shared_name(before: Shared, after: Shared) -> str:
    for level, was, now in ((1, before.l1, after.l1), (2, before.l2, after.l2)):
        if was == DIRTY and now != DIRTY:
            return f"write back {level} {LEVEL[now]}"
        if (was, now) == (CLEAN, INVALID):
            return f"drop {level}"
        if (was, now) == (INVALID, CLEAN):
            return f"fill {level}"
    raise AssertionError("no step")


def _core_name(before: Core, after: Core, name: str) -> str:
    if len(after.dcs) < len(before.dcs):
        return f"complete {name} dc {before.dcs[0].op}"
    if _instruction_operations(after) != _instruction_operations(before):
        return f"complete ic {name}"
    if (after.store, after.through) != (before.store, before.through):
        return f"store arrives {name}"
    if after.prefetched != before.prefetched:
        return f"prefetch {name}" if after.prefetched else f"drop prefetch {name}"
    held = [sum(copy != NONE for copy in copies_in(core.icache)) for core in (before, after)]
    return "drop I" if held[1] < held[0] else "fill I"


def _instruction_operations(core: Core) -> tuple[object, ...]:
    """What is pending of them, as all cores see it."""
    return core.ic_own, core.ic_others, core.ic_by, core.ic_by_others


# -- what events do --------------------------------------------------------------------------------------------


def events(state: State, step: Step, byte: int, profile: Profile) -> Iterator[tuple[str, State]]:
    """What may come of an event, each with the word for it, or an empty one."""
    if not step.ways:
        yield "", state
    ways = step.events(byte)
    for event in ways:
        if any(awaits(event, core) for core in state.cores):
            continue
        core = state.cores[step.core]
        outcomes = effect_of(state.shared, core, event, profile)
        kind = ""
        if len(ways) > 1:
            kind = "non-cacheable" if event.action.endswith((" nc", "not cacheable")) else "cacheable"
        for word, outcome in _told(event, outcomes, core, state.view == step.core, profile):
            yield kind or word, _after(state, step.core, outcome)


def _told(
    event: Event, outcomes: list[Outcome], core: Core, viewed: bool, profile: Profile
) -> Iterator[tuple[str, Outcome]]:
    """The outcomes of an event of one kind, each with its word."""
    if event.action == "fetch not cacheable":
        holds = viewed and any(outcome.core != core for outcome in outcomes)
        for outcome in outcomes:
            yield (("held" if outcome.core != core else "nothing") if holds else ""), outcome
        return
    words = _outcome_words(event.action, profile)
    if event.action in (*WORDS, *STRENGTH) and not event.own:
        words = ("nothing", "issued") if profile.order else ("nothing", "discard", "clean")
        if event.action != "ivac":  # what it may do, caches do by themselves
            words, outcomes = (), outcomes[:1]
    elif event.action.startswith("ic ") and not event.own:
        outcomes = outcomes[:1]
    for number, outcome in enumerate(outcomes):
        yield words[number] if words else "", outcome


def _outcome_words(action: str, profile: Profile) -> tuple[str, ...]:
    """The words for what may come of an event, in the explorer's order."""
    if action == "write snoop":
        return ("update", "allocate")
    words = WORDS.get(action, ())
    if profile.order:
        words = ("nothing", "issued") if action in SET_WAY else ()
    if profile.setway_effective and action in SET_WAY:
        words = words[1:]
    return words if len(words) > 1 else ()


def _is_bad(state: State, step: Step, byte: int, profile: Profile, hazard: Hazard, said: str) -> bool:
    """Whether the last event returns the old copy that the witness says, and it is a hazard of that kind."""
    ways = step.events(byte)
    return any(_is_bad_way(state, step, event, profile, hazard, said) for event in ways)


def _is_bad_way(state: State, step: Step, event: Event, profile: Profile, hazard: Hazard, said: str) -> bool:
    """Whether that is so where it is one of the kinds that it may be of."""
    core, shared = state.cores[step.core], state.shared
    fetch = step.op == "fetch"
    if event.action not in CHECKED or not event.own or not goes_on(shared, core, event):
        return False
    if any(awaits(event, each) for each in state.cores):
        return False
    if fetch and state.view != step.core:
        return False
    copies = list(_copies(shared, core, event, profile))
    if not any(
        not fresh and said == (name if len(copies) > 1 or len(step.ways) > 1 else "")
        for name, fresh in copies
    ):
        return False
    somewhere = shared.f1 or shared.f2 or shared.fm or shared.through == FRESH
    somewhere = somewhere or any(each.store == FRESH for each in state.cores)
    somewhere = somewhere or fresh_in(state.cores[state.view].icache)
    return hazard.kind == (("stale-fetch" if fetch else "stale-read") if somewhere else "lost-write")


def _copies(shared: Shared, core: Core, event: Event, profile: Profile) -> Iterator[tuple[str, bool]]:
    """The copies that a checked event may return, by name, and whether each is fresh."""
    if not event.action.startswith("fetch"):
        names = ["memory", *(f"level {n}" for n, level in ((1, shared.l1), (2, shared.l2)) if level)]
        yield from zip(names, fresh_copies(shared, core, event, profile), strict=False)
        return
    if core.prefetched:
        yield "prefetched", core.prefetched == FRESH
    held = [copy for copy in copies_in(core.icache) if copy]
    cacheable = event.action == "fetch cacheable"
    if cacheable or profile.nc_fetch_held:
        yield from (("instruction cache", copy == FRESH) for copy in held)
    if not cacheable:
        yield "memory", shared.fm
    elif not core.icache // 3**event.label % 3:
        (fresh,) = fresh_copies(shared, Core(), event, profile)
        yield "instruction cache", fresh


# -- the walk --------------------------------------------------------------------------------------------------


class _Trace(NamedTuple):
    """A trace, for one byte: its events, its cores' names, and the byte's place in its line."""

    steps: list[Step]
    names: list[str]
    byte: int
    profile: Profile
    start: str
    labels: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, text: str, address: int) -> "_Trace":
        try:
            reader = Reader()
            for _ in reader.events(text):
                pass
            trace = read_trace(text)
        except Malformed as error:
            raise Refused(str(error)) from error
        start = address // trace.line_size * trace.line_size
        if start not in trace.lines:
            raise Refused("nothing reads the line")
        names = [name for _, name in core_names(reader)]
        return cls(trace.lines[start], names, address - start, trace.profile, trace.start, trace.cores)

    def started(self) -> set[State]:
        """What each core may see of the byte before any event."""
        shared = Shared(INVALID, False, INVALID, False, True)
        found = {State(view, shared, (Core(),) * len(self.names)) for view in range(len(self.names))}
        if self.start == "any":
            return {each for state in found for each in self._any(state)}
        if self.start != "cold":
            found = self._closed(found)
        if self.start == "dirty":
            written = Event("write wb", own=True)
            for state in list(found):
                at_once = self.profile._replace(order=False)
                for outcome in effect_of(state.shared, state.cores[state.view], written, at_once):
                    found.add(_after(state, state.view, outcome))
            found = self._closed(found)
        return found

    def _any(self, state: State) -> Iterator[State]:
        level = [(INVALID, False), *product((CLEAN, DIRTY), (False, True))]
        copies = (NONE,) if self.profile.dic else (NONE, 1, FRESH)
        labels = self.labels[state.view]
        caches = [
            sum(copy * 3**n for n, copy in zip(labels, held, strict=True))
            for held in product(copies, repeat=len(labels))
        ]
        for (l1, f1), (l2, f2), fm, icache in product(level, level, (False, True), caches):
            if f1 or f2 or fm or fresh_in(icache):
                cores = list(state.cores)
                cores[state.view] = Core(icache)
                yield State(state.view, Shared(l1, f1, l2, f2, fm), tuple(cores))

    def _closed(self, found: set[State]) -> set[State]:
        rules = Rules(True, fetches=tuple((labels, ()) for labels in self.labels))
        at_once = self.profile._replace(order=False)  # nothing is prefetched
        waiting = list(found)
        found = set(found)
        while waiting:
            after = {each for _, each in steps(waiting.pop(), rules, at_once, self.names)}
            waiting += after - found
            found |= after
        return found


def replay(text: str, *, states: bool = True) -> None:
    """
    Replay a witness from the line at its start to its bad read.

    Parameters
    ----------
    text : str
        The witness.
    states : bool
        Whether to compare the states in its remarks with the real ones.

    Raises
    ------
    Refused
        If it is wrong.
    BeyondError
        If a core has more data operations pending than are followed one by one.
    """
    hazard, lines = read(text)
    texts = text.splitlines()
    lines = [line for line in lines if not line.words or line.words[0] not in ("version", "core", "master")]
    trace = _Trace.of(text, hazard.address)
    ahead = iter(trace.steps)
    coming = next(ahead, None)
    rules, now = Rules(), trace.started()
    starts = lines[0].said == "start" and not lines[0].words
    if starts != (trace.start != "cold"):
        raise Refused("it does not begin with what the caches hold at the start, or says it for nothing")
    for line in lines:
        if coming is None:
            raise Refused(f"line {line.number}: it goes on after its last event")
        if starts and line is lines[0]:
            pass
        elif not line.words:
            # A fetch with the MMU off allows a prefetch before it; nothing else acts before it has come.
            fetch = texts[coming.number - 1].split()[1] == "fetch"
            allowed = [rules, _rules(coming)] if fetch else [rules]
            now = {
                after
                for state in now
                for each in allowed
                for name, after in steps(state, each, trace.profile, trace.names)
                if name == line.said
            }
        elif coming is trace.steps[-1]:
            now = {
                each for each in now if _is_bad(each, coming, trace.byte, trace.profile, hazard, line.said)
            }
            now = now if coming.name == hazard.agent else set()
            coming = None
        else:
            now = {
                after
                for state in now
                for said, after in events(state, coming, trace.byte, trace.profile)
                if said == line.said
            }
            rules, coming = _rules(coming), next(ahead, None)
        if states:
            now = {state for state in now if _is_as_told(state, line, texts[line.number - 1], trace.names)}
        if not now:
            raise Refused(f"line {line.number}: '{' '.join(line.words)}' '{line.said}' cannot be")
    if coming is not None:
        raise Refused("it ends before its last event")


def _rules(step: Step) -> Rules:
    return Rules(step.alias_live, step.level_2_fills, step.fetches)


def _is_as_told(state: State, line: Line, whole: str, names: list[str]) -> bool:
    """Whether a state is the one in the remark behind an event or a step."""
    copies, *parts = whole.rpartition("# ")[2].split("; ")
    told = STATE.fullmatch(copies)
    if told is None:
        raise Refused(f"line {line.number}: '{copies}' is no state")
    shared = state.shared
    held = [copy for copy in copies_in(state.cores[state.view].icache) if copy]
    is_so = (
        *(LEVEL[shared.l1], _age(shared.l1, shared.f1), LEVEL[shared.l2], _age(shared.l2, shared.f2)),
        *("valid" if held else "invalid", AGE[min(held, default=NONE)], _age(1, shared.fm)),
    )
    pending = {name: words for name, mark, words in (part.partition(" pending: ") for part in parts) if mark}
    really = {name: _pending(shared, core) for name, core in zip(names, state.cores, strict=True)}
    return told.groups() == is_so and pending == {name: words for name, words in really.items() if words}


def _age(valid: int, fresh: bool) -> str | None:
    return None if not valid else "new" if fresh else "OLD"


def _pending(shared: Shared, core: Core) -> str:
    words = [f"dc {dc.op}" for dc in core.dcs] + ["ic"] * any(_instruction_operations(core))
    store = shared.through if core.through else core.store
    words += [f"store {AGE[store]}"] if store else []
    words += [f"prefetched {AGE[core.prefetched]}"] if core.prefetched else []
    return ", ".join(words)


# -- the fewest steps ------------------------------------------------------------------------------------------


def fewest_steps(text: str, number: int, kind: str, address: int) -> int:
    """The least number of steps that lead to a bad read of a byte, for the first view that any lead to."""
    trace = _Trace.of(text, address)
    last = next(step for step in trace.steps if step.number == number)
    views = [last.core, *(place for place in range(len(trace.names)) if place != last.core)]
    for view in views:
        costs = {state: 0 for state in trace.started() if state.view == view}
        before = Rules()
        for step in trace.steps:
            # From a walk on its page may be walked again: not before it has come.
            costs = _settled(costs, trace, before if step.op == "walk" else _rules(step))
            before = _rules(step)
            if step is last:
                break
            reached: dict[State, int] = {}
            for state, cost in costs.items():
                for _, after in events(state, step, trace.byte, trace.profile):
                    reached[after] = min(cost, reached.get(after, cost))
            costs = _settled(reached, trace, _rules(step))
        hazard = Hazard(kind, last.name, address, 1)
        words = ("", "memory", "level 1", "level 2", "instruction cache", "prefetched")
        bad = [
            cost
            for state, cost in costs.items()
            if any(_is_bad(state, last, trace.byte, trace.profile, hazard, word) for word in words)
        ]
        if bad:
            return min(bad)
    raise AssertionError("the trace does not come to the hazard")


def _settled(costs: dict[State, int], trace: _Trace, rules: Rules) -> dict[State, int]:
    found, waiting = dict(costs), sorted(costs, key=costs.__getitem__)
    while waiting:
        reached = []
        for state in waiting:
            for _, target in steps(state, rules, trace.profile, trace.names):
                if found[state] + 1 < found.get(target, 1 << 30):
                    found[target] = found[state] + 1
                    reached.append(target)
        waiting = reached
    return found
