# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal, or whatever standard input and output are, at a guest's console."""

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
"""Ctrl-], which ends it, as with xl."""

TURN_S: Final = 0.005
"""The shortest time between two looks at the console, in seconds. As a look gives a few KiB at most, that bounds how
much a guest can have printed, and how often it can have this process woken."""

_IDLE_S = 0.5  # between two looks whether the guest is still there
_RETRY_S = 0.02  # while the guest has no room for more input
_MOST_TYPED = 4096  # that wait for a guest which does not read them, as with a terminal's line
_Result = TypeVar("_Result")
_HARMLESS = re.compile(r"[^\r\t\b]+")


class Shown:
    """Makes a guest's bytes fit for a terminal: what could drive it becomes visible."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def __call__(self, data: bytes) -> bytes:
        """What is to be printed; half a character waits for its other half."""
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
    """Stay at a console until Ctrl-] is typed or the guest has ended; return whether it has.

    Parameters
    ----------
    console : Console
        The guest's.
    alive : callable
        Whether the guest is still there.
    raw : bool
        Print what comes as it is.
    keys : int, optional
        The descriptor of what is typed; standard input by default.
    screen : binary file, optional
        Where output goes; standard output by default.
    complain : callable
        What says that the guest wrote nonsense where its ring's state is. It is said once.
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
            # At a terminal Ctrl-] is waited for, whether there is room or not.
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
    """Let every key through, if it is a terminal, and put things back at the end."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        if not raw:
            modes = termios.tcgetattr(descriptor)
            modes[1] |= termios.OPOST  # a line's end is a line's end, whatever the guest makes of it
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
