# SPDX-License-Identifier: GPL-2.0-or-later
"""Spin's verdict on traces with ``option order``, from the model ``tests/oracles/promela/order.pml``.

As ``promela_model.py``, this module prepares a trace's text for the model, and has no rules. The model says a part of
the page. A trace that needs more is a `ValueError`: its agents are on ``core`` lines, its types are ``normal-wb``,
``normal-nc`` and ``device``, its events are those of ``EVENTS``, and its switches say how an agent starts.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tests.oracles.promela_model import (
    FOLDER,
    PAGE,
    Event,
    Hazard,
    Item,
    Spin,
    Story,
    codes_of,
    hazards_of,
    in_order,
)

MODEL = FOLDER / "order.pml"
CODES = codes_of(MODEL)
EVENTS = {
    "read": "READ", "write": "WRITE", "walk": "WALK", "map": "MAP", "unmap": "UNMAP", "descriptor": "DESCRIPTOR",
    "dc cvac": "DC_CVAC", "dc civac": "DC_CIVAC", "dc ivac": "DC_IVAC", "dc cvau": "DC_CVAU",
    "mmu on": "MMU", "mmu off": "MMU", "dcache on": "DCACHE", "dcache off": "DCACHE",
    "dsb": "DSB", "tlbi": "TLBI", "tlbi all": "TLBI",
}  # fmt: skip
SWITCHES = ("MMU", "DCACHE")
EVERYWHERE = (*SWITCHES, "DSB")
OF_PAGES = ("MAP", "UNMAP", "DESCRIPTOR", "TLBI")
CHECKED = ("READ", "WALK")
LINE = 64
MOST_PIECES = 3
"""The pieces of a line of which the model lets a store arrive."""


def order_spin(folder: Path, *, agents: int = 4) -> Spin:
    """Compile the model."""
    return Spin(folder, agents=agents, model=MODEL, quickly=True)


def read(text: str) -> tuple[dict[str, int], list[Event]]:
    """Return the number of each agent's core, and the events of a trace."""
    core_of: dict[str, int] = {}
    events: list[Event] = []
    begun: set[str] = set()
    cores = 0
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split("#")[0].split()
        if words[:1] == ["core"]:
            core_of |= dict.fromkeys(words[2:], cores)
            cores += 1
        elif words and words not in (["version", "2"], ["option", "order"]):
            event = _event(number, words)
            if event.agent not in core_of or (event.what in SWITCHES and event.agent in begun):
                raise ValueError(f"line {number}: {' '.join(words)} is not in the model")
            begun |= {event.agent} if event.what not in ("MAP", "UNMAP", *SWITCHES) else set()
            events.append(event)
    return core_of, events


def _event(number: int, words: list[str]) -> Event:
    agent, *rest = words
    op = " ".join(rest[:2]) if " ".join(rest[:2]) in EVENTS else rest[0]
    if op not in EVENTS:
        raise ValueError(f"line {number}: {op} is not in the model")
    what, rest = EVENTS[op], rest[len(op.split()) :]
    if what in EVERYWHERE:
        return Event(number, agent, what, on=op.endswith(" on"))
    start, end = (int(rest[0], 0), int(rest[0], 0) + int(rest[1], 0)) if rest else (0, 1 << 52)
    kind = rest[2].upper().replace("-", "_") if rest[2:] else ""
    if rest[3:] or (kind and kind != "INVALID" and kind not in CODES):
        raise ValueError(f"line {number}: {kind} is not in the model")
    return Event(number, agent, what, start, end, "" if kind == "INVALID" else kind)


def story_of(base: int, core_of: dict[str, int], events: Sequence[Event]) -> Story:
    """Make the story of a line at an address."""
    page = base // PAGE * PAGE
    items = []
    for event in events:
        touches = event.start < base + LINE and base < event.end
        near = event.start < page + PAGE and page < event.end
        if event.what in EVERYWHERE or (near and event.what in (*OF_PAGES, "WALK") and not touches):
            items.append(Item(event, None))
        elif touches:
            items.append(Item(event, None if event.what in OF_PAGES else base))
    spans = [(item.event.start - base, item.event.end - base) for item in items if item.line is not None]
    whole = [(max(low, 0), min(high, LINE)) for low, high in spans]
    cuts = sorted({0, LINE, *(cut for span in whole for cut in span)})
    if len(cuts) - 1 > MOST_PIECES:
        raise ValueError(f"{base:#x}: {len(cuts) - 1} pieces")
    names = sorted({item.event.agent for item in items})
    first = [(CODES["CORE"], at, CODES["NOWHERE"], core_of[name], 0, 0) for at, name in enumerate(names)]
    numbers = [*first, *(_numbers(item, names, cuts) for item in items)]
    told = [f"0 0 0 0 {len(numbers)}", *(" ".join(str(int(each)) for each in event) for event in numbers)]
    nothing = [Item(Event(0, name, "CORE"), None) for name in names]
    return Story("\n".join(told) + "\n", [*nothing, *items], cuts)


def _numbers(item: Item, names: list[str], cuts: list[int]) -> tuple[int, ...]:
    event, line = item
    mask = 0
    if line is not None:
        pieces = enumerate(pairwise(cuts))
        mask = sum(
            1 << bit for bit, (low, high) in pieces if event.start < line + high and line + low < event.end
        )
    where = CODES["NOWHERE"] if line is None else 0
    return CODES[event.what], names.index(event.agent), where, CODES.get(event.type, 0), event.on, mask


def explore(spin: Spin, texts: Sequence[str]) -> list[list[Hazard]]:
    """Return every hazard of each of some traces, in the order of docs/reference/trace-format.md."""
    stories = []
    for text in texts:
        core_of, events = read(text)
        bases = {
            base
            for event in events
            if event.what in CHECKED
            for base in range(event.start // LINE * LINE, event.end, LINE)
        }
        stories.append([story_of(base, core_of, events) for base in sorted(bases)])
    results = iter(spin.run([story for told in stories for story in told]))
    return [in_order(bad for story in told for bad in hazards_of(story, next(results))) for told in stories]
