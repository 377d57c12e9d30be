# SPDX-License-Identifier: GPL-2.0-or-later
"""The format of stories and of the comments at the head of a trace: named fields of text.

A field is ``name: text``; its text continues on lines that start with white space. In a trace, each of these lines
starts with ``#``, and they end before the first line without one, or at a ``#`` alone.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from coldline.errors import CorpusError

LICENCE = "SPDX-License-Identifier"
"""The first field of every file."""

_FIELD = re.compile(r"([A-Za-z-]+(?: [a-z]+)*):(?:\s+|$)(.*)")


class TextField(NamedTuple):
    """A field's text, joined into one line, and the line of the file where it begins."""

    text: str
    line: int


def read_fields(
    path: str, lines: Iterable[str], *, needed: Iterable[str], free: Iterable[str] = ()
) -> dict[str, TextField]:
    """Read the fields of a file.

    Parameters
    ----------
    path : str
        The file's name, for errors.
    lines : iterable of str
        Its lines. The first is line 1.
    needed, free : iterable of str
        Names of required and of optional fields.

    Raises
    ------
    CorpusError
        If a field is unknown, empty, repeated or missing, or a line belongs to no field.
    """
    needed = [LICENCE, *needed]
    known = [*needed, *free]
    fields: dict[str, TextField] = {}
    name = ""
    end = 1
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        if not line.strip():
            continue
        end = number
        if line[0].isspace():
            if not name:
                raise CorpusError(where, "an indented line before the first field")
            begun = fields[name]
            fields[name] = begun._replace(text=f"{begun.text} {line.strip()}".strip())
            continue
        found = _FIELD.fullmatch(line.rstrip())
        if found is None:
            raise CorpusError(where, f"expected 'field: text' or an indented line: '{line.strip()}'")
        name = found[1]
        if name not in known:
            raise CorpusError(where, f"unknown field '{name}'; choose from: {', '.join(known)}")
        if name in fields:
            raise CorpusError(where, f"field '{name}' is repeated")
        fields[name] = TextField(found[2].strip(), number)
    for name in needed:
        if name not in fields:
            raise CorpusError(f"{path}:{end}", f"field '{name}' is missing")
    for name, field in fields.items():
        if not field.text:
            raise CorpusError(f"{path}:{field.line}", f"field '{name}' is empty")
    return fields


def case_header(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a trace's leading comments, without their ``#``."""
    for line in lines:
        if not line.startswith("#") or not line[1:].strip():
            return
        yield line[1:].removeprefix(" ")
