# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of the message about a name that does not exist."""

from collections.abc import Iterable


def choices(wrong: str, known: Iterable[str]) -> str:
    """The closest of the `known` names, if one is close, and then all of them."""
    import difflib

    names = list(known)
    close = difflib.get_close_matches(wrong[:100].lower(), names, n=1)
    return "".join(f"did you mean '{name}'? " for name in close) + f"choose from: {', '.join(names)}"
