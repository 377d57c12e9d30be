# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a command's report to standard output in one format, and to files in others."""

import io
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from coldline.cli.arguments.formats import Output
from coldline.errors import UsageError
from coldline.report.reporters import DEFAULT, FORMATS, make_reporter
from coldline.report.reporters.base import Reporter, Settings
from coldline.support.whole_file import STANDARD, WholeFile

if TYPE_CHECKING:
    from coldline.report.model import Corpus, Guest, Matrix, Report
    from coldline.verdict import Judgement


class Outputs:
    """The reporters of a command; a context manager that writes each file whole, or leaves it as it was.

    Standard output gets text, unless another format is given for it.

    Parameters
    ----------
    wanted : iterable of Output or None
        The formats and files from ``--format`` and its short forms.
    quiet : bool
        Write only the verdict, in the formats that have a short form.
    hazards : int or None
        How many hazards to list.
    of_run : bool
        If `hazards` is None: whether each format lists its own default number of hazards, as for a run; else all.

    Raises
    ------
    UsageError
        If standard output or a file would have more than one format.
    """

    def __init__(
        self,
        wanted: Iterable[Output] | None,
        *,
        quiet: bool = False,
        hazards: int | None = None,
        of_run: bool = False,
    ) -> None:
        chosen = dict.fromkeys(each._replace(path=_place(each.path)) for each in wanted or ())
        if all(each.path is not None for each in chosen):
            chosen = {Output(DEFAULT, None): None, **chosen}
        self._settings = {
            each: Settings(
                hazards=FORMATS[each.format].hazards if of_run and hazards is None else hazards,
                quiet=quiet and FORMATS[each.format].quiet,
                errors=sys.stderr if each.path is None else None,
            )
            for each in chosen
        }
        self._reporters: list[Reporter] = []
        self._files = ExitStack()
        _check_places(list(chosen))

    @property
    def for_people(self) -> bool:
        """Whether standard output gets text, and more of it than the verdict."""
        settings = self._settings.get(Output(DEFAULT, None))
        return settings is not None and not settings.quiet

    @property
    def hazards(self) -> int | None:
        """How many hazards the formats list at most; None for all."""
        most = [0 if each.quiet else each.hazards for each in self._settings.values()]
        return None if None in most else max(each for each in most if each is not None)

    def __enter__(self) -> Self:
        with ExitStack() as files:
            for each, settings in self._settings.items():
                out = sys.stdout if each.path is None else _open(each.path, files)
                self._reporters.append(make_reporter(each.format, out, settings))
            self._files = files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            for each in self._reporters if kind is None else ():
                each.finish()
        except BaseException as failed:
            self._files.__exit__(type(failed), failed, failed.__traceback__)
            raise
        self._files.__exit__(kind, error, at)

    def begin(self, guest: "Guest") -> None:
        """Show a guest that is about to run."""
        for each in self._reporters:
            each.begin(guest)

    def found(self, judgement: "Judgement", subject: str, stories: int) -> None:
        """Show what the first pass found, on standard output: a file is written whole, at the end."""
        for each, reporter in zip(self._settings, self._reporters, strict=True):
            if each.path is None:
                reporter.found(judgement, subject, stories)

    def report(self, report: "Report") -> None:
        """Write a report."""
        for each in self._reporters:
            each.report(report)

    def matrix(self, matrix: "Matrix") -> None:
        """Write a matrix of verdicts."""
        for each in self._reporters:
            each.matrix(matrix)

    def corpus(self, corpus: "Corpus") -> None:
        """Write the results for a corpus."""
        for each in self._reporters:
            each.corpus(corpus)


def _place(path: str | None) -> str | None:
    """A file's path, so that two names of one file are one; None for standard output."""
    return None if path is None or path == STANDARD else os.path.realpath(path)


def _check_places(chosen: Sequence[Output]) -> None:
    for number, each in enumerate(chosen):
        for other in chosen[:number]:
            if other.path != each.path:
                continue
            place = "standard output" if each.path is None else each.path
            raise UsageError(
                f"{place} takes one format, not {other.format} and {each.format}: "
                f"give another file, as in --format {each.format}=FILE"
            )


def _open(path: str, files: ExitStack) -> TextIO:
    """Open a text file that `files` closes; on an error, the file is left as it was."""
    whole = WholeFile(path, "a report")
    out = io.TextIOWrapper(whole.file, encoding="utf-8", newline="\n")

    def close(kind: type[BaseException] | None, *_: object) -> None:
        whole.close(complete=kind is None, finish=out.flush)

    files.push(close)
    return out
