# SPDX-License-Identifier: GPL-2.0-or-later
"""What a standard stream can show: its width, colours, and lines that are written again."""

import os
from typing import TextIO


def columns_of(out: TextIO | None) -> int | None:
    """The width of a stream that people read: ``COLUMNS``, else that of its terminal; None if there is neither."""
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told[:9]) > 0:
        return int(told[:9])
    try:
        return os.get_terminal_size(out.fileno()).columns or None if out is not None else None
    except (OSError, ValueError):
        return None


def redraws(out: TextIO) -> bool:
    """Whether a line can be written over: `out` is a terminal, and ``TERM`` is not ``dumb``."""
    return out.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(out: TextIO) -> bool:
    """Whether to write colours: `out` is a terminal that redraws, and ``NO_COLOR`` is unset or empty."""
    return redraws(out) and not os.environ.get("NO_COLOR")
