# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupts that come between two calls of a ports, never between a call and what is noted of it.

Python raises KeyboardInterrupt wherever its code happens to be: so also where Xen has made a domain whose number
nobody has yet, and nothing can undo that.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from coldline.hypervisor.xen.ports.protocols import Ports
from coldline.hypervisor.xen.ports.watched import WatchedPorts

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_holders: Final[list[object]] = []
"""Who undoes something right now."""


class _Interrupts:
    def __init__(self) -> None:
        self._came = False
        self._told = False
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True

    def around(self, name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if not self._before:
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        if self._came and not self._told and not _holders:
            self._told = True
            raise KeyboardInterrupt
        return call(*arguments)

    def end(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interrupts_between_calls(ports: Ports) -> Iterator[Ports]:
    """Give a ports in which SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt just before a call, and nowhere else.

    That is so from its first call on: before there is nothing that could be left. It is raised once; what then
    undoes the rest is not interrupted again. What comes when there is no further call is too late, and has no effect.

    Parameters
    ----------
    ports : Ports
        What reaches Xen.

    Raises
    ------
    ValueError
        At the first call, if this is not the main thread.
    """
    interrupts = _Interrupts()
    try:
        yield WatchedPorts(ports, interrupts.around)
    finally:
        interrupts.end()


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Let nothing interrupt what undoes a failed step; what comes meanwhile is raised before the next call."""
    _holders.append(None)
    try:
        yield
    finally:
        _holders.pop()
