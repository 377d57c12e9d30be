# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds, from the tables alone, which microstates find whatever another one finds up to the next write of the byte.

It is the greatest simulation by a kind of hazard: of two microstates, whatever one may become, the other may become
one that finds as much. What may happen at any time may happen to the other as well, and need not happen at once.
The microstates are those of one core with a prefetched instruction or without; whatever else is pending is the same
for both, and may take effect at any time. Without a write of the byte no store of it comes into flight.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard
from coldline.rules.order.alphabet import CHECKED, WRITES, Act, OrderedLetter, Possible
from coldline.rules.order.microstate import OrderedMicrostate, Pending
from coldline.rules.order.outcomes import outcomes
from coldline.rules.order.reads import ordered_hazards
from coldline.rules.order.steps import OrderedStep, steps
from coldline.rules.order.virtual_caches import LABELLED
from coldline.rules.profile import Profile

MICROSTATES = [
    OrderedMicrostate(line).having(0, Pending(prefetched=prefetched))
    for line in line_rules.microstates()
    for prefetched in (None, True, False)
]

_SPECULATION = (
    Possible(data=True, fetch=True, fetch_elsewhere=True, prefetch=True, held=True),
    Possible(prefetch_past=True, held=True),
    Possible(prefetch_past=True),
)
"""Between them, whatever a cache or a core may do on its own."""

_OPERATIONS = (Letter.DC_CVAU, Letter.DC_CVAC, Letter.DC_CIVAC, Letter.DC_IVAC, Letter.IC)
_ACTS = [act for act in Act if act not in (*WRITES, *LABELLED)]
_ALWAYS = ("write back 1", "drop 1", "write back 2", "drop 2", "drop I", "drop prefetch")

_Key = tuple[object, ...]
_Bits = Any
"""A matrix of booleans, of shape (microstates, microstates)."""


def finds_as_much(profile: Profile, kind: Hazard, *, barriers: bool) -> Callable[[int, int], bool]:
    """Return whether microstate number `n` finds whatever number `m` finds of a kind, for ``(m, n)``."""
    moves = _moves(profile, barriers=barriers)
    free = np.eye(len(MICROSTATES), dtype=bool)
    for key, relation in moves.items():
        if isinstance(key[0], OrderedStep) and key[0].name in _ALWAYS:
            free |= relation
    while not np.array_equal(free, more := _then(free, free)):
        free = more
    simulated = np.ones_like(free)
    for act in CHECKED:
        for core in (0, 1):
            letter = OrderedLetter(act, core)
            if act in LABELLED:
                continue
            bad = np.array([bool(ordered_hazards(m, letter, profile) & kind) for m in MICROSTATES])
            simulated &= ~bad[:, None] | _then(free, bad[:, None])[:, 0]
    pairs = {}
    for key, relation in moves.items():
        by_choice = isinstance(key[0], OrderedStep)
        answer = _then(free, _then(relation | np.eye(len(free), dtype=bool) if by_choice else relation, free))
        pairs[relation.tobytes() + answer.tobytes()] = relation, answer
    _shrink(simulated, list(pairs.values()))
    return lambda m, n: bool(simulated[m, n])


def _shrink(simulated: _Bits, pairs: Sequence[tuple[_Bits, _Bits]]) -> None:
    """Take away pairs of microstates until each move of the first has an answer of the second."""
    before = -1
    while before != (before := int(simulated.sum())):
        for relation, answer in pairs:
            unanswered = ~_then(
                answer, simulated.T
            )  # of the second one, and of what the first one has become
            simulated &= ~_then(relation, unanswered.T)


def _moves(profile: Profile, *, barriers: bool) -> dict[_Key, _Bits]:
    """Each kind of move, by what else is pending after it, as a relation of microstates."""
    numbers = {m: number for number, m in enumerate(MICROSTATES)}
    moves: dict[_Key, _Bits] = {}
    for number, m in enumerate(MICROSTATES):
        for key, after in _of(m, profile, barriers=barriers):
            own = after.of(0)
            left = after.having(0, own._replace(prefetched=None)).pending
            kept = OrderedMicrostate(after.line).having(0, Pending(prefetched=own.prefetched))
            relation = moves.setdefault((*key, left), np.zeros((len(MICROSTATES),) * 2, bool))
            relation[number, numbers[kept]] = True
    return moves


def _of(
    m: OrderedMicrostate, profile: Profile, *, barriers: bool
) -> Iterator[tuple[_Key, OrderedMicrostate]]:
    for at, possible in enumerate(_SPECULATION):
        for step, after in steps(m, possible, profile):
            yield (step, at), after
    for operation in _OPERATIONS:
        for outcome, line in enumerate(line_rules.EFFECTS[operation](m.line, profile)):
            yield (operation, outcome if operation is Letter.DC_IVAC else 0), m._replace(line=line)
    for act in _ACTS:
        for core in (0, 1):
            for after in outcomes(m, OrderedLetter(act, core), profile, barriers=barriers):
                yield (act, core), after


def _then(first: _Bits, second: _Bits) -> _Bits:
    """One relation after another."""
    product: _Bits = first.astype(np.float32) @ second.astype(np.float32) > 0
    return product
