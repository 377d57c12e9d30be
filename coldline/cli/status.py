# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit statuses of the command, and its error messages on standard error."""

import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.verdict import Verdict

SUCCESS: Final = 0
COHERENT: Final = 0
HAZARD: Final = 1
ERROR: Final = 2
INCONCLUSIVE: Final = 3
INTERRUPTED: Final = 130

_OF_VERDICT: Final = {"coherent": COHERENT, "hazard": HAZARD, "inconclusive": INCONCLUSIVE}
_ORDER = (COHERENT, INCONCLUSIVE, HAZARD, ERROR)


def status_of(verdict: "Verdict | None") -> int:
    """The exit status for a verdict; for None (no verdict), `ERROR`."""
    return ERROR if verdict is None else _OF_VERDICT[verdict.value]


def worst(one: int, other: int) -> int:
    """The worse of two exit statuses."""
    return max(one, other, key=_ORDER.index)


def complain(message: str) -> None:
    """Print a message on standard error; if that fails, only the exit status reports the error."""
    if sys.stderr is None:
        return
    try:
        print(f"coldline: {printable(message)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        give_up(sys.stderr)


def give_up(stream: TextIO | None) -> None:
    """Discard a standard stream's buffer, so that the interpreter's flush at exit does not fail."""
    try:
        if stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass  # not a file
