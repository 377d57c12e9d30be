# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of text for people, with colours on a terminal."""

from typing import TextIO

from coldline.support.printable import printable

_COLOURS = {"good": "1;32", "bad": "1;31", "dim": "2"}


class LineWriter:
    """Writes lines of text, safe for a terminal.

    Parameters
    ----------
    out : text file
        Where to write.

    Attributes
    ----------
    terminal : bool
        Whether that is a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.terminal = out.isatty()

    def say(self, text: str = "", style: str = "") -> None:
        """Write a line; `style` is ``good``, ``bad`` or ``dim``, and shows on a terminal."""
        colour = _COLOURS.get(style) if self.terminal else None
        text = printable(text)
        self.out.write(f"\033[{colour}m{text}\033[0m\n" if colour else f"{text}\n")
