# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a file of suppressions: causes that are not to fail a command, each with a reason and a date."""

import datetime
import tomllib
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from coldline.errors import ReportError
from coldline.report.identity import FIELDS, Identity
from coldline.support.bounded_file import read_at_most

_MAX_FILE: Final = 1 << 20
"""The most bytes of a file; a longer file is an error."""


class Suppression(NamedTuple):
    """A suppression.

    Attributes
    ----------
    where : str
        The file, and its number in it, from 1.
    patterns : dict of str to str
        For some parts of an `Identity`, the pattern that it must match, as file names are matched: ``*``, ``?``.
    reason : str
        Why it is there.
    until : datetime.date
        The last day on which it counts.
    """

    where: str
    patterns: dict[str, str]
    reason: str
    until: datetime.date

    @property
    def words(self) -> str:
        """The reason and the date, for a report."""
        return f"{self.reason} (until {self.until.isoformat()})"

    def matches(self, identity: Identity) -> bool:
        """Whether a cause is one that it stands for."""
        return all(fnmatchcase(getattr(identity, name), pattern) for name, pattern in self.patterns.items())


def read_suppressions(path: str) -> list[Suppression]:
    """Read a file of suppressions.

    Raises
    ------
    ReportError
        If it cannot be read, or an entry lacks its reason, its date or what it is to match.
    """
    try:
        content = read_at_most(path, _MAX_FILE)
        if content is None:
            raise ReportError(path, f"has more than {_MAX_FILE} bytes")
        document = tomllib.loads(content.decode())
    except OSError as error:
        raise ReportError(path, error.strerror or str(error)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ReportError(path, f"is not TOML: {error}") from None
    entries = document.pop("suppress", [])
    if document:
        raise ReportError(path, f"unknown key '{next(iter(document))}'; expected [[suppress]]")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ReportError(path, "'suppress' must be a list of tables: [[suppress]]")
    return [_read(f"{path}: suppression {number}", entry) for number, entry in enumerate(entries, start=1)]


def _read(where: str, entry: dict[str, Any]) -> Suppression:
    reason, until = entry.pop("reason", None), entry.pop("until", None)
    if not isinstance(reason, str) or not reason.strip():
        raise ReportError(where, "lacks its reason, a text")
    if isinstance(until, datetime.datetime) or not isinstance(until, datetime.date):
        raise ReportError(where, "lacks its last day, a date such as until = 2027-03-31")
    for name, pattern in entry.items():
        if name not in FIELDS:
            raise ReportError(where, f"unknown key '{name}'; choose from: {', '.join(FIELDS)}, reason, until")
        if not isinstance(pattern, str):
            raise ReportError(where, f"'{name}' must be a text")
    if not entry.keys() & {"subject", "decider", "reader", "offset"}:
        raise ReportError(where, "needs at least one of subject, decider, reader and offset")
    return Suppression(where, dict(entry), reason.strip(), until)
