# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows the progress of a long run on standard error, and the guest's console on standard output."""

import sys
from typing import Any

from coldline.support.terminal import redraws


class RunProgress:
    """A context manager that shows a run's progress and the guest's console.

    Parameters
    ----------
    wanted : bool
        Whether to show anything. Progress is shown only if standard error is a terminal that redraws lines.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "RunProgress":
        if self._wanted and redraws(sys.stderr):
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.fields[instructions]:,} instructions, {task.fields[accesses]:,} accesses"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, instructions=0, accesses=0)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, instructions: int, accesses: int) -> None:
        """Show how many instructions and accesses there were."""
        if self._bar is not None:
            self._bar.update(self._task, instructions=instructions, accesses=accesses)

    def console(self, text: bytes) -> None:
        """Show console output: printable text and line ends, without what could control a terminal."""
        if self._wanted:
            sys.stdout.write("".join(chr(byte) if 32 <= byte < 127 or byte == 10 else "" for byte in text))
