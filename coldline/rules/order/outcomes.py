# SPDX-License-Identifier: GPL-2.0-or-later
"""What an event may lead to, by the rules of order: the tables of `effects` and of `virtual_caches` together."""

from collections.abc import Iterator

from coldline.rules.order.alphabet import OrderedLetter
from coldline.rules.order.at_once import AT_ONCE
from coldline.rules.order.effects import ORDERED_EFFECTS
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.virtual_caches import LABELLED, LABELLED_AT_ONCE
from coldline.rules.profile import Profile


def outcomes(
    m: OrderedMicrostate, letter: OrderedLetter, profile: Profile, *, barriers: bool
) -> Iterator[OrderedMicrostate]:
    """Every outcome that an event may have; `barriers` says whether operations are complete at a barrier."""
    labelled = (LABELLED if barriers else LABELLED_AT_ONCE).get(letter.act)
    if labelled is not None:
        return labelled(m, letter, profile)
    return (ORDERED_EFFECTS if barriers else AT_ONCE)[letter.act](m, letter.core, profile)
