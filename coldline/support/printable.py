# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes untrusted text safe for a terminal."""


def printable(text: str) -> str:
    """Return `text` with unprintable characters, which could control a terminal, as escapes; line ends stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )


MAX_MESSAGE = 8000
"""The most characters of a line from `one_line`."""

_HEAD, _CUT, _TAIL = 7000, " … ", 500


def one_line(text: str) -> str:
    """Return `text` as one printable line: line ends are escaped, and a very long text loses its middle."""
    line = printable(text[: 2 * MAX_MESSAGE] + text[2 * MAX_MESSAGE :][-MAX_MESSAGE:]).replace("\n", "\\n")
    return line if len(line) <= MAX_MESSAGE else f"{line[:_HEAD]}{_CUT}{line[-_TAIL:]}"


def shortened(text: str, max_length: int = 64) -> str:
    """Return `text`, cut to `max_length` characters with three dots at the end if it is longer."""
    return text if len(text) <= max_length else text[: max_length - 3] + "..."
