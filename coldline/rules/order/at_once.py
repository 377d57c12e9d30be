# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of one byte where operations are complete as soon as they are issued, as they concern one core."""

from collections.abc import Iterator

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.order.alphabet import DATA_OPERATIONS, Act
from coldline.rules.order.effects import ORDERED_EFFECTS, OrderedEffect, by_own_core
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.profile import Profile


def _completed_at_once(letter: Letter) -> OrderedEffect:
    """What an operation does to the copies, if it is complete as soon as it is issued."""
    effect = line_rules.EFFECTS[letter]

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        for line in effect(m.line, profile):
            yield m.having_line(line)

    return apply


def _write_at_once(letter: Letter) -> OrderedEffect:
    """What a write does that reaches memory as soon as it is made."""
    complete = _completed_at_once(letter)

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        yield from (after.overtaken for after in complete(m, core, profile))

    return apply


def _invalidated_at_once(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    for line in line_rules.EFFECTS[Letter.IC](m.line, profile):
        yield m._replace(line=line, instructions=())


def _perhaps_at_once(letter: Letter) -> OrderedEffect:
    """The same of an operation that may not concern the byte."""
    complete = _completed_at_once(letter)

    def apply(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
        yield m
        yield from complete(m, core, profile)

    return apply


AT_ONCE: dict[Act, OrderedEffect] = {
    **ORDERED_EFFECTS,
    Act.WRITE_WT: _write_at_once(Letter.WRITE_WT),
    Act.WRITE_NC: _write_at_once(Letter.WRITE_NC),
    Act.DC_IVAC_OTHER: _perhaps_at_once(Letter.DC_IVAC),
    Act.DC_CSW: _completed_at_once(Letter.DC_CSW),
    Act.DC_CISW: _completed_at_once(Letter.DC_CISW),
    Act.DC_ISW: _completed_at_once(Letter.DC_ISW),
    Act.IC: _invalidated_at_once,
    Act.IC_LOCAL: by_own_core(_invalidated_at_once),
    **{act: _completed_at_once(letter) for letter, acts in DATA_OPERATIONS.items() for act in acts},
}
"""The table `ORDERED_EFFECTS` where operations are complete as soon as they are issued."""
