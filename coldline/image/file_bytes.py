# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes that stay in their file until they are copied to the guest, for an initrd of gigabytes."""

import errno
import os
from typing import BinaryIO

from coldline.errors import ImageError

_PART = 1 << 18
"""Bytes of a copy through a buffer, small enough to stay in the cache."""


class FileBytes:
    """The bytes of a regular file, read on demand; it is an error if the file has changed since it was opened.

    Parameters
    ----------
    path : str
        The file, for messages.
    what : str
        What the file should be, for messages: ``initrd``.
    file : binary file
        Open for reading, unbuffered; stays open as long as this object exists.
    """

    def __init__(self, path: str, what: str, file: BinaryIO) -> None:
        self._path = path
        self._what = what
        self._file = file
        self._version = _version(file.fileno())

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self._version[0]

    def __len__(self) -> int:
        return self.nbytes

    def __getitem__(self, part: slice) -> bytes:
        """Return a copy of a slice.

        Raises
        ------
        ImageError
            As `read_into`.
        """
        start, end, _ = part.indices(self.nbytes)
        return bytes(self.read(start, end))

    def read(self, start: int, end: int) -> memoryview:
        """Return a read-only copy of the bytes from `start` up to `end`, or up to the file's end.

        Raises
        ------
        ImageError
            As `read_into`.
        """
        copy = bytearray(max(min(end, self.nbytes) - start, 0))
        self.read_into(start, memoryview(copy))
        return memoryview(copy).toreadonly()

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes that start at `offset`, directly from the file.

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
    """Return what changes when a file is written: its size and modification time."""
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns


def _read(descriptor: int, target: memoryview, offset: int) -> int:
    """Read into memory that can be another domain's; return the number of bytes.

    Linux copies from its page cache to any memory. A file system without a page cache, such as 9p, lets a device
    write to the target's pages, and foreign mappings have no pages for that: then the copy goes through a buffer.
    """
    try:
        return os.preadv(descriptor, [target], offset)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise
    part = os.pread(descriptor, min(target.nbytes, _PART), offset)
    target[: len(part)] = part
    return len(part)
