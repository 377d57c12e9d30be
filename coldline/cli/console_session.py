# SPDX-License-Identifier: GPL-2.0-or-later
"""Connects standard input and output, such as a terminal, to a guest's console."""

import codecs
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, Final, TypeVar

from coldline.hypervisor.xen.console.consoles import Console
from coldline.hypervisor.xen.console.ring import RingError
from coldline.support.printable import printable

END_KEY: Final = b"\x1d"
"""Ctrl-], which disconnects, as with xl."""

TURN_S: Final = 0.005
"""The shortest time between two reads of the console, in seconds. As a read returns a few KiB at most, this limits
how much a guest can print, and how often it can wake this process."""

_IDLE_S = 0.5  # between two checks that the guest still exists
_RETRY_S = 0.02  # between two tries to write while the guest's input ring is full
_MOST_TYPED = (
    4096  # bytes kept for a guest that does not read its input; a terminal's line has the same limit
)
_Result = TypeVar("_Result")
_HARMLESS = re.compile(r"[^\r\t\b]+")


class Shown:
    """Makes a guest's output safe for a terminal: control characters are replaced with visible ones."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def __call__(self, data: bytes) -> bytes:
        """The text to print for `data`. An incomplete UTF-8 sequence at its end is kept for the next call."""
        text = self._decoder.decode(data)
        return _HARMLESS.sub(lambda found: printable(found[0]), text).encode("utf-8", "backslashreplace")


def attach(
    console: Console,
    alive: Callable[[], bool],
    *,
    raw: bool = False,
    keys: int | None = None,
    screen: BinaryIO | None = None,
    complain: Callable[[str], None] = lambda line: print(f"coldline: {line}", end="\r\n", file=sys.stderr),
) -> bool:
    """Connect to a console until Ctrl-] is typed or the guest ends; return whether the guest ended.

    Parameters
    ----------
    console : Console
        The guest's console.
    alive : callable
        Returns whether the guest still exists.
    raw : bool
        Print output unchanged.
    keys : int, optional
        The descriptor to read typed input from; standard input by default.
    screen : binary file, optional
        The file to write output to; standard output by default.
    complain : callable
        Prints a message. It is called once if the guest wrote invalid indexes into its console's ring.
    """
    keys = sys.stdin.fileno() if keys is None else keys
    screen = sys.stdout.buffer if screen is None else screen
    shown: Callable[[bytes], bytes] = bytes if raw else Shown()
    terminal = os.isatty(keys)
    typing = True
    typed = b""
    looked = 0.0
    said = False

    def guarded(call: Callable[[], _Result], otherwise: _Result) -> _Result:
        nonlocal said
        try:
            return call()
        except RingError as error:
            if not said:
                complain(str(error))
            said = True
            return otherwise

    with _raw_terminal(keys, raw):
        while True:
            # At a terminal, read even when there is no room, so that Ctrl-] always works.
            listening = typing and (terminal or len(typed) < _MOST_TYPED)
            watched: list[Console | int] = [console, keys] if listening else [console]
            ready = select.select(watched, [], [], _RETRY_S if typed else _IDLE_S)[0]
            end = b""
            if keys in ready:
                pressed = os.read(keys, _MOST_TYPED)
                typing = bool(pressed)
                before, end, _ = pressed.partition(END_KEY)
                typed += before
                if terminal:
                    typed = typed[:_MOST_TYPED]
            if typed:
                typed = typed[guarded(partial(console.write, typed), 0) :]
            if end:
                return False
            try:
                output = guarded(console.read, b"")
            except EOFError:
                return True
            if output:
                screen.write(shown(output))
                screen.flush()
            elif time.monotonic() - looked >= _IDLE_S:
                looked = time.monotonic()
                if not alive():
                    return True
            time.sleep(TURN_S)


@contextmanager
def _raw_terminal(descriptor: int, raw: bool) -> Iterator[None]:
    """Put a terminal into raw mode, and restore its modes at the end; do nothing if it is not a terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        if not raw:
            modes = termios.tcgetattr(descriptor)
            modes[1] |= (
                termios.OPOST
            )  # LF starts a new line at the first column, even if the guest sends no CR
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
