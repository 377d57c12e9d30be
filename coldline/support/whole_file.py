# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are there whole or not at all."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from coldline.errors import UsageError

STANDARD = "-"
"""Standard output, in the place of a file's name; where a file is read, standard input."""


class WholeFile:
    """A file to write; a context manager that leaves it whole, or leaves what was there.

    Parameters
    ----------
    path : str
        Where; ``-`` for standard output. A file that is there is replaced as the context ends without an error.
    what : str
        What it is, for messages: ``a trace``.

    Raises
    ------
    UsageError
        If there can be no such file; as the context ends, too.

    Attributes
    ----------
    file : binary file
        To write to.
    """

    def __init__(self, path: str, what: str) -> None:
        import tempfile

        self._what = what
        self._path = Path(os.path.realpath(path))
        self._temporary: str | None = None
        try:
            if path == STANDARD:
                self.file: IO[bytes] = open(1, "wb", closefd=False)  # noqa: SIM115 (closed as this context ends)
            elif os.path.exists(path) and not os.path.isfile(path):
                # A pipe or a terminal: there is nothing to replace.
                self.file = open(path, "wb")  # noqa: SIM115 (closed as this context ends)
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
        """End the context by hand: if it is `complete`, call `finish`, and have the file be there; else drop it."""
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
