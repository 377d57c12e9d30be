# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of order for one byte, as they concern one core: which copy a read may return.

Source: Arm ARM DDI 0487, 'Concurrent modification and execution of instructions', 'Memory hierarchy'.
"""

from collections.abc import Iterator

from coldline.rules import line_rules
from coldline.rules.line_rules import COPIES_READ, Hazard
from coldline.rules.microstate import Level
from coldline.rules.order.alphabet import AS_CHECKED, CHECKED, FETCH_ACTS, UNORDERED, Act, OrderedLetter
from coldline.rules.order.microstate import OrderedMicrostate, memory_or_held
from coldline.rules.order.outcomes import outcomes
from coldline.rules.order.virtual_caches import held_instructions, instructions
from coldline.rules.profile import Profile

_CACHEABLE = (Act.READ, Act.WALK, Act.WALK_POU, Act.FETCH, Act.SNOOPING_READ)
_PAST_CACHES = (Act.READ_NC, Act.READ_NC_MAY_HIT)
_MAY_HIT = (Act.READ_NC_MAY_HIT, Act.WALK_NC_MAY_HIT)


def copies_read(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> Iterator[tuple[str, bool]]:
    """Each copy that a checked access may return: its name and its freshness."""
    pending, act = m.of(letter.core), AS_CHECKED[letter.act]
    if act in FETCH_ACTS and pending.prefetched is not None:
        yield "prefetched", pending.prefetched
    line = m.line
    if act is Act.MASTER_READ:
        yield "memory", line.fresh_memory
        return
    if act is Act.FETCH_BY:
        yield from instructions(m, (letter.label,), profile)
        return
    if act is Act.FETCH_NC_HELD_BY:
        yield "memory", line.fresh_memory
        yield from held_instructions(m)
        return
    if act in _CACHEABLE:
        line = m.as_caches_see
    elif act in _PAST_CACHES and pending.store is not None:
        line = line._replace(fresh_memory=pending.store.fresh)
    if act is Act.WALK_POU:
        line = line._replace(level1=Level.INVALID)
    names = ["instruction cache" if act is Act.FETCH else "memory"]
    names += [name for name, level in (("level 1", line.level1), ("level 2", line.level2)) if level]
    copies = COPIES_READ[UNORDERED[act]](line, profile)
    if act in _MAY_HIT:
        copies = line_rules.memory_or_cached(line)
    elif act is Act.FETCH_NC_HELD:
        copies, names = memory_or_held(line), ["memory", "instruction cache"]
    yield from zip(names, copies, strict=False)


def ordered_hazards(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> Hazard:
    """The hazards of the byte when `letter` reads it in microstate `m`.

    There are none where the read has to wait, and a fetch is checked only as it concerns its own core.
    """
    if letter.act not in CHECKED or not _may_be_wrong(m, letter, profile):
        return Hazard.NONE
    return Hazard.LOST if m.lost else Hazard.STALE


def leaks(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> Hazard:
    """Whether a read by the owner may return a byte that was not written since the gift; polls are reads, too."""
    return Hazard.LEAK if letter.act in AS_CHECKED and _may_be_wrong(m, letter, profile) else Hazard.NONE


def _may_be_wrong(m: OrderedMicrostate, letter: OrderedLetter, profile: Profile) -> bool:
    """Whether a read that need not wait may return a copy that is not fresh."""
    if letter.act in FETCH_ACTS and letter.core != 0:
        return False
    if all(fresh for _, fresh in copies_read(m, letter, profile)):
        return False
    return any(True for _ in outcomes(m, letter, profile, barriers=True))
