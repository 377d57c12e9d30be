# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads trace files of either form, compressed or not, as streams; `coldline.trace.writing` writes them."""

import os
import stat
from collections.abc import Iterator
from typing import IO, Any

from coldline.errors import MissingDependencyError, TraceError
from coldline.events.batch import Batch
from coldline.events.source import Sink
from coldline.support.whole_file import STANDARD
from coldline.trace.binary_layout import SIGNATURE
from coldline.trace.binary_reading import BinaryReader
from coldline.trace.compression import LONGEST_MAGIC, decompressed
from coldline.trace.text_batches import TextBatches

FORMS = ("text", "binary")
"""The forms of a trace."""

_BUFFER = 1 << 20

_Place = tuple[int, ...]
"""A regular file's identity, size and time of change."""


class TraceFile:
    """A trace in a file, a pipe or standard input: a `Source`, and a context manager that names the file in errors.

    It may be compressed by gzip or zstd.

    Parameters
    ----------
    path : str
        Its name, or ``-``.
    partial : bool
        Whether to accept a trace that was cut off.

    Attributes
    ----------
    form : str
        ``text`` or ``binary``, by its first bytes.
    profile : Profile
        The promises that the trace relies on.
    cut_off : str
        After a run of a `partial` trace: where it is cut off, or empty.

    Raises
    ------
    TraceError
        If it cannot be read, or does not begin as a trace does. The ``where`` of a `TraceError` that leaves the
        context is ``path:line`` or similar.
    """

    def __init__(self, path: str, *, partial: bool = False) -> None:
        self.path = path
        self.cut_off = ""
        self._partial = partial
        try:
            self._file = _open(path)
        except OSError as error:
            raise TraceError(path, error.strerror or str(error)) from error
        try:
            self._state = self._state_now()
            self._start = self._file.tell() if self._state else 0
            content = self._content()
            first = content.read(len(SIGNATURE))
            self.form = "binary" if first == SIGNATURE else "text"
            self._reader: BinaryReader | TextBatches | None = self._begin(_PutBack(first, content))
        except TraceError as error:
            self._file.close()
            raise in_file(path, error) from None
        except MissingDependencyError:
            self._file.close()
            raise
        except OSError as error:
            self._file.close()
            raise TraceError(path, error.strerror or str(error)) from error
        self.profile = self._reader.profile

    @property
    def repeatable(self) -> bool:
        """See `Source.repeatable`: a regular file is; a pipe cannot be read again."""
        return self._state is not None

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`; a trace has no instructions.

        If the sink raises a TraceError, the rest of the file is read without it: an error in the form of the trace
        takes precedence over an impossible event.

        Raises
        ------
        TraceError
            If the file is not a trace; at a second run, if it is a pipe or was changed.
        """
        reader, self._reader = self._reader or self._reopen(), None
        refused: TraceError | None = None
        for batch in self._batches(reader):
            if refused is None:
                try:
                    sink(batch)
                except TraceError as error:
                    refused = error
        if refused is not None:
            raise refused
        self.cut_off = reader.cut_off

    def __enter__(self) -> "TraceFile":
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._file.close()
        if isinstance(error, TraceError):
            raise in_file(self.path, error) from None

    def _begin(self, file: Any) -> BinaryReader | TextBatches:
        reader = BinaryReader if self.form == "binary" else TextBatches
        return reader(file, partial=self._partial)

    def _reopen(self) -> BinaryReader | TextBatches:
        """Make a reader for another run."""
        if self._state is None:
            raise TraceError("", "it can be read only once")
        if self._state != self._state_now():
            raise TraceError("", "it was changed while it was read")
        self._file.seek(self._start)
        return self._begin(self._content())

    def _content(self) -> Any:
        """Return a file of the trace's bytes, from where the file is read now."""
        first = self._file.read(LONGEST_MAGIC)
        return decompressed(self.path, first, _PutBack(first, self._file))

    def _state_now(self) -> _Place | None:
        """Return what identifies the content of a regular file; None for a pipe."""
        found = os.fstat(self._file.fileno())
        return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None

    def _batches(self, reader: BinaryReader | TextBatches) -> Iterator[Batch]:
        try:
            yield from reader
        except OSError as error:
            raise TraceError("", error.strerror or str(error)) from error


class _PutBack:
    """A file whose first bytes have been read already."""

    def __init__(self, first: bytes, file: Any) -> None:
        self._first = first
        self._file = file

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or all that are left."""
        first, self._first = self._first[:size], self._first[size:]
        more: bytes = self._file.read(size - len(first))
        return first + more if first else more

    def readinto(self, room: memoryview) -> int:
        """Fill `room`, or as much of it as is left; return how many bytes were read."""
        first, self._first = self._first[: len(room)], self._first[len(room) :]
        room[: len(first)] = first
        read: int = self._file.readinto(room[len(first) :])
        return len(first) + read


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
