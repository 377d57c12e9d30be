# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace files of either form, written so that they are there whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from coldline.errors import UsageError
from coldline.trace.binary import BinaryWriter
from coldline.trace.columns import Batch
from coldline.trace.files import STANDARD
from coldline.trace.text import Header
from coldline.trace.text_batches import TextWriter


class TraceWriter:
    """Writes a trace; a context manager that leaves the whole file, or none.

    Parameters
    ----------
    path : str
        Where; ``-`` for standard output. A file that is there is replaced once the trace is complete.
    header : Header
        The trace's switches.
    form : str
        ``text`` or ``binary``.

    Raises
    ------
    UsageError
        If there can be no such file.
    """

    def __init__(self, path: str, header: Header, form: str = "text") -> None:
        import tempfile

        self._path = Path(os.path.realpath(path))
        self._temporary: str | None = None
        try:
            if path == STANDARD:
                self._file: IO[bytes] = open(1, "wb", closefd=False)  # noqa: SIM115 (closed as this context ends)
            elif os.path.exists(path) and not os.path.isfile(path):
                # A pipe or a terminal: there is nothing to replace.
                self._file = open(path, "wb")  # noqa: SIM115 (closed as this context ends)
            else:
                descriptor, self._temporary = tempfile.mkstemp(
                    prefix=f".{self._path.name}.", dir=self._path.parent
                )
                self._file = os.fdopen(descriptor, "wb")
        except OSError as error:
            raise UsageError(f"{path}: cannot write a trace: {error.strerror}") from error
        self._writer = (BinaryWriter if form == "binary" else TextWriter)(self._file, header)

    def write(self, batch: Batch, _: Any = None) -> None:
        """Append the events of `batch`.

        Raises
        ------
        TraceError
            If the binary form is written and an event cannot be in a trace.
        """
        self._writer.write(batch)

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._writer.finish()
            self._file.close()
            if kind is None and self._temporary is not None:
                os.chmod(self._temporary, 0o666 & ~_umask())
                os.replace(self._temporary, self._path)
        except BrokenPipeError:
            raise
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
