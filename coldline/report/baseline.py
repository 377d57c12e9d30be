# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads JSON reports and baselines, and writes a baseline: the causes that are known.

The files may come from anywhere, so each key is checked before it is used.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from coldline.errors import ReportError
from coldline.report.identity import Identity, identity_from
from coldline.report.reporters.json import REPORT_SCHEMA
from coldline.support.bounded_file import read_at_most

BASELINE_SCHEMA: Final = "coldline.baseline/1"
_MAX_FILE: Final = 1 << 30
"""The most bytes of a file; a longer file is an error."""


class SavedReport(NamedTuple):
    """What a JSON report says of one subject.

    Attributes
    ----------
    subject : str
        The trace or the image.
    verdict : str
        The verdict, or ``error``.
    causes : list of Identity
        The causes.
    untold : int
        How many hazards have no cause.
    """

    subject: str
    verdict: str
    causes: list[Identity]
    untold: int


def read_reports(path: str) -> list[SavedReport]:
    """Read the file that ``--format json`` wrote.

    Raises
    ------
    ReportError
        If it cannot be read, or is no report. ``where`` is the file and the line.
    """
    found = []
    for number, line in enumerate(_text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        document = _object(where, line)
        if document.get("schema") != REPORT_SCHEMA:
            raise ReportError(where, f"is no report: its schema is not {REPORT_SCHEMA}")
        found.append(_report(where, document))
    if not found:
        raise ReportError(path, "has no report")
    return found


def read_baseline(path: str) -> list[Identity]:
    """Read a baseline.

    Raises
    ------
    ReportError
        If it cannot be read, or is no baseline.
    """
    document = _object(path, _text_of(path))
    if document.get("schema") != BASELINE_SCHEMA:
        raise ReportError(path, f"is no baseline: its schema is not {BASELINE_SCHEMA}")
    return _identities(path, document.get("causes"), nested=False)


def baseline_text(reports: Iterable[SavedReport]) -> str:
    """The text of a baseline that has all causes of some reports."""
    causes = sorted(cause for report in reports for cause in report.causes)
    document = {"schema": BASELINE_SCHEMA, "causes": [cause._asdict() for cause in causes]}
    return json.dumps(document, indent=1) + "\n"


def _text_of(path: str) -> str:
    try:
        data = read_at_most(path, _MAX_FILE)
        if data is None:
            raise ReportError(path, f"has more than {_MAX_FILE} bytes")
        return data.decode()
    except UnicodeDecodeError:
        raise ReportError(path, "is not text in UTF-8") from None
    except OSError as error:
        raise ReportError(path, error.strerror or str(error)) from None


def _object(where: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReportError(where, f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ReportError(where, "is no JSON object")
    return document


def _identities(where: str, causes: object, *, nested: bool) -> list[Identity]:
    if not isinstance(causes, list):
        raise ReportError(where, "lacks its list 'causes'")
    found = []
    for index, cause in enumerate(causes):
        part = cause.get("identity") if nested and isinstance(cause, dict) else cause
        identity = identity_from(part) if isinstance(part, dict) else None
        if identity is None:
            raise ReportError(where, f"cause {index} has no identity")
        found.append(identity)
    return found


def _report(where: str, document: dict[str, Any]) -> SavedReport:
    subject = str(document.get("file", document.get("image", "")))
    if "error" in document:
        return SavedReport(subject, "error", [], 0)
    causes = _identities(where, document.get("causes"), nested=True)
    counts = document.get("hazards_by_kind")
    listed = [cause.get("hazards") for cause in document["causes"] if cause.get("reader") != "final read"]
    if not isinstance(counts, dict) or not all(isinstance(n, int) for n in (*counts.values(), *listed)):
        raise ReportError(where, "a count of hazards is no number")
    return SavedReport(
        subject, str(document.get("verdict")), causes, max(sum(counts.values()) - sum(listed), 0)
    )
