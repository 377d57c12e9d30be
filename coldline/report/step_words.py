# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for what caches do on their own, and for the copies of a byte."""

from typing import TYPE_CHECKING

from coldline.rules.microstate import Level, Microstate
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.explain.witness import WitnessStep

STEP_WORDS = {
    "write back 1": "level 1 writes its dirty line back to level 2",
    "drop 1": "level 1 drops its clean line",
    "write back 2": "level 2 writes its dirty line back to memory",
    "drop 2": "level 2 drops its clean line",
    "drop I": "the instruction cache drops its line",
    "fill 2": "level 2 fills from memory by speculation",
    "fill 1": "level 1 fills by speculation",
    "fill I": "the instruction cache fills by speculation",
    "start": "what the caches hold at the start",
    "fill I from memory": "the instruction cache fills by speculation, past the other caches",
    "complete": "{core}'s {operation} takes effect{outcome}",
    "complete ic": "{core}'s instruction cache invalidation takes effect",
    "store arrives": "{core}'s store reaches memory",
    "drop prefetch": "{core} drops an instruction that it prefetched",
    "prefetch": "{core} prefetches an instruction",
}
"""Words for the steps that nobody asked for."""

_OUTCOMES = {"discard": ": it discards", "clean": ": it cleans first"}


def step_words(step: "WitnessStep") -> str:
    """A step that nobody asked for, in words."""
    assert step.step is not None
    outcome = _OUTCOMES.get(step.outcome, "")
    return printable(STEP_WORDS[step.step].format(core=step.core, operation=step.operation, outcome=outcome))


CACHES = "caches"
"""The name of whoever does what caches do on their own, beside the names of agents."""

COPIES = ("L1", "L2", "I", "memory")
"""The names of a byte's copies, in tables."""


def copies_words(state: Microstate) -> dict[str, str]:
    """The content of each of `COPIES`: ``new``, ``OLD``, or ``-`` for none; with ``*`` if the copy is dirty."""

    def word(fresh: bool) -> str:
        return "new" if fresh else "OLD"

    def level(level: Level, fresh: bool) -> str:
        return "-" if level is Level.INVALID else word(fresh) + ("*" if level is Level.DIRTY else "")

    words = (
        level(state.level1, state.fresh1),
        level(state.level2, state.fresh2),
        word(state.fresh_i) if state.icache else "-",
        word(state.fresh_memory),
    )
    return dict(zip(COPIES, words, strict=True))
