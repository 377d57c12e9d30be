# SPDX-License-Identifier: GPL-2.0-or-later
"""The condition that ends a run, the run's outcome, and the functions that it calls."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from coldline.events.source import Sink
from coldline.support.printable import printable

CONSOLE_LIMIT = 1 << 20
"""Bytes of console text that an outcome keeps."""


class End(enum.Enum):
    """Why a run ended."""

    MMU = "mmu"
    """The guest turned its MMU on."""
    PSCI = "psci"
    """The guest made its first PSCI call."""
    OFF = "off"
    """The guest asked to be turned off or reset."""
    CONSOLE = "console"
    """The guest printed the awaited text."""
    LIMIT = "instructions"
    """The guest executed the given number of instructions."""


@dataclass(frozen=True, slots=True)
class Until:
    """The condition that ends a run.

    Attributes
    ----------
    end : End
        ``MMU``, ``PSCI``, ``CONSOLE`` or ``LIMIT``.
    limit : int
        The most instructions of all vCPUs together. A run stops at the first block of code past this many; this is
        its regular end with ``LIMIT``, and an error with the others.
    text : bytes
        The awaited console text, with ``CONSOLE``.
    """

    end: End
    limit: int
    text: bytes = b""

    @property
    def wanted(self) -> str:
        """The awaited condition, for an error message."""
        if self.end is End.CONSOLE:
            return f"'{printable(self.text.decode('utf-8', 'replace'))}' on the console"
        return "PSCI call" if self.end is End.PSCI else "MMU"


@dataclass(slots=True)
class Outcome:
    """How a run went.

    Attributes
    ----------
    end : End or None
        Why it ended; None while it runs.
    psci_call : tuple of int or None
        x0 to x3 of the PSCI call that ended it.
    instructions, accesses : int
        Instructions that all vCPUs have executed; loads and stores to RAM, LDP counting as two.
    crossings : int
        Accesses that crossed a page end; only their bytes on the first page were followed.
    console : bytearray
        What the guest printed, its first `CONSOLE_LIMIT` bytes.
    """

    end: End | None = None
    psci_call: tuple[int, ...] | None = None
    instructions: int = 0
    accesses: int = 0
    crossings: int = 0
    console: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Functions that a run calls. A vCPU is given by its number.

    Attributes
    ----------
    events : callable
        Takes each batch.
    caches_toggled : callable
        Called before the vCPU's own event when it has changed SCTLR.M or C, with the vCPU and whether both are on
        from now on.
    set_way : callable
        Called when a vCPU has begun to maintain by set/way, after its own event and before its next block of code.
    console : callable
        Called with what the guest prints, as it prints it.
    progress : callable
        Called now and then with the numbers of instructions and accesses.
    """

    events: Sink
    caches_toggled: Callable[[int, bool], None] = lambda vcpu, enabled: None
    set_way: Callable[[int], None] = lambda vcpu: None
    console: Callable[[bytes], None] = lambda text: None
    progress: Callable[[int, int], None] = lambda instructions, accesses: None
