# SPDX-License-Identifier: GPL-2.0-or-later
"""A file whose bytes stay in it until they are wanted, which for an initrd of gigabytes is once, in the guest."""

import errno
import os
from typing import BinaryIO

from coldline.errors import ImageError

_PART = 1 << 18
"""Bytes that a cache keeps between reading them and writing them."""


class FileBytes:
    """The bytes of a regular file, as they were when this was made: a file that changes is an error.

    Parameters
    ----------
    path : str
        The file, for messages.
    what : str
        What it should be, for messages: ``initrd``.
    file : binary file
        Open for reading, without a buffer; kept open as long as this lives.
    """

    def __init__(self, path: str, what: str, file: BinaryIO) -> None:
        self._path = path
        self._what = what
        self._file = file
        self._version = _version(file.fileno())

    @property
    def nbytes(self) -> int:
        """How many there are."""
        return self._version[0]

    def __len__(self) -> int:
        return self.nbytes

    def __getitem__(self, part: slice) -> bytes:
        """A copy of some of them.

        Raises
        ------
        ImageError
            As `read_into`.
        """
        start, end, _ = part.indices(self.nbytes)
        return bytes(self.read(start, end))

    def read(self, start: int, end: int) -> memoryview:
        """A copy of what lies between the two, read-only; what is past the end is left out.

        Raises
        ------
        ImageError
            As `read_into`.
        """
        copy = bytearray(max(min(end, self.nbytes) - start, 0))
        self.read_into(start, memoryview(copy))
        return memoryview(copy).toreadonly()

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `offset` on, straight from the file.

        Raises
        ------
        ImageError
            If they cannot be read, or the file has changed.
        """
        descriptor = self._file.fileno()
        done = 0
        try:
            while done < target.nbytes:
                count = _read(descriptor, target[done:], offset + done)
                if not count:
                    break
                done += count
            version = _version(descriptor)
        except OSError as error:
            raise ImageError(self._path, f"cannot read the {self._what}: {error.strerror}") from error
        if done < target.nbytes or version != self._version:
            raise ImageError(self._path, f"the {self._what} changed after it was opened")


def _version(descriptor: int) -> tuple[int, int]:
    """What changes when a file is written to: its size, and when that was."""
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns


def _read(descriptor: int, target: memoryview, offset: int) -> int:
    """Read into memory that need not be RAM of this machine's: how many bytes.

    Linux copies from its own cache to anywhere. A file system without one, as 9p's can be, has a device write to the
    target's pages, and where another domain's memory is mapped there are none.
    """
    try:
        return os.preadv(descriptor, [target], offset)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise
    part = os.pread(descriptor, min(target.nbytes, _PART), offset)
    target[: len(part)] = part
    return len(part)
