# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of one cache line, for one byte of it.

A *microstate* is one possible state of the byte: which of its copies are valid, which of them are
dirty, and which are *fresh* (equal to the last write to the byte, by any agent). Three tables say what the
architecture allows:

============= ================================================= ===========================================
table         says                                              source: Arm ARM DDI 0487
============= ================================================= ===========================================
`STEPS`       what caches may do at any time, on their own      'General behavior of the caches'
`EFFECTS`     what an event does: every outcome it may have     'Mismatched memory attributes', 'A64 cache
                                                                maintenance instructions'
`COPIES_READ` which copy a read may return                      'Memory hierarchy'; CTR_EL0 for IDC and DIC
============= ================================================= ===========================================

Lines are independent, and in no rule does one byte of a line depend on another: an event either touches the byte
(*own*) or only the line that contains it (*other*). So the set of microstates that a byte may be in is all that
matters for it. ``docs/reference/rules.md`` explains every row.
"""

import enum
from collections.abc import Callable, Iterator

from coldline.rules.alphabet import Letter, Setting
from coldline.rules.microstate import Level, Microstate
from coldline.rules.profile import Profile

_I, _C, _D = Level


# The source of a copy ---------------------------------------------------------------------------------------


def _below_level1(m: Microstate) -> bool:
    return m.fresh2 if m.level2 else m.fresh_memory


def _at_pou(m: Microstate, profile: Profile) -> bool:
    """The freshness of the copy at the point of unification; with IDC, level 1 counts, too."""
    return m.fresh1 if profile.idc and m.level1 else _below_level1(m)


def _data(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield m.fresh1 if m.level1 else _below_level1(m)


def memory_or_cached(m: Microstate) -> Iterator[bool]:
    """The freshness of each copy that a non-cacheable read may return if it may hit: memory's first."""
    yield m.fresh_memory
    if m.level1:
        yield m.fresh1
    if m.level2:
        yield m.fresh2


def _memory_data(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield from memory_or_cached(m) if profile.nc_may_hit else (m.fresh_memory,)


def _instruction(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield m.fresh_i if m.icache else _at_pou(m, profile)


def _memory_instruction(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield m.fresh_memory


CopiesRead = Callable[[Microstate, Profile], Iterator[bool]]

COPIES_READ: dict[Letter, CopiesRead] = {
    Letter.READ_WB: _data,
    Letter.READ_NC: _memory_data,
    Letter.FETCH_WB: _instruction,
    Letter.FETCH_NC: _memory_instruction,
}
"""The freshness of each copy that a read may return."""


# Spontaneous steps of caches --------------------------------------------------------------------------------


def _write_back_1(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if m.level1 is _D:
        moved = m._replace(level2=_D, fresh2=m.fresh1)
        yield moved._replace(level1=_C)
        yield moved._replace(level1=_I, fresh1=False)


def _drop_1(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if m.level1 is _C:
        yield m._replace(level1=_I, fresh1=False)


def _write_back_2(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if m.level2 is _D:
        moved = m._replace(fresh_memory=m.fresh2)
        yield moved._replace(level2=_C)
        yield moved._replace(level2=_I, fresh2=False)


def _drop_2(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if m.level2 is _C:
        yield m._replace(level2=_I, fresh2=False)


def _drop_i(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if m.icache:
        yield m._replace(icache=False, fresh_i=False)


def _fill_2(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if m.level2 is _I and (setting.data or setting.fetch):
        yield m._replace(level2=_C, fresh2=m.fresh_memory)


def _fill_1(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if m.level1 is _I and setting.data:
        yield m._replace(level1=_C, fresh1=_below_level1(m))


def _fill_i(m: Microstate, setting: Setting, profile: Profile) -> Iterator[Microstate]:
    if setting.fetch and not profile.dic:
        yield m._replace(icache=True, fresh_i=_at_pou(m, profile))


Step = Callable[[Microstate, Setting, Profile], Iterator[Microstate]]

STEPS: dict[str, Step] = {
    "write back 1": _write_back_1,
    "drop 1": _drop_1,
    "write back 2": _write_back_2,
    "drop 2": _drop_2,
    "drop I": _drop_i,
    "fill 2": _fill_2,
    "fill 1": _fill_1,
    "fill I": _fill_i,
}
"""The steps that caches may take at any time, any number of times: each yields the microstates it may lead to."""


# Effects of events ------------------------------------------------------------------------------------------


def _nothing(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m


def _allocate_1(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m if m.level1 else m._replace(level1=_C, fresh1=_below_level1(m))


def _write_wb(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m._replace(level1=_D, fresh1=True, fresh2=False, fresh_i=False, fresh_memory=False)


def _write_wb_other(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m._replace(level1=_D, fresh1=m.fresh1 if m.level1 else _below_level1(m))


def _write_wt(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m._replace(fresh1=bool(m.level1), fresh2=bool(m.level2), fresh_i=False, fresh_memory=True)


def _write_nc(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m._replace(fresh1=False, fresh2=False, fresh_i=False, fresh_memory=True)


def _allocate_i(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m if m.icache or profile.dic else m._replace(icache=True, fresh_i=_at_pou(m, profile))


def _cvac(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    if m.level1 is _D:
        yield m._replace(
            level1=_C,
            level2=_C if m.level2 else _I,
            fresh2=m.fresh1 if m.level2 else False,
            fresh_memory=m.fresh1,
        )
    elif m.level2 is _D:
        yield m._replace(level2=_C, fresh_memory=m.fresh2)
    else:
        yield m


def _invalidate(m: Microstate) -> Microstate:
    return m._replace(level1=_I, fresh1=False, level2=_I, fresh2=False)


def _civac(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    for cleaned in _cvac(m, profile):
        yield _invalidate(cleaned)


def _ivac(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield _invalidate(m)
    yield from _civac(m, profile)


def _cvau(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m._replace(level1=_C, level2=_D, fresh2=m.fresh1) if m.level1 is _D else m


def _ic(m: Microstate, profile: Profile) -> Iterator[Microstate]:
    yield m._replace(icache=False, fresh_i=False)


Effect = Callable[[Microstate, Profile], Iterator[Microstate]]


def _by_setway(by_address: Effect) -> Effect:
    """Set/way maintenance may reach the line or not; both are possible (Arm ARM DDI 0487 D7.5.9.12, 'Effects of
    All and set/way maintenance instructions').
    """

    def effect(m: Microstate, profile: Profile) -> Iterator[Microstate]:
        if not profile.setway_effective:
            yield m
        yield from by_address(m, profile)

    return effect


EFFECTS: dict[Letter, Effect] = {
    Letter.READ_WB: _allocate_1,
    Letter.READ_WB_OTHER: _allocate_1,
    Letter.READ_NC: _nothing,
    Letter.WRITE_WB: _write_wb,
    Letter.WRITE_WB_OTHER: _write_wb_other,
    Letter.WRITE_WT: _write_wt,
    Letter.WRITE_NC: _write_nc,
    Letter.FETCH_WB: _allocate_i,
    Letter.FETCH_WB_OTHER: _allocate_i,
    Letter.FETCH_NC: _nothing,
    Letter.DC_CVAC: _cvac,
    Letter.DC_CIVAC: _civac,
    Letter.DC_IVAC: _ivac,
    Letter.DC_CVAU: _cvau,
    Letter.IC: _ic,
    Letter.DC_CSW: _by_setway(_cvac),
    Letter.DC_CISW: _by_setway(_civac),
    Letter.DC_ISW: _by_setway(_ivac),
    Letter.SET_NONE: _nothing,
    Letter.SET_FETCH: _nothing,
    Letter.SET_DATA: _nothing,
    Letter.SET_BOTH: _nothing,
}
"""Every outcome that an event may have; changing the setting changes no copy by itself."""


class Hazard(enum.IntFlag):
    """The hazards of a checked read, and that of a descriptor."""

    NONE = 0
    STALE = 1
    """The read returns something other than the last write, which some copy still holds."""
    LOST = 2
    """No copy holds the last write any more."""
    LEAK = 4
    """The read returns something that was written before the page was given to its owner."""
    BBM = 8
    """No read, but a descriptor that gives a mapping another type without break-before-make."""


def hazards(m: Microstate, letter: Letter, profile: Profile) -> Hazard:
    """The hazards of the byte when `letter` reads it in microstate `m`."""
    source = COPIES_READ.get(letter)
    if source is None or all(source(m, profile)):
        return Hazard.NONE
    return Hazard.LOST if m.lost else Hazard.STALE


def microstates() -> list[Microstate]:
    """Every microstate. An invalid copy holds nothing, so it is never fresh."""
    flags = (False, True)
    return [
        Microstate(level1, fresh1, level2, fresh2, icache, fresh_i, fresh_memory)
        for level1 in Level
        for fresh1 in (flags if level1 else flags[:1])
        for level2 in Level
        for fresh2 in (flags if level2 else flags[:1])
        for icache in flags
        for fresh_i in (flags if icache else flags[:1])
        for fresh_memory in flags
    ]
