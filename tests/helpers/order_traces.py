# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws random version 2 traces: agents on cores and on none, barriers and what they order, masters, owners and more.

With order, what is drawn may be between two settings, or between two translations.

Most are made of idioms, such as "write, clean, dsb, invalidate, dsb, isb, fetch", of which each event may be missing
or by another agent: they come close to what is right. An access is drawn only where it is possible.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import permutations

PAGE = 4096
TOP = 1 << 52
LAYOUTS = ((0x1000, 0x2000), (TOP - 2 * PAGE, TOP - PAGE))
"""The addresses of a trace's two pages, which are adjacent."""

OPTIONS = ("nc-may-hit", "setway-effective", "idc", "dic")
GRANULES = (16, 32, 128, 512, 1024, 2048)
CORES = ("", "", "a", "a b", "a;b", "a;b;c", "a b;c", "a c;b", "a;c", "a b c")
TYPES = ("normal-wb",) * 4 + ("normal-nc",) * 2 + ("normal-wt", "device")
SWITCHES = ("mmu off", "mmu on") * 3 + ("icache on", "icache off", "dcache off", "dcache on")
ACCESSES = ("read",) * 3 + ("write",) * 3 + ("fetch", "fetch", "walk", "dc zva")
MAINTENANCE = (
    *("dc cvac", "dc civac", "dc ivac", "dc cvau", "dc cvau", "dc csw", "dc cisw", "dc isw"),
    *("ic ivau", "ic ivau", "ic iallu", "ic ialluis"),
)
IDIOMS = (
    ("write", "dc cvau", "dsb", "ic ivau", "dsb", "isb", "fetch"),
    ("write", "dc cvac", "dsb", "ic iallu", "dsb", "isb", "fetch"),
    ("write", "dc civac", "dsb", "read"),
    ("read", "write", "dc cvac", "dmb", "read"),
    ("write", "dmb", "dc ivac", "dsb", "read"),
    ("mmu off", "write", "dmb", "dc ivac", "dsb", "mmu on", "read"),
    ("write", "dc civac", "unmap", "dsb", "mmu off", "write", "dsb", "map", "mmu on", "read"),
    ("fetch", "write", "dc cvau", "dc ivac", "dc cvau", "dsb", "ic ialluis", "dsb", "fetch"),
    ("mmu off", "fetch", "write", "dsb", "isb", "fetch", "mmu on"),
    ("dc ivac", "dc cvau", "dc ivac", "dc cvac", "dc ivac", "dsb", "read"),
)


@dataclass
class _Ending:
    """An alias whose descriptor is invalid: the cores that have seen that, and those whose `tlbi` is pending."""

    seen: set[str] = field(default_factory=set)
    invalidated: set[str] = field(default_factory=set)


@dataclass
class _Agent:
    """The MMU, and what is mapped: each page's type, and whether it is executable.

    `older` has what the MMU was since the last `isb`; `acted` is whether it has had an event that begins its program.
    """

    mmu: bool = True
    pages: dict[int, tuple[str, bool]] = field(default_factory=dict)
    older: set[bool] = field(default_factory=set)
    acted: bool = False
    endings: dict[int, _Ending] = field(default_factory=dict)


class _Drafter:
    """Draws a trace's events, and keeps what every agent has mapped."""

    def __init__(self, rng: random.Random, *, order: bool, line: int, pages: tuple[int, int]) -> None:
        self._rng = rng
        self._order = order
        self._zva = 64
        self._types: tuple[str, ...] = TYPES
        self._walks: tuple[str, ...] = ("normal-wb", "normal-wb", "normal-nc")
        self._pages = pages
        self._agents = {name: _Agent() for name in "abcd"[: rng.choice((1, 2, 2, 2, 2, 3, 3, 4))]}
        home, second = pages[0] + line, pages[1]
        spots = [(home, 4), (home, 8), (home, line), (home + 4, 8), (home + line - 4, 8)]
        spots += [
            (second - 4, 8),
            (second - line, 2 * line),
            (second, 8),
            (pages[0], PAGE),
            (second + PAGE - 4, 4),
        ]
        self._spots = [rng.choice(spots) for _ in range(rng.choice((1, 1, 2, 3)))] + [(home, 8)]
        self.lines: list[str] = []

    def event(self) -> None:
        """Draw an event, or an idiom of several."""
        rng = self._rng
        name = rng.choice(list(self._agents))
        if not self._agents[name].pages and rng.random() < 0.6:
            self._do(name, "map")
        elif rng.random() < 0.3:
            for word in rng.choice(IDIOMS):
                by = name if rng.random() < 0.85 else rng.choice(list(self._agents))
                if rng.random() < 0.85:
                    self._do(by, word)
        else:
            kinds = (("map",), ("unmap",), SWITCHES, ("dsb", "dsb", "dmb", "isb"), MAINTENANCE, ACCESSES)
            (words,) = rng.choices(kinds, (3, 2, 8, 20, 27, 40))
            self._do(name, rng.choice(words))

    def _do(self, name: str, word: str) -> None:
        """Draw what an operation takes; nothing where it is not possible."""
        rng, agent = self._rng, self._agents[name]
        where = ""
        if word in ("dsb", "dmb", "isb"):
            if not self._order:
                return
        elif word in ("map", "unmap"):
            pages = [page for page in self._pages if (page in agent.pages) is (word == "unmap")]
            if not pages:
                return
            first, size = pages[0], PAGE * len(pages)
            if len(pages) == 2 and rng.random() < 0.3:
                first, size = rng.choice(pages), PAGE
            where = f" {first:#x} {size:#x}"
            for page in range(first, first + size, PAGE):
                if word == "unmap":
                    del agent.pages[page]
            if word == "map":
                kind, executable = rng.choice(self._types), rng.random() < 0.6
                agent.pages |= dict.fromkeys(range(first, first + size, PAGE), (kind, executable))
                where += f" {kind}{' exec' if executable else ''}"
        elif word.startswith("mmu"):
            agent.mmu = word == "mmu on"
        elif word in ACCESSES or word.startswith(("dc ", "ic iv")):
            address, size = rng.choice(self._spots)
            if word in ACCESSES and not self._may(agent, word, address, size):
                return
            where = f" {address:#x} {size}"
            if word == "walk":
                where += f" {rng.choice(self._walks)}"
        self.lines.append(f"{name} {word}{where}")

    def _may(self, agent: _Agent, word: str, address: int, size: int) -> bool:
        if word == "walk" or not agent.mmu:
            return agent.mmu or word not in ("walk", "dc zva")
        start, end = address, address + size
        if word == "dc zva":  # it writes whole blocks
            start, end = start & -self._zva, -(-end // self._zva) * self._zva
        aliases = [agent.pages.get(page) for page in range(start & -PAGE, end, PAGE)]
        return all(
            alias is not None and (alias[1] or word != "fetch") and (alias[0] != "device" or word != "dc zva")
            for alias in aliases
        )


def draw_ordered(seed: int, *, most: int = 14, order: float = 0.85) -> str:
    """A version 2 trace, the same for the same seed, of `most` events and idioms at the most.

    With a probability of `order`, it has `option order`. Ten seeds in a row have the same options, as a checker keeps
    what it has worked out for some.
    """
    rng = random.Random(seed // 10)
    ordered = rng.random() < order
    head = ["version 2"] + ["option order"] * ordered
    head += [f"option {option}" for option in OPTIONS if rng.random() < 0.15]
    rng = random.Random(seed)
    line = rng.choice(GRANULES) if rng.random() < 0.3 else 64
    head.append(f"line {line}")
    cores = rng.choice(CORES)
    head += [f"core cpu{at} {agents}" for at, agents in enumerate(cores.split(";")) if agents]
    drafter = _Drafter(rng, order=ordered, line=line, pages=rng.choice(LAYOUTS[:1] * 3 + LAYOUTS[1:]))
    for _ in range(rng.randint(5, most)):
        drafter.event()
    return "\n".join([*head, *drafter.lines]) + "\n"


# -- with masters, owners, polls and the rest --------------------------------------------------------------

ALL_SWITCHES = (*OPTIONS, "vipt", "nc-fetch-held")
ALL_GRANULES = (16, 16, 16, 32, 64, 64, 64, 128, 128, 256, 512, 1024, 2048)
SEVERAL_CORES = ("a;b", "a;b", "a b;c", "a c;b", "a;b;c", "a", "")
STARTS = ("cold",) * 8 + ("clean",) * 6 + ("dirty", "any")
MIXED_TYPES = tuple(f"normal-{inner}/normal-{outer}" for inner, outer in permutations(("wb", "wt", "nc"), 2))
MOST_TYPES = ("normal-wb",) * 42 + ("normal-wt", "normal-nc", "device") * 2 + (*MIXED_TYPES, MIXED_TYPES[0])
RIGHT = (
    ("write", "dc cvac", "dsb", "dev read"),
    ("write", "dc civac", "dsb", "dev write", "dc civac", "dsb", "poll", "read"),
    ("dc ivac", "dsb", "dev write", "dc ivac", "dsb", "read"),
    ("give", "write", "dc civac", "dsb", "read"),
    ("give", "write", "dc cvac", "dsb", "dev read"),
    ("give", "dc zva", "dc cvac", "dsb", "dev read", "read"),
    ("poll", "dmb", "read"),
    ("write", "dc cvau", "dsb", "pou", "walk"),
    ("write", "dc cvau", "dsb", "ic ivau", "dsb", "isb", "fetch"),
    ("write", "dc cvac", "dsb", "ic ivau", "dsb", "isb", "fetch"),
    ("write", "dc cvau", "dsb", "ic ialluis", "dsb", "isb", "fetch"),
    ("write", "dc civac", "dsb", "power-off", "read"),
    ("dc civac", "dsb", "mmu off", "write", "dsb", "dc ivac", "dsb", "mmu on", "read"),
    ("dc civac", "dsb", "mmu off", "isb", "write", "dsb", "dc ivac", "dsb", "mmu on", "isb", "read"),
    ("write", "dc civac", "dsb", "dcache off", "isb", "read", "walk", "dcache on", "isb"),
    ("write", "dc cvau", "dsb", "ic ivau", "dsb", "icache off", "icache on", "isb", "fetch"),
    ("descriptor", "dsb", "tlbi", "dsb", "dc civac", "dsb", "dev write", "map", "read"),
    ("write", "descriptor", "dsb", "tlbi", "dsb", "dc civac", "dsb", "dev read", "map"),
    (
        "write",
        "dc civac",
        "descriptor",
        "read",
        "dsb",
        "tlbi",
        "dsb",
        "mmu off",
        "isb",
        "read",
        "mmu on",
        "isb",
    ),
)
"""Idioms that are mostly right, if all is there and by whom it should."""


class Worder(_Drafter):
    """Draws the events of a trace with masters, which are no agents of the drafter, and with what is no agent's."""

    def __init__(
        self,
        rng: random.Random,
        *,
        order: bool,
        line: int,
        pages: tuple[int, int],
        agents: Iterable[str],
        cores: dict[str, str],
        masters: dict[str, bool],
        zva: int,
    ) -> None:
        super().__init__(rng, order=order, line=line, pages=pages)
        self._agents = {name: _Agent() for name in agents}
        self._cores = cores
        self._masters = masters
        self._zva = zva
        self._types = MOST_TYPES
        self._walks = ("normal-wb",) * 6 + ("normal-nc",) * 3 + (rng.choice(MIXED_TYPES),)
        first, second = pages
        home = rng.choice((first, first + PAGE - line, second - line, second + PAGE - line))
        near = [(home, 4), (home, 8), (home + line - 8, 8), (home + 4, 8), (home, line), (home + line - 4, 4)]
        if home == second - line:
            near += [(second - 4, 8), (second, 4)]
        self._spots = [rng.choice(near) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        if line > 64 or rng.random() < 0.2:  # another granule of the line, or the next line
            self._spots.append((home + rng.choice((16, 64)) % (PAGE - home % PAGE), 8))
        for name in agents:
            if rng.random() < 0.7:
                self._do(name, "map")

    def event(self) -> None:
        """Draw an event, or an idiom of several."""
        rng = self._rng
        name = rng.choice(list(self._agents))
        draw = rng.random()
        if not self._agents[name].pages and draw < 0.5:
            self._do(name, "map")
        elif draw < 0.82:
            certain = rng.choice((0.93, 0.98, 1))
            spots, spot = self._spots, [rng.choice(self._spots)]
            for word in rng.choice(RIGHT):
                self._spots = spot if rng.random() < 0.88 else spots
                by = name if rng.random() < certain else rng.choice(list(self._agents))
                if rng.random() < certain:
                    self._do(by, word)
            self._spots = spots
        else:
            kinds = (("map",), ("unmap",), SWITCHES, ("dsb", "dmb", "isb"), MAINTENANCE, ACCESSES)
            more: Iterable[tuple[str, ...]] = (
                ("descriptor", "tlbi"),
                ("poll", "pou"),
                ("give",),
                ("power-off",),
                ("dev read", "dev write", "dev poll", "dev walk"),
            )
            (words,) = rng.choices((*kinds, *more), (2, 1, 3, 20, 20, 8, 3, 10, 3, 1, 6))
            self._do(name, rng.choice(words))

    def _do(self, name: str, word: str) -> None:
        agent, lines, mmu = self._agents[name], len(self.lines), self._agents[name].mmu
        self._draw(name, word)
        if len(self.lines) == lines or word in ("give", "power-off") or word.startswith("dev"):
            return
        if word in SWITCHES:
            agent.older |= {mmu} if self._order and agent.acted else set()
        elif word == "unmap":
            agent.endings = {page: ending for page, ending in agent.endings.items() if page in agent.pages}
        elif word != "map":
            agent.acted = True
        if word == "isb":
            for each in (other for other in self._agents if self._cores[other] == self._cores[name]):
                self._agents[each].older.clear()
        if word == "dsb":
            self._complete(self._cores[name])

    def _complete(self, core: str) -> None:
        """End the aliases for which a core's `tlbi` is pending, and let it see that the others are ending."""
        for agent in self._agents.values():
            for page, ending in list(agent.endings.items()):
                if core in ending.invalidated:
                    del agent.endings[page], agent.pages[page]
                ending.seen.add(core)

    def _may(self, agent: _Agent, word: str, address: int, size: int) -> bool:
        may = [super()._may(agent, word, address, size)]
        for mmu in agent.older:
            may.append(super()._may(replace(agent, mmu=mmu), word, address, size))
        return any(may)

    def _translation(self, name: str, word: str) -> None:
        """Draw a step of the end of a translation, of one page or of both."""
        rng, agent = self._rng, self._agents[name]
        pages = list(self._pages)
        if word == "descriptor":
            pages = [page for page in pages if page in agent.pages and page not in agent.endings]
        if not pages or not self._order:
            return
        if len(pages) == 2 and rng.random() < 0.3:
            pages = [rng.choice(pages)]
        where = f"{pages[0]:#x} {PAGE * len(pages):#x}"
        if word == "descriptor":
            agent.endings |= {page: _Ending() for page in pages}
            self.lines.append(f"{name} descriptor {where} invalid")
            return
        if rng.random() < 0.3:
            pages, where = list(self._pages), "all"
        for other in self._agents.values():
            for page in set(pages) & set(other.endings):
                if self._cores[name] in other.endings[page].seen:
                    other.endings[page].invalidated.add(self._cores[name])
        self.lines.append(f"{name} tlbi {where}")

    def _draw(self, name: str, word: str) -> None:
        rng = self._rng
        address, size = rng.choice(self._spots)
        if word in ("descriptor", "tlbi"):
            self._translation(name, word)
        elif word == "give":
            self._give(name)
        elif word == "power-off":
            self.lines.append(f"power-off {address:#x} {size}")
        elif word.startswith("dev"):
            if self._masters:
                master, op = rng.choice(list(self._masters)), word[4:]
                kind = f" {rng.choice((*MOST_TYPES, 'pou'))}" if op == "walk" else ""
                self.lines.append(f"{master} {op} {address:#x} {size}{kind}")
        elif word == "poll":
            if self._may(self._agents[name], "read", address, size):
                self.lines.append(f"{name} poll {address:#x} {size}")
        elif word == "pou":
            if self._may(self._agents[name], "walk", address, size):
                self.lines.append(f"{name} walk {address:#x} {size} pou")
        else:
            super()._do(name, word)

    def _give(self, name: str) -> None:
        """Give a page or both; mostly to the agent at hand and a master, who go on with it."""
        rng = self._rng
        names = [*self._agents, *self._masters]
        owners = {name, rng.choice(names)} if rng.random() < 0.8 else {rng.choice(names)}
        first, size = (self._pages[0], 2 * PAGE) if rng.random() < 0.6 else (rng.choice(self._pages), PAGE)
        self.lines.append(f"give {first:#x} {size:#x} {' '.join(rng.sample(sorted(owners), len(owners)))}")


def draw_worded(seed: int, *, least: int = 12, most: int = 25, order: float = 0.7) -> str:
    """A version 2 trace with masters, owners, polls and all options, the same for the same seed.

    It has between `least` and `most` events, but where they are few. Ten seeds in a row have the same options, as for
    `draw_ordered`.
    """
    rng = random.Random(f"worded {seed // 10}")
    ordered = rng.random() < order
    head = ["version 2"] + ["option order"] * ordered
    head += [f"option {option}" for option in ALL_SWITCHES if rng.random() < 0.12]
    head += [f"option start {rng.choice(STARTS)}"] * (rng.random() < 0.6)
    rng = random.Random(f"worded {seed}")
    line = rng.choice(ALL_GRANULES)
    granules = [size for size in (16, 32, 64, 128, 256, 512, 1024, 2048) if size <= line]
    zva = rng.choice((16, 32, 64, 64, 64, 256, 2048))
    head += [f"option zva {zva}"] * (zva != 64)
    head += [f"option {word} {rng.choice(granules)}" for word in ("dmin", "imin") if rng.random() < 0.3]
    head.append(f"line {line}")
    cores = rng.choice(SEVERAL_CORES)
    agents = "".join(sorted(set("ab") | {name for name in cores if name.isalpha()}))
    core_of = {name: cpu for cpu in cores.split(";") for name in cpu.split()}
    masters = {name: rng.random() < 0.5 for name in rng.choice(((), ("dev",), ("dev",), ("dev", "dma")))}
    head += [f"core cpu{at} {names}" for at, names in enumerate(cores.split(";")) if names]
    head += [f"master {name}{' snoops' * snoops}" for name, snoops in masters.items()]
    for word in ("nc-may-hit", "ivac-cleans"):
        if rng.random() < 0.15:
            head.append(f"option {word} {' '.join(rng.sample(agents, rng.choice((1, len(agents)))))}")
    head[1:] = rng.sample(head[1:], len(head) - 1)  # head lines come in any order
    pages = rng.choice(LAYOUTS[:1] * 3 + LAYOUTS[1:])
    drafter = Worder(
        rng,
        order=ordered,
        line=line,
        pages=pages,
        agents=agents,
        cores={name: core_of.get(name, name) for name in agents},
        masters=masters,
        zva=zva,
    )
    length = rng.randint(least, most)
    while len(drafter.lines) < length:
        drafter.event()
    return "\n".join([*head, *drafter.lines[:most]]) + "\n"
