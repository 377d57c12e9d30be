# SPDX-License-Identifier: GPL-2.0-or-later
"""A domain that this process builds on Xen."""

import enum
from typing import TYPE_CHECKING

from coldline.errors import HypervisorError

if TYPE_CHECKING:
    from coldline.guest.layout import AddressRange


class XenDomainState(enum.Enum):
    """Where a domain is in its life."""

    PAUSED = "paused"
    RUNNING = "running"
    DESTROYED = "destroyed"


class XenDomain:
    """A guest on Xen; only its host changes it.

    Attributes
    ----------
    domid : int
        Its number.
    handle : bytes
        Its UUID.
    architecture : str
        ``arm64`` or ``arm32``.
    max_memory : int
        Bytes of RAM at most.
    vcpus : int
        How many virtual CPUs it has.
    banks : list of AddressRange
        Its RAM, in the order in which it was populated.
    state : XenDomainState
        Where it is in its life.
    registers_set : bool
        Whether its first vCPU can start.
    in_store : bool
        Whether xenstore may know of it.
    mapped : list of AddressRange
        What this process has mapped of it.
    """

    def __init__(self, domid: int, handle: bytes, architecture: str, max_memory: int, vcpus: int) -> None:
        self.domid = domid
        self.handle = handle
        self.architecture = architecture
        self.max_memory = max_memory
        self.vcpus = vcpus
        self.banks: list[AddressRange] = []
        self.state = XenDomainState.PAUSED
        self.registers_set = False
        self.in_store = False
        self.mapped: list[AddressRange] = []

    def error(self, operation: str, reason: str) -> HypervisorError:
        """What to raise when an operation on this domain fails."""
        return HypervisorError(f"domain {self.domid}: {operation}: {reason}")
