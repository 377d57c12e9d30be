# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from strangers, fit for a terminal."""


def printable(text: str) -> str:
    """`text` with what could drive a terminal written as escapes; line ends stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )
