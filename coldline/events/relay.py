# SPDX-License-Identifier: GPL-2.0-or-later
"""Hands batches to another thread, so that who writes events and who reads them work at the same time."""

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from coldline.events.batch import Batch

_DEPTH = 16
"""Batches that may wait; the writer waits for the reader when there are more."""

_SWITCH_INTERVAL = 0.0001
"""Seconds that one thread waits for the other's Python: the writer is mostly outside of Python and must get back."""


class Relay:
    """A context manager that passes batches on, in order, in a thread of its own.

    What the reader raises, the writer gets: at its next batch, or at the end. The thread starts with the first
    batch, when the writer has begun its own work, which readers then need not delay by getting ready.

    Parameters
    ----------
    open_reader : callable
        Called once, in that thread; what it returns takes each batch.
    """

    def __init__(self, open_reader: Callable[[], Callable[[Batch], None]]) -> None:
        self._open_reader = open_reader
        self._waiting: queue.Queue[Batch | None] = queue.Queue(_DEPTH)
        self._error: BaseException | None = None
        self._started = False
        self._thread = threading.Thread(target=self._work, name="reader of events", daemon=True)

    def put(self, batch: Batch, _: Any = None) -> None:
        """Pass on `batch`."""
        if self._error is not None:
            raise self._error
        if not self._started:
            self._start()
        self._waiting.put(batch.keep())

    def __enter__(self) -> "Relay":
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if kind is not None:
            self._error = self._error or error  # nobody waits for what is left
        if not self._started:
            self._start()
        self._waiting.put(None)
        self._thread.join()
        sys.setswitchinterval(self._interval)
        if kind is None and self._error is not None:
            raise self._error

    def _start(self) -> None:
        self._started = True
        self._thread.start()

    def _work(self) -> None:
        reader = None
        try:
            reader = self._open_reader()
        except BaseException as error:  # given to the writer as it is, here and below
            self._error = error
        while (batch := self._waiting.get()) is not None:
            if reader is not None and self._error is None:
                try:
                    reader(batch)
                except BaseException as error:
                    self._error = error
            batch.release()
