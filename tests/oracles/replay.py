# SPDX-License-Identifier: GPL-2.0-or-later
"""Replays a witness, as ``coldline check --witness`` prints it, microstate by microstate.

It shares no code with `coldline.explain`. The explorer reads and applies the events, on whole byte masks;
a table of this module applies a cache's own steps, each of which the explorer must allow
at that time. There is one microstate at any time: if a step or an event has several possible outcomes, the
witness says which. ``docs/reference/witness.md`` says how to read a witness.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.oracles import explorer
from tests.oracles.explorer import CLEAN, DIRTY, INVALID, Microstate

LEVELS = {"invalid": INVALID, "clean": CLEAN, "dirty": DIRTY}
STATE = re.compile(
    r"L1 (invalid|clean|dirty)(?: (new|OLD))?, L2 (invalid|clean|dirty)(?: (new|OLD))?, "
    r"I (invalid|valid)(?: (new|OLD))?, memory (new|OLD)"
)


class Refused(Exception):  # noqa: N818
    """The witness is wrong: the message has the line and the reason."""


class Hazard(NamedTuple):
    """The hazard that the witness claims; ``address`` and ``size`` are in bytes."""

    kind: str
    agent: str
    address: int
    size: int


class Line(NamedTuple):
    """A line of a witness: an event's words or none, the words after ``#!``, and the state in the remark."""

    number: int
    words: list[str]
    said: str
    state: str


class Moment(NamedTuple):
    """
    One event of a trace, for one line.

    ``touches`` are the event's effects on the line: rows of the table of events, and masks of the bytes that are
    followed. ``rules`` are in force after the event.
    """

    number: int
    words: list[str]
    touches: list[tuple[str, int]]
    rules: explorer.Rules


def moments(text: str, address: int) -> tuple[explorer.Profile, int, list[Moment]]:
    """
    The profile, the start of the line of an address, and the line's events.

    Followed are the bytes of the line that an operation by address on one of them is sure of.
    """
    reader = explorer.Reader()
    lines = text.splitlines()
    found: list[Moment] = []
    start = address
    for number, _, touches in reader.events(text):
        size = reader.profile.line
        start = address // size * size
        followed = _followed(reader.profile, address)
        agents = reader.agents.values()
        rules = explorer.Rules(
            any(agent.keeps_alias_live(start // 4096) for agent in agents),
            any(agent.may_fetch(start // 4096) for agent in agents),
            reader.profile.idc,
            reader.profile.dic,
        )
        mine = []
        for touch in touches:
            first, last = max(touch.start, start), min(touch.end, start + size)
            if first < last:
                mine.append((touch.action, followed & ((1 << (last - start)) - (1 << (first - start)))))
        found.append(Moment(number, lines[number - 1].partition("#")[0].split(), mine, rules))
    return reader.profile, start, found


def _followed(profile: explorer.Profile, address: int) -> int:
    granule = min(profile.line, explorer.GRANULE)
    return ((1 << granule) - 1) << (address % profile.line // granule * granule)


def cold(profile: explorer.Profile, address: int) -> Microstate:
    """The line of an address before any event."""
    return Microstate(INVALID, 0, INVALID, 0, False, 0, _followed(profile, address))


# -- what caches do on their own -------------------------------------------------------------------------------


def _write_back_1(s: Microstate, left: str, idc: bool) -> Microstate:
    f1 = s.f1 if left == "clean" else 0
    return s._replace(l2=DIRTY, f2=s.f1, l1=LEVELS[left], f1=f1)


def _write_back_2(s: Microstate, left: str, idc: bool) -> Microstate:
    f2 = s.f2 if left == "clean" else 0
    return s._replace(fm=s.f2, l2=LEVELS[left], f2=f2)


def _below_1(s: Microstate) -> int:
    return s.fm if s.l2 == INVALID else s.f2


def _at_pou(s: Microstate, idc: bool) -> int:
    return s.f1 if idc and s.l1 != INVALID else _below_1(s)


Action = Callable[[Microstate, str, bool], Microstate]

STEPS: dict[str, Action] = {
    "write back 1 clean": _write_back_1,
    "write back 1 invalid": _write_back_1,
    "drop 1": lambda s, left, idc: s._replace(l1=INVALID, f1=0),
    "write back 2 clean": _write_back_2,
    "write back 2 invalid": _write_back_2,
    "drop 2": lambda s, left, idc: s._replace(l2=INVALID, f2=0),
    "drop I": lambda s, left, idc: s._replace(ic=False, fi=0),
    "fill 2": lambda s, left, idc: s._replace(l2=CLEAN, f2=s.fm),
    "fill 1": lambda s, left, idc: s._replace(l1=CLEAN, f1=_below_1(s)),
    "fill I": lambda s, left, idc: s._replace(ic=True, fi=_at_pou(s, idc)),
}
NEEDS: dict[str, Callable[[Microstate], bool]] = {
    "write back 1": lambda s: s.l1 == DIRTY,
    "drop 1": lambda s: s.l1 == CLEAN,
    "write back 2": lambda s: s.l2 == DIRTY,
    "drop 2": lambda s: s.l2 == CLEAN,
    "drop I": lambda s: s.ic,
    "fill 2": lambda s: s.l2 == INVALID,
    "fill 1": lambda s: s.l1 == INVALID,
    "fill I": lambda s: True,
}


# -- what comes of events --------------------------------------------------------------------------------------

OUTCOMES = {
    "ivac": ("discard", "clean"),
    "csw": ("nothing", "clean"),
    "cisw": ("nothing", "clean"),
    "isw": ("nothing", "discard", "clean"),
}


def _beside(action: str, mask: int) -> bool:
    """Whether it is an operation by address on other bytes of the line than those that are followed."""
    return action in explorer.BY_ADDRESS and not mask


def _effects(s: Microstate, action: str, mask: int, profile: explorer.Profile) -> list[Microstate]:
    """What an event may do; of an operation beside, only what no step does."""
    if _beside(action, mask):
        return [s, *explorer._effect(s, action, mask, profile)] if action in OUTCOMES else [s]
    return explorer._effect(s, action, mask, profile)


def _outcomes(action: str, mask: int, profile: explorer.Profile) -> tuple[str, ...]:
    """The words for an event's possible outcomes, in the order of the microstates of `_effects`."""
    words = OUTCOMES.get(action, ())
    if words and _beside(action, mask):
        words = ("nothing", *words)
    if profile.setway_effective and action in explorer.SET_WAY:
        words = words[1:]
    return words if len(words) > 1 else ()


def _copies(s: Microstate, action: str, profile: explorer.Profile) -> dict[str, int]:
    """The copies that a checked event may return, by name."""
    masks = explorer._copies_read(s, action, profile)
    if len(masks) == 1:
        return {"": masks[0]}
    levels = [name for name, level in (("level 1", s.l1), ("level 2", s.l2)) if level != INVALID]
    return dict(zip(["memory", *levels], masks, strict=True))


# -- the walk --------------------------------------------------------------------------------------------------


def read(text: str) -> tuple[Hazard, list[Line]]:
    """Parse a witness: its hazard, and its events and steps."""
    said = re.search(
        r"^#! (lost-write|stale-fetch|stale-read) (\S+) (0x[0-9a-f]+) (\d+)$", text, re.MULTILINE
    )
    if said is None:
        raise Refused("it does not say of which hazard it is")
    hazard = Hazard(said[1], said[2], int(said[3], 16), int(said[4]))
    return hazard, list(_lines(text, said[0]))


def _lines(text: str, head: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        event, mark, rest = line.partition("#!")
        if not mark:
            event, _, remark = line.partition("#")
            said = ""
        else:
            said, _, remark = rest.partition("#")
        words = event.split()
        if line != head and (mark or (words and words[0] not in ("line", "option"))):
            yield Line(number, words, said.strip(), remark.strip().partition(";")[0])


def replay(text: str, *, states: bool = True) -> None:
    """
    Replay a witness from a cold line to its bad read.

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
    """
    hazard, lines = read(text)
    try:
        profile, start, trace = moments(text, hazard.address)
    except explorer.Malformed as error:
        raise Refused(str(error)) from error
    offset = hazard.address - start
    ahead = iter(trace)
    coming = next(ahead, None)
    rules = explorer.Rules(False, False, profile.idc, profile.dic)
    state = cold(profile, hazard.address)
    for line in lines:
        if coming is None:
            raise Refused(f"line {line.number}: it goes on after its last event")
        if not line.words:
            # A fetch with the MMU off allows a prefetch before it; nothing else acts before it has come.
            allowed = [rules, coming.rules] if coming.words[1] == "fetch" else [rules]
            state = _act(state, line, allowed, profile)
        elif coming is trace[-1]:
            _assert_bad(state, line, coming, hazard, start, profile)
            coming = None
        else:
            state = _do(state, line, coming, profile)
            rules, coming = coming.rules, next(ahead, None)
        if states:
            _compare(state, line, offset)
    if coming is not None or not trace:
        raise Refused("it ends before its last event")


def _act(s: Microstate, line: Line, allowed: list[explorer.Rules], profile: explorer.Profile) -> Microstate:
    step = STEPS.get(line.said)
    name = line.said.removesuffix(" clean").removesuffix(" invalid")
    if step is None:
        raise Refused(f"line {line.number}: there is no step '{line.said}'")
    after = step(s, line.said.rpartition(" ")[2], profile.idc)
    if not NEEDS[name](s) or not any(after in explorer._spontaneous(s, rules) for rules in allowed):
        raise Refused(f"line {line.number}: '{line.said}' may not happen in {s}")
    return after


def _do(s: Microstate, line: Line, moment: Moment, profile: explorer.Profile) -> Microstate:
    said = line.said
    for action, mask in moment.touches:
        outcomes = _effects(s, action, mask, profile)
        words = _outcomes(action, mask, profile)
        if not words:
            (s,) = outcomes
        elif said in words:
            s, said = outcomes[words.index(said)], ""
        else:
            raise Refused(f"line {line.number}: '{said}' is none of {words}")
    if said:
        raise Refused(f"line {line.number}: '{said}' cannot come of it")
    return s


def _compare(s: Microstate, line: Line, offset: int) -> None:
    """Compare a state with the remark about it."""
    shown = STATE.fullmatch(line.state)
    if shown is None:
        raise Refused(f"line {line.number}: '{line.state}' is no state")

    def fresh(valid: int, mask: int) -> str | None:
        return None if not valid else "new" if mask >> offset & 1 else "OLD"

    names = {number: name for name, number in LEVELS.items()}
    is_so = (
        *(names[s.l1], fresh(s.l1, s.f1), names[s.l2], fresh(s.l2, s.f2)),
        *("valid" if s.ic else "invalid", fresh(s.ic, s.fi), fresh(1, s.fm)),
    )
    if shown.groups() != is_so:
        raise Refused(f"line {line.number}: it is not '{line.state}' but {is_so}")


def _assert_bad(
    s: Microstate, line: Line, moment: Moment, hazard: Hazard, start: int, profile: explorer.Profile
) -> None:
    """Check that the last event reads a stale copy of the bad byte, and that the kind of hazard is right."""
    if len(moment.touches) != 1 or moment.touches[0][0] not in explorer.CHECKED:
        raise Refused(f"line {line.number}: it reads nothing")
    ((action, mask),) = moment.touches
    copies = _copies(s, action, profile)
    if line.said not in copies:
        raise Refused(f"line {line.number}: '{line.said}' is none of {list(copies)}")
    bit = 1 << (hazard.address - start)
    if not mask & bit or copies[line.said] & bit:
        raise Refused(f"line {line.number}: it reads {hazard.address:#x} right, or not at all")
    somewhere = (s.f1 | s.f2 | s.fi | s.fm) & bit
    stale = "stale-fetch" if action.startswith("fetch") else "stale-read"
    if (stale if somewhere else "lost-write", moment.words[0]) != (hazard.kind, hazard.agent):
        raise Refused(f"line {line.number}: it is no {hazard.kind} of {hazard.agent}'s")


# -- the fewest steps ------------------------------------------------------------------------------------------


def fewest_steps(text: str, number: int, kind: str, address: int) -> int:
    """The least number of steps that lead from a cold line to a bad read of a byte, by exhaustive search."""
    profile, start, trace = moments(text, address)
    costs = {cold(profile, address): 0}
    for moment in trace:
        costs = _settled(costs, moment.rules)
        if moment.number == number:
            ((action, mask),) = moment.touches
            return min(
                cost
                for state, cost in costs.items()
                if explorer._bad_bytes({state}, action, mask, profile)[kind] >> (address - start) & 1
            )
        for action, mask in moment.touches:
            reached: dict[Microstate, int] = {}
            for state, cost in costs.items():
                for target in _effects(state, action, mask, profile):
                    reached[target] = min(cost, reached.get(target, cost))
            costs = reached
        costs = _settled(costs, moment.rules)
    raise AssertionError("the trace does not come to the hazard")


def _settled(costs: dict[Microstate, int], rules: explorer.Rules) -> dict[Microstate, int]:
    """All microstates that any number of steps reaches, each with the least number."""
    found = dict(costs)
    waiting = sorted(found, key=found.__getitem__)
    while waiting:
        reached = []
        for state in waiting:
            for target in explorer._spontaneous(state, rules):
                if found[state] + 1 < found.get(target, 1 << 30):
                    found[target] = found[state] + 1
                    reached.append(target)
        waiting = reached
    return found
