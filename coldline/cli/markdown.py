# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables that are Markdown, and can be read as they are."""

from collections.abc import Sequence


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """`rows` as a Markdown table with aligned columns; the first row is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |\n"

    return line(rows[0]) + line(["-" * width for width in widths]) + "".join(line(row) for row in rows[1:])
