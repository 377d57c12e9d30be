# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command has to report: plain data, from which every format is made.

A `Report` is the result for one thing that was judged: a trace file, or the run of a guest. A `Matrix` is one guest
on every host by every strategy, and a `Corpus` is the traces of real bugs with what was found in each.
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
"""What can go wrong and is not looked for."""


class Guest(Record, kw_only=True):
    """What was built, and on what.

    Attributes
    ----------
    kernel : Kernel
        The image.
    plan : Plan
        What is where in its memory.
    host, strategy, core : str
        The names of the host model, of the builder's strategy and of the core profile.
    """

    kernel: "Kernel"
    plan: "Plan"
    host: str
    strategy: str
    core: str


class Run(Record, kw_only=True):
    """How the run of a guest went.

    Attributes
    ----------
    end : str or None
        Why it ended: ``mmu``, ``psci``, ``console``, ``off`` or ``instructions``.
    psci : tuple of int or None
        The first argument registers of the PSCI call that ended it, the function's number first.
    awaited : str
        The console text that ended it; empty where something else did.
    instructions, accesses : int
        Executed instructions; loads and stores to RAM.
    page_crossings : int
        Accesses over the end of a page, of which only the bytes on the first page were followed.
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
        The file's name as it was given; of a run, the image's.
    judgement : Judgement or None
        The verdict, the hazards and the final read; None where there is an `error`.
    error : str
        Why there is no judgement.
    guest : Guest or None
        What ran; None for a trace file.
    run : Run or None
        How it went; None for a trace file.
    not_covered : tuple of str
        What the verdict does not cover.
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
    """What came of one strategy on one host.

    Attributes
    ----------
    verdict : Verdict or None
        None where the host refused.
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
        The image as it was given, and the core profile's name.
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
    """The traces of bugs, and what was found in each.

    Attributes
    ----------
    bugs : list of Bug
        The bugs.
    results : dict of Case to CaseResult
        What was found, for each trace.
    reports : dict of Case to Report
        The whole report of each trace, where the bug's story is asked for; else empty.
    """

    bugs: "list[Bug]"
    results: "dict[Case, CaseResult]"
    reports: "dict[Case, Report]"

    @property
    def as_told(self) -> bool:
        """Whether each trace has the verdict that its bug's story has."""
        return all(found.agrees(case) for case, found in self.results.items())
