# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of the reporters."""

from typing import TYPE_CHECKING, TextIO

from coldline.support.frozen_record import Record
from coldline.support.printable import one_line

if TYPE_CHECKING:
    from coldline.report.model import Corpus, Guest, Matrix, Report
    from coldline.verdict import Judgement


class Settings(Record, kw_only=True):
    """How much a reporter writes, and where errors go.

    Attributes
    ----------
    hazards : int or None
        How many hazards to list; None for all that the report has.
    quiet : bool
        Write only the verdict.
    errors : text file or None
        Where a report that is an error goes; None to write it with the others.
    """

    hazards: int | None = None
    quiet: bool = False
    errors: "TextIO | None" = None


class Reporter:
    """Writes a command's results in one format.

    A command calls `begin` before it runs a guest, `found` if there is a second pass, then the method for its kind of
    result, once or for each of several files, and last `finish`, unless it fails. A format needs the methods for the
    kinds that its `Format.shows` names. The caller flushes and closes the file.

    Parameters
    ----------
    out : text file
        The file to write to. The text must be safe for a terminal: see `coldline.support.printable`.
    settings : Settings
        How much to write.
    """

    def __init__(self, out: TextIO, settings: Settings) -> None:
        self.out = out
        self.settings = settings

    def warn(self, report: "Report") -> None:
        """Write a report's warnings, a line each, where its error would go."""
        for warning in report.judgement.warnings if report.judgement is not None else ():
            message = one_line(f"coldline: {report.subject}: warning: {warning}")
            print(message, file=self.settings.errors or self.out)

    def begin(self, guest: "Guest") -> None:
        """Announce a guest that is about to run."""

    def found(self, judgement: "Judgement", subject: str, stories: int) -> None:
        """Say what the first pass found, before the second one.

        Parameters
        ----------
        judgement : Judgement
            The judgement so far: see `coldline.verdict.Watcher.found`.
        subject : str
            The trace file; empty for a guest.
        stories : int
            How many hazards will get a story.
        """

    def report(self, report: "Report") -> None:
        """Write a report of a trace file or of a run."""
        raise NotImplementedError

    def matrix(self, matrix: "Matrix") -> None:
        """Write the verdicts on one guest on every host by every strategy."""
        raise NotImplementedError

    def corpus(self, corpus: "Corpus") -> None:
        """Write the results for the traces of bugs."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write what comes after the last result."""
