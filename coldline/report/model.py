# SPDX-License-Identifier: GPL-2.0-or-later
"""The results of a command as plain data, from which every format is made.

A `Report` is the result for a trace file, or for the run of a guest. A `Matrix` has the verdicts on one guest on
every host by every strategy. A `Corpus` has the traces of real bugs with the hazards that were found in each.
"""

from typing import TYPE_CHECKING, Final

from coldline.support.frozen_record import Record
from coldline.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from coldline.corpus import Bug, Case, CaseResult
    from coldline.guest import Plan
    from coldline.image import Kernel

NOT_COVERED: Final = (
    "missing barriers",
    "the memory model's reordering",
    "TLB entries that outlive their tables",
)
"""Faults that coldline does not look for."""


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
    host_default : str
        Why that host is the default; empty if the user named it.
    strategy : str or None
        The name of the builder's strategy; None on a host without strategies.
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
        Why it ended: ``mmu``, ``psci``, ``console``, ``off`` or ``instructions``.
    psci : tuple of int or None
        The first argument registers of the PSCI call that ended it, the function's number first.
    awaited : str
        The console text that ended it; empty if something else did.
    instructions, accesses : int
        Executed instructions; loads and stores to RAM.
    page_crossings : int
        Accesses that crossed the end of a page; only their bytes on the first page were checked.
    console : str
        What the guest printed.
    seconds : float
        How long building, running and judging took.
    """

    end: str | None
    psci: tuple[int, ...] | None
    awaited: str
    instructions: int
    accesses: int
    page_crossings: int
    console: str
    seconds: float


class Report(Record, kw_only=True):
    """The result for one trace file, or for one run of a guest.

    Attributes
    ----------
    subject : str
        The trace file's name as it was given; for a run, the image's.
    judgement : Judgement or None
        The verdict, the hazards and the final read; None if there is an `error`.
    error : str
        Why there is no judgement.
    guest : Guest or None
        The guest that ran; None for a trace file.
    run : Run or None
        How the run went; None for a trace file.
    not_covered : tuple of str
        The faults that the verdict does not cover.
    """

    subject: str
    judgement: Judgement | None = None
    error: str = ""
    guest: Guest | None = None
    run: Run | None = None
    not_covered: tuple[str, ...] = NOT_COVERED

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None where there is an error."""
        return self.judgement.verdict if self.judgement is not None else None


class Cell(Record):
    """The result of one strategy on one host.

    Attributes
    ----------
    verdict : Verdict or None
        None if the host refused.
    kinds : tuple of str
        The kinds of hazard.
    refusal : str
        Why the host refused.
    """

    verdict: Verdict | None
    kinds: tuple[str, ...] = ()
    refusal: str = ""


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
