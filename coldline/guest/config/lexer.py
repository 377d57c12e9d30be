# SPDX-License-Identifier: GPL-2.0-or-later
"""The lexer of xl's guest configuration files.

Source: xen tools/libs/util/libxlu_cfg_l.l (4.17).
"""

import bisect
from collections.abc import Iterator
from typing import NamedTuple

from coldline.errors import ConfigError
from coldline.support.printable import one_line


class SourceLocation(NamedTuple):
    """A position in a file: line and column count from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class Token(NamedTuple):
    """A token: its kind (``name``, ``number``, ``string``, ``newline``, ``end`` or a mark), text and offset."""

    kind: str
    text: str
    at: int


_NAME = frozenset("._0123456789abcdefghijklmnopqrstuvwxyz")
_NUMBER = frozenset("0123456789abcdefx")
_MARKS = frozenset(",[]=;")


class Lexer:
    """Splits a file's text into tokens.

    Parameters
    ----------
    text : str
        The whole text.
    path : str
        The file's name, for messages.
    """

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._line_ends = [at for at, letter in enumerate(text) if letter == "\n"]

    def place(self, at: int) -> SourceLocation:
        """Return the position of a character, by its index."""
        line = bisect.bisect_left(self._line_ends, at)
        start = self._line_ends[line - 1] + 1 if line else 0
        return SourceLocation(self._path, line + 1, at - start + 1)

    def error(self, at: int, reason: str) -> ConfigError:
        """Return the error for a character, by its index."""
        return ConfigError(str(self.place(at)), one_line(reason))

    def tokens(self) -> Iterator[Token]:
        """Yield all tokens, then ``end`` without limit.

        Raises
        ------
        ConfigError
            At a character that starts no token.
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
        """Return the kind of the token at an offset, empty for spaces, and its end."""
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
            return "a comment at the end of the file: xl requires a line end after it"
        if character in "'\"":
            return "a string without an end on its line"
        if character == "\r":
            return "a carriage return: xl does not accept DOS line ends"
        if character in "+-.():":
            return f"'{character}' outside a string: expressions are not supported"
        if character.isupper():
            return f"'{character}' outside a string: names and numbers must be in lower case"
        return f"{character!r} outside a string"


def _end_of(text: str, at: int, letters: frozenset[str]) -> int:
    while at < len(text) and text[at] in letters:
        at += 1
    return at


def _string_end(text: str, at: int) -> int:
    """Return the end of the string at an offset, or -1 if it does not end on its line."""
    quote = text[at]
    at += 1
    while at < len(text) and text[at] != "\n":
        if text[at] == quote:
            return at + 1
        at += 2 if text[at] == "\\" and text[at + 1 : at + 2] != "\n" else 1
    return -1
