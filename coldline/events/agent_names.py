# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of the agents that a vCPU is in a trace.

A trace has one mapping for an agent and a page. A vCPU that maps a page with two memory types has two aliases of it,
so it is one agent for each type. Its write-back alias has the vCPU's own name, and so have its accesses with the MMU
off.
"""

from coldline.arm import MemoryType

FIRST_VCPU = "guest"
"""The name of the vCPU that runs first, or of the only one."""

AGENTS = len(MemoryType)
"""How many agents a vCPU is."""

_SUFFIXES = ("", "-device", "-nc", "-wt")


def vcpu_name(number: int) -> str:
    """Return the name of a vCPU, from its number: ``guest``, ``guest1``, ``guest2`` and so on."""
    return f"{FIRST_VCPU}{number}" if number else FIRST_VCPU


def agents_of(vcpu: str) -> tuple[str, ...]:
    """Return the names of the agents that a vCPU is, in the order of `agent_of`."""
    return tuple(vcpu + suffix for suffix in _SUFFIXES)


def agent_of(memory_type: int) -> int:
    """Return which of a vCPU's agents has its aliases of a type: an index into `agents_of`."""
    return 0 if memory_type == MemoryType.NORMAL_WB else memory_type + 1
