# SPDX-License-Identifier: GPL-2.0-or-later
"""Delays KeyboardInterrupt until just before a call to Xen, so that no finished call is lost.

Python raises KeyboardInterrupt anywhere in its code, also after Xen has created a domain and before the caller has
stored its number. Nothing could then destroy that domain.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from coldline.hypervisor.xen.bindings.protocols import Bindings
from coldline.hypervisor.xen.bindings.watched import WatchedBindings

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_holders: Final[list[object]] = []
"""One entry for each `interrupts_held` block that is active."""


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
def interrupts_between_calls(bindings: Bindings) -> Iterator[Bindings]:
    """Yield bindings in which SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt only just before a call.

    This starts with the first call, as before it there is nothing to undo. KeyboardInterrupt is raised once, so that
    the clean-up is not interrupted again. A signal after the last call has no effect.

    Parameters
    ----------
    bindings : Bindings
        The bindings to Xen.

    Raises
    ------
    ValueError
        At the first call, if this is not the main thread.
    """
    interrupts = _Interrupts()
    try:
        yield WatchedBindings(bindings, interrupts.around)
    finally:
        interrupts.end()


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold back interrupts while a failed step is undone; they are raised before the next call after the block."""
    _holders.append(None)
    try:
        yield
    finally:
        _holders.pop()
