# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws random traces in which descriptors change, walks may come again, and barriers are of one core alone.

A trace of `order_traces.draw_worded` gets idioms put in, of which each event may be missing or by another agent. What
is then no event that may come where it stands is left out, as the explorer's reader says.
"""

import random

from tests.helpers.order_traces import MIXED_TYPES, PAGE, draw_worded
from tests.oracles.explorer import Malformed
from tests.oracles.order_reading import HEADS, Reader

TYPES = ("normal-wb",) * 5 + ("normal-nc",) * 3 + ("normal-wt", "device", *MIXED_TYPES)
WALKS = ("normal-wb",) * 4 + ("pou", "pou", "normal-nc", "normal-wt", *MIXED_TYPES[:2])

IDIOMS = (
    ("change", "dsb", "tlbi", "dsb", "dc civac", "dsb", "write", "dsb", "read"),
    ("change", "dsb", "dc civac", "tlbi", "dsb", "write", "dsb", "change", "read"),
    ("invalid", "dsb", "tlbi", "dsb", "dc civac", "dsb", "map", "write", "dsb", "read"),
    ("invalid", "change", "dsb", "tlbi", "dsb", "write", "dc civac", "dsb", "read"),
    ("change", "invalid", "change", "dsb", "tlbi", "change", "dsb", "change", "read"),
    ("permit", "write", "dc cvau", "dsb", "ic ivau", "dsb nsh", "isb", "fetch"),
    (
        "permit",
        "dsb",
        "tlbi",
        "dsb",
        "write",
        "dc cvau",
        "dsb",
        "ic ialluis",
        "dsb",
        "permit",
        "isb",
        "fetch",
    ),
    ("mmu off", "isb", "change", "change", "mmu on", "isb", "dc civac", "dsb", "write", "dsb", "read"),
    ("mmu off", "unmap", "map", "isb", "change", "invalid", "change", "mmu on", "isb", "read"),
    ("walk", "dc civac", "dsb", "write", "dsb", "walk"),
    ("walk", "tlbi", "dsb", "dc civac", "dsb", "write", "dsb", "walk", "read"),
    ("walk", "tlbi", "walk", "dsb", "dc civac", "dsb", "write", "dsb", "walk", "read"),
    ("walk", "mmu off", "isb", "dc civac", "dsb", "write", "dsb", "mmu on", "isb", "walk"),
    ("walk", "dcache off", "isb", "dc civac", "dsb", "write", "dsb", "dcache on", "isb", "walk"),
    ("write", "dc cvau", "dsb", "ic ivau", "dsb nsh", "isb", "fetch"),
    ("write", "dc cvac", "dsb nsh", "ic ialluis", "dsb nsh", "isb", "fetch"),
)


class _Inserter:
    """Draws the lines of an idiom, for the agents, the pages and the places of a trace."""

    def __init__(self, rng: random.Random, lines: list[str]) -> None:
        words = [line.split() for line in lines]
        named = [line[0] for line in words if line[0] not in ("give", "power-off", "dev", "dma")]
        self._rng = rng
        self._agents = sorted(set(named)) or ["a"]
        spots = [(int(line[-2], 16), int(line[-1])) for line in words if line[1:2] in (["read"], ["write"])]
        self._spots = spots or [(PAGE, 8)]

    def idiom(self) -> list[str]:
        """Draw an idiom of one agent for one place."""
        rng = self._rng
        name, (address, size) = rng.choice(self._agents), rng.choice(self._spots)
        lines = []
        for word in rng.choice(IDIOMS):
            if rng.random() < 0.93:
                by = name if rng.random() < 0.92 else rng.choice(self._agents)
                lines.append(f"{by} {self._rest(word, address, size)}")
        return lines

    def _rest(self, word: str, address: int, size: int) -> str:
        rng = self._rng
        pages = f"{address & -PAGE:#x} {PAGE:#x}"
        if word in ("map", "change"):
            op = "map" if word == "map" else "descriptor"
            return f"{op} {pages} {rng.choice(TYPES)}{rng.choice(('', ' exec'))}"
        if word == "permit":
            return f"descriptor {pages} normal-wb{rng.choice(('', ' exec', ' exec'))}"
        if word == "invalid":
            return f"descriptor {pages} invalid"
        if word in ("unmap", "tlbi"):
            return f"{word} {'all' if word == 'tlbi' and rng.random() < 0.3 else pages}"
        if word == "walk":
            return f"walk {address:#x} {size} {rng.choice(WALKS)}"
        if word in ("read", "write", "fetch", "dc cvau", "dc cvac", "dc civac", "ic ivau"):
            return f"{word} {address:#x} {size}"
        return word


def draw_changing(seed: int, *, least: int = 6, most: int = 10, idioms: int = 2) -> str:
    """A version 2 trace with `option order`, the same for the same seed.

    It has up to `most` events of `draw_worded` and up to so many idioms. Ten seeds in a row have the same options, as
    for `draw_worded`.
    """
    rng = random.Random(f"changing {seed}")
    lines = draw_worded(seed, least=least, most=most, order=1).splitlines()
    head = [line for line in lines if line.split()[0] in ("version", *HEADS)]
    events = lines[len(head) :]
    inserter = _Inserter(rng, events)
    for _ in range(rng.randint(1, idioms)):
        at = rng.randint(min(2, len(events)), len(events))
        events[at:at] = inserter.idiom()
    return _possible([*head, *events])


def _possible(lines: list[str]) -> str:
    """The lines without those that cannot be where they stand."""
    while True:
        text = "".join(f"{line}\n" for line in lines)
        try:
            for _ in Reader().events(text):
                pass
        except Malformed as error:
            del lines[error.line_number - 1]
        else:
            return text
