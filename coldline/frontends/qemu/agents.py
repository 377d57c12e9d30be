# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of the agents of a machine: those of the regimes of each vCPU."""

from typing import Final

from coldline.events.agent_names import agents_of

LOADER: Final = "loader"
"""The agent that had RAM before the first instruction."""


def regimes_of(vcpu: int) -> tuple[str, ...]:
    """The names of a vCPU's translation regimes in a trace."""
    return tuple(f"cpu{vcpu}.el{level}" for level in (1, 2, 3))


def agents_of_core(vcpu: int) -> tuple[str, ...]:
    """The names of a vCPU's agents, in the order of their numbers."""
    return tuple(agent for regime in regimes_of(vcpu) for agent in agents_of(regime))
