# SPDX-License-Identifier: GPL-2.0-or-later
"""The parser of xl's guest configuration files: text in, settings out. Nothing in a file is evaluated.

Source: xen tools/libs/util/libxlu_cfg_l.l, libxlu_cfg_y.y and libxlu_cfg.c (4.17). The parser refuses what xl
refuses, and reports the column as well; it accepts what xl accepts, within the limits below.
"""

from collections.abc import Mapping
from typing import NamedTuple

from coldline.errors import ConfigError
from coldline.guest.config.lexer import Lexer, SourceLocation, Token
from coldline.support.frozen_record import Record
from coldline.support.printable import one_line, shortened

MAX_CONFIG = 1 << 18
"""The most bytes of a file."""

MAX_VALUES = 1 << 14
"""The most strings, numbers and lists in a file."""

MAX_LIST_DEPTH = 32
"""The most nested lists."""


class ConfigString(NamedTuple):
    """A string or a number, which xl does not distinguish: its unquoted text and its position."""

    text: str
    place: SourceLocation


class ConfigList(Record):
    """A list: its values and its position."""

    values: "tuple[Value, ...]"
    place: SourceLocation


Value = ConfigString | ConfigList


class ConfigSetting(Record):
    """The value of a key, after all assignments.

    Attributes
    ----------
    name : str
        The key.
    value : ConfigString or ConfigList
        The value, with everything that ``+=`` added.
    place : SourceLocation
        The position of the last assignment.
    added : bool
        Whether the last assignment was ``+=``.
    """

    name: str
    value: Value
    place: SourceLocation
    added: bool


class Remark(Record):
    """A warning about a file, for the user."""

    place: SourceLocation
    text: str

    def __str__(self) -> str:
        return one_line(f"{self.place}: {self.text}")


class ParsedConfig(Record):
    """A file's settings by key, and remarks about them."""

    settings: Mapping[str, ConfigSetting]
    remarks: tuple[Remark, ...]


def parse(text: str, path: str, before: ParsedConfig | None = None) -> ParsedConfig:
    """Parse a configuration file.

    Parameters
    ----------
    text : str
        The whole text.
    path : str
        The file's name, for messages.
    before : ParsedConfig or None
        Earlier settings, which `text` adds to.

    Raises
    ------
    ConfigError
        If the syntax is not xl's, or a limit is exceeded; the message has the line and the column.
    """
    if len(text) > MAX_CONFIG:
        raise ConfigError(path, f"has more than {MAX_CONFIG} bytes: not a guest configuration file")
    return _Parser(text, path, before).run()


_WORDS = {
    "name": "a name",
    "number": "a number",
    "string": "a string",
    "newline": "the end of the line",
    "end": "the end of the file",
}

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {
    same: same for same in "\"'\\"
}


class _PendingSetting:
    """A setting during parsing. What ``+=`` adds is joined once, at the end of the file."""

    def __init__(self, value: Value, place: SourceLocation, added: bool) -> None:
        self.first = value
        self.atoms: list[str] = []
        self.items: list[Value] = []
        self.set(value, place, added)

    def set(self, value: Value, place: SourceLocation, added: bool) -> None:
        """Add a value of the same kind."""
        self.place, self.added = place, added
        if isinstance(value, ConfigString):
            self.atoms.append(value.text)
        else:
            self.items += value.values

    def setting(self, name: str) -> ConfigSetting:
        start = self.first.place
        value: Value
        value = (
            ConfigString("".join(self.atoms), start) if self.atoms else ConfigList(tuple(self.items), start)
        )
        return ConfigSetting(name, value, self.place, self.added)


class _Parser:
    """A parser with one token of look-ahead, and an explicit stack for nested lists."""

    def __init__(self, text: str, path: str, before: ParsedConfig | None) -> None:
        self._lexer = Lexer(text, path)
        self._values = 0
        self._growing: dict[str, _PendingSetting] = {}
        self._remarks: list[Remark] = []
        if before is not None:
            for name, each in before.settings.items():
                self._growing[name] = _PendingSetting(each.value, each.place, each.added)
            self._remarks += before.remarks
        self._tokens = self._lexer.tokens()
        self._token = next(self._tokens)

    def run(self) -> ParsedConfig:
        while self._token.kind != "end":
            starts = True
            if self._token.kind == "name":
                self._assignment()
                starts = False
            if self._token.kind not in ("newline", ";", "end"):
                raise self._unexpected(
                    "a setting: NAME=VALUE, in lower case" if starts else "the end of the line or ';'"
                )
            self._advance()
        settings = {name: growing.setting(name) for name, growing in self._growing.items()}
        return ParsedConfig(settings, tuple(self._remarks))

    def _assignment(self) -> None:
        name, at = self._token.text, self._token.at
        self._advance()
        if self._token.kind not in ("=", "+="):
            raise self._unexpected(f"'=' after '{shortened(name)}'")
        added = self._token.kind == "+="
        self._advance()
        value = self._value()
        held = self._growing.get(name)
        if not added or held is None:
            self._growing[name] = _PendingSetting(value, self._lexer.place(at), added)
            return
        if type(value) is not type(held.first):
            kinds = "a list", "a string"
            is_string = isinstance(value, ConfigString)
            raise ConfigError(
                str(value.place),
                f"{kinds[is_string]} cannot be added to '{shortened(name)}', which is {kinds[not is_string]}",
            )
        held.set(value, self._lexer.place(at), added)

    def _value(self) -> Value:
        """Parse a value without recursion; the stack has the open lists."""
        stack: list[tuple[int, list[Value]]] = []
        while True:
            self._values += 1
            if self._values > MAX_VALUES:
                raise self._lexer.error(self._token.at, f"more than {MAX_VALUES} values")
            done: Value
            if self._token.kind == "[":
                if len(stack) == MAX_LIST_DEPTH:
                    raise self._lexer.error(self._token.at, f"more than {MAX_LIST_DEPTH} nested lists")
                stack.append((self._token.at, []))
                self._advance()
                self._skip_lines()
                if self._token.kind != "]":
                    continue
                done = self._close(stack)
            elif self._token.kind in ("string", "number"):
                done = self._atom()
            else:
                raise self._unexpected("a string in quotes, a number or a list")
            while stack:
                stack[-1][1].append(done)
                self._skip_lines()
                if self._token.kind == ",":
                    self._advance()
                    self._skip_lines()
                    if self._token.kind != "]":
                        break
                elif self._token.kind != "]":
                    raise self._unexpected("',' or ']'")
                done = self._close(stack)
            else:
                return done

    def _close(self, stack: list[tuple[int, list[Value]]]) -> ConfigList:
        at, values = stack.pop()
        self._advance()
        return ConfigList(tuple(values), self._lexer.place(at))

    def _atom(self) -> ConfigString:
        token = self._token
        text = self._unquote(token) if token.kind == "string" else token.text
        self._advance()
        return ConfigString(text, self._lexer.place(token.at))

    def _unquote(self, token: Token) -> str:
        """Return a string without its quotes. xl drops numeric escapes, so they are dropped here too."""
        raw, at, pieces = token.text, 1, []
        while at < len(raw) - 1:
            stop = raw.find("\\", at)
            if stop < 0:
                break
            pieces.append(raw[at:stop])
            letter = raw[stop + 1]
            at = stop + 2
            if letter in _ESCAPES:
                pieces.append(_ESCAPES[letter])
            elif letter in "01234567":
                digits = _digits_end(raw, at, at + 3)
                if digits < at + 2:
                    raise self._lexer.error(
                        token.at + stop,
                        f"xl refuses '{raw[stop:at]}' in a string; write the character itself",
                    )
                at = digits
                self._remarks.append(
                    Remark(
                        self._lexer.place(token.at + stop),
                        f"xl drops '{raw[stop:at]}' from a string; write the character itself",
                    )
                )
            else:
                raise self._lexer.error(
                    token.at + stop, f"xl refuses '{raw[stop:at]}' in a string; \\\\ is a backslash"
                )
        pieces.append(raw[at:-1])
        text = "".join(pieces)
        if "\0" in text:
            raise self._lexer.error(token.at + raw.index("\0"), "a NUL in a string")
        return text

    def _advance(self) -> None:
        self._token = next(self._tokens)

    def _skip_lines(self) -> None:
        while self._token.kind == "newline":
            self._advance()

    def _unexpected(self, wanted: str) -> ConfigError:
        kind, text = self._token.kind, self._token.text
        found = _WORDS.get(kind, f"'{kind}'")
        if kind in ("name", "number", "string"):
            found = f"{found} ({shortened(text)})"
        return self._lexer.error(self._token.at, f"found {found}, expected {wanted}")


def _digits_end(text: str, at: int, end: int) -> int:
    """Return the end of a number in `text[at:end]`, as C's strtoul parses it; `at` if there is none."""
    start = at
    while at < end and text[at] in " \t\v\f\r":
        at += 1
    if at < end and text[at] in "+-":
        at += 1
    first = at
    while at < end and "0" <= text[at] <= "9":
        at += 1
    return at if at > first else start
