# SPDX-License-Identifier: GPL-2.0-or-later
"""A host simulated in this process: real bytes, and an event for everything that a host of its model does."""

from coldline.hypervisor.simulated.domain import RamBank, SimulatedDomain, SimulatedDomainState
from coldline.hypervisor.simulated.host import SimulatedHost
from coldline.hypervisor.simulated.mapping import SimulatedMapping

__all__ = ["RamBank", "SimulatedDomain", "SimulatedDomainState", "SimulatedHost", "SimulatedMapping"]
