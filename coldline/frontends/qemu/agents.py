# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of the agents of a machine: those of the regimes of each vCPU."""

from collections.abc import Mapping
from typing import Final

from coldline.events.agent_names import agents_of

LOADER: Final = "loader"
"""The agent that had RAM before the first instruction."""


_EXPECTED_VMIDS: Final = 8
_EXPECTED_TIMES: Final = 2
"""The guests whose agents are known before they run: those of the lowest VMIDs, as hypervisors give them."""


def regimes_of(vcpu: int) -> tuple[str, ...]:
    """The names of a vCPU's translation regimes in a trace."""
    return tuple(f"cpu{vcpu}.el{level}" for level in (1, 2, 3))


def agents_of_guest(vcpu: int, name: str) -> tuple[str, ...]:
    """The names of the agents of a guest on a vCPU; the last one reads the tables of its stage 2."""
    regime = f"cpu{vcpu}.{name}"
    return (*agents_of(regime), f"{regime}-s2")


def guest_name(vmid: int, earlier: int, names: Mapping[int, str]) -> str:
    """The name of a guest, by its VMID and the number of earlier guests that had it."""
    name = names.get(vmid, f"vmid{vmid}")
    return f"{name}.{earlier + 1}" if earlier else name


def expected_agents(vcpu: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """The names of the agents that a vCPU may have, as far as they are known before it runs.

    An agent of another guest may share a core with any other such agent, or not.
    """
    guests = [
        guest_name(vmid, earlier, names)
        for vmid in sorted({*range(_EXPECTED_VMIDS), *names})
        for earlier in range(_EXPECTED_TIMES)
    ]
    return (*agents_of_core(vcpu), *(agent for name in guests for agent in agents_of_guest(vcpu, name)))


def agents_of_core(vcpu: int) -> tuple[str, ...]:
    """The names of a vCPU's agents, in the order of their numbers."""
    return tuple(agent for regime in regimes_of(vcpu) for agent in agents_of(regime))
