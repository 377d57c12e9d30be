# SPDX-License-Identifier: GPL-2.0-or-later
"""The results of a command as plain data, from which every format is made.

A `Report` is the result for a trace file, or for the run of a guest. A `Matrix` has the verdicts on one guest on
every host by every strategy. A `Corpus` has the traces of real bugs with the hazards that were found in each.
Longer than 300 lines because every format needs all of it, and the parts refer to one another.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from coldline.rules.profile import Profile
from coldline.support.frozen_record import Record
from coldline.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from coldline.consequence.result import Consequence
    from coldline.corpus import Bug, Case, CaseResult
    from coldline.guest import Plan
    from coldline.image import Kernel
    from coldline.repair.result import Repairs
    from coldline.report.added import AddedOperations, Repaired
    from coldline.report.triaged import Triage
    from coldline.symbols.symbols import Symbols

NOT_COVERED: Final = (
    "missing barriers",
    "reordering by the memory model",
    "stale TLB entries",
    "masters that are not coherent",
    "non-cacheable fetches that an instruction cache holds",
    "instruction caches that are indexed by virtual address",
    "prefetches with the MMU off beyond the next page",
    "exclusives, atomics and tearing",
    "caches beyond the point of coherency, memory tags and encryption contexts",
)
"""What can go wrong and is not checked: the list of ``docs/reference/rules.md``."""

NOT_COVERED_WITH_ORDER: Final = (
    "table entries that take effect only at a barrier",
    *(phrase for phrase in NOT_COVERED if phrase != "missing barriers"),
)
"""The same of a trace with ``option order``, whose barriers are followed for maintenance, stores and prefetches."""

_FOLLOWED: Final = {
    "nc_fetch_held": "non-cacheable fetches that an instruction cache holds",
    "vipt": "instruction caches that are indexed by virtual address",
    "masters": "masters that are not coherent",
}
"""What an option of `Ordering` has followed, by its field."""

OF_ORDERED_RUN: Final = {"stale TLB entries": "accesses through stale TLB entries"}
"""What is left of a phrase in a guest's run with its barriers: caches fill through stale entries there."""
NOT_COVERED_OF_RUN: Final = ("code that the run did not execute",)
"""More of it, of the run of a guest."""

NOT_COVERED_OF_MACHINE: Final = (
    "what devices write to memory (DMA)",
    "what caches hold at the start, beyond --start",
)
"""More of it, of a machine that was watched."""

_BY_SWITCH: Final = {
    ("nc_may_hit", False): "non-cacheable accesses that hit in a cache (nc-may-hit)",
    ("setway_effective", True): "set/way operations that do not reach a line (setway-effective)",
    ("idc", True): "instruction fetches that do not see level 1 data caches (idc)",
    ("dic", True): "instruction caches that hold old copies (dic)",
}
"""What a switch of the profile leaves out, by its field and its value."""


def not_covered(profile: Profile, *, of_run: bool) -> tuple[str, ...]:
    """Return what a verdict by this profile does not cover, a phrase each."""
    by_switch = (phrase for (name, value), phrase in _BY_SWITCH.items() if getattr(profile, name) is value)
    always = NOT_COVERED_WITH_ORDER if profile.has_barriers else NOT_COVERED
    followed = {phrase for field, phrase in _FOLLOWED.items() if getattr(profile.ordering, field, False)}
    always = tuple(phrase for phrase in always if phrase not in followed)
    return (*always, *(NOT_COVERED_OF_RUN if of_run else ()), *by_switch)


class Guest(Record, kw_only=True):
    """The guest that was built, and how.

    Attributes
    ----------
    kernel : Kernel
        The image.
    plan : Plan
        The places of everything in its memory.
    host, core : str
        The names of the host model and of the core profile.
    host_default, strategy : str, str or None
        Why that host is the default, or empty; the builder's strategy, if the host has strategies.
    """

    kernel: "Kernel"
    plan: "Plan"
    host: str
    strategy: str | None
    core: str
    host_default: str = ""


class Run(Record, kw_only=True):
    """How the run of a guest went.

    Attributes
    ----------
    end : str or None
        Why it ended: the value of an `End` of `coldline.frontends.unicorn`.
    psci : tuple of int or None
        The first argument registers of the PSCI call that ended it, the function's number first.
    awaited, console : str
        The console text that ended it, or empty; all that the guest printed.
    instructions, accesses : int
        Executed instructions; loads and stores to RAM.
    page_crossings : int
        Accesses over the end of a page whose bytes on the second page could not be followed.
    mmu_on, caches_on : int or None
        The instructions before the MMU was on, and before it and the data cache were both on; None for never.
    turns, devices : list of int, tuple of str
        How many turns each vCPU had that was started; the devices that the guest used.
    pc, fault : int or None, str
        Where the run ended, and what the guest did, if it ended with ``fault``.
    poll : str
        The device's register that the guest polls, and the value that it waits for, if the run ended with ``loop``.
    seconds : float
        How long building, running and judging took.
    added : tuple of AddedOperations
        The operations that were to be added to the guest's code.
    overwritten : tuple of range
        The physical addresses of loaded code in whose place was something else at the end.
    """

    end: str | None
    psci: tuple[int, ...] | None
    awaited: str
    instructions: int
    accesses: int
    page_crossings: int
    mmu_on: int | None
    caches_on: int | None
    turns: list[int]
    devices: tuple[str, ...]
    pc: int | None
    fault: str
    poll: str
    console: str
    seconds: float
    added: "tuple[AddedOperations, ...]" = ()
    overwritten: tuple[range, ...] = ()


class Spooled(NamedTuple):
    """Where the events of a machine were kept until their stories were told, and their size in bytes."""

    folder: str
    size: int


class MachineRun(Record, kw_only=True):
    """The run of a whole machine that was watched.

    Attributes
    ----------
    release : str
        The emulator's name and release.
    status : int or None
        Its exit status, negative for a signal; None if it was ended before its end.
    instructions, accesses : int
        Executed instructions; loads and stores of RAM.
    maintained : int
        Operations of cache maintenance.
    waits : int
        How often the emulator has waited for the check.
    start : str
        What caches may hold at the first instruction: ``cold``, ``clean`` or ``dirty``.
    guests : tuple of str
        The names of the guests of a hypervisor, in the order in which they began.
    spool : Spooled or None
        The temporary files for stories; None if there were none.
    seconds : float
        How long running and judging took.
    """

    release: str
    status: int | None
    instructions: int
    accesses: int
    maintained: int
    waits: int
    start: str
    seconds: float
    guests: tuple[str, ...] = ()
    spool: Spooled | None = None


class Report(Record, kw_only=True):
    """The result for one trace file, for one run of a guest, or for a machine that was watched.

    Attributes
    ----------
    subject : str
        The trace file's name as it was given; for a run, the image's.
    judgement : Judgement or None
        The verdict, the hazards and the final read; None if there is an `error`.
    error : str
        Why there is no judgement; untrusted text, which a reporter makes printable.
    guest : Guest or None
        The guest that ran; None for a trace file.
    run : Run or None
        How the run went; None for a trace file.
    triage : Triage or None
        What is known of its causes; None without a baseline and suppressions.
    repairs : dict of int to Repairs
        What repairs each cause, by its index.
    symbols : Symbols or None
        The symbols of the guest.
    machine : MachineRun or None
        The machine that was watched.
    repaired, consequences : Repaired or None, dict of int to Consequence
        A run of the guest with a repair of each cause; what it does with the old bytes of a cause, by its index.
    written : dict of int to str
        Events of the stories as the trace's text has them, by line.
    not_covered : tuple of str
        The faults that the verdict does not cover.
    """

    subject: str
    judgement: Judgement | None = None
    error: str = ""
    guest: Guest | None = None
    run: Run | None = None
    triage: "Triage | None" = None
    repairs: "Mapping[int, Repairs]" = MappingProxyType({})
    symbols: "Symbols | None" = None
    machine: MachineRun | None = None
    repaired: "Repaired | None" = None
    consequences: "Mapping[int, Consequence]" = MappingProxyType({})
    written: Mapping[int, str] = MappingProxyType({})

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What the verdict does not cover, a phrase each; nothing if there is no verdict."""
        if self.judgement is None:
            return ()
        of_run = self.run is not None or self.machine is not None
        more = NOT_COVERED_OF_MACHINE if self.machine is not None else ()
        left = OF_ORDERED_RUN if self.run is not None and self.judgement.profile.has_barriers else {}
        return (*(left.get(each, each) for each in not_covered(self.judgement.profile, of_run=of_run)), *more)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None where there is an error."""
        return self.judgement.verdict if self.judgement is not None else None


class Cell(Record):
    """The result of one strategy on one host.

    Attributes
    ----------
    verdict : Verdict or None
        None if the host refused, or if the pair was not tried.
    kinds : tuple of str
        The kinds of hazard.
    final_read_only : bool
        Whether the hazards are all of the final read, and none of an access of the run.
    refusal : str
        Why the host refused; empty if it did not.
    """

    verdict: Verdict | None
    kinds: tuple[str, ...] = ()
    refusal: str = ""
    final_read_only: bool = False


class Matrix(Record, kw_only=True):
    """One guest by every strategy on every host model that can run it.

    Attributes
    ----------
    image, core : str
        The image's name as it was given, and the core profile's name.
    strategies : tuple of str
        The names of the strategies.
    cells : dict of str to dict of str to Cell
        By host, then by strategy.
    """

    image: str
    core: str
    strategies: tuple[str, ...]
    cells: dict[str, dict[str, Cell]]


class Corpus(Record, kw_only=True):
    """The traces of bugs, and the hazards that were found in each.

    Attributes
    ----------
    bugs : list of Bug
        The bugs.
    results : dict of Case to CaseResult
        The verdict on each trace.
    reports : dict of Case to Report
        The whole report of each trace, if the command prints a bug's story; else empty.
    """

    bugs: "list[Bug]"
    results: "dict[Case, CaseResult]"
    reports: "dict[Case, Report]"

    @property
    def as_told(self) -> bool:
        """Whether each trace has the verdict that its bug's story states."""
        return all(found.agrees(case) for case, found in self.results.items())
