# SPDX-License-Identifier: GPL-2.0-or-later
"""
A brute-force explorer of traces: the oracle that the checker is compared with.

It is a second implementation of ``docs/reference/rules.md`` and ``trace-format.md``, written from those two pages
alone. It shares no code with ``coldline``, and has none of its optimisations: every cache line that a trace
checks has a set of microstates, each with whole byte masks; the set is closed under the spontaneous steps
by plain graph search before and after every event; and every event changes every microstate as its row of
the table says.

Whole masks explode on a line that is written byte by byte, so keep such traces short.

A data or instruction operation by address is sure of the 64 bytes that it names at the most: what it does to
the rest of a longer line it does perhaps. So a line is followed once for each 64 bytes of it that some event
checks: an operation is sure of all bytes of a mask, or of none.

Only lines that some event checks (a read, walk or fetch) are followed: lines are independent of one
another, and without a check there is no hazard. They are followed from the start of the trace, because
``map``, ``mmu`` and the like let caches fill on every line.

Where the pages leave room, this is how they are read (``tests/oracles/test_explorer.py`` has a test for each):

- ``line`` and ``option`` after the first event are errors. ``line`` twice is not: the last one counts.
- A range error is one whose last byte is at or past 2^52.
- An agent's suspended aliases (MMU off) still count against a second ``map`` and for ``unmap``.
- ``walk`` takes any of the four types; ``device`` reads memory. With ``dcache off`` it is a ``normal-nc`` one.
- ``mmu off`` on an agent whose MMU is already off forgets no fetched page.
- A fetch counts for the window of an agent with its MMU off whether it was cacheable or not.
- ``nc-may-hit`` is for data reads and walks, not for fetches.
- ``dc isw`` where set/way is effective has the two outcomes of ``dc ivac``.
- ``ic ialluis`` and ``ic iallu`` act on every line alike, by whichever agent.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

PAGE = 4096
LIMIT = 1 << 52
GRANULE = 64
"""What an operation by address is sure of, in bytes; a line that is shorter is sure as a whole."""

ZVA_BLOCK = 64
TYPES = ("normal-wb", "normal-wt", "normal-nc", "device")
OPTIONS = ("nc-may-hit", "setway-effective", "idc", "dic")
SET_WAY = {"csw": "cvac", "cisw": "civac", "isw": "ivac"}
DC_OPS = ("ivac", "cvac", "cvau", "civac", *SET_WAY)
BY_ADDRESS = ("ivac", "cvac", "cvau", "civac", "ic")
CHECKED = ("read wb", "read nc", "fetch cacheable", "fetch not cacheable")
INVALID, CLEAN, DIRTY = 0, 1, 2


class Malformed(Exception):  # noqa: N818
    """
    The text is not a trace.

    Parameters
    ----------
    line_number : int
        The 1-based line of the text.
    reason : str
        What is wrong there, with the word.
    """

    def __init__(self, line_number: int, reason: str) -> None:
        super().__init__(f"line {line_number}: {reason}")
        self.line_number = line_number
        self.reason = reason


class Hazard(NamedTuple):
    """One hazard: an event, a kind and a cache line; ``address`` and ``size`` are in bytes."""

    line: int
    kind: str
    agent: str
    address: int
    size: int


class Microstate(NamedTuple):
    """One state that a line can be in: bit n of a mask says that byte n of the line is fresh."""

    l1: int
    f1: int
    l2: int
    f2: int
    ic: bool
    fi: int
    fm: int


class Rules(NamedTuple):
    """What decides a line's steps at the moment: the liveness of its page, and the profile."""

    alias_live: bool
    fetch_possible: bool
    idc: bool
    dic: bool


# -- the closure -------------------------------------------------------------------------------------------


def _at_pou(s: Microstate, idc: bool) -> int:
    """Give the mask that an instruction-cache miss reads."""
    if idc and s.l1:
        return s.f1
    return s.f2 if s.l2 else s.fm


def _spontaneous(s: Microstate, rules: Rules) -> Iterator[Microstate]:
    """Give the microstates that one step of the closure's table makes of one."""
    if s.l1 == DIRTY:  # write back 1
        yield s._replace(l2=DIRTY, f2=s.f1, l1=CLEAN)
        yield s._replace(l2=DIRTY, f2=s.f1, l1=INVALID, f1=0)
    if s.l1 == CLEAN:  # drop 1
        yield s._replace(l1=INVALID, f1=0)
    if s.l2 == DIRTY:  # write back 2
        yield s._replace(fm=s.f2, l2=CLEAN)
        yield s._replace(fm=s.f2, l2=INVALID, f2=0)
    if s.l2 == CLEAN:  # drop 2
        yield s._replace(l2=INVALID, f2=0)
    if s.ic:  # drop I
        yield s._replace(ic=False, fi=0)
    if s.l2 == INVALID and (rules.alias_live or rules.fetch_possible):  # fill 2
        yield s._replace(l2=CLEAN, f2=s.fm)
    if s.l1 == INVALID and rules.alias_live:  # fill 1
        yield s._replace(l1=CLEAN, f1=s.f2 if s.l2 else s.fm)
    if rules.fetch_possible and not rules.dic:  # fill I
        yield s._replace(ic=True, fi=_at_pou(s, rules.idc))


@lru_cache(maxsize=4096)
def _reachable(start: Microstate, rules: Rules) -> frozenset[Microstate]:
    """Give all that any number of steps makes of one microstate, itself included."""
    seen = {start}
    todo = [start]
    while todo:
        for state in _spontaneous(todo.pop(), rules):
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return frozenset(seen)


def _close(states: Iterable[Microstate], rules: Rules) -> set[Microstate]:
    """Give all that any number of steps makes of any of some microstates."""
    closed: set[Microstate] = set()
    for state in states:
        if state not in closed:
            closed |= _reachable(state, rules)
    return closed


# -- the events --------------------------------------------------------------------------------------------


def _clean_to_poc(s: Microstate) -> Microstate:
    """Do ``dc cvac``."""
    if s.l1 == DIRTY:
        return s._replace(l1=CLEAN, l2=CLEAN if s.l2 else INVALID, f2=s.f1 if s.l2 else 0, fm=s.f1)
    if s.l2 == DIRTY:
        return s._replace(l2=CLEAN, fm=s.f2)
    return s


def _discard(s: Microstate) -> Microstate:
    """Make levels 1 and 2 invalid, with nothing written back."""
    return s._replace(l1=INVALID, f1=0, l2=INVALID, f2=0)


def _maintain(s: Microstate, action: str) -> list[Microstate]:
    """Do ``dc`` by address: give the outcomes."""
    if action == "cvac":
        return [_clean_to_poc(s)]
    if action == "civac":
        return [_discard(_clean_to_poc(s))]
    if action == "ivac":
        return [_discard(s), _discard(_clean_to_poc(s))]
    assert action == "cvau"
    return [s._replace(l2=DIRTY, f2=s.f1, l1=CLEAN) if s.l1 == DIRTY else s]


def _effect(s: Microstate, action: str, m: int, profile: "Profile") -> list[Microstate]:
    """Give what an event can make of a microstate; m is the mask of the bytes touched."""
    if action == "read wb":
        return [s if s.l1 else s._replace(l1=CLEAN, f1=s.f2 if s.l2 else s.fm)]
    if action == "fetch cacheable":
        return [s if s.ic or profile.dic else s._replace(ic=True, fi=_at_pou(s, profile.idc))]
    if action in ("read nc", "fetch not cacheable"):
        return [s]
    if action == "write wb":
        old = s.f1 if s.l1 else s.f2 if s.l2 else s.fm
        return [s._replace(l1=DIRTY, f1=old | m, f2=s.f2 & ~m, fi=s.fi & ~m, fm=s.fm & ~m)]
    if action == "write wt":
        return [
            s._replace(f1=s.f1 | m if s.l1 else 0, f2=s.f2 | m if s.l2 else 0, fi=s.fi & ~m, fm=s.fm | m),
        ]
    if action == "write nc":
        return [s._replace(f1=s.f1 & ~m, f2=s.f2 & ~m, fi=s.fi & ~m, fm=s.fm | m)]
    if action == "ic":
        return [s._replace(ic=False, fi=0)]
    if action in SET_WAY:
        outcomes = _maintain(s, SET_WAY[action])
        return outcomes if profile.setway_effective else [s, *outcomes]
    return _maintain(s, action)


def _copies_read(s: Microstate, action: str, profile: "Profile") -> list[int]:
    """Give the masks of the copies that a checked event may return, one for each outcome."""
    if action == "read wb":
        return [s.f1 if s.l1 else s.f2 if s.l2 else s.fm]
    if action == "fetch cacheable":
        return [s.fi if s.ic else _at_pou(s, profile.idc)]
    copies = [s.fm]
    if action == "read nc" and profile.nc_may_hit:
        copies += [s.f1] if s.l1 else []
        copies += [s.f2] if s.l2 else []
    return copies


def _bad_bytes(states: set[Microstate], action: str, m: int, profile: "Profile") -> dict[str, int]:
    """Give for each kind of hazard the mask of bytes that are bad in some microstate."""
    stale = lost = 0
    for s in states:
        somewhere = s.f1 | s.f2 | s.fi | s.fm
        for copy in _copies_read(s, action, profile):
            bad = m & ~copy
            stale |= bad & somewhere
            lost |= bad & ~somewhere
    return {"lost-write": lost, "stale-fetch" if action.startswith("fetch") else "stale-read": stale}


# -- the text ----------------------------------------------------------------------------------------------


class Profile:
    """The profile switches of a trace: ``line`` in bytes, and the four options."""

    def __init__(self) -> None:
        self.line = 64
        self.nc_may_hit = self.setway_effective = self.idc = self.dic = False


class Agent:
    """
    One agent's switches, mappings and fetches so far.

    ``icache`` is None until the trace sets it; ``pages`` has a type and whether it is executable for each
    page number; ``fetched`` has the pages fetched from since the MMU went off.
    """

    def __init__(self) -> None:
        self.mmu = True
        self.dcache = True
        self.icache: bool | None = None
        self.pages: dict[int, tuple[str, bool]] = {}
        self.fetched: set[int] = set()

    def keeps_alias_live(self, page: int) -> bool:
        """Return whether it makes "a cacheable alias is live" true for the lines of a page."""
        return self.mmu and self.dcache and page in self.pages and _cacheable(self.pages[page][0])

    def may_fetch(self, page: int) -> bool:
        """Return whether it makes "a cacheable fetch is possible" true for the lines of a page."""
        if self.mmu:
            kind, executable = self.pages.get(page, ("device", False))
            return self.icache is not False and executable and _cacheable(kind)
        return self.icache is True and (page in self.fetched or page - 1 in self.fetched)


class Touch(NamedTuple):
    """Bytes from ``start`` to before ``end``, and the row of the table of events for them."""

    start: int
    end: int
    action: str


def _cacheable(kind: str) -> bool:
    return kind in ("normal-wb", "normal-wt")


def _row(op: str, kind: str) -> str:
    """Name the row of the table for a data access of a type."""
    short = {"normal-wb": "wb", "normal-wt": "wt", "normal-nc": "nc", "device": "nc"}[kind]
    return "read wb" if (op, short) == ("read", "wt") else f"{op} {short}"


class Reader:
    """Reads a trace event by event, and keeps the state of every agent."""

    def __init__(self) -> None:
        self.profile = Profile()
        self.agents: dict[str, Agent] = {}
        self._number = 0

    def events(self, text: str) -> Iterator[tuple[int, str, list[Touch]]]:
        """
        Yield each event's line number, agent and touches, just after its effect on the agents.

        Raises
        ------
        Malformed
            At the first line that the format's page calls an error.
        """
        for self._number, line in enumerate(text.split("\n"), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0] in ("line", "option"):
                if self.agents:
                    raise self._wrong(f"{words[0]}: comes after the first event")
                self._header(words)
                continue
            agent = self.agents.setdefault(words[0], Agent())
            if len(words) < 2:
                raise self._wrong(f"{words[0]}: an agent that does nothing")
            yield self._number, words[0], self._event(agent, words[1], words[2:])

    def _wrong(self, reason: str) -> Malformed:
        return Malformed(self._number, reason)

    def _header(self, words: list[str]) -> None:
        if len(words) != 2:
            raise self._wrong(f"{words[0]}: takes one word")
        if words[0] == "option":
            if words[1] not in OPTIONS:
                raise self._wrong(f"{words[1]}: no such option")
            setattr(self.profile, words[1].replace("-", "_"), True)
            return
        size = self._integer(words[1])
        if size not in (16, 32, 64, 128, 256, 512, 1024, 2048):
            raise self._wrong(f"{words[1]}: not a power of two from 16 to 2048")
        self.profile.line = size

    def _event(self, agent: Agent, op: str, rest: list[str]) -> list[Touch]:
        if op in ("mmu", "icache", "dcache"):
            return self._switch(agent, op, rest)
        if op == "map":
            return self._map(agent, rest)
        if op == "unmap":
            return self._unmap(agent, rest)
        if op in ("read", "write"):
            return self._data(agent, op, *self._range(rest))
        if op == "fetch":
            return self._fetch(agent, *self._range(rest))
        if op == "walk":
            return self._walk(agent, rest)
        if op == "dc":
            return self._dc(agent, rest)
        if op == "ic":
            return self._ic(rest)
        raise self._wrong(f"{op}: no such operation")

    def _integer(self, word: str) -> int:
        if not re.fullmatch(r"[0-9]+|0x[0-9a-fA-F]+", word):
            raise self._wrong(f"{word}: not a number")
        return int(word, 16 if word.startswith("0x") else 10)

    def _range(self, words: list[str]) -> tuple[int, int]:
        if len(words) != 2:
            raise self._wrong(f"{' '.join(words)}: not an address and a size")
        start, size = map(self._integer, words)
        if not size:
            raise self._wrong(f"{words[1]}: a size of 0")
        if start + size > LIMIT:
            raise self._wrong(f"{words[0]}: past 2^52")
        return start, start + size

    def _whole_pages(self, words: list[str]) -> range:
        start, end = self._range(words)
        if start % PAGE or end % PAGE:
            raise self._wrong(f"{' '.join(words)}: not whole pages")
        return range(start // PAGE, end // PAGE)

    def _switch(self, agent: Agent, op: str, rest: list[str]) -> list[Touch]:
        if rest not in (["on"], ["off"]):
            raise self._wrong(f"{' '.join(rest)}: neither on nor off")
        on = rest == ["on"]
        if op == "mmu" and agent.mmu and not on:
            agent.fetched.clear()
        setattr(agent, op, on)
        return []

    def _map(self, agent: Agent, rest: list[str]) -> list[Touch]:
        pages = self._whole_pages(rest[:2])
        if len(rest) < 3 or rest[2] not in TYPES:
            raise self._wrong(f"{' '.join(rest[2:])}: no such type")
        if rest[3:] not in ([], ["exec"]):
            raise self._wrong(f"{' '.join(rest[3:])}: only exec follows the type")
        if any(page in agent.pages for page in pages):
            raise self._wrong(f"{rest[0]}: mapped already")
        agent.pages.update(dict.fromkeys(pages, (rest[2], bool(rest[3:]))))
        return []

    def _unmap(self, agent: Agent, rest: list[str]) -> list[Touch]:
        for page in self._whole_pages(rest):
            if agent.pages.pop(page, None) is None:
                raise self._wrong(f"{rest[0]}: not mapped")
        return []

    def _by_page(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Cut a range at its page ends: give each piece's page number, start and end."""
        for page in range(start // PAGE, (end - 1) // PAGE + 1):
            yield page, max(start, page * PAGE), min(end, (page + 1) * PAGE)

    def _alias(self, agent: Agent, page: int) -> tuple[str, bool]:
        if page not in agent.pages:
            raise self._wrong(f"{page * PAGE:#x}: an access through no alias")
        return agent.pages[page]

    def _data(self, agent: Agent, op: str, start: int, end: int) -> list[Touch]:
        touches = []
        for page, first, last in self._by_page(start, end):
            kind = self._alias(agent, page)[0] if agent.mmu else "device"
            if not agent.dcache and kind != "device":
                kind = "normal-nc"
            touches.append(Touch(first, last, _row(op, kind)))
        return touches

    def _fetch(self, agent: Agent, start: int, end: int) -> list[Touch]:
        touches = []
        for page, first, last in self._by_page(start, end):
            if agent.mmu:
                kind, executable = self._alias(agent, page)
                if not executable:
                    raise self._wrong(f"{page * PAGE:#x}: a fetch through an alias that is not exec")
                cacheable = _cacheable(kind) and agent.icache is not False
            else:
                cacheable = agent.icache is True
                agent.fetched.add(page)
            touches.append(Touch(first, last, "fetch cacheable" if cacheable else "fetch not cacheable"))
        return touches

    def _walk(self, agent: Agent, rest: list[str]) -> list[Touch]:
        start, end = self._range(rest[:2])
        if len(rest) != 3 or rest[2] not in TYPES:
            raise self._wrong(f"{' '.join(rest[2:])}: no such type")
        if not agent.mmu:
            raise self._wrong("walk: the MMU is off")
        kind = "normal-nc" if _cacheable(rest[2]) and not agent.dcache else rest[2]
        return [Touch(start, end, _row("read", kind))]

    def _whole_lines(self, start: int, end: int, action: str) -> list[Touch]:
        size = self.profile.line if action in SET_WAY else min(self.profile.line, GRANULE)
        return [Touch(start // size * size, -(-end // size) * size, action)]

    def _dc(self, agent: Agent, rest: list[str]) -> list[Touch]:
        if not rest or rest[0] not in (*DC_OPS, "zva"):
            raise self._wrong(f"{' '.join(rest[:1])}: no such dc operation")
        start, end = self._range(rest[1:])
        if rest[0] != "zva":
            return self._whole_lines(start, end, rest[0])
        start, end = start // ZVA_BLOCK * ZVA_BLOCK, -(-end // ZVA_BLOCK) * ZVA_BLOCK
        if not agent.mmu:
            raise self._wrong("zva: the MMU is off")
        if any(self._alias(agent, page)[0] == "device" for page, *_ in self._by_page(start, end)):
            raise self._wrong("zva: on a device alias")
        return self._data(agent, "write", start, end)

    def _ic(self, rest: list[str]) -> list[Touch]:
        if rest in (["iallu"], ["ialluis"]):
            return [Touch(0, LIMIT, "ic")]
        if not rest or rest[0] != "ivau":
            raise self._wrong(f"{' '.join(rest)}: no such ic operation")
        return self._whole_lines(*self._range(rest[1:]), "ic")


# -- the exploration ---------------------------------------------------------------------------------------


def explore(text: str) -> list[Hazard]:
    """
    Give every hazard of a trace, in the order of trace-format.md.

    Parameters
    ----------
    text : str
        The trace.

    Returns
    -------
    list of Hazard
        One for each event, kind and cache line; empty if the trace is coherent.

    Raises
    ------
    Malformed
        At the first line that is an error.
    """
    reader = Reader()
    checked: set[int] = set()
    for _, _, touches in reader.events(text):
        granule = min(reader.profile.line, GRANULE)
        for touch in touches:
            if touch.action in CHECKED:
                checked.update(range(touch.start // granule * granule, touch.end, granule))
    size = reader.profile.line

    ones = (1 << min(size, GRANULE)) - 1
    followed_of = [(at // size * size, ones << at % size) for at in sorted(checked)]
    lines = {
        (base, followed): {Microstate(INVALID, 0, INVALID, 0, False, 0, followed)}
        for base, followed in followed_of
    }
    hazards: list[Hazard] = []
    reader = Reader()
    profile = reader.profile
    for number, name, touches in reader.events(text):
        bad_bytes: dict[tuple[int, str], int] = {}
        for (base, followed), states in lines.items():
            page = base // PAGE
            rules = Rules(
                any(agent.keeps_alias_live(page) for agent in reader.agents.values()),
                any(agent.may_fetch(page) for agent in reader.agents.values()),
                profile.idc,
                profile.dic,
            )
            states = _close(states, rules)
            for touch in touches:
                first, last = max(touch.start, base), min(touch.end, base + size)
                if first >= last:
                    continue
                m = followed & ((1 << (last - base)) - (1 << (first - base)))
                if touch.action in CHECKED:
                    for kind, bad in _bad_bytes(states, touch.action, m, profile).items():
                        bad_bytes[base, kind] = bad_bytes.get((base, kind), 0) | bad
                after = {new for s in states for new in _effect(s, touch.action, m, profile)}
                if touch.action in BY_ADDRESS and not m:
                    after |= states
                states = _close(after, rules)
            lines[base, followed] = states
        found = []
        for (base, kind), bad in bad_bytes.items():
            if bad:
                lowest = (bad & -bad).bit_length() - 1
                found.append(Hazard(number, kind, name, base + lowest, bad.bit_length() - lowest))
        hazards += sorted(found, key=lambda hazard: (hazard.address, hazard.kind))
    return hazards
