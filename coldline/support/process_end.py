# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command's process still does once its output is written, such as to keep what it has learned.

In any other process, one of a program that uses this package or of the tests, nothing is noted and nothing is done.
"""

from collections.abc import Callable

_waiting: list[Callable[[], None]] | None = None


def begin_command() -> None:
    """Say that this process is a command's, which calls `end_command` at last."""
    global _waiting
    _waiting = []


def is_command() -> bool:
    """Whether this process is a command's."""
    return _waiting is not None


def at_end(do: Callable[[], None]) -> None:
    """Have `do` called at the end of a command's process."""
    if _waiting is not None:
        _waiting.append(do)


def end_command() -> None:
    """Do what was to be done at the end."""
    global _waiting
    for do in _waiting or ():
        do()
    _waiting = None
