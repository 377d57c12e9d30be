# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace files: reading them whole, and writing them so that they are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coldline.arm import MemoryType
from coldline.errors import TraceError, UsageError
from coldline.trace.columns import EXECUTABLE, TYPE_MASK, Batch
from coldline.trace.events import PAGE_SIZE, Event, Op
from coldline.trace.text import MAX_LINE_LENGTH, Header, TextReader, write_header

if TYPE_CHECKING:
    from types import TracebackType

BATCH = 1 << 16
"""Events of a batch that is read from a file."""


def read_trace(path: str) -> tuple[Header, list[Batch]]:
    """Read a trace in its text form.

    Returns
    -------
    header : Header
        Its switches.
    batches : list of Batch
        Its events, 24 bytes each.

    Raises
    ------
    TraceError
        If it cannot be read, or a line of it is not of the format; ``where`` is ``path:line``.
    """
    batches: list[Batch] = []
    events: list[Event] = []
    wheres: list[int] = []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            reader = TextReader(_bounded_lines(file))
            for where, event in reader:
                events.append(event)
                wheres.append(where)
                if len(events) == BATCH:
                    batches.append(Batch.of(events, wheres))
                    events, wheres = [], []
    except OSError as error:
        raise TraceError(path, error.strerror or str(error)) from error
    except TraceError as error:
        raise TraceError(f"{path}:{error.where}", error.reason) from None
    if events:
        batches.append(Batch.of(events, wheres))
    return reader.header, batches


def _bounded_lines(file: IO[str]) -> Iterator[str]:
    """Lines of a file, none of them much longer than a trace's may be."""
    while line := file.readline(MAX_LINE_LENGTH + 1):
        yield line


class TraceWriter:
    """Writes a trace in its text form; a context manager that leaves the whole file, or none.

    Parameters
    ----------
    path : str
        Where. A file that is there is replaced once the trace is complete.
    header : Header
        The trace's switches.

    Raises
    ------
    UsageError
        If there can be no such file.
    """

    def __init__(self, path: str, header: Header) -> None:
        import tempfile

        self._path = Path(os.path.realpath(path))
        self._temporary: str | None = None
        try:
            if os.path.exists(path) and not os.path.isfile(path):
                # A pipe or a terminal: there is nothing to replace.
                self._file: IO[str] = open(path, "w", encoding="utf-8")  # noqa: SIM115 (closed as this context ends)
            else:
                descriptor, self._temporary = tempfile.mkstemp(
                    prefix=f".{self._path.name}.", dir=self._path.parent
                )
                self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot write a trace: {error.strerror}") from error
        write_header(self._file, header)

    def write(self, batch: Batch, _: Any = None) -> None:
        """Append the events of `batch`."""
        agents, ops, types = batch.agents, _OPS, _TYPES
        columns = (batch.rows[name].tolist() for name in ("agent", "op", "address", "size", "attributes"))
        lines = []
        for agent, op, address, size, attributes in zip(*columns, strict=True):
            words, has_range = ops[op]
            if has_range:
                number = f"{size:#x}" if size >= PAGE_SIZE else str(size)
                lines.append(f"{agents[agent]} {words} {address:#x} {number}{types[attributes]}\n")
            else:
                lines.append(f"{agents[agent]} {words}\n")
        self._file.write("".join(lines))

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        try:
            self._file.close()
            if kind is None and self._temporary is not None:
                os.chmod(self._temporary, 0o666 & ~_umask())
                os.replace(self._temporary, self._path)
        except OSError as failed:
            raise UsageError(f"{self._path}: cannot write a trace: {failed.strerror}") from failed
        finally:
            if self._temporary is not None:
                with suppress(OSError):
                    os.unlink(self._temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_OPS = [(op.words, op.has_range) for op in Op]
_TYPES = [
    ""
    if not code & TYPE_MASK or (code & TYPE_MASK) > len(MemoryType)
    else f" {MemoryType((code & TYPE_MASK) - 1).word}{' exec' if code & EXECUTABLE else ''}"
    for code in range(2 * EXECUTABLE)
]
