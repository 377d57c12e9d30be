# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the pages whose mapping gets another type without break-before-make."""

from coldline.checker.state.aliases import breaks
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.lines import Badness
from coldline.checker.state.page_sets import gaps
from coldline.events import PAGE_SIZE, Event
from coldline.rules.line_rules import Hazard

Pages = tuple[int, int]
"""A run of pages, and the one past it."""


def broken_by(state: CheckState, event: Event, agent: int) -> list[Pages]:
    """The runs of pages to which an event, which has not been applied yet, gives another type, in order."""
    first, end = event.address // PAGE_SIZE, (event.address + event.size) // PAGE_SIZE
    memory, classes = state.memory, state.page_classes
    rows, covered = memory.dense_rows(first, end)
    pages = [
        (page, page + 1)
        for row, page in zip(rows.tolist(), covered.tolist(), strict=True)
        if breaks(classes, event, agent, int(memory.classes[row]))
    ]
    for known in memory.ranges(first, end):
        if breaks(classes, event, agent, known.page_class):
            pages += gaps(covered, known.first, known.end)
    runs: list[Pages] = []
    for start, stop in sorted(pages):
        if runs and runs[-1][1] == start:
            start = runs.pop()[0]
        runs.append((start, stop))
    return runs


def add_broken(state: CheckState, event: Event, where: int, pages: list[Pages]) -> None:
    """Note that an event has given pages another type: a hazard of each of their lines."""
    bad = (Badness(Hazard.BBM, 0, state.profile.line),)
    for run in pages:
        for first, end in state.findings.new_pages(*run, event.op, bad):
            lines = (end - first) * state.memory.lines_per_page
            state.findings.add(state.events, where, event, first * PAGE_SIZE, lines, bad)
