# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace files of either form, read as streams; what writes them is `coldline.trace.writing`."""

import os
import stat
from collections.abc import Callable, Iterator
from typing import IO, Any

from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.rules.profile import Profile
from coldline.support.whole_file import STANDARD
from coldline.trace.binary import SIGNATURE, BinaryReader, BinaryWriter
from coldline.trace.text_batches import TextBatches

FORMS = ("text", "binary")
"""The forms of a trace."""

_BUFFER = 1 << 20

_Place = tuple[int, ...]
"""What a regular file's size, time of change and so on were."""


class TraceFile:
    """A trace in a file, a pipe or standard input; a context manager that names the file in errors.

    It can be read any number of times. What has no way back to its start (a pipe) is kept in a temporary file, in the
    binary form, while it is read the first time.

    Parameters
    ----------
    path : str
        Its name, or ``-``.
    again : bool
        Whether it will be read more than once.

    Attributes
    ----------
    form : str
        ``text`` or ``binary``: told by its first bytes.
    profile : Profile
        The promises that the trace relies on.

    Raises
    ------
    TraceError
        If it cannot be read, or does not begin as a trace does. A `TraceError` that leaves the context has
        ``path:line`` or the like as its ``where``.
    """

    def __init__(self, path: str, *, again: bool = True) -> None:
        self.path = path
        self._again = again
        self._kept: IO[bytes] | None = None
        try:
            self._file = _open(path)
        except OSError as error:
            raise TraceError(path, error.strerror or str(error)) from error
        try:
            self._state = self._state_now()
            self._start = self._file.tell() if self._state else 0
            first = self._file.read(len(SIGNATURE))
            self.form = "binary" if first == SIGNATURE else "text"
            self._reader: BinaryReader | TextBatches | None = self._begin(_PutBack(first, self._file))
        except TraceError as error:
            self._file.close()
            raise in_file(path, error) from None
        except OSError as error:
            self._file.close()
            raise TraceError(path, error.strerror or str(error)) from error
        self.profile = self._reader.profile

    def source(self, sink: Callable[[Batch, Any], None]) -> None:
        """Hand every event to `sink`, in order.

        Where the sink refuses an event, the rest of the file is still read: a line that is not an event is reported
        first, wherever it is.

        Raises
        ------
        TraceError
            At what is not of the form; else what `sink` raised.
        """
        reader, self._reader = self._reader or self._reopen(), None
        keeper = self._keeper()
        refused: TraceError | None = None
        for batch in self._batches(reader):
            if refused is None:
                try:
                    sink(batch, None)
                except TraceError as error:
                    refused = error
            if keeper is not None and not keeper.take(batch):
                keeper = None
        if refused is not None:
            raise refused
        if keeper is not None:
            self._kept = keeper.finish()

    def __enter__(self) -> "TraceFile":
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._file.close()
        if self._kept is not None:
            self._kept.close()
        if isinstance(error, TraceError):
            raise in_file(self.path, error) from None

    def _begin(self, file: Any) -> BinaryReader | TextBatches:
        return BinaryReader(file) if self.form == "binary" else TextBatches(file)

    def _reopen(self) -> BinaryReader | TextBatches:
        """A reader from the start on, once it has been read."""
        if self._kept is not None:
            self._kept.seek(0)
            return BinaryReader(self._kept)
        if self._state is None:
            raise TraceError("", "it can be read only once")
        if self._state != self._state_now():
            raise TraceError("", "it was changed while it was read")
        self._file.seek(self._start)
        return self._begin(self._file)

    def _keeper(self) -> "_Keeper | None":
        wanted = self._again and self._state is None and self._kept is None
        return _Keeper(self.profile) if wanted else None

    def _state_now(self) -> _Place | None:
        """Size and time of change, which differ if the file is changed; None for a file that cannot seek."""
        found = os.fstat(self._file.fileno())
        return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None

    def _batches(self, reader: BinaryReader | TextBatches) -> Iterator[Batch]:
        try:
            yield from reader
        except OSError as error:
            raise TraceError("", error.strerror or str(error)) from error


class _Keeper:
    """Keeps a trace that comes but once."""

    def __init__(self, profile: Profile) -> None:
        import tempfile  # it takes longer to load than most traces take to judge

        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="coldline-")  # noqa: SIM115 (closed with the trace)
        self._writer = BinaryWriter(self._file, profile)

    def take(self, batch: Batch) -> bool:
        """Keep `batch`; whether that can be: an event that is none has no second reading."""
        try:
            self._writer.write(batch)
        except TraceError:
            return False
        return True

    def finish(self) -> IO[bytes] | None:
        """The file, if all events could be kept."""
        try:
            self._writer.finish()
        except TraceError:
            return None
        return self._file


class _PutBack:
    """A file whose first bytes have been read already."""

    def __init__(self, first: bytes, file: IO[bytes]) -> None:
        self._first = first
        self._file = file

    def read(self, size: int) -> bytes:
        """At least as many bytes as were put back, or all that there are."""
        first, self._first = self._first, b""
        return first + self._file.read(size - len(first)) if first else self._file.read(size)


def in_file(path: str, error: TraceError) -> TraceError:
    """An error in a trace, with the name of its file."""
    if not error.where:
        return TraceError(path, error.reason)
    return TraceError(
        f"{path}:{error.where}" if error.where.isdigit() else f"{path}: {error.where}", error.reason
    )


def _open(path: str) -> IO[bytes]:
    if path == STANDARD:
        return open(0, "rb", buffering=_BUFFER, closefd=False)
    return open(path, "rb", buffering=_BUFFER)
