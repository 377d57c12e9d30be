# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the checker on the text of a trace, as ``coldline check`` does, and lists its hazards."""

import io
from typing import NamedTuple

from coldline.checker.checker import Checker
from coldline.checker.state.findings import entries
from coldline.trace.text import TextReader


class Found(NamedTuple):
    """One hazard; compares equal to the explorer's, which has the same five parts in the same order."""

    line: int
    kind: str
    agent: str
    address: int
    size: int


def checker_of(text: str) -> Checker:
    """A checker after every event of a trace."""
    reader = TextReader(io.StringIO(text))
    checker = None
    for where, event in reader:
        if checker is None:
            checker = Checker(reader.profile)
        checker.event(event, where)
    return checker or Checker(reader.profile)


def found_by(checker: Checker) -> list[Found]:
    """A checker's hazards, in a report's order."""
    return [
        Found(entry.where, entry.kind, entry.event.agent, entry.address, entry.size)
        for entry in entries(checker.findings, checker.profile.line)
    ]


def check_text(text: str) -> list[Found]:
    """Every hazard of a trace: its line in the text, kind, agent, address and size."""
    return found_by(checker_of(text))
