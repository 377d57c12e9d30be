# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws random version 2 traces: agents on cores and on none, barriers, and what they order.

Most are made of idioms, such as "write, clean, dsb, invalidate, dsb, isb, fetch", of which each event may be missing
or by another agent: they come close to what is right. An access is drawn only where it is possible.
"""

import random
from dataclasses import dataclass, field

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
class _Agent:
    """The MMU, and what is mapped: each page's type, and whether it is executable."""

    mmu: bool = True
    pages: dict[int, tuple[str, bool]] = field(default_factory=dict)


class _Drafter:
    """Draws a trace's events, and keeps what every agent has mapped."""

    def __init__(self, rng: random.Random, *, order: bool, line: int, pages: tuple[int, int]) -> None:
        self._rng = rng
        self._order = order
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
                kind, executable = rng.choice(TYPES), rng.random() < 0.6
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
                where += rng.choice((" normal-wb", " normal-wb", " normal-nc"))
        self.lines.append(f"{name} {word}{where}")

    def _may(self, agent: _Agent, word: str, address: int, size: int) -> bool:
        if word == "walk" or not agent.mmu:
            return agent.mmu or word not in ("walk", "dc zva")
        start, end = address, address + size
        if word == "dc zva":  # it writes whole blocks of 64 bytes
            start, end = start & -64, -(-end // 64) * 64
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
