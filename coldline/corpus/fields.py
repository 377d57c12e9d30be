# SPDX-License-Identifier: GPL-2.0-or-later
"""Fields with their text: what a story and the head of a trace are written in.

A field is ``name: text``, and its text goes on over lines that begin with white space. In a trace each line of them
begins with ``#``; they end at the first line that does not, or at a ``#`` alone.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from coldline.errors import CorpusError

LICENCE = "SPDX-License-Identifier"
"""The first field of every file."""

_FIELD = re.compile(r"([A-Za-z-]+(?: [a-z]+)*):(?:\s+|$)(.*)")


class TextField(NamedTuple):
    """A field's text, in one line, and the line of the file at which it begins."""

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
        The names of the fields that have to be there, and of those that may.

    Raises
    ------
    CorpusError
        At a field that is unknown, empty or there twice, at a line that is of no field, and where one is missing.
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
                raise CorpusError(where, "the text of no field")
            begun = fields[name]
            fields[name] = begun._replace(text=f"{begun.text} {line.strip()}".strip())
            continue
        found = _FIELD.fullmatch(line.rstrip())
        if found is None:
            raise CorpusError(where, f"neither 'field: text' nor the text of one: '{line.strip()}'")
        name = found[1]
        if name not in known:
            raise CorpusError(where, f"unknown field '{name}'; choose from: {', '.join(known)}")
        if name in fields:
            raise CorpusError(where, f"'{name}' is there twice")
        fields[name] = TextField(found[2].strip(), number)
    for name in needed:
        if name not in fields:
            raise CorpusError(f"{path}:{end}", f"'{name}' is missing")
    for name, field in fields.items():
        if not field.text:
            raise CorpusError(f"{path}:{field.line}", f"'{name}' is empty")
    return fields


def case_header(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a trace's head, without their ``#``."""
    for line in lines:
        if not line.startswith("#") or not line[1:].strip():
            return
        yield line[1:].removeprefix(" ")
