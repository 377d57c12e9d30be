# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows how far a long command is on standard error, and the guest's console on standard output.

On a terminal that redraws, progress is one line that is written over. Elsewhere, as in a log, it is a line now and
then.
"""

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from coldline.cli.outputs import Outputs
from coldline.support.printable import one_line
from coldline.support.terminal import columns_of, redraws
from coldline.verdict import Judgement, Watcher

FIRST: Final = 10.0
EVERY: Final = 30.0
"""The seconds before the first line of a log, and between two lines."""

_REDRAW_EVERY: Final = 0.1


class Progress:
    """A context manager that shows progress, and removes the line of a terminal at the end.

    Parameters
    ----------
    wanted : bool
        Whether to show anything.
    out : text file, optional
        Where to show it; by default, standard error.
    clock : callable
        The time in seconds.
    """

    def __init__(
        self, wanted: bool, *, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wanted, self._clock = wanted, clock
        self._out = sys.stderr if out is None else out
        self._redraws = wanted and redraws(self._out)
        self._started = clock()
        self._due = self._started + (_REDRAW_EVERY if self._redraws else FIRST)
        self._drawn = self._in_line = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def say(self, what: Callable[[], str]) -> None:
        """Show what the command does, if it is time to."""
        now = self._clock()
        if not self._wanted or now < self._due or self._in_line:
            return
        self._due = now + (_REDRAW_EVERY if self._redraws else EVERY)
        text = one_line(f"{now - self._started:.0f} s: {what()}")
        if self._redraws:
            width = columns_of(self._out)
            text = text if width is None else text[: width - 1]
            self._out.write(f"\r{text}\033[K")
            self._drawn = True
        else:
            self._out.write(f"coldline: {text}\n")
        self._out.flush()

    def compiled(self, done: int, of: int) -> None:
        """Show how many of coldline's programs are compiled (`coldline.jit.compiling.compile_missing`)."""
        self.say(lambda: f"compiling coldline's inner loops, once: {done} of {of}")

    def clear(self) -> None:
        """Remove the line, before other text."""
        if self._drawn:
            self._out.write("\r\033[K")
            self._out.flush()
            self._drawn = False

    def console(self, text: bytes) -> None:
        """Show console output: printable text and line ends, without what could control a terminal."""
        shown = "".join(chr(byte) if 32 <= byte < 127 or byte == 10 else "" for byte in text)
        if shown:
            self.clear()
            sys.stdout.write(shown)
            self._in_line = self._redraws and sys.stdout.isatty() and not shown.endswith("\n")


class Following(Watcher):
    """Shows how far a check is, from its first event to its last story.

    Parameters
    ----------
    progress : Progress
        Where to show it.
    outputs : Outputs or None
        Gets what the first pass found, before the second one; None for a command that shows only verdicts.
    subject : str
        What is checked, for the progress; empty if there is only one.
    """

    def __init__(self, progress: Progress, outputs: Outputs | None, subject: str = "") -> None:
        self._progress, self._outputs, self._subject = progress, outputs, subject
        self._name = f"{subject}: " if subject else ""
        self._events, self._hazards = 1, ""

    def ran(self, instructions: int, accesses: int) -> None:
        """Show how far the run is."""
        self._progress.say(lambda: f"{self._name}{instructions:,} instructions, {accesses:,} accesses")

    def read(self, events: int) -> None:
        """Show how many events of a file were checked."""
        self._progress.say(lambda: f"{self._name}{events:,} events checked")

    def found(self, judgement: Judgement, stories: int) -> None:
        """See `Watcher.found`."""
        self._events = judgement.events
        self._hazards = f"hazards found: {judgement.found:,}; "
        if self._outputs is not None:
            self._progress.clear()
            self._outputs.found(judgement, self._subject, stories)

    def repeated(self, events: int) -> None:
        """See `Watcher.repeated`."""
        self._progress.say(
            lambda: (
                f"{self._name}{self._hazards}second pass: {100 * events // self._events} %"
                f" of {self._events:,} events"
            )
        )

    def telling(self, story: int, stories: int) -> None:
        """See `Watcher.telling`."""
        self._progress.say(lambda: f"{self._name}{self._hazards}working out story {story:,} of {stories:,}")

    def locating(self, events: int) -> None:
        """See `Watcher.locating`."""
        self._progress.say(
            lambda: (
                f"{self._name}{self._hazards}third pass, for the instructions of stories:"
                f" {100 * events // self._events} % of {self._events:,} events"
            )
        )
