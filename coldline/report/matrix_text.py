# SPDX-License-Identifier: GPL-2.0-or-later
"""A matrix of verdicts as a table that fits its place: a row for each host, or else a row for each pair."""

import textwrap
from collections.abc import Iterator

from coldline.report.markdown import markdown
from coldline.report.model import Cell, Matrix

_WIDTH = 80
"""Columns of a table, if nothing says how many there are."""

_NARROWEST = 12
"""The fewest columns of a verdict: the longest word, ``inconclusive``."""


def matrix_table(matrix: Matrix, width: int | None = None) -> str:
    """The verdicts as a Markdown table of at most `width` columns.

    It has a row for each host and a column for each strategy, if that fits; else a row for each pair.
    """
    width = width or _WIDTH
    square = [
        ["host", *matrix.strategies],
        *([host, *(_cell(row[name]) for name in matrix.strategies)] for host, row in matrix.cells.items()),
    ]
    table = markdown(square)
    return table if table.index("\n") <= width else markdown(list(_pairs(matrix, width)))


def _pairs(matrix: Matrix, width: int) -> Iterator[list[str]]:
    """The rows of the table of pairs; a verdict that is too long goes on in the next row."""
    names = [max(map(len, column)) for column in (("host", *matrix.cells), ("strategy", *matrix.strategies))]
    room = max(width - sum(names) - len("|  |  |  |"), _NARROWEST)
    yield ["host", "strategy", "verdict"]
    for host, row in matrix.cells.items():
        for strategy in matrix.strategies:
            first, *more = textwrap.wrap(_cell(row[strategy]), room, break_on_hyphens=False)
            yield [host, strategy, first]
            yield from (["", "", line] for line in more)


def _cell(cell: Cell) -> str:
    if cell.verdict is None:
        return "refused" if cell.refusal else "not tried"
    kinds = ", ".join(cell.kinds)
    return f"{kinds} (final read)" if cell.final_read_only else kinds or cell.verdict.value
