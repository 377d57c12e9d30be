# SPDX-License-Identifier: GPL-2.0-or-later
"""Decompression of kernels, bounded in memory by a limit and never by what the file says of itself."""

import zlib

from coldline.errors import ImageError

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""wbits of a gzip wrapper around deflate: the zlib manual, inflateInit2."""

_IN_BYTES = 64 << 10
_OUT_BYTES = 1 << 20


def is_gzip(data: memoryview) -> bool:
    """Whether `data` starts as a gzip file does (RFC 1952, 2.3.1)."""
    return data[:2] == _GZIP_MAGIC


def gunzip(path: str, data: memoryview, *, max_unpacked: int) -> memoryview:
    """Decompress a gzip file as gunzip(1) does.

    Members that follow one another give their contents one after the other (RFC 1952, 2.2). What follows the
    last member and does not start as one, padding or an appended device tree, is ignored. The size that a
    member states at its end is checked by zlib, as its CRC is, and never used to allocate.

    Parameters
    ----------
    path : str
        The file, for messages.
    data : memoryview
        Its bytes.
    max_unpacked : int
        Bytes; no more than one byte above it is ever decompressed.

    Returns
    -------
    memoryview
        The contents, read-only.

    Raises
    ------
    ImageError
        If the file is truncated or corrupt, with the offset; or if it holds more than `max_unpacked` bytes.
    """
    contents = bytearray()
    position = 0
    while is_gzip(data[position:]):
        position = _unpack_member(path, data, position, contents, max_unpacked)
    return memoryview(contents).toreadonly()


def _unpack_member(path: str, data: memoryview, start: int, contents: bytearray, max_unpacked: int) -> int:
    """Append one member to `contents`; the offset of what follows it."""
    member = zlib.decompressobj(_GZIP_WINDOW)
    position = start
    while not member.eof:
        chunk = data[position : position + _IN_BYTES]
        wanted = min(_OUT_BYTES, max_unpacked + 1 - len(contents))
        try:
            unpacked = member.decompress(chunk, wanted)
        except zlib.error as error:
            raise ImageError(
                path, f"corrupt gzip data at or after byte {position}: {_reason(error)}"
            ) from error
        contents += unpacked
        if len(contents) > max_unpacked:
            raise ImageError(
                path,
                f"unpacks to more than the limit of {max_unpacked} bytes (--max-unpacked)",
            )
        left = len(member.unused_data) if member.eof else len(member.unconsumed_tail)
        if not member.eof and not unpacked and left == len(chunk):
            raise ImageError(path, f"truncated gzip data: the file ends at byte {len(data)}")
        position += len(chunk) - left
    return position


def _reason(error: zlib.error) -> str:
    """What zlib says, without its own preamble: ``Error -3 while decompressing data: ...``."""
    return str(error).partition(": ")[2] or str(error)
