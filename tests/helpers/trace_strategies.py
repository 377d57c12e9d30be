# SPDX-License-Identifier: GPL-2.0-or-later
"""
Hypothesis strategies for traces in the text form of ``trace-format.md``.

A trace is drawn event by event, from the events that are valid at that time, so nothing is filtered. Accesses keep to
a few *spots*, most of them overlapping, so that agents meet on the same bytes. An event is one drawn
integer, taken apart into its choices: it is quick, deleting one shrinks the trace by that event, and 0 is
the first choice of everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

PAGE = 4096
TYPES = ("normal-wb", "normal-wt", "normal-nc", "device")
LINE_SIZES = (16,) * 14 + (32,) * 4 + (64,) * 4 + (128, 2048)
PAGE_SETS = (
    (0x1000,),
    (0x40000000,),
    (0x1000, 0x2000),
    (0x1000, 0x2000, 0x3000),
    (0x1000, 0x2000, 0x40000000),
)
OPTION_SETS = (
    *[()] * 16,
    ("nc-may-hit",),
    ("nc-may-hit",),
    ("setway-effective",),
    ("setway-effective",),
    ("idc",),
    ("idc",),
    ("dic",),
    ("idc", "dic"),
    ("dic", "nc-may-hit"),
    ("nc-may-hit", "setway-effective", "idc", "dic"),
)
MAP_TYPES = ("normal-wb",) * 4 + ("normal-nc",) * 2 + ("normal-wt", "device")
WALK_TYPES = ("normal-wb", "normal-wb", "normal-nc", "normal-wt", "device")
MAINTENANCE = (
    *["civac"] * 6,
    *["cvac"] * 3,
    *["ivac"] * 2,
    *["cvau"] * 3,
    *["csw", "cisw", "isw"],
    *["ic ivau"] * 3,
    *["ic iallu", "ic ialluis"],
)
# What an agent may be asked to do, by weight; what is not possible just then is left out of the draw.
WEIGHTS = {
    "read": 10,
    "write": 12,
    "fetch": 6,
    "walk": 1,
    "zva": 1,
    "maintain": 5,
    "map": 3,
    "unmap": 1,
    "mmu": 1,
    "icache": 1,
    "dcache": 1,
}

# How an agent starts: what follows "map" is up to the draw.
OPENINGS = (
    ("map",),
    ("map", "write"),
    ("map", "write", "write"),
    ("map", "write", "read"),
    ("map", "write", "unmap"),
    ("map", "write", "maintain", "unmap"),
    ("map", "write", "fetch"),
    ("map", "mmu", "write"),
    ("mmu", "write"),
    ("icache_on", "mmu", "fetch"),
    ("icache_on", "mmu", "write", "fetch"),
)
REMARKS: tuple[list[str], ...] = ([], [], [], [], [], [""], ["# 0x1000 read nothing"], ["   # a"])
_THROWS = st.integers(0, (1 << 24) - 1)


@dataclass
class _Agent:
    mmu: bool = True
    icache: bool | None = None
    dcache: bool = True
    pages: dict[int, tuple[str, bool]] = field(default_factory=dict)


class _Drafter:
    """Draws a trace's lines, and keeps every agent's mappings."""

    def __init__(self, draw: DrawFn, max_events: int) -> None:
        self._draw = draw
        self._choices = 0
        self.room = max_events
        self.throw()
        self.line_size = self.choose(LINE_SIZES)
        self.options = self.choose(OPTION_SETS)
        self.pages = self.choose(PAGE_SETS)
        names = self.choose((("dom0", "guest"), ("dom0", "guest"), ("dom0",), ("dom0", "guest", "xen")))
        self.agents = {name: _Agent() for name in names}
        self.decimal = self.choose((False, False, False, True))
        self.remarks = self.choose((False, False, False, True))
        self.lines = [f"line {self.line_size}"] if self.line_size != 64 or self.choose((0, 1)) else []
        self.lines += [f"option {option}" for option in self.options]
        self.throw()
        count = self.choose((1, 2, 3, 4))
        self.spots = [self.choose(self._spots()) for _ in range(count)]

    def throw(self) -> None:
        """Draw the integer that the next choices are taken from."""
        self._choices = self._draw(_THROWS)

    def choose(self, options: Sequence[Any]) -> Any:
        self._choices, index = divmod(self._choices, len(options))
        return options[index]

    def _spots(self) -> list[tuple[int, int]]:
        """Return ranges on one hot line and its neighbours, over a page end if there is a next page."""
        line = self.line_size
        base = self.pages[0]
        home = base + line
        spots = [(home, line)] * 3 + [(home, line // 2)] * 3 + [(home + line // 2, line // 2)] * 2
        spots += [(home + 3, 5), (home + line - 4, 8), (home + 4, 4), (home + 1, 1), (home, 2 * line)]
        spots += [(page + line, line) for page in self.pages[1:]]
        if base + PAGE in self.pages:
            spots += [(base + PAGE - 4, 8), (base + PAGE - line, 2 * line), (base + PAGE - line, line)] * 2
        return spots

    def number(self, value: int) -> str:
        return str(value) if self.decimal else f"{value:#x}"

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    # -- what is possible

    def _allowed(self, agent: _Agent, op: str) -> list[tuple[int, int]]:
        """Return the spots that an agent may access with read, write, fetch or zva."""

        def fits(kind: str, executable: bool) -> bool:
            return (executable or op != "fetch") and (kind != "device" or op != "zva")

        if not agent.mmu:
            return [] if op == "zva" else self.spots
        return [
            (address, size)
            for address, size in self.spots
            if all(
                page * PAGE in agent.pages and fits(*agent.pages[page * PAGE])
                for page in range(address // PAGE, (address + size - 1) // PAGE + 1)
            )
        ]

    def _possible(self, agent: _Agent) -> list[str]:
        """Return the operations that an agent may do now, each as often as its weight."""
        ops = ["maintain", "mmu", "icache", "dcache"]
        ops += [op for op in ("read", "write", "fetch", "zva") if self._allowed(agent, op)]
        if agent.mmu:
            ops.append("walk")
        if any(page not in agent.pages for page in self.pages):
            ops.append("map")
        if agent.pages:
            ops.append("unmap")
        if agent.mmu and not agent.pages:
            return ["map"] * 4 + ["mmu", "maintain", "walk"]
        return [op for op in WEIGHTS if op in ops for _ in range(WEIGHTS[op])]

    # -- drawing

    def open(self) -> None:
        """Draw a start for every agent, as far as there is room."""
        for name, agent in self.agents.items():
            self.throw()
            for op in self.choose(OPENINGS):
                if op == "icache_on" or op in self._possible(agent):
                    self._do(name, agent, op)

    def event(self) -> None:
        """Draw one more event, now and then after a line without an event."""
        self.throw()
        if self.remarks:
            self.lines += self.choose(REMARKS)
        name = self.choose(sorted(self.agents))
        agent = self.agents[name]
        self._do(name, agent, self.choose(self._possible(agent)))

    def events(self, least: int) -> None:
        """Draw events until there is no more room, or until fewer are wanted."""
        self.open()
        for _ in range(self._draw(st.integers(min(least, self.room), self.room))):
            self.event()

    def _do(self, name: str, agent: _Agent, op: str) -> None:
        if self.room > 0:
            words = getattr(self, f"_{op}", self._access)(agent, op)
            remark = "  # read 0 0" if self.remarks and self.choose((0, 0, 0, 1)) else ""
            self.lines.append(f"{name} {words}{remark}")
            self.room -= 1

    def _at(self, spot: tuple[int, int]) -> str:
        return " ".join(map(self.number, spot))

    def _access(self, agent: _Agent, op: str) -> str:
        return f"{op} {self._at(self.choose(self._allowed(agent, op)))}"

    def _zva(self, agent: _Agent, op: str) -> str:
        return f"dc {self._access(agent, op)}"

    def _walk(self, agent: _Agent, op: str) -> str:
        kind = self.choose(WALK_TYPES)
        return f"walk {self._at(self.choose(self.spots))} {kind}"

    def _maintain(self, agent: _Agent, op: str) -> str:
        what = self.choose(MAINTENANCE)
        if what in ("ic iallu", "ic ialluis"):
            return str(what)
        whole = [(page, PAGE) for page in self.pages]
        spot = self.choose(self.spots * 2 + whole)
        return f"{what if what == 'ic ivau' else 'dc ' + what} {self._at(spot)}"

    def _map(self, agent: _Agent, op: str) -> str:
        free = [page for page in self.pages if page not in agent.pages]
        hot = {address // PAGE * PAGE for address, _ in self.spots}
        start = self.choose([page for page in free if page in hot] * 4 + free)
        count = 1
        if start + PAGE in free and self.choose((False, True)):
            count = 2
        kind = self.choose(MAP_TYPES)
        executable = self.choose((True, True, False))
        agent.pages.update({start + n * PAGE: (kind, executable) for n in range(count)})
        return f"map {self._at((start, count * PAGE))} {kind}{' exec' if executable else ''}"

    def _unmap(self, agent: _Agent, op: str) -> str:
        start = self.choose(sorted(agent.pages))
        count = 1
        if start + PAGE in agent.pages and self.choose((False, True)):
            count = 2
        for n in range(count):
            del agent.pages[start + n * PAGE]
        return f"unmap {self._at((start, count * PAGE))}"

    def _toggle(self, agent: _Agent, op: str) -> str:
        """Draw a switch's other value mostly, and sometimes its present one."""
        on = bool(getattr(agent, op)) is self.choose((False, False, False, False, True))
        setattr(agent, op, on)
        return f"{op} {'on' if on else 'off'}"

    _mmu = _icache = _dcache = _toggle

    def _icache_on(self, agent: _Agent, op: str) -> str:
        agent.icache = True
        return "icache on"

    # -- what is wrong

    def wrong(self) -> list[str]:
        """Return lines that are errors if they come next."""
        at, page = self._at(self.spots[0]), self.number(self.pages[0])
        address = self.number(self.spots[0][0])
        far = self.number(1 << 52)
        name = sorted(self.agents)[0]
        lines = [
            f"{name} raed {at}",
            f"{name} {at}",
            f"{name}",
            f"{name} dc {at}",
            f"{name} dc cvap {at}",
            f"{name} dc civac",
            f"{name} dc civac {address}",
            f"{name} dc civac {address} 0",
            f"{name} dc civac {far} 64",
            f"{name} ic iallu {at}",
            f"{name} ic ivac {at}",
            f"{name} ic ivau {address} 0",
            f"{name} ic",
            f"{name} mmu",
            f"{name} mmu of",
            f"{name} icache 1",
            f"{name} dcache on now",
            f"{name} mmu on {at}",
            f"{name} walk {address} 0 normal-wb",
            f"newcomer walk {at}",
            f"newcomer walk {at} cacheable",
            f"newcomer walk {at} normal-wb exec",
            f"newcomer walk {far} 8 normal-wb",
            f"newcomer read {at}",
            f"newcomer write {at}",
            f"newcomer fetch {at}",
            f"newcomer dc zva {at}",
            f"newcomer unmap {page} 4096",
            f"newcomer map {page} 4096",
            f"newcomer map {page} 4096 wb",
            f"newcomer map {page} 4096 normal-wb exec exec",
            f"newcomer map {page} 4096 normal-wb noexec",
            f"newcomer map {page} 4097 normal-wb",
            f"newcomer map {page} 64 normal-nc",
            f"newcomer map {page} 0 normal-nc",
            f"newcomer map {self.number(self.pages[0] + 64)} 4096 normal-nc",
            f"newcomer map {far} 4096 normal-wb",
            f"newcomer map {self.number((1 << 52) - PAGE)} 8192 normal-wb",
            "newcomer map 0x 4096 normal-wb",
            f"newcomer map {page} 4k normal-wb",
            f"newcomer map {page} -4096 normal-wb",
            "line 64",
            "line 24",
            "option idc",
            "option fast",
        ]
        for name, agent in self.agents.items():
            if not agent.mmu:
                lines += [f"{name} read {address} 0", f"{name} write {far} 4", f"{name} fetch {address} four"]
                lines += [f"{name} walk {at} normal-wb", f"{name} dc zva {at}"] * 4
            for mapped, (kind, executable) in agent.pages.items():
                lines += [f"{name} map {self.number(mapped)} 4096 {kind}"] * 4
                lines += [
                    f"{name} unmap {self.number(mapped + 1)} 4096",
                    f"{name} unmap {self.number(mapped)} 100",
                ]
                lines += [f"{name} unmap {self.number(mapped)} {self.number(64 * PAGE)}"]
                lines += [f"{name} map {self.number(mapped - PAGE)} 8192 normal-nc exec"]
                if agent.mmu and not executable:
                    lines += [f"{name} fetch {self.number(mapped)} 4"] * 4
                if agent.mmu and kind == "device":
                    lines += [f"{name} dc zva {self.number(mapped)} 64"] * 4
                if agent.mmu and mapped + PAGE not in agent.pages:
                    lines += [f"{name} read {self.number(mapped + PAGE - 4)} 8"] * 4
        return lines

    def wrong_header(self) -> list[str]:
        """Return lines that are errors if they come first."""
        lines = ["line 48", "line 8", "line 4096", "line", "line 64 64", "line 0", "line big"]
        return [*lines, "option", "option nc_may_hit", "option idc dic", "option idc off"]


@st.composite
def traces(draw: DrawFn, max_events: int = 18) -> str:
    """
    Draw valid traces as text.

    Parameters
    ----------
    draw : callable
        Hypothesis's function.
    max_events : int
        The most events of a trace.
    """
    drafter = _Drafter(draw, max_events)
    drafter.events(least=6)
    return drafter.text()


@st.composite
def broken_traces(draw: DrawFn, max_events: int = 10) -> tuple[str, int]:
    """Draw traces that are valid except for one line, each with that line's 1-based number."""
    drafter = _Drafter(draw, max_events)
    if draw(st.integers(0, 7)) == 7:
        at = draw(st.integers(0, len(drafter.lines)))
        drafter.throw()
        drafter.lines.insert(at, drafter.choose(drafter.wrong_header()))
        number = at + 1
        drafter.events(least=0)
    else:
        drafter.events(least=1)
        drafter.throw()
        drafter.lines.append(drafter.choose(drafter.wrong()))
        number = len(drafter.lines)
        drafter.room = 3
        for _ in range(draw(st.integers(0, 3))):
            drafter.event()
    return drafter.text(), number
