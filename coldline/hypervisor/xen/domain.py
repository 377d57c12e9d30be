# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of a domain that this process builds on Xen."""

import enum
from typing import TYPE_CHECKING

from coldline.errors import HypervisorError

if TYPE_CHECKING:
    from coldline.guest.layout import AddressRange


class XenDomainState(enum.Enum):
    """The state of a domain on Xen."""

    PAUSED = "paused"
    RUNNING = "running"
    DESTROYED = "destroyed"


class XenDomain:
    """A guest on Xen. Only its host changes it.

    Attributes
    ----------
    domid : int
        Its number.
    handle : bytes
        Its UUID.
    architecture : str
        ``arm64`` or ``arm32``.
    max_memory : int
        The most RAM that it may have, in bytes.
    vcpus : int
        Number of virtual CPUs.
    banks : list of AddressRange
        Its RAM, in the order in which it was populated.
    state : XenDomainState
        Its state.
    registers_set : bool
        Whether its first vCPU's registers are set.
    in_store : bool
        Whether xenstore may have entries of it.
    mapped : list of AddressRange
        The ranges that this process has mapped.
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
        """Return the error for an operation on this domain that failed."""
        return HypervisorError(f"domain {self.domid}: {operation}: {reason}")
