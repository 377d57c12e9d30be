# SPDX-License-Identifier: GPL-2.0-or-later
"""What a master does to a byte: somebody who accesses memory and is no core, such as a device with DMA.

Nothing of it is ever pending. Source: Arm ARM DDI 0487, 'Memory hierarchy'; what a cache does on a write by somebody
else that it sees is left to the interconnect (AMBA ACE: WriteUnique, or WriteUnique to a system cache).
"""

from collections.abc import Iterator

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.microstate import Level
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.profile import Profile


def snooping_write(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A master's write that data caches see: it updates their copies, or is allocated in level 2."""
    if m.write_through is not None:
        return
    for line in line_rules.EFFECTS[Letter.WRITE_WT](m.line, profile):
        yield m.having_line(line).overtaken
    line = m.line._replace(
        level1=Level.INVALID, fresh1=False, level2=Level.DIRTY, fresh2=True, fresh_i=False, fresh_memory=False
    )
    yield m.having_line(line).overtaken


def snooping_write_other(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """The same for the bytes beside: level 2 takes what level 1 had changed, or what it lacks."""
    yield m
    line = m.as_caches_see
    fresh = line.fresh2 if line.level2 else line.fresh_memory
    if line.level1 is Level.DIRTY:
        fresh = line.fresh1
    yield m.with_line(line._replace(level1=Level.INVALID, fresh1=False, level2=Level.DIRTY, fresh2=fresh))


def master_write(m: OrderedMicrostate, core: int, profile: Profile) -> Iterator[OrderedMicrostate]:
    """A master's write that no cache sees."""
    for line in line_rules.EFFECTS[Letter.WRITE_NC](m.line, profile):
        yield m.having_line(line).overtaken
