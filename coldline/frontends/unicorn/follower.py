# SPDX-License-Identifier: GPL-2.0-or-later
"""Who follows a run beside its events: sees its cores, has them stopped, and may change what they read."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from coldline.frontends.unicorn.turns import END_OF_TIME

if TYPE_CHECKING:
    from coldline.events import Event
    from coldline.events.batch import Batch
    from coldline.frontends.unicorn.vcpu import Vcpu

Ram = Callable[[int, int], bytes]
"""Returns the bytes of the guest's RAM at an address."""


class Follower:
    """Follows one run; by itself, it does nothing but count events.

    Attributes
    ----------
    vcpus : list of Vcpu
        The vCPUs that have been started.
    """

    def __init__(self) -> None:
        self.vcpus: list[Vcpu] = []
        self._events = 0

    def host_did(self, event: "Event", ram: Ram) -> None:
        """Take an event of the host, after it."""
        self._events += 1

    def handed_over(self, batch: "Batch") -> None:
        """Take a batch of a vCPU's events."""
        self._events += len(batch)

    def number(self, vcpu: "Vcpu") -> int:
        """The number in the trace of the next event of the vCPU that runs."""
        return self._events + vcpu.state["count"]

    def started(self, vcpu: "Vcpu") -> None:
        """Take a vCPU before its first instruction."""
        self.vcpus.append(vcpu)

    def next_stop(self, vcpu: "Vcpu") -> int:
        """The number of its instructions before which a vCPU is to be stopped next, at a block of code."""
        return END_OF_TIME

    def stopped(self, vcpu: "Vcpu") -> None:
        """Take a vCPU that was stopped, for whatever reason, before a block of code."""

    def switched(self, vcpu: "Vcpu") -> None:
        """Take a vCPU that has written a register which decides what its accesses are."""

    def ended(self, used: "list[tuple[int, int]]") -> None:
        """Take the end of the run, with the ranges of RAM that the guest has used."""
