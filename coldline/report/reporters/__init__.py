# SPDX-License-Identifier: GPL-2.0-or-later
"""The formats of reports: a module for each, and this registry of them.

To add a format, write its module here, with a subclass of `coldline.report.reporters.base.Reporter`, and add it to
`FORMATS`. Every command that shows what the format can show then takes it with ``--format``.
"""

import importlib
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from coldline.report.reporters.base import Reporter, Settings

REPORT, MATRIX, CORPUS = "report", "matrix", "corpus"
"""The kinds of result that a command may have to show: see `coldline.report.model`."""


class Format(NamedTuple):
    """A format.

    Attributes
    ----------
    reporter : str
        Its reporter, as ``module:class``. It is imported when it is used.
    summary : str
        Its description in ``--help``.
    shows : frozenset of str
        The kinds of result that it can show: `REPORT`, `MATRIX`, `CORPUS`.
    hazards : int
        How many hazards of a run it lists, unless ``--hazards`` is given.
    quiet : bool
        Whether it has a short form for ``--quiet``, without hazards; else it ignores that option.
    """

    reporter: str
    summary: str
    shows: frozenset[str] = frozenset({REPORT})
    hazards: int = 100
    quiet: bool = False


FORMATS: dict[str, Format] = {
    "text": Format(
        "coldline.report.reporters.text:TextReporter",
        "for people",
        frozenset({REPORT, MATRIX, CORPUS}),
        quiet=True,
    ),
    "json": Format(
        "coldline.report.reporters.json:JsonReporter",
        "for programs",
        frozenset({REPORT, MATRIX, CORPUS}),
    ),
    "witness": Format(
        "coldline.report.reporters.witness:WitnessReporter",
        "each hazard as a trace, with the steps of the caches",
        quiet=True,
    ),
    "html": Format(
        "coldline.report.reporters.html:HtmlReporter",
        "a page to look at, in one file",
        frozenset({REPORT, MATRIX}),
    ),
    "sarif": Format("coldline.report.reporters.sarif:SarifReporter", "SARIF 2.1.0, a result for each cause"),
    "junit": Format("coldline.report.reporters.junit:JunitReporter", "JUnit XML, a test for each cause"),
    "github": Format("coldline.report.reporters.github:GithubReporter", "annotations of GitHub's workflows"),
}
"""Every format, by name."""

DEFAULT = "text"
"""The format of standard output if no format is given for it."""


def formats_for(shown: str) -> dict[str, Format]:
    """The formats that can show a kind of result (`REPORT`, `MATRIX` or `CORPUS`), by name."""
    return {name: each for name, each in FORMATS.items() if shown in each.shows}


def default_hazards(shown: str) -> str:
    """How many hazards the formats for a kind of result list: the number, or one for each format if they differ."""
    numbers = {name: each.hazards for name, each in formats_for(shown).items()}
    if len(set(numbers.values())) == 1:
        return str(next(iter(numbers.values())))
    return ", ".join(f"{name} {number}" for name, number in numbers.items())


def make_reporter(name: str, out: TextIO, settings: "Settings") -> "Reporter":
    """Make the reporter of a format.

    Parameters
    ----------
    name : str
        A name of `FORMATS`.
    out : text file
        Where it writes.
    settings : Settings
        How much it writes.
    """
    module, _, kind = FORMATS[name].reporter.partition(":")
    reporter: Reporter = getattr(importlib.import_module(module), kind)(out, settings)
    return reporter
