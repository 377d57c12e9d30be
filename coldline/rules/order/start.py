# SPDX-License-Identifier: GPL-2.0-or-later
"""What lines may hold before the first event of a trace.

Source: Arm ARM DDI 0487, 'Behavior of caches at reset': what caches hold at reset, and after other software, is up to
the implementation and to that software.
"""

from collections.abc import Iterator

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter, Setting
from coldline.rules.microstate import COLD, Microstate
from coldline.rules.profile import Profile

_ALL_MAPPED = Setting(data=True, fetch=True)


def starting_microstates(profile: Profile) -> frozenset[Microstate]:
    """The copies that a byte may have at the start, as one core sees them; nothing is pending.

    Parameters
    ----------
    profile : Profile
        The implementation's promises; its `Ordering.start` says which.
    """
    start = profile.start
    if start == "any":
        return frozenset(_with_a_fresh_copy(profile))
    found = {COLD}
    if start != "cold":
        found = _closure(found, profile)
    if start == "dirty":
        written = (after for m in found for after in line_rules.EFFECTS[Letter.WRITE_WB](m, profile))
        found |= _closure(set(written), profile)
    return frozenset(found)


def _with_a_fresh_copy(profile: Profile) -> Iterator[Microstate]:
    for m in line_rules.microstates():
        if not m.lost and not (m.icache and profile.dic):
            yield m


def _closure(found: set[Microstate], profile: Profile) -> set[Microstate]:
    """What caches make of some microstates while each of them may fill."""
    reached, waiting = set(found), list(found)
    while waiting:
        m = waiting.pop()
        for step in line_rules.STEPS.values():
            for after in step(m, _ALL_MAPPED, profile):
                if after not in reached:
                    reached.add(after)
                    waiting.append(after)
    return reached
