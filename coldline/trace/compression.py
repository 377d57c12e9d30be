# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace files that are compressed by gzip or zstd, and what a trace file's name says of its form."""

import gzip
import importlib
import os
import sys
import zlib
from typing import IO, Any, Final

from coldline.errors import MissingDependencyError, TraceError
from coldline.support.whole_file import STANDARD

_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""The first bytes of a compressed file (RFC 1952; zstd doc/zstd_compression_format.md)."""

LONGEST_MAGIC: Final = max(map(len, _MAGIC))

_SUFFIXES: Final = {".gz": "gzip", ".zst": "zstd"}
_TEXT: Final = (".txt", ".trace")
_ZSTD: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_ZSTD_WINDOW_LOG: Final = 27
"""128 MiB, what the command ``zstd`` takes by default."""


def form_by_name(path: str) -> str:
    """Return the form of a trace that is written to a file: ``text`` or ``binary``.

    It is text for names that end in ``.txt`` or ``.trace``, and for standard output. ``.gz`` and ``.zst`` after that
    do not count.
    """
    stem, suffix = os.path.splitext(path)
    name = stem if suffix in _SUFFIXES else path
    return "text" if name == STANDARD or name.endswith(_TEXT) else "binary"


def compressed(path: str, file: IO[bytes]) -> IO[bytes]:
    """Return a file that compresses into `file` as the suffix of `path` says, or `file` itself."""
    method = _SUFFIXES.get(os.path.splitext(path)[1])
    stream: Any = file
    if method == "gzip":
        stream = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
    elif method == "zstd":
        stream = _zstd(path).ZstdFile(file, mode="wb")
    return stream  # type: ignore[no-any-return]


def decompressed(path: str, first: bytes, file: Any) -> Any:
    """Return a file with the content of a compressed `file` that begins with `first`, or `file` itself."""
    method = next((method for magic, method in _MAGIC.items() if first.startswith(magic)), None)
    if method == "gzip":
        return _Decompressed(gzip.GzipFile(fileobj=file), method)
    if method == "zstd":
        zstd = _zstd(path)
        limits = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        return _Decompressed(zstd.ZstdFile(file, options=limits), method, zstd.ZstdError)
    return file


class _Decompressed:
    """The content of a compressed file, with errors of its own. It ends early where the file is cut off."""

    def __init__(self, stream: Any, method: str, *errors: type[Exception]) -> None:
        self._stream, self._method = stream, method
        self._errors: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, *errors)
        self._ended = False

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or fewer at the end."""
        parts, wanted = [], size
        while wanted and not self._ended:
            try:
                part = self._stream.read1(wanted)
            except EOFError:
                part = b""
            except self._errors as error:
                raise TraceError("", f"its {self._method} data is damaged: {error}") from error
            self._ended = not part
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def readinto(self, room: memoryview) -> int:
        """Fill `room`, or as much of it as is left; return how many bytes were read."""
        read = self.read(len(room))
        room[: len(read)] = read
        return len(read)


def _zstd(path: str) -> Any:
    try:
        return importlib.import_module(_ZSTD)
    except ImportError as error:
        raise MissingDependencyError(
            f"{path}: compression by zstd needs {_ZSTD}: install coldline[images]"
        ) from error
