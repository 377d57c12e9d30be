# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of instruction caches that are indexed by virtual address.

Such a cache holds up to one copy of a byte for each agent: what was fetched through one alias, an ``ic ivau`` through
another one need not reach. A fetch may hit any of them. Source: Arm ARM DDI 0487 D8.18.2, 'Instruction caches'.
"""

from collections.abc import Callable, Iterator

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.order.alphabet import Act, OrderedLetter
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.profile import Profile

LabelledEffect = Callable[[OrderedMicrostate, OrderedLetter, Profile], Iterator[OrderedMicrostate]]


def missed(m: OrderedMicrostate, profile: Profile) -> bool:
    """The freshness of what a cacheable fetch returns that misses in the instruction cache."""
    (fresh,) = line_rules.COPIES_READ[Letter.FETCH_WB](m.as_caches_see, profile)
    return fresh


def instructions(
    m: OrderedMicrostate, labels: tuple[int, ...], profile: Profile
) -> Iterator[tuple[str, bool]]:
    """What cacheable fetches by some agents may return: the name and the freshness of each copy."""
    yield from held_instructions(m)
    held = dict(m.instructions)
    if any(label not in held for label in labels):
        yield "instruction cache", missed(m, profile)


def held_instructions(m: OrderedMicrostate) -> Iterator[tuple[str, bool]]:
    """Each copy of the instruction cache: its name and its freshness."""
    for _, fresh in m.instructions:
        yield "instruction cache", fresh


def _fetch(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A fetch hits some copy; or it misses, and leaves one of its agent's."""
    held = dict(m.instructions)
    if letter.core != 0 or profile.dic or held:
        yield m
    if letter.core == 0 and not profile.dic and letter.label not in held:
        yield m.with_instruction(letter.label, missed(m, profile))


def _hold(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A non-cacheable fetch; one that misses may leave a copy of memory."""
    yield m
    if letter.core == 0 and not profile.dic and letter.label not in dict(m.instructions):
        yield m.with_instruction(letter.label, m.line.fresh_memory)


def _issue(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> Iterator[OrderedMicrostate]:
    pending = m.of(letter.core)
    labels = tuple(sorted({*pending.instruction_by, letter.label}))
    yield m.having(letter.core, pending._replace(instruction_by=labels))


def _complete(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> Iterator[OrderedMicrostate]:
    yield m.without_instruction(letter.label)


LABELLED: dict[Act, LabelledEffect] = {
    Act.FETCH_BY: _fetch,
    Act.FETCH_BY_OTHER: _fetch,
    Act.FETCH_NC_HELD_BY: _hold,
    Act.IC_BY: _issue,
}
"""Every outcome that an event may have which concerns what one agent fetched."""

LABELLED_AT_ONCE: dict[Act, LabelledEffect] = {**LABELLED, Act.IC_BY: _complete}
"""The same where operations are complete as soon as they are issued."""
