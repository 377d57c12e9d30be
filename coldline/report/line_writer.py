# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of text for people: as wide as the terminal, and with colours on it."""

from typing import TextIO

from coldline.support.printable import printable
from coldline.support.terminal import columns_of, has_colours

_COLOURS = {"good": "1;32", "bad": "1;31", "dim": "2"}


class LineWriter:
    """Writes lines of text, safe for a terminal.

    Parameters
    ----------
    out : text file
        Where to write.

    Attributes
    ----------
    colours : bool
        Whether it shows colours.
    width : int or None
        The most columns of a line; None for lines of any length, which a program can search.
    """

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.colours = has_colours(out)
        self.width = columns_of(out)

    def say(self, text: str = "", style: str = "") -> None:
        """Write a line, wrapped to the width; `style` is ``good``, ``bad`` or ``dim``, and is a colour."""
        colour = _COLOURS.get(style) if self.colours else None
        text = printable(text)
        if self.width is not None and len(text) > self.width:
            text = "\n".join(_wrapped(line, self.width) for line in text.split("\n"))
        self.out.write(f"\033[{colour}m{text}\033[0m\n" if colour else f"{text}\n")


def _wrapped(line: str, width: int) -> str:
    """Wrap a line between words; the lines after the first are indented by two more columns."""
    import textwrap

    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    return textwrap.fill(
        line,
        max(width, len(indent) + 1),
        subsequent_indent=indent,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
