# SPDX-License-Identifier: GPL-2.0-or-later
"""What may happen to one byte at any time, by the rules of order: caches act, and pending operations take effect.

Source: Arm ARM DDI 0487, 'General behavior of the caches', 'Ordering and completion of data and instruction cache
instructions'.
"""

from collections.abc import Iterator
from typing import NamedTuple

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter, Setting
from coldline.rules.line_rules import COPIES_READ
from coldline.rules.microstate import Microstate
from coldline.rules.order.alphabet import Possible
from coldline.rules.order.microstate import OrderedMicrostate, Pending, held, memory_or_held
from coldline.rules.order.virtual_caches import held_instructions, instructions, missed
from coldline.rules.profile import Profile

_FILLS = ("fill 1", "fill 2", "fill I")


HOLD = "fill I from memory"
"""The instruction cache fills by a non-cacheable fetch that nobody asked for."""


class OrderedStep(NamedTuple):
    """A step that may happen at any time.

    Attributes
    ----------
    name : str
        A key of `line_rules.STEPS`, `HOLD`, or a word of `PENDING_STEPS`.
    core : int or None
        The number of the core whose pending operation it is.
    operation : Letter or None
        The pending data cache operation, for ``complete``.
    outcome : str
        ``discard`` or ``clean`` for a ``dc ivac``, else empty.
    """

    name: str
    core: int | None = None
    operation: Letter | None = None
    outcome: str = ""


PENDING_STEPS = ("complete", "complete ic", "store arrives", "drop prefetch", "prefetch")
"""A data or an instruction cache operation takes effect; a store reaches memory; a core drops an instruction that it
prefetched; it prefetches one."""


def steps(
    m: OrderedMicrostate, possible: Possible, profile: Profile
) -> Iterator[tuple[OrderedStep, OrderedMicrostate]]:
    """Every step that may happen in a microstate, and the microstate that it leads to."""
    here = Setting(possible.data, possible.fetch)
    anywhere = Setting(possible.data, possible.fetch_elsewhere)
    seen = m.as_caches_see
    for name, step in line_rules.STEPS.items():
        fills = name in _FILLS
        for line in step(seen if fills else m.line, anywhere if name == "fill 2" else here, profile):
            yield OrderedStep(name), m.with_line(line) if fills else m.having_line(line)
    if possible.held and not profile.dic:
        yield OrderedStep(HOLD), m.having_line(held(m.line))
    for label, _ in m.instructions:
        yield OrderedStep("drop I"), m.without_instruction(label)
    if not profile.dic:
        for label in possible.fetch_by:
            yield OrderedStep("fill I"), m.with_instruction(label, missed(m, profile))
        for label in possible.held_by:
            yield OrderedStep(HOLD), m.with_instruction(label, m.line.fresh_memory)
    for core, pending in m.pending:
        for taken, line, left in _completed(core, m.line, pending, profile):
            yield taken, m.having_line(line).having(core, left)
        yield from _invalidated(m, core, pending, profile)
    yield from _prefetched(m, possible, profile)


def _completed(
    core: int, line: Microstate, pending: Pending, profile: Profile
) -> Iterator[tuple[OrderedStep, Microstate, Pending]]:
    """The line, and what is left pending, once one of a core's pending operations has taken effect."""
    if pending.maintenance and not (pending.maintenance[0].after_store and pending.store is not None):
        first, *rest = pending.maintenance
        left = pending._replace(maintenance=tuple(rest))
        outcomes = ("discard", "clean") if first.operation is Letter.DC_IVAC else ("",)
        effects = line_rules.EFFECTS[first.operation](line, profile)
        for outcome, after in zip(outcomes, effects, strict=True):
            step = OrderedStep("complete", core, first.operation, outcome)
            yield step, after, left
            if first.repeats:
                yield step, after, pending
        if first.repeats:
            yield OrderedStep("complete", core, first.operation, "no more"), line, left
    if pending.store is not None:
        arrived = line._replace(fresh_memory=pending.store.fresh)
        queue = tuple(each._replace(after_store=False) for each in pending.maintenance)
        yield OrderedStep("store arrives", core), arrived, pending._replace(store=None, maintenance=queue)


def _invalidated(
    m: OrderedMicrostate, core: int, pending: Pending, profile: Profile
) -> Iterator[tuple[OrderedStep, OrderedMicrostate]]:
    """An instruction cache operation that a core has pending takes effect."""
    if pending.instruction:
        for line in line_rules.EFFECTS[Letter.IC](m.line, profile):
            after = m._replace(line=line, instructions=())
            yield OrderedStep("complete ic", core), after.having(core, pending._replace(instruction=False))
    for label in pending.instruction_by:
        rest = tuple(each for each in pending.instruction_by if each != label)
        after = m.without_instruction(label).having(core, pending._replace(instruction_by=rest))
        yield OrderedStep("complete ic", core), after


def _prefetched(
    m: OrderedMicrostate, possible: Possible, profile: Profile
) -> Iterator[tuple[OrderedStep, OrderedMicrostate]]:
    """The core at hand drops an instruction that it prefetched, or prefetches one."""
    pending = m.of(0)
    if pending.prefetched is not None:
        yield OrderedStep("drop prefetch", 0), m.having(0, pending._replace(prefetched=None))
    if possible.prefetch:
        copies = COPIES_READ[Letter.FETCH_WB](m.as_caches_see, profile)
        if possible.fetch_by:
            copies = (fresh for _, fresh in instructions(m, possible.fetch_by, profile))
        for fresh in copies:
            yield OrderedStep("prefetch", 0), m.having(0, pending._replace(prefetched=fresh))
    if possible.prefetch_past:
        found = list(memory_or_held(m.line)) if possible.held else [m.line.fresh_memory]
        found += [fresh for _, fresh in held_instructions(m)] if possible.held_by else []
        for fresh in found:
            yield OrderedStep("prefetch", 0), m.having(0, pending._replace(prefetched=fresh))
