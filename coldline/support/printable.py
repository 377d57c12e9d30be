# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from strangers, fit for a terminal."""


def printable(text: str) -> str:
    """`text` with what could drive a terminal written as escapes; line ends stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )


MAX_MESSAGE = 8000
"""Characters of what `one_line` gives."""

_HEAD, _CUT, _TAIL = 7000, " … ", 500


def one_line(text: str) -> str:
    """`text` fit for a line of a message: line ends as escapes, too, and without the middle of what is very long."""
    line = printable(text[: 2 * MAX_MESSAGE] + text[2 * MAX_MESSAGE :][-MAX_MESSAGE:]).replace("\n", "\\n")
    return line if len(line) <= MAX_MESSAGE else f"{line[:_HEAD]}{_CUT}{line[-_TAIL:]}"


def shortened(text: str, max_length: int = 64) -> str:
    """`text`, or so much of it that with dots behind it has `max_length` characters."""
    return text if len(text) <= max_length else text[: max_length - 3] + "..."
