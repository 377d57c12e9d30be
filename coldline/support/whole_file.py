# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are written completely or not at all."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from coldline.errors import UsageError

STANDARD = "-"
"""The file name that means standard output, or standard input where a file is read."""


class WholeFile:
    """Writes a file completely, or leaves the old one unchanged; a context manager.

    Parameters
    ----------
    path : str
        The file; ``-`` for standard output. An existing file is replaced when the context ends without an error.
    what : str
        What the file is, for messages: ``a trace``.

    Raises
    ------
    UsageError
        If the file cannot be written; also when the context ends.

    Attributes
    ----------
    file : binary file
        The file to write to.
    """

    def __init__(self, path: str, what: str) -> None:
        import tempfile

        self._what = what
        self._path = Path(os.path.realpath(path))
        self._temporary: str | None = None
        try:
            if path == STANDARD:
                self.file: IO[bytes] = open(1, "wb", closefd=False)  # noqa: SIM115 (closed when this context ends)
            elif os.path.exists(path) and not os.path.isfile(path):
                # A pipe or a terminal cannot be replaced.
                self.file = open(path, "wb")  # noqa: SIM115 (closed when this context ends)
            else:
                descriptor, self._temporary = tempfile.mkstemp(
                    prefix=f".{self._path.name}.", dir=self._path.parent
                )
                self.file = os.fdopen(descriptor, "wb")
        except OSError as error:
            raise UsageError(f"{path}: cannot write {what}: {error.strerror}") from error

    def __enter__(self) -> "WholeFile":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(complete=kind is None)

    def close(self, *, complete: bool, finish: Callable[[], None] = lambda: None) -> None:
        """End the context: if `complete`, call `finish` and put the file in place; otherwise drop it."""
        try:
            if complete:
                finish()
            self.file.close()
            if complete and self._temporary is not None:
                os.chmod(self._temporary, 0o666 & ~_umask())
                os.replace(self._temporary, self._path)
        except BrokenPipeError:
            raise
        except OSError as failed:
            raise UsageError(f"{self._path}: cannot write {self._what}: {failed.strerror}") from failed
        finally:
            if self._temporary is not None:
                with suppress(OSError):
                    os.unlink(self._temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
