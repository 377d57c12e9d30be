# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of one cache line, as they bear on one byte of it.

A *microstate* is one thing that may be true of the byte: which of its copies are valid, which of them are
dirty, and which are *fresh* (equal to the last write to the byte, by anyone). Three tables say what the
architecture allows:

=========== =================================================== ===========================================
table       says                                                source: Arm ARM DDI 0487
=========== =================================================== ===========================================
`STEPS`     what caches may do at any time, on their own        'General behavior of the caches'
`EFFECTS`   what an event does; every outcome it may have       'Mismatched memory attributes', 'A64 cache
                                                                maintenance instructions'
`SOURCES`   which copy a read may return                        'Memory hierarchy'; CTR_EL0 for IDC and DIC
=========== =================================================== ===========================================

Lines are independent, and no rule lets one byte of a line see another: an event either touches the byte
(*own*) or only the line that it lies in (*other*). So the sets of microstates that a byte may be in are all
that there is to know of it. ``docs/rules.md`` explains every row.
"""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Level(enum.IntEnum):
    """The state of a line in a level of data cache."""

    INVALID = 0
    CLEAN = 1
    DIRTY = 2


class Microstate(NamedTuple):
    """One possible state of a byte's copies; the copy in an invalid cache is never fresh.

    Level 1 is every data cache above the point of unification, as one; level 2 every unified cache between
    there and the point of coherency; memory is the point of coherency itself.
    """

    level1: Level = Level.INVALID
    fresh1: bool = False
    level2: Level = Level.INVALID
    fresh2: bool = False
    icache: bool = False
    fresh_i: bool = False
    fresh_memory: bool = True

    @property
    def lost(self) -> bool:
        """Whether the last write to the byte is in no copy any more."""
        return not (self.fresh1 or self.fresh2 or self.fresh_i or self.fresh_memory)

    def __str__(self) -> str:
        def show(state: str, fresh: bool) -> str:
            return state if state == "invalid" else f"{state} {'new' if fresh else 'OLD'}"

        return ", ".join(
            (
                f"L1 {show(self.level1.name.lower(), self.fresh1)}",
                f"L2 {show(self.level2.name.lower(), self.fresh2)}",
                f"I {show('valid' if self.icache else 'invalid', self.fresh_i)}",
                f"memory {'new' if self.fresh_memory else 'OLD'}",
            )
        )


COLD = Microstate()


@dataclass(frozen=True, slots=True)
class Profile:
    """What the implementation promises beyond the architecture's minimum.

    Attributes
    ----------
    line : int
        Cache writeback granule in bytes (CTR_EL0.CWG).
    nc_may_hit : bool
        A non-cacheable or device read may also return a valid cached copy.
    setway_effective : bool
        Set/way maintenance reaches every copy: one processor and no system cache.
    idc : bool
        CTR_EL0.IDC: instruction fetches see level 1, no clean to the point of unification is needed.
    dic : bool
        CTR_EL0.DIC: no instruction cache ever holds an old copy.
    """

    line: int = 64
    nc_may_hit: bool = False
    setway_effective: bool = False
    idc: bool = False
    dic: bool = False


class Setting(NamedTuple):
    """What speculation may do to a line, as far as agents' aliases say."""

    data: bool
    """A cacheable alias is live: data caches may fill."""
    fetch: bool
    """A cacheable fetch is possible: instruction caches may fill."""


class Letter(enum.IntEnum):
    """What can befall a byte: the alphabet of its automaton.

    ``..._OTHER`` is the same event touching another byte of the line.
    """

    READ_WB = 0
    READ_WB_OTHER = 1
    READ_NC = 2
    WRITE_WB = 3
    WRITE_WB_OTHER = 4
    WRITE_WT = 5
    WRITE_NC = 6
    FETCH_WB = 7
    FETCH_WB_OTHER = 8
    FETCH_NC = 9
    DC_CVAC = 10
    DC_CIVAC = 11
    DC_IVAC = 12
    DC_CVAU = 13
    IC = 14
    DC_CSW = 15
    DC_CISW = 16
    DC_ISW = 17
    SET_NONE = 18
    SET_FETCH = 19
    SET_DATA = 20
    SET_BOTH = 21

    @staticmethod
    def of_setting(setting: Setting) -> "Letter":
        """The letter that changes a byte's setting to `setting`."""
        return Letter(Letter.SET_NONE + 2 * setting.data + setting.fetch)

    @property
    def setting(self) -> Setting | None:
        """The setting that this letter changes to, or None where it changes none."""
        code = self - Letter.SET_NONE
        return Setting(bool(code & 2), bool(code & 1)) if code >= 0 else None


OTHER = {
    Letter.READ_WB: Letter.READ_WB_OTHER,
    Letter.WRITE_WB: Letter.WRITE_WB_OTHER,
    Letter.FETCH_WB: Letter.FETCH_WB_OTHER,
}
"""What an access does to the bytes of its line that it does not touch; an access not named here does nothing."""

ACCESSES = frozenset(
    {
        Letter.READ_WB,
        Letter.READ_NC,
        Letter.WRITE_WB,
        Letter.WRITE_WT,
        Letter.WRITE_NC,
        Letter.FETCH_WB,
        Letter.FETCH_NC,
    }
)
"""Letters of events that touch some bytes of a line; every other letter is a line's as a whole."""

_I, _C, _D = Level


# Where a copy comes from ------------------------------------------------------------------------------------


def _below_level1(m: Microstate) -> bool:
    return m.fresh2 if m.level2 else m.fresh_memory


def _at_pou(m: Microstate, profile: Profile) -> bool:
    """Freshness of what the point of unification holds: level 1 as well where IDC says so."""
    return m.fresh1 if profile.idc and m.level1 else _below_level1(m)


def _data(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield m.fresh1 if m.level1 else _below_level1(m)


def _memory_data(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield m.fresh_memory
    if profile.nc_may_hit:
        if m.level1:
            yield m.fresh1
        if m.level2:
            yield m.fresh2


def _instruction(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield m.fresh_i if m.icache else _at_pou(m, profile)


def _memory_instruction(m: Microstate, profile: Profile) -> Iterator[bool]:
    yield m.fresh_memory


Source = Callable[[Microstate, Profile], Iterator[bool]]

SOURCES: dict[Letter, Source] = {
    Letter.READ_WB: _data,
    Letter.READ_NC: _memory_data,
    Letter.FETCH_WB: _instruction,
    Letter.FETCH_NC: _memory_instruction,
}
"""The freshness of each copy that a read may return."""


# What caches do on their own --------------------------------------------------------------------------------


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
"""What may happen to a line at any time, in any number: each yields the microstates that it may lead to."""


# What events do ---------------------------------------------------------------------------------------------


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
    """Set/way maintenance reaches the line or does not; both may be (Arm ARM DDI 0487 D7.5.9.12, 'Effects of
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
    """What a checked read may find wrong."""

    NONE = 0
    STALE = 1
    """It returns something other than the last write, which some copy still holds."""
    LOST = 2
    """No copy holds the last write any more."""


def hazards(m: Microstate, letter: Letter, profile: Profile) -> Hazard:
    """What can be wrong with the byte when `letter` reads it in microstate `m`."""
    source = SOURCES.get(letter)
    if source is None or all(source(m, profile)):
        return Hazard.NONE
    return Hazard.LOST if m.lost else Hazard.STALE


def microstates() -> list[Microstate]:
    """Every microstate there is: an invalid copy holds nothing, so it is never fresh."""
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
