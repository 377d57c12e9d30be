# SPDX-License-Identifier: GPL-2.0-or-later
"""Announces a core's switches (SCTLR's M, C and I): an event for each of the core's agents in the trace.

`s` is a record with the fields of `coldline.mmu.view`. Imported only to compile.
"""

from typing import Any

from coldline.arm.fields import Sctlr
from coldline.events.agent_names import AGENTS
from coldline.events.appending import emit
from coldline.events.op import Op
from coldline.jit.intrinsics import compiled, int64, uint64

_M, _C, _I = Sctlr.M.mask, Sctlr.C.mask, Sctlr.I.mask
_MMU_ON, _MMU_OFF = int(Op.MMU_ON), int(Op.MMU_OFF)
_ICACHE_ON, _ICACHE_OFF = int(Op.ICACHE_ON), int(Op.ICACHE_OFF)
_DCACHE_ON, _DCACHE_OFF = int(Op.DCACHE_ON), int(Op.DCACHE_OFF)


@compiled
def _switch_agent(s: Any, agent: int, sctlr: int, before: int) -> None:
    """Append the events for SCTLR's change from `before` to `sctlr`: MMU first if it turns on, last if off.

    Where barriers count, the old values and those between two events are in force until the core's ISB, and one write
    of SCTLR has nothing between. There the MMU is last if it turns on and first if off: with the MMU off, the data
    cache's switch says nothing, and the instruction cache's concerns pages of code alone.
    """
    changed = sctlr ^ before
    mmu_on, mmu_off = changed & _M and sctlr & _M, changed & _M and not sctlr & _M
    waits = s.ends_at_barriers != uint64(0)
    if mmu_on and not waits:
        emit(s, 0, 0, _MMU_ON, agent, 0)
    if mmu_off and waits:
        emit(s, 0, 0, _MMU_OFF, agent, 0)
    if changed & _C:
        emit(s, 0, 0, _DCACHE_ON if sctlr & _C else _DCACHE_OFF, agent, 0)
    if changed & _I:
        emit(s, 0, 0, _ICACHE_ON if sctlr & _I else _ICACHE_OFF, agent, 0)
    if mmu_off and not waits:
        emit(s, 0, 0, _MMU_OFF, agent, 0)
    if mmu_on and waits:
        emit(s, 0, 0, _MMU_ON, agent, 0)


@compiled
def switch(s: Any, sctlr: int, before: int) -> None:
    """Announce SCTLR's change from `before` to `sctlr`, for each agent of the core that is in the trace."""
    if s.silent:
        return
    for agent in range(AGENTS):
        if s.introduced >> uint64(agent) & uint64(1):
            _switch_agent(s, agent, sctlr, before)


@compiled
def introduce(s: Any, agent: int) -> None:
    """Announce the switches of an agent, at its first event: by the trace's rules it starts with everything on."""
    if not s.introduced >> uint64(agent) & uint64(1):
        s.introduced |= uint64(1) << uint64(agent)
        now = int64(_M | _C | _I) if s.pinned else int64(s.sctlr[s.el])
        # A trace has no default for the instruction cache: announce it either way.
        _switch_agent(s, agent, now, _M | _C | (~now & _I))
