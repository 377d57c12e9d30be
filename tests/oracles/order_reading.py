# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reads a version 2 trace, for ``order_explorer.py``: what each event is for each line that some event checks.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.oracles import explorer
from tests.oracles.explorer import LIMIT, OPTIONS, PAGE, SET_WAY, TYPES, Malformed, Touch
from tests.oracles.order_agents import WALKED, Agent, View
from tests.oracles.order_mappings import CoreName, Kind
from tests.oracles.order_steps import ACCESSES, DATA_ACCESSES, LEAKING, MAINTENANCE, NOBODY, Event, Profile

BARRIERS = ("dsb", "dmb", "isb")
HALVES = ("normal-wb", "normal-wt", "normal-nc")
"""What the two types of one page may be."""

ORDERED = (*BARRIERS, "descriptor", "tlbi")
"""What option order alone has."""

SWITCHES = ("mmu", "icache", "dcache")
NO_AGENTS = ("line", "option", "core", "master", "give", "power-off")
HEADS = ("line", "option", "core", "master")
OPTIONS_2 = (*OPTIONS, "order", "dmin", "imin", "zva", "vipt", "nc-fetch-held", "ivac-cleans", "start")
STARTS = ("cold", "clean", "dirty", "any")
OWNED = (*ACCESSES, *MAINTENANCE, *SET_WAY, "ic local", "ic all", "ic by")
HIT = ("read nc", "poll nc", "walk nc")
MASTERS_ACCESSES = ("read", "write", "poll", "walk")
BY_ALIAS = ("read", "write", "poll", "fetch")


class Broken(NamedTuple):
    """A page whose descriptor was changed where that needs break-before-make."""

    line: int
    agent: str
    page: int


class Reader(explorer.Reader):
    """Reads a version 2 trace event by event, and keeps the state of every agent and master."""

    def __init__(self) -> None:
        super().__init__()
        self.order = False
        self.by_name: dict[str, Agent] = {}
        """The agents and masters that have occurred."""
        self.core_of: dict[str, str] = {}
        self.declared: list[str] = []
        self.masters: dict[str, bool] = {}
        """Whether each snoops."""
        self.owners: dict[int, frozenset[str]] = {}
        """By the page's number."""
        self.vipt = self.nc_fetch_held = False
        self.start = "cold"
        self.zva = 64
        self.may_hit: set[str] = set()
        self.ivac_cleans: set[str] = set()
        self.broken: list[Broken] = []
        self._granules: dict[str, tuple[int, int]] = {}
        """``dmin`` and ``imin`` where they are said, and the line that says so."""
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
                self._begin()
                name = "" if words[0] in NO_AGENTS else words[0]
                yield self._number, name, self._line(words)
        self._begin()

    def _begin(self) -> None:
        """Check what only the whole head tells."""
        self._begun = True
        for word, (size, number) in self._granules.items():
            if size > self.profile.line:
                raise Malformed(number, f"{size}: {word} above line, which is {self.profile.line}")

    def granule(self, word: str) -> int:
        """Give the bytes that a data operation (``dmin``) or an instruction operation (``imin``) is sure of."""
        return self._granules.get(word, (min(64, self.profile.line), 0))[0]

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
        if not words or words[0] not in OPTIONS_2:
            raise self._wrong(f"{' '.join(words[:1])}: no such option; the known: {' '.join(OPTIONS_2)}")
        word, rest = words[0], words[1:]
        if word in ("dmin", "imin"):
            self._granules[word] = (self._power_of_two(rest), self._number)
        elif word == "zva":
            self.zva = self._power_of_two(rest)
        elif word == "start":
            if len(rest) != 1 or rest[0] not in STARTS:
                raise self._wrong(f"{' '.join(rest)}: no such start; the known: {' '.join(STARTS)}")
            self.start = rest[0]
        elif word == "ivac-cleans":
            if not rest:
                raise self._wrong("ivac-cleans: takes agents")
            self.ivac_cleans.update(self._names(rest))
        elif word == "nc-may-hit" and rest:
            self.may_hit.update(self._names(rest))
        elif rest:
            raise self._wrong(f"{' '.join(rest)}: {word} takes no more")
        elif word in OPTIONS:
            super()._header(["option", word])
        else:
            setattr(self, word.replace("-", "_"), True)

    def _power_of_two(self, words: list[str]) -> int:
        size = self._integer(words[0]) if len(words) == 1 else 0
        if size not in (16, 32, 64, 128, 256, 512, 1024, 2048):
            raise self._wrong(f"{' '.join(words)}: not a power of two from 16 to 2048")
        return size

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
        if words[0] == "power-off":
            return self._aligned(*self._range(words[1:]), self.profile.line, "power-off")
        if words[0] in NO_AGENTS:
            raise self._wrong(f"{words[0]}: no agent's name")
        agent = self.by_name.setdefault(words[0], Agent())
        if len(words) < 2:
            raise self._wrong(f"{words[0]}: an agent that does nothing")
        if words[0] in self.masters:
            return self._masters_event(agent, self.masters[words[0]], words[1], words[2:])
        touches = self._agents_event(words[0], agent, words[1], words[2:])
        if words[0] in self.ivac_cleans:
            cleans = {"ivac": "civac", "isw": "cisw"}
            return [touch._replace(action=cleans.get(touch.action, touch.action)) for touch in touches]
        return touches

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

    def is_owner(self, name: str, page: int) -> bool:
        """Return whether an agent is an owner of a page: it is named, or it is another's ``NAME+WORD``."""
        owners = self.owners.get(page, frozenset())
        pluses = [at for at in range(1, len(name) - 1) if name[at] == "+"]
        return name in owners or any(name[:at] in owners for at in pluses)

    def _masters_event(self, master: Agent, snoops: bool, op: str, rest: list[str]) -> list[Touch]:
        if op in ("map", "unmap"):
            return self._mapping(master, op, rest)
        if op not in MASTERS_ACCESSES:
            raise self._wrong(f"{op}: nothing that a master does")
        if op == "walk":
            if rest[2:] != ["pou"]:
                self._types(rest[2:])
            rest = rest[:2]
        start, end = self._range(rest)
        return [Touch(start, end, f"{op} {'snoop' if snoops else 'bare'}")]

    def _agents_event(self, name: str, agent: Agent, op: str, rest: list[str]) -> list[Touch]:
        """Read an event of an agent: where it may be of several kinds, each has touches of the same bytes."""
        if op in SWITCHES:
            if rest not in (["on"], ["off"]):
                raise self._wrong(f"{' '.join(rest)}: neither on nor off")
            agent.switch(op, on=rest == ["on"], pending=self.order and agent.acted)
            return []
        if op in ("map", "unmap"):
            return self._mapping(agent, op, rest)
        agent.acted = True
        if op in ORDERED and not self.order:
            raise self._wrong(f"{op}: only with option order")
        if op in BARRIERS:
            return self._barrier(name, op, rest)
        if op == "descriptor":
            return self._descriptor(name, agent, rest)
        if op == "tlbi":
            return self._tlbi(self.core(name), rest)
        touches = [touch for part in self._parts(op, rest) for touch in self._views_event(agent, op, part)]
        if self.order:
            for start, end, kind in touches:
                for page, *_ in self._by_page(start, end) if kind in WALKED else []:
                    agent.walk(kind, page)
        return list(dict.fromkeys(touches))

    def _parts(self, op: str, rest: list[str]) -> Iterator[list[str]]:
        """Cut an access at its page ends; other events, and what is no range, stay whole."""
        words = rest[:1] if (op, rest[:1]) == ("dc", ["zva"]) else []
        if not words and op not in BY_ALIAS:
            yield rest
            return
        for _, start, end in self._by_page(*self._range(rest[len(words) :])):
            yield [*words, f"{start:#x}", str(end - start)]

    def _views_event(self, agent: Agent, op: str, rest: list[str]) -> list[Touch]:
        """Read an event, or a part of an access, by each setting that makes it possible; one has to."""
        touches: list[Touch] = []
        wrong = []
        for view in agent.views:
            try:
                touches += self._event(view, op, rest)
            except Malformed as error:
                wrong.append(error)
        if len(wrong) == len(agent.views):
            raise wrong[-1]
        return touches

    def _barrier(self, name: str, op: str, rest: list[str]) -> list[Touch]:
        if (op, rest) == ("dsb", ["nsh"]):
            return [Touch(0, LIMIT, "dsb nsh")]
        if rest:
            raise self._wrong(f"{' '.join(rest)}: {op} takes no range")
        core = self.core(name)
        for other, agent in self.core_agents().items():
            if op == "isb" and self.core(other) == core:
                agent.synchronise()
            if op == "dsb":
                agent.complete(core)
        return [Touch(0, LIMIT, op)]

    def _mapping(self, agent: Agent, op: str, rest: list[str]) -> list[Touch]:
        """Read a ``map`` or an ``unmap``, which whole pages have."""
        pages = self._whole_pages(rest[:2] if op == "map" else rest)
        if op == "map":
            kind = self._kind(rest[2:])
            if any(page in agent.mapped for page in pages):
                raise self._wrong(f"{rest[0]}: mapped already")
            agent.map(pages, kind)
            return []
        for page in pages:
            if agent.mapped.pop(page, None) is None:
                raise self._wrong(f"{rest[0]}: not mapped")
        return []

    def _kind(self, words: list[str]) -> Kind:
        """Read what a mapping is."""
        types = self._types(words[:1])
        if words[1:] not in ([], ["exec"]):
            raise self._wrong(f"{' '.join(words[1:])}: only exec follows the type")
        return Kind(*types, executable=bool(words[1:]))

    def _types(self, words: list[str]) -> tuple[str, str]:
        """Read a type: give the inner and the outer one, which are mostly the same."""
        inner, slash, outer = words[0].partition("/") if len(words) == 1 else ("", "", "")
        if slash and inner != outer and inner in HALVES and outer in HALVES:
            return inner, outer
        if slash or inner not in TYPES:
            raise self._wrong(f"{' '.join(words)}: no such type")
        return inner, inner

    def _descriptor(self, name: str, agent: Agent, rest: list[str]) -> list[Touch]:
        pages = self._whole_pages(rest[:2])
        invalid = rest[2:] == ["invalid"]
        if rest[2:3] == ["invalid"] and not invalid:
            raise self._wrong(f"{' '.join(rest[3:])}: nothing follows invalid")
        if not rest[2:]:
            raise self._wrong("descriptor: takes a type, or invalid")
        kind = None if invalid else self._kind(rest[2:])
        if any(page not in agent.mapped for page in pages):
            raise self._wrong(f"{rest[0]}: not mapped")
        if kind:
            self.broken += [Broken(self._number, name, page) for page in agent.change(pages, kind)]
            return []
        if any(agent.mapped[page].current is None for page in pages):
            raise self._wrong(f"{rest[0]}: invalid already")
        for page in pages:
            agent.mapped[page].invalidate_descriptor()
        return []

    def _tlbi(self, core: CoreName, rest: list[str]) -> list[Touch]:
        pages = range(LIMIT // PAGE) if rest == ["all"] else self._whole_pages(rest)
        for agent in self.core_agents().values():
            agent.invalidate(core, pages)
        return []

    def core(self, agent: str) -> CoreName:
        """Give the core of an agent that is no master."""
        return ("core", self.core_of[agent]) if agent in self.core_of else ("agent", agent)

    def _event(self, agent: explorer.Agent, op: str, rest: list[str]) -> list[Touch]:
        touches = super()._event(agent, "read" if op == "poll" else op, rest)
        if op in ("poll", "walk"):
            return [touch._replace(action=touch.action.replace("read", op)) for touch in touches]
        if op == "ic":
            action = {"iallu": "ic local", "ialluis": "ic all", "ivau": "ic by" if self.vipt else "ic all"}[
                rest[0]
            ]
            return [touch._replace(action=action) for touch in touches]
        return touches

    def _walk(self, agent: explorer.Agent, rest: list[str]) -> list[Touch]:
        if rest[2:] != ["pou"]:
            types = self._types(rest[2:])
            return [touch for kind in types for touch in super(Reader, self)._walk(agent, [*rest[:2], kind])]
        (touch,) = super()._walk(agent, [*rest[:2], "normal-wb"])
        return [touch._replace(action="read pou") if agent.dcache else touch]

    def _whole_lines(self, start: int, end: int, action: str) -> list[Touch]:
        if action in SET_WAY:
            return self._aligned(start, end, self.profile.line, action)
        return self._aligned(start, end, self.granule("imin" if action == "ic" else "dmin"), action)

    def _aligned(self, start: int, end: int, size: int, action: str) -> list[Touch]:
        return [Touch(start // size * size, -(-end // size) * size, action)]

    def _data(self, agent: explorer.Agent, op: str, start: int, end: int) -> list[Touch]:
        one_page = super()._data
        return self._by_choices(agent, start, end, lambda one, first, last: one_page(one, op, first, last))

    def _fetch(self, agent: explorer.Agent, start: int, end: int) -> list[Touch]:
        return self._by_choices(agent, start, end, super()._fetch)

    def _dc(self, agent: explorer.Agent, rest: list[str]) -> list[Touch]:
        if rest[:1] != ["zva"]:
            return super()._dc(agent, rest)
        ((start, end, _),) = self._aligned(*self._range(rest[1:]), self.zva, "")
        if not agent.mmu:
            raise self._wrong("zva: the MMU is off")
        return self._by_choices(agent, start, end, self._zeros)

    def _zeros(self, agent: explorer.Agent, start: int, end: int) -> list[Touch]:
        if self._alias(agent, start // PAGE)[0] == "device":
            raise self._wrong("zva: on a device alias")
        return super()._data(agent, "write", start, end)

    def _by_choices(
        self,
        agent: explorer.Agent,
        start: int,
        end: int,
        access: Callable[[explorer.Agent, int, int], list[Touch]],
    ) -> list[Touch]:
        """Make an access by whatever alias allows it, in each page by itself; in each page one has to."""
        assert isinstance(agent, View)
        touches: list[Touch] = []
        for page, first, last in self._by_page(start, end):
            wrong = []
            choices = agent.choices(page)
            for one in choices:
                try:
                    touches += access(one, first, last)
                except Malformed as error:
                    wrong.append(error)
            if len(wrong) == len(choices):
                raise wrong[-1]
        return touches

    def labels(self) -> list[str]:
        """Give the agents by their labels, where instruction caches tell agents apart."""
        return list(dict.fromkeys([*self.core_of, *self.core_agents()])) if self.vipt else []

    def core_agents(self) -> dict[str, Agent]:
        """Give the agents that are no masters."""
        return {name: agent for name, agent in self.by_name.items() if name not in self.masters}


class Way(NamedTuple):
    """A kind that an event may be of: ``hits`` says whether its agent may hit where it is not cacheable."""

    action: str
    hits: bool


class Step(NamedTuple):
    """
    What a trace's event is for one line: ``core`` is the number of its core; no touch is (0, 0).

    ``ways`` has the kinds that it may be of, one of which it is: none where it does not touch the line. Of all
    cores the first ``occurred`` have occurred by then, the event included. ``owner`` says whether its agent is
    an owner of the page. ``level_2_fills`` says whether a walk may come again that fills level 2 alone.
    """

    number: int
    name: str
    core: int
    alias_live: bool
    level_2_fills: bool
    fetches: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    ways: tuple[Way, ...]
    noted: bool
    first: int
    last: int
    occurred: int
    owner: bool
    dmin: int
    label: int

    @property
    def op(self) -> str:
        """The first word of every kind that it may be of: an empty one where it does not touch the line."""
        return self.ways[0].action.partition(" ")[0] if self.ways else ""

    def events(self, byte: int) -> tuple[Event, ...]:
        """Give what it may be for a byte of the line, one of which it is."""
        return tuple(self._event(way, byte) for way in self.ways)

    def _event(self, way: Way, byte: int) -> Event:
        start = byte // self.dmin * self.dmin
        own = way.action in OWNED and self.first <= byte < self.last
        near = way.action in DATA_ACCESSES and self.first < start + self.dmin and start < self.last
        return Event(way.action, own, near, self.noted, way.hits, self.label)


def core_names(reader: Reader) -> list[CoreName]:
    """Give every core that has occurred: those declared, then as they come those of whom nothing is said."""
    alone = [name for name in reader.core_agents() if name not in reader.core_of]
    return [("core", name) for name in reader.declared] + [("agent", name) for name in alone]


def _core_number(reader: Reader, cores: list[CoreName], agent: str) -> int:
    if not agent or agent in reader.masters:
        return NOBODY
    return cores.index(reader.core(agent))


def _label(labels: list[str], name: str) -> int:
    return labels.index(name) if name in labels else 0


def _possible_fetches(
    reader: Reader, core: CoreName, page: int, labels: list[str]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give who of a core may fetch from a page, cacheably and not cacheably."""
    declared = core[1] if core[0] == "core" else None  # those of whom nothing is said are as one here
    cacheable, uncacheable = set(), set()
    for name, agent in reader.core_agents().items():
        if reader.core_of.get(name) == declared:
            if agent.may_fetch(page):
                cacheable.add(_label(labels, name))
            if agent.may_fetch_memory(page):
                uncacheable.add(_label(labels, name))
    return tuple(sorted(cacheable)), tuple(sorted(uncacheable))


class Trace(NamedTuple):
    """
    The steps of every line that some event reads, by its address; and what holds all along.

    ``cores`` has for each core the labels of its agents. ``broken`` has what needed break-before-make.
    """

    lines: dict[int, list[Step]]
    line_size: int
    cores: tuple[tuple[int, ...], ...]
    profile: Profile
    start: str
    broken: list[Broken]


def read_trace(text: str) -> Trace:
    """Read a version 2 trace."""
    whole = Reader()
    checked: set[int] = set()
    for _, _, touches in whole.events(text):
        size = whole.profile.line
        for touch in touches:
            if touch.action in LEAKING:
                checked.update(range(touch.start // size * size, touch.end, size))
    lines: dict[int, list[Step]] = {base: [] for base in sorted(checked)}
    reader = Reader()
    for number, name, touches in reader.events(text):
        for base, steps in lines.items():
            here = [touch for touch in touches if touch.start < base + size and base < touch.end]
            assert len({touch[:2] for touch in here}) <= 1, "an access that is cut is cut at a page's end"
            steps.append(_step(reader, whole, number, name, base, here))
    p = whole.profile
    return Trace(
        lines,
        p.line,
        _labels_of_cores(whole),
        Profile(p.setway_effective, p.idc, p.dic, whole.order, whole.nc_fetch_held),
        whole.start,
        whole.broken,
    )


def _labels_of_cores(whole: Reader) -> tuple[tuple[int, ...], ...]:
    """Give for each core the labels of the agents that may fetch what it may hit."""
    names = core_names(whole)
    if not whole.vipt:
        return ((0,),) * len(names)
    labels = whole.labels()
    return tuple(
        tuple(
            label
            for label, agent in enumerate(labels)
            if whole.core_of.get(agent) == (name if kind == "core" else None)
        )
        for kind, name in names
    )


def _step(reader: Reader, whole: Reader, number: int, name: str, base: int, here: list[Touch]) -> Step:
    """
    Make what an event, just read, is for the line at an address, which it touches in several ways, or in none.

    Another reader has read the whole.
    """
    page = base // PAGE
    agents = reader.core_agents()
    cores, labels = core_names(whole), whole.labels()
    may_hit = reader.profile.nc_may_hit or name in reader.may_hit
    ways = [Way(touch.action, may_hit and touch.action in HIT) for touch in here]
    start, end, _ = here[0] if here else Touch(base, base, "")
    return Step(
        number,
        name,
        _core_number(reader, cores, name),
        any(agent.keeps_alias_live(page) or agent.walks_again("walk wb", page) for agent in agents.values()),
        any(agent.walks_again("walk pou", page) for agent in agents.values()),
        tuple(_possible_fetches(reader, core, page, labels) for core in cores),
        tuple(ways),
        name in agents and agents[name].is_cacheable(page),
        max(start - base, 0),
        min(end - base, reader.profile.line),
        len(core_names(reader)),
        reader.is_owner(name, page),
        reader.granule("dmin"),
        _label(labels, name),
    )


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
        kind, start = touches[0].action.partition(" ")[0], touches[0].start
        end = max(touch.end for touch in touches)
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
