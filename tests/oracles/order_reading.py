# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reads a version 2 trace, for ``order_explorer.py``: what each event is for each line that some event checks.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.oracles import explorer
from tests.oracles.explorer import LIMIT, PAGE, Agent, Touch
from tests.oracles.order_steps import ACCESSES, CHECKED, Profile

BARRIERS = ("dsb", "dmb", "isb")
NO_AGENTS = ("line", "option", "core", "master", "give", "power-off")


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


def core_names(reader: Reader) -> list[tuple[str, str]]:
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
        len(core_names(reader)),
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


def is_version_2(text: str) -> bool:
    """Return whether the first line that is not blank or comment says so."""
    lines = (line.partition("#")[0].split() for line in text.split("\n"))
    return next(filter(None, lines), []) == ["version", "2"]
