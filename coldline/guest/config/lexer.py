# SPDX-License-Identifier: GPL-2.0-or-later
"""The tokens of xl's guest configuration files, and where in a file they are.

Source: xen tools/libs/util/libxlu_cfg_l.l (4.17).
"""

import bisect
from collections.abc import Iterator
from typing import NamedTuple

from coldline.errors import ConfigError
from coldline.support.printable import one_line


class SourceLocation(NamedTuple):
    """Where something is: a file, and a line and a column, both counted from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class Token(NamedTuple):
    """A token: ``name``, ``number``, ``string``, ``newline``, ``end``, or the mark itself; and where it starts."""

    kind: str
    text: str
    at: int


_NAME = frozenset("._0123456789abcdefghijklmnopqrstuvwxyz")
_NUMBER = frozenset("0123456789abcdefx")
_MARKS = frozenset(",[]=;")


class Lexer:
    """A file's text, token by token.

    Parameters
    ----------
    text : str
        All of it.
    path : str
        Its name, for messages.
    """

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._line_ends = [at for at, letter in enumerate(text) if letter == "\n"]

    def place(self, at: int) -> SourceLocation:
        """Where the character of that index is."""
        line = bisect.bisect_left(self._line_ends, at)
        start = self._line_ends[line - 1] + 1 if line else 0
        return SourceLocation(self._path, line + 1, at - start + 1)

    def error(self, at: int, reason: str) -> ConfigError:
        """The error that says what is wrong there."""
        return ConfigError(str(self.place(at)), one_line(reason))

    def tokens(self) -> Iterator[Token]:
        """All of them; the end, again and again.

        Raises
        ------
        ConfigError
            At what is none.
        """
        at, text = 0, self._text
        while at < len(text):
            kind, end = self._lexeme(at)
            if kind:
                yield Token(kind, text[at:end], at)
            at = end
        while True:
            yield Token("end", "", at)

    def _lexeme(self, at: int) -> tuple[str, int]:
        """What kind of token starts there, none for spaces, and where it ends."""
        text = self._text
        first = text[at]
        if first in " \t":
            return "", at + 1
        if "a" <= first <= "z":
            return "name", _end_of(text, at, _NAME)
        if "0" <= first <= "9":
            return "number", _end_of(text, at, _NUMBER)
        if first == "\n":
            return "newline", at + 1
        if first == "#" and (end := text.find("\n", at)) >= 0:
            return "newline", end + 1
        if first in "'\"" and (end := _string_end(text, at)) >= 0:
            return "string", end
        if first in _MARKS:
            return first, at + 1
        if text.startswith("+=", at):
            return "+=", at + 2
        raise self.error(at, self._lexical(first))

    def _lexical(self, character: str) -> str:
        if character == "#":
            return "a comment that ends with the file: xl wants a line end after it"
        if character in "'\"":
            return "a string that has no end on its line"
        if character == "\r":
            return "a carriage return: xl does not take DOS line ends"
        if character in "+-.():":
            return f"'{character}' outside of a string: a file is not evaluated, as Python or otherwise"
        if character.isupper():
            return f"'{character}' outside of a string: names and numbers are in lower case"
        return f"{character!r} outside of a string"


def _end_of(text: str, at: int, letters: frozenset[str]) -> int:
    while at < len(text) and text[at] in letters:
        at += 1
    return at


def _string_end(text: str, at: int) -> int:
    """Where a string ends that starts there; -1 if it does not on its line."""
    quote = text[at]
    at += 1
    while at < len(text) and text[at] != "\n":
        if text[at] == quote:
            return at + 1
        at += 2 if text[at] == "\\" and text[at + 1 : at + 2] != "\n" else 1
    return -1
