# SPDX-License-Identifier: GPL-2.0-or-later
"""Passes batches to another thread, so that the producer and the reader of events run at the same time."""

import queue
import sys
import threading
from collections.abc import Callable

from coldline.events.batch import Batch
from coldline.events.source import Sink

_DEPTH = 16
"""Batches that the queue holds; the producer waits for the reader when it is full."""

_SWITCH_INTERVAL = 0.0001
"""Seconds until the interpreter switches threads: the producer mostly runs outside of Python and needs it briefly."""


class Relay:
    """A context manager that passes batches, in order, to a reader in a second thread.

    An exception of the reader is raised in the producer: at its next batch, or at the end. The thread starts with the
    first batch, so that the reader's start does not delay the producer's.

    Parameters
    ----------
    open_reader : callable
        Called once, in the second thread; returns the sink that takes each batch.

    Attributes
    ----------
    ended : bool
        Whether the reader has taken all that it will take; also after an interrupt at the end.
    """

    def __init__(self, open_reader: Callable[[], Sink]) -> None:
        self._open_reader = open_reader
        self._waiting: queue.Queue[Batch | None] = queue.Queue(_DEPTH)
        self._error: BaseException | None = None
        self._started = self.ended = False
        self._thread = threading.Thread(target=self._work, name="reader of events", daemon=True)

    def put(self, batch: Batch) -> None:
        """Pass `batch` to the reader; a `Sink`."""
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
            self._error = self._error or error  # the reader skips the rest
        if not self._started:
            self._start()
        try:
            self._waiting.put(None)
            self._thread.join()
        except KeyboardInterrupt:
            if kind is None:
                self._finish_interrupted()
            raise
        self.ended = True
        sys.setswitchinterval(self._interval)
        if kind is None and self._error is not None:
            raise self._error

    def _finish_interrupted(self) -> None:
        """Let the reader take the few batches that wait; a second interrupt leaves it to itself."""
        self._waiting.put(None)
        self._thread.join()
        self.ended = True
        sys.setswitchinterval(self._interval)

    def _start(self) -> None:
        self._started = True
        self._thread.start()

    def _work(self) -> None:
        reader = None
        try:
            reader = self._open_reader()
        except BaseException as error:  # raised in the producer, here and below
            self._error = error
        while (batch := self._waiting.get()) is not None:
            if reader is not None and self._error is None:
                try:
                    reader(batch)
                except BaseException as error:
                    self._error = error
            batch.release()
