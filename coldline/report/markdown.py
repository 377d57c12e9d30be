# SPDX-License-Identifier: GPL-2.0-or-later
"""Markdown tables."""

from collections.abc import Sequence


def markdown(rows: Sequence[Sequence[str]], *, aligned: bool = True) -> str:
    """Write `rows` as a Markdown table; the first row is its head.

    Parameters
    ----------
    rows : sequence of sequence of str
        The cells.
    aligned : bool
        Pad the cells, so that the columns are aligned in the text. A table with long cells reads better unpadded.
    """
    head, *body = rows
    if not aligned:
        return "".join((_line(head), f"|{'---|' * len(head)}\n", *map(_line, body)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    rule = ["-" * width for width in widths]
    return "".join(
        _line([cell.ljust(width) for cell, width in zip(row, widths, strict=True)])
        for row in (head, rule, *body)
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
