# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of the agents that stand for a vCPU in a trace.

In a trace, an agent has at most one mapping of a page. A vCPU that maps a page with two memory types has two aliases
of it, so a vCPU has one agent for each type. The agent of the write-back type has the vCPU's own name; accesses with
the MMU off are that agent's, too.
"""

from coldline.arm import MemoryType

FIRST_VCPU = "guest"
"""The name of the vCPU that runs first, or of the only one."""

AGENTS = len(MemoryType)
"""The number of a vCPU's agents."""

LOOK = "look"
"""The name of the agent whose accesses did not happen: they ask what a guest could read."""

_SUFFIXES = ("", "-device", "-nc", "-wt")


def vcpu_name(number: int) -> str:
    """Return the name of a vCPU, from its number: ``guest``, ``guest1``, ``guest2`` and so on."""
    return f"{FIRST_VCPU}{number}" if number else FIRST_VCPU


def is_vcpu(agent: str) -> bool:
    """Return whether an agent stands for a vCPU."""
    number, dash, suffix = agent.removeprefix(FIRST_VCPU).partition("-")
    return agent.startswith(FIRST_VCPU) and (not number or number.isdecimal()) and dash + suffix in _SUFFIXES


def is_one_agent(name: str) -> bool:
    """Return whether a batch's name is that of an agent, and not what an event that no agent does names."""
    return name != "" and " " not in name


def agents_of(vcpu: str) -> tuple[str, ...]:
    """Return the names of a vCPU's agents, in the order of `agent_of`."""
    return tuple(vcpu + suffix for suffix in _SUFFIXES)


def agent_of(memory_type: int) -> int:
    """Return which of a vCPU's agents has its aliases of a type: an index into `agents_of`."""
    return 0 if memory_type == MemoryType.NORMAL_WB else memory_type + 1
