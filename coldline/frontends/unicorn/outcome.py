# SPDX-License-Identifier: GPL-2.0-or-later
"""The condition that ends a run, the run's outcome, and the functions that it calls."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from coldline.arm import psci
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
    """The guest asked to be turned off, by PSCI's SYSTEM_OFF."""
    RESET = "reset"
    """The guest asked for a reset, by PSCI's SYSTEM_RESET or SYSTEM_RESET2."""
    EXIT = "exit"
    """The guest ended itself by a semihosting call."""
    WAIT = "wait"
    """The guest waits for an interrupt (WFI), and none will come."""
    LOOP = "loop"
    """The guest repeats a loop that changes nothing, such as a branch to itself or WFE: it would do so for ever."""
    FAULT = "fault"
    """The guest did something after which the run cannot continue."""
    CONSOLE = "console"
    """The guest printed the awaited text."""
    LIMIT = "instructions"
    """The guest executed the given number of instructions."""


_WANTED = {
    End.MMU: "the guest turned its MMU on",
    End.PSCI: "the guest made a PSCI call",
    End.OFF: "the guest called SYSTEM_OFF",
    End.LIMIT: "the guest executed that many instructions",
}


@dataclass(frozen=True, slots=True)
class Until:
    """The condition that ends a run.

    Attributes
    ----------
    end : End
        ``MMU``, ``PSCI``, ``CONSOLE`` or ``LIMIT``.
    limit : int
        The most instructions of all vCPUs together. A run stops at the first block of code past this many; this is
        its regular end with ``LIMIT``; with the others, what was awaited did not happen.
    text : bytes
        The awaited console text, with ``CONSOLE``.
    required : bool
        Whether a run without a hazard is inconclusive if it ends in another way.
    questions : bool
        Whether calls of `psci.QUESTIONS`, after which a program goes on as before, count with ``PSCI``.
    """

    end: End
    limit: int
    text: bytes = b""
    required: bool = True
    questions: bool = True

    def ends_with(self, function: int) -> bool:
        """Whether a call of this PSCI function ends the run."""
        if self.end is not End.PSCI or not psci.is_call(function):
            return False
        return self.questions or psci.number_of(function) not in psci.QUESTIONS

    @property
    def wanted(self) -> str:
        """The awaited condition, as a clause in the past tense."""
        if self.end is End.CONSOLE:
            return f"the guest printed '{printable(self.text.decode('utf-8', 'replace'))}'"
        return _WANTED[self.end]


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
        Accesses that crossed a page end and whose bytes on the second page could not be followed.
    mmu_on, caches_on : int or None
        How many instructions were executed before the first vCPU turned its MMU on, and before the first one had
        both its MMU and its data cache on. If stage 2 forces write-back, all accesses are cacheable from the start,
        and `caches_on` is 0.
    turns : list of int
        How many turns each vCPU had that was started, by its number.
    devices : tuple of str
        The devices that the guest used, in the order of their first use.
    pc : int or None
        Where the vCPU was that ended the run.
    fault : str
        What the guest did, if a `FAULT` ended the run.
    poll : str
        The device's register that it polls, and the value that it waits for, if that `LOOP` ended the run.
    reached : tuple of int
        How often the place of each operation was reached that was to be added.
    nth : tuple of int
        Which time the place of each such operation was reached as it was added.
    console : bytearray
        What the guest printed, its first `CONSOLE_LIMIT` bytes.
    """

    end: End | None = None
    psci_call: tuple[int, ...] | None = None
    instructions: int = 0
    accesses: int = 0
    crossings: int = 0
    mmu_on: int | None = None
    caches_on: int | None = None
    turns: list[int] = field(default_factory=list)
    devices: tuple[str, ...] = ()
    pc: int | None = None
    fault: str = ""
    poll: str = ""
    reached: tuple[int, ...] = ()
    nth: tuple[int, ...] = ()
    console: bytearray = field(default_factory=bytearray)

    def _reached(self, until: Until) -> bool:
        """Whether what was awaited has happened; SYSTEM_OFF and a reset are PSCI calls, too."""
        return self.end is until.end or (until.end is End.PSCI and self.psci_call is not None)

    def gaps(self, until: Until, cacheable: int) -> list[str]:
        """Return why this run is not enough for *coherent*: see `coldline.verdict.Judgement`.

        Parameters
        ----------
        until : Until
            What the run was to reach.
        cacheable : int
            How many of its accesses were judged that may return what a cache holds.
        """
        found = []
        if self.caches_on is None:
            found.append("the MMU and the data cache were never both on")
        elif not cacheable:
            found.append("nothing was read or executed through the caches after they were turned on")
        if self.fault:
            found.append(f"the run could not continue: {self.fault}")
        elif until.required and not self._reached(until):
            found.append(f"the run ended before {until.wanted}")
        elif self.end is End.LIMIT and until.end is not End.LIMIT:
            found.append(f"the run had not ended after {self.instructions:,} instructions")
        if self.crossings:
            found.append(f"{self.crossings:,} accesses over a page end were not followed")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Functions that a run calls. A vCPU is given by its number.

    Attributes
    ----------
    events : callable
        Takes each batch.
    vcpu_started : callable
        Called with each further vCPU before its first event.
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
    vcpu_started: Callable[[int], None] = lambda vcpu: None
    caches_toggled: Callable[[int, bool], None] = lambda vcpu, enabled: None
    set_way: Callable[[int], None] = lambda vcpu: None
    console: Callable[[bytes], None] = lambda text: None
    progress: Callable[[int, int], None] = lambda instructions, accesses: None
