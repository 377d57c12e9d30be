# SPDX-License-Identifier: GPL-2.0-or-later
"""The letters of accesses: by the alias that an agent has of a page, and by its switches."""

from collections.abc import Iterable
from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.checker.state.agents import Agent, Switches
from coldline.checker.state.alias import Way
from coldline.events import Op
from coldline.rules.alphabet import Letter

_READS = (Op.READ, Op.POLL)

Letters = tuple[Letter, ...]
"""The letters of an access, one of which it is: nobody knows which."""


def distinct_letters(letters: Iterable[Letter]) -> Letters:
    """Each of some letters once."""
    return tuple(dict.fromkeys(letters))


class Refusal(NamedTuple):
    """The reason why an access is impossible, which makes the trace invalid."""

    reason: str


def walk_letters(agent: Agent, types: tuple[MemoryType, ...]) -> Letters:
    """The letters of a translation-table read by `agent` with the walk's own types.

    The walk's types are TCR's IRGN and ORGN, and Non-cacheable while SCTLR.C is clear (Arm ARM DDI 0487 D7.5.5).
    """
    return distinct_letters(
        Letter.READ_WB if memory_type.cacheable and each.allows_walk else Letter.READ_NC
        for each in agent.settings
        if each.mmu
        for memory_type in types
    )


def access_letter(who: Switches, way: Way | None, name: str, op: Op) -> Letter | Refusal:
    """The access as it affects a line, with one setting of the switches, in one way; None if the page is not mapped.

    It depends on the attributes of the agent's own alias, and on its switches (Arm ARM DDI 0487 B2.10.1.3,
    'Cacheability attributes for Normal memory'; B2.11, 'Mismatched memory attributes'). DC ZVA on Device memory is an
    Alignment fault (D7.5.10).
    """
    if not who.mmu:
        return _letter_mmu_off(who, op)
    if way is None:
        return Refusal(f"{name} has no mapping there")
    cacheable = way.cacheable and who.dcache
    if op in _READS:
        return Letter.READ_WB if cacheable else Letter.READ_NC
    if op is Op.FETCH:
        if not way.executable:
            return Refusal(f"{name}'s mapping there is not exec")
        return Letter.FETCH_WB if who.fetches_cacheably(way) else Letter.FETCH_NC
    if op is Op.DC_ZVA and way.memory_type is MemoryType.DEVICE:
        return Refusal("dc zva on device memory")
    if not cacheable:
        return Letter.WRITE_NC
    return Letter.WRITE_WB if way.memory_type is MemoryType.NORMAL_WB else Letter.WRITE_WT


def _letter_mmu_off(who: Switches, op: Op) -> Letter | Refusal:
    """With the MMU off data is Device; fetches are cacheable where SCTLR.I is set (Arm ARM DDI 0487, 'The effects
    of disabling an address translation stage').
    """
    if op is Op.DC_ZVA:
        return Refusal("dc zva with the MMU off: data is device memory")
    if op is Op.FETCH:
        return Letter.FETCH_WB if who.icache else Letter.FETCH_NC
    return Letter.READ_NC if op in _READS else Letter.WRITE_NC
