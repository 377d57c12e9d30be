# SPDX-License-Identifier: GPL-2.0-or-later
"""What lines may hold before the first event of a trace.

Source: Arm ARM DDI 0487, 'Behavior of caches at reset': what caches hold at reset, and after other software, is up to
the implementation and to that software.
"""

from collections.abc import Iterator
from itertools import product

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.order.alphabet import Possible
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.ordering import Ordering
from coldline.rules.order.steps import steps
from coldline.rules.profile import Profile

_Microstates = frozenset[OrderedMicrostate]


def starting_microstates(profile: Profile, core: int = 0) -> _Microstates:
    """The microstates that a byte may be in at the start, as one core sees it; nothing is pending.

    Parameters
    ----------
    profile : Profile
        The implementation's promises; its `Ordering.start` says which.
    core : int
        The core's number.
    """
    ordering = profile.ordering or Ordering()
    labels = tuple(ordering.labels_of(core)) if ordering.vipt else ()
    if ordering.start == "any":
        return frozenset(_with_a_fresh_copy(profile, labels, vipt=ordering.vipt))
    found = frozenset([OrderedMicrostate()])
    possible = Possible(True, not ordering.vipt, fetch_elsewhere=True, fetch_by=labels)
    if ordering.start != "cold":
        found = _closure(found, possible, profile)
    if ordering.start == "dirty":
        written = {
            OrderedMicrostate(line, instructions=tuple((label, False) for label, _ in m.instructions))
            for m in found
            for line in line_rules.EFFECTS[Letter.WRITE_WB](m.line, profile)
        }
        found |= _closure(frozenset(written), possible, profile)
    return found


def _with_a_fresh_copy(
    profile: Profile, labels: tuple[int, ...], *, vipt: bool
) -> Iterator[OrderedMicrostate]:
    copies = (None,) if profile.dic else (None, False, True)
    for line in line_rules.microstates():
        if line.icache and (profile.dic or vipt):
            continue
        for held in product(copies, repeat=len(labels)):
            pairs = ((label, fresh) for label, fresh in zip(labels, held, strict=True) if fresh is not None)
            m = OrderedMicrostate(line, instructions=tuple(pairs))
            if not m.lost:
                yield m


def _closure(found: _Microstates, possible: Possible, profile: Profile) -> _Microstates:
    """What caches make of some microstates while each of them may fill."""
    reached, waiting = set(found), list(found)
    while waiting:
        for _, after in steps(waiting.pop(), possible, profile):
            if after not in reached:
                reached.add(after)
                waiting.append(after)
    return frozenset(reached)
