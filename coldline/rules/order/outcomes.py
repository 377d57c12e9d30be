# SPDX-License-Identifier: GPL-2.0-or-later
"""What an event may lead to, by the rules of order: the tables of `effects` and of `virtual_caches` together."""

from collections.abc import Iterator

from coldline.rules.order.alphabet import OrderedLetter
from coldline.rules.order.at_once import AT_ONCE
from coldline.rules.order.effects import ORDERED_EFFECTS
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.owners import OWNERS_AT_ONCE, OWNERS_ORDERED
from coldline.rules.order.virtual_caches import LABELLED, LABELLED_AT_ONCE
from coldline.rules.profile import Profile

_TABLES = {
    (False, True): ORDERED_EFFECTS,
    (False, False): AT_ONCE,
    (True, True): OWNERS_ORDERED,
    (True, False): OWNERS_AT_ONCE,
}
"""The effects by whether owners are followed, and whether operations are complete at a barrier."""


def outcomes(
    m: OrderedMicrostate, letter: OrderedLetter, profile: Profile, *, barriers: bool, owners: bool = False
) -> Iterator[OrderedMicrostate]:
    """Every outcome that an event may have.

    Parameters
    ----------
    m, letter, profile
        The microstate, the event and the implementation's promises.
    barriers : bool
        Whether operations are complete at a barrier, and not as soon as they are issued.
    owners : bool
        Whether a fresh copy stands for one that was written since the page was given to its owner.
    """
    labelled = (LABELLED if barriers else LABELLED_AT_ONCE).get(letter.act)
    if labelled is not None:
        return labelled(m, letter, profile)
    return _TABLES[owners, barriers][letter.act](m, letter.core, profile)
