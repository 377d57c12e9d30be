# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reads a version 2 trace, for ``order_explorer.py``: what each event is for each line that some event checks.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.oracles import explorer
from tests.oracles.explorer import LIMIT, OPTIONS, PAGE, TYPES, Agent, Touch
from tests.oracles.order_steps import ACCESSES, CHECKED, NOBODY, Event, Profile

BARRIERS = ("dsb", "dmb", "isb")
NO_AGENTS = ("line", "option", "core", "master", "give", "power-off")
HEADS = ("line", "option", "core", "master")
MASTERS_ACCESSES = ("read", "write", "poll", "walk")


class Reader(explorer.Reader):
    """Reads a version 2 trace event by event, and keeps the state of every agent and master."""

    def __init__(self) -> None:
        super().__init__()
        self.order = False
        self.core_of: dict[str, str] = {}
        self.declared: list[str] = []
        self.masters: dict[str, bool] = {}
        """Whether each snoops."""
        self.owners: dict[int, frozenset[str]] = {}
        """By the page's number."""
        self._begun = False

    def events(self, text: str) -> Iterator[tuple[int, str, list[Touch]]]:
        """
        Yield each event's line number, agent and touches, just after its effect on the agents.

        What is no agent's has an empty name.

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
            elif words[0] in HEADS:
                if self._begun:
                    raise self._wrong(f"{words[0]}: comes after the first event")
                self._header(words)
            else:
                self._begun = True
                name = "" if words[0] in NO_AGENTS else words[0]
                yield self._number, name, self._line(words)

    def _header(self, words: list[str]) -> None:
        if words[0] == "core":
            self._core(words[1:])
        elif words[0] == "master":
            self._master(words[1:])
        elif words[0] == "option":
            self._option(words[1:])
        else:
            super()._header(words)

    def _option(self, words: list[str]) -> None:
        if not words:
            raise self._wrong("option: takes a word")
        if words == ["order"]:
            self.order = True
        elif words[0] in OPTIONS:
            super()._header(["option", *words])
        else:
            raise self._wrong(f"{words[0]}: no such option; the known: {' '.join((*OPTIONS, 'order'))}")

    def _names(self, words: list[str]) -> list[str]:
        """Check names of agents or masters."""
        for name in words:
            if name in NO_AGENTS:
                raise self._wrong(f"{name}: no agent's name")
        return words

    def _core(self, words: list[str]) -> None:
        if len(words) < 2:
            raise self._wrong("core: takes a name and its agents")
        if words[0] in self.declared:
            raise self._wrong(f"{words[0]}: a core already")
        self.declared.append(words[0])
        for agent in self._names(words[1:]):
            if agent in self.core_of:
                raise self._wrong(f"{agent}: in a core already")
            if agent in self.masters:
                raise self._wrong(f"{agent}: a master, which has no core")
            self.core_of[agent] = words[0]

    def _master(self, words: list[str]) -> None:
        if words[1:] not in ([], ["snoops"]):
            raise self._wrong(f"{' '.join(words[1:])}: only snoops follows a master's name")
        for name in self._names(words[:1]):
            if name in self.masters:
                raise self._wrong(f"{name}: a master already")
            if name in self.core_of:
                raise self._wrong(f"{name}: in a core, which no master is")
            self.masters[name] = bool(words[1:])
            return
        raise self._wrong("master: takes a name")

    def _line(self, words: list[str]) -> list[Touch]:
        if words[0] == "give":
            return self._give(words[1:])
        if words[0] in NO_AGENTS:
            raise self._wrong(f"{words[0]}: no agent's name")
        agent = self.agents.setdefault(words[0], Agent())
        if len(words) < 2:
            raise self._wrong(f"{words[0]}: an agent that does nothing")
        if words[0] in self.masters:
            return self._masters_event(agent, self.masters[words[0]], words[1], words[2:])
        return self._event(agent, words[1], words[2:])

    def _give(self, words: list[str]) -> list[Touch]:
        pages = self._whole_pages(words[:2])
        owners = frozenset(self._names(words[2:]))
        if not owners:
            raise self._wrong("give: to nobody")
        if len(owners) < len(words[2:]):
            raise self._wrong(f"{' '.join(words[2:])}: one of them twice")
        new = [page for page in pages if self.owners.get(page) != owners]
        self.owners.update(dict.fromkeys(new, owners))
        return [Touch(page * PAGE, (page + 1) * PAGE, "give") for page in new]

    def _masters_event(self, master: Agent, snoops: bool, op: str, rest: list[str]) -> list[Touch]:
        if op == "map":
            return self._map(master, rest)
        if op == "unmap":
            return self._unmap(master, rest)
        if op not in MASTERS_ACCESSES:
            raise self._wrong(f"{op}: nothing that a master does")
        if op == "walk":
            if len(rest) != 3 or rest[2] not in TYPES:
                raise self._wrong(f"{' '.join(rest[2:])}: no such type")
            rest = rest[:2]
        start, end = self._range(rest)
        return [Touch(start, end, f"{op} {'snoop' if snoops else 'bare'}")]

    def _event(self, agent: Agent, op: str, rest: list[str]) -> list[Touch]:
        if op in BARRIERS:
            if not self.order:
                raise self._wrong(f"{op}: only with option order")
            if rest:
                raise self._wrong(f"{' '.join(rest)}: {op} takes no range")
            return [Touch(0, LIMIT, op)]
        touches = super()._event(agent, "read" if op == "poll" else op, rest)
        if op in ("poll", "walk"):
            return [touch._replace(action=touch.action.replace("read", op)) for touch in touches]
        if op == "ic":
            action = "ic local" if rest == ["iallu"] else "ic all"
            return [touch._replace(action=action) for touch in touches]
        return touches

    def core_agents(self) -> dict[str, Agent]:
        """Give the agents that are no masters."""
        return {name: agent for name, agent in self.agents.items() if name not in self.masters}


class Step(NamedTuple):
    """
    What a trace's event is for one line: ``core`` is the number of its core; no touch is (0, 0).

    Of all cores the first ``occurred`` have occurred by then, the event included. ``owner`` says whether its
    agent is an owner of the page.
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
    owner: bool

    def owns(self, byte: int) -> bool:
        return self.action in ACCESSES and self.first <= byte < self.last

    def event(self, byte: int) -> Event:
        """Give what it is for a byte of the line."""
        return Event(self.action, self.owns(byte), self.noted)


def _fetches_memory(agent: Agent, page: int) -> bool:
    """Return whether an agent may fetch from a page not cacheably."""
    if agent.mmu:
        executable = page in agent.pages and agent.pages[page][1]
    else:
        executable = page in agent.fetched or page - 1 in agent.fetched
    return executable and not agent.may_fetch(page)


def core_names(reader: Reader) -> list[tuple[str, str]]:
    """Give every core that has occurred: those declared, then as they come those of whom nothing is said."""
    alone = [name for name in reader.core_agents() if name not in reader.core_of]
    return [("core", name) for name in reader.declared] + [("agent", name) for name in alone]


def _core_number(reader: Reader, cores: list[tuple[str, str]], agent: str) -> int:
    if not agent or agent in reader.masters:
        return NOBODY
    return cores.index(("core", reader.core_of[agent]) if agent in reader.core_of else ("agent", agent))


def _possible_fetches(reader: Reader, core: tuple[str, str], page: int) -> tuple[bool, bool]:
    """Return whether a core may fetch from a page, cacheably and not cacheably."""
    declared = core[1] if core[0] == "core" else None  # those of whom nothing is said are as one here
    agents = [agent for name, agent in reader.core_agents().items() if reader.core_of.get(name) == declared]
    return (
        any(agent.may_fetch(page) for agent in agents),
        any(_fetches_memory(agent, page) for agent in agents),
    )


def _step(
    reader: Reader, cores: list[tuple[str, str]], number: int, name: str, base: int, touch: Touch
) -> Step:
    """Make what an event, just read, is for the line at an address."""
    page = base // PAGE
    agents = reader.core_agents()
    return Step(
        number,
        name,
        _core_number(reader, cores, name),
        any(agent.keeps_alias_live(page) for agent in agents.values()),
        tuple(_possible_fetches(reader, core, page) for core in cores),
        touch.action,
        name in agents and agents[name].keeps_alias_live(page),
        max(touch.start - base, 0),
        min(touch.end - base, reader.profile.line),
        len(core_names(reader)),
        name in reader.owners.get(page, ()),
    )


class Trace(NamedTuple):
    """The steps of every line that some event checks, by its address; and what holds all along."""

    lines: dict[int, list[Step]]
    line_size: int
    cores: int
    profile: Profile


def read_trace(text: str) -> Trace:
    """Read a version 2 trace."""
    reader = Reader()
    checked: set[int] = set()
    for _, _, touches in reader.events(text):
        size = reader.profile.line
        for touch in touches:
            if touch.action in CHECKED:
                checked.update(range(touch.start // size * size, touch.end, size))
    cores = core_names(reader)
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


class Unjudged(NamedTuple):
    """A poll of bytes that its agent does not read later."""

    line: int
    agent: str
    address: int
    size: int


def not_judged(text: str) -> list[Unjudged]:
    """Give the polls of a version 2 trace that nothing judges, in its order."""
    found: list[Unjudged] = []
    for number, name, touches in Reader().events(text):
        if not touches:
            continue
        kind, start, end = touches[0].action.partition(" ")[0], touches[0].start, touches[-1].end
        if kind == "read":
            found = [
                poll
                for poll in found
                if poll.agent != name or end <= poll.address or poll.address + poll.size <= start
            ]
        if kind == "poll":
            found.append(Unjudged(number, name, start, end - start))
    return found


def is_version_2(text: str) -> bool:
    """Return whether the first line that is not blank or comment says so."""
    lines = (line.partition("#")[0].split() for line in text.split("\n"))
    return next(filter(None, lines), []) == ["version", "2"]
