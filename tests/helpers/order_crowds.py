# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws random version 2 traces of forty agents who map pages and turn switches again and again."""

import random

from tests.helpers.order_traces import ALL_GRANULES, LAYOUTS, STARTS, Worder

AGENTS = tuple(f"a{number}" for number in range(40))

AGAIN = (
    ("mmu off", "mmu on", "mmu off", "isb", "write", "dsb", "mmu on", "isb", "read"),
    ("mmu off", "mmu off", "write", "dc ivac", "dsb", "mmu on", "mmu off", "mmu on", "read"),
    (
        "icache off",
        "fetch",
        "icache on",
        "write",
        "dc cvau",
        "dsb",
        "icache off",
        "icache on",
        "isb",
        "fetch",
    ),
    ("dcache off", "write", "dcache on", "dcache off", "dsb", "read", "isb", "dcache on", "isb", "read"),
    ("unmap", "map", "write", "unmap", "map", "dc civac", "dsb", "unmap", "map", "read"),
    ("descriptor", "dsb", "tlbi", "dsb", "map", "write", "descriptor", "dsb", "tlbi", "dsb", "map", "read"),
    ("descriptor", "unmap", "map", "descriptor", "dsb", "tlbi", "unmap", "map", "dsb", "write", "read"),
)
"""Idioms in which the same is done several times."""


class _Crowd(Worder):
    """Draws the events of a trace in which much is done again."""

    def event(self) -> None:
        """Draw an event, or an idiom of several."""
        rng = self._rng
        if rng.random() < 0.6:
            super().event()
            return
        name = rng.choice(list(self._agents))
        for word in rng.choice(AGAIN):
            by = name if rng.random() < 0.9 else rng.choice(list(self._agents))
            if rng.random() < 0.95:
                self._do(by, word)


def draw_crowded(seed: int, *, least: int = 40, most: int = 70) -> str:
    """A version 2 trace of forty agents on one core to three, up to two of whom are on none; the same for a seed."""
    rng = random.Random(f"crowded {seed}")
    line = rng.choice(ALL_GRANULES)
    order = rng.random() < 0.8
    names = rng.sample(AGENTS, len(AGENTS))
    cores = rng.choice((1, 2, 2, 3))
    placed = names[: len(names) - rng.choice((0, 0, 1, 2))]
    core_of = {name: f"cpu{number % cores}" for number, name in enumerate(placed)}
    head = ["version 2", f"line {line}"] + ["option order"] * order
    head += [f"option start {rng.choice(STARTS)}"] * (rng.random() < 0.4)
    granules = [size for size in (16, 32, 64, 128, 256, 512, 1024, 2048) if size <= line]
    head += [f"option {word} {rng.choice(granules)}" for word in ("dmin", "imin") if rng.random() < 0.3]
    head += [f"core cpu{number} {' '.join(placed[number::cores])}" for number in range(cores)]
    masters = {"dev": rng.random() < 0.5} if rng.random() < 0.5 else {}
    head += [f"master {name}{' snoops' * snoops}" for name, snoops in masters.items()]
    for word in ("nc-may-hit", "ivac-cleans"):
        if rng.random() < 0.2:
            head.append(f"option {word} {' '.join(rng.sample(AGENTS, 20))}")
    drafter = _Crowd(
        rng,
        order=order,
        line=line,
        pages=rng.choice(LAYOUTS),
        agents=AGENTS,
        cores={name: core_of.get(name, name) for name in AGENTS},
        masters=masters,
        zva=64,
    )
    length = rng.randint(least, most)
    while len(drafter.lines) < length:
        drafter.event()
    return "\n".join([*head, *drafter.lines[:most]]) + "\n"
