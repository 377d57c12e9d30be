# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps the events of a source that can run only once, for a second reader."""

import os
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from coldline.errors import TraceError
from coldline.events.batch import INSTRUCTION_SIZE, Batch
from coldline.events.layout import EVENT_SIZE
from coldline.events.source import Sink, Source
from coldline.rules.order.ordering import Ordering
from coldline.rules.profile import Profile
from coldline.trace.binary_reading import BinaryReader
from coldline.trace.binary_writing import BinaryWriter

if TYPE_CHECKING:
    from collections.abc import Iterator


LEAST_BYTES: Final = INSTRUCTION_SIZE
MOST_BYTES: Final = INSTRUCTION_SIZE + EVENT_SIZE
"""What an event takes in the temporary files of a `Spool` that keeps instructions."""


def spool_folder() -> str:
    """Return the folder of a `Spool`'s temporary files: TMPDIR's, or the system's.

    The files have no names, so that nothing is left of them after a process that was killed.
    """
    import tempfile

    return tempfile.gettempdir()


class Spool:
    """A repeatable source over any other; a context manager that deletes what it keeps.

    The first run hands over the events of the other source and writes them to an unnamed temporary file, in the
    binary form of a trace. Later runs read that file. If the other source is repeatable, nothing is kept:
    each run runs it again.

    Parameters
    ----------
    source : Source
        The events.
    instructions : bool
        Whether a later run wants `Batch.instructions`: then the first run asks the source for them and keeps them
        too, 24 bytes for each event.

    Attributes
    ----------
    failure : str
        Why the events could not be kept, such as a full disk; empty if there was no such error.
    """

    repeatable = True

    def __init__(self, source: Source, *, instructions: bool = False) -> None:
        self._source = source
        self._instructions = instructions
        self.failure = ""
        self._kept: _Kept | None = None
        self._ran = False

    @property
    def kept_bytes(self) -> int:
        """The size of what is kept, once a run has ended."""
        return self._kept.size if self._kept is not None else 0

    def shared(self) -> "SpooledFile | None":
        """The events that are kept, for another process; None if it could not read them.

        The spool has to be open as long as they are read.
        """
        return None if self._kept is None else self._kept.shared()

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`.

        Raises
        ------
        TraceError
            If the first run ended with an exception, or had an event that the binary form cannot hold.
        """
        if self._source.repeatable:
            self._source.run(sink, instructions=instructions)
        elif not self._ran:
            self._ran = True
            self._run_first(sink)
        elif self._kept is None:
            raise TraceError("", "it can be read only once")
        else:
            for batch in self._kept:
                sink(batch)

    def _run_first(self, sink: Sink) -> None:
        keeper: _Keeper | None = _Keeper(instructions=self._instructions)

        def both(batch: Batch) -> None:
            nonlocal keeper
            sink(batch)
            try:
                if keeper is not None and not keeper.take(batch):
                    keeper = None
            except OSError as error:
                keeper, self.failure = None, error.strerror or str(error)

        self._source.run(both, instructions=self._instructions)
        try:
            self._kept = keeper.finish() if keeper is not None else None
        except OSError as error:
            self.failure = error.strerror or str(error)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._kept is not None:
            self._kept.close()


class SpooledFile(NamedTuple):
    """The events of a `Spool`, as a source that can be passed to another process.

    Attributes
    ----------
    path : str
        The file.
    numbered : bool
        Whether the events have line numbers: the binary form numbers events that have none.
    """

    path: str
    numbered: bool

    @property
    def repeatable(self) -> bool:
        """See `Source.repeatable`."""
        return True

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`; the instructions are not passed on."""
        with open(self.path, "rb") as file:
            for batch in _batches(file, numbered=self.numbered):
                sink(batch)


def _batches(file: IO[bytes], *, numbered: bool) -> "Iterator[Batch]":
    for batch in BinaryReader(file):
        if not numbered:
            batch.rows["where"] = 0
        yield batch


class _Kept:
    """The events of one run, and their instructions if they were kept; `numbered` as in `SpooledFile`."""

    def __init__(self, events: IO[bytes], instructions: IO[bytes] | None, *, numbered: bool) -> None:
        self._events = events
        self._instructions = instructions
        self._numbered = numbered

    def __iter__(self) -> "Iterator[Batch]":
        self._events.seek(0)
        if self._instructions is not None:
            self._instructions.seek(0)
        for batch in _batches(self._events, numbered=self._numbered):
            if self._instructions is None:
                yield batch
            else:
                rows = bytearray(self._instructions.read(len(batch) * INSTRUCTION_SIZE))
                yield Batch(batch.agents, batch.rows, instructions=rows)

    @property
    def size(self) -> int:
        """The bytes of the files."""
        files = (self._events, self._instructions)
        return sum(each.seek(0, os.SEEK_END) for each in files if each is not None)

    def shared(self) -> SpooledFile | None:
        """See `Spool.shared`: the file has no name but that of its descriptor."""
        path = f"/proc/{os.getpid()}/fd/{self._events.fileno()}"
        return SpooledFile(path, self._numbered) if os.path.exists(path) else None

    def close(self) -> None:
        """Delete the files."""
        self._events.close()
        if self._instructions is not None:
            self._instructions.close()


class _Keeper:
    """Writes the events of a run to temporary files."""

    def __init__(self, *, instructions: bool) -> None:
        import tempfile  # its import takes longer than the check of most traces

        self._events: IO[bytes] = tempfile.TemporaryFile(prefix="coldline-")  # noqa: SIM115 (closed by _Kept)
        self._writer = BinaryWriter(self._events, Profile(ordering=Ordering(barriers=True)))
        self._instructions: IO[bytes] | None = None
        self._numbered = False
        if instructions:
            self._instructions = tempfile.TemporaryFile(prefix="coldline-")  # noqa: SIM115

    def take(self, batch: Batch) -> bool:
        """Write `batch`; False if an event is invalid, which the binary form cannot hold."""
        try:
            self._writer.write(batch)
        except TraceError:
            return False
        self._numbered = self._numbered or bool(batch.rows["where"].any())
        if self._instructions is not None:
            rows = batch.instructions
            self._instructions.write(bytes(len(batch) * INSTRUCTION_SIZE) if rows is None else rows.tobytes())
        return True

    def finish(self) -> _Kept | None:
        """Return what was written; None if an event was invalid."""
        try:
            self._writer.finish()
        except TraceError:
            return None
        self._events.flush()
        return _Kept(self._events, self._instructions, numbered=self._numbered)
