# SPDX-License-Identifier: GPL-2.0-or-later
"""The format of lzop, a container of LZO1X blocks.

Source: lzop src/lzop.c and conf.h (1.04); linux lib/decompress_unlzo.c (6.1), which reads the same.
"""

import zlib
from typing import Any

from coldline.image.content import MAX_PARTS, Content
from coldline.image.optional_imports import import_library

LZOP_MAGIC = b"\x89LZO\x00\r\n\x1a\n"

_BLOCK_SIZE = 256 << 10
"""The most bytes that a block may unpack to: what lzop writes, and what Linux accepts. An LZO decoder can output 255
times its input, so this limit bounds the memory."""

_WITH_LEVEL = 0x0940
"""The first version whose header has a required version, a level and a 64-bit time."""

_METHODS = (1, 2, 3)
"""LZO1X-1, LZO1X-1(15) and LZO1X-999, which have the same decoder."""

_ADLER32_D, _ADLER32_C = 1 << 0, 1 << 1
_EXTRA_FIELD = 1 << 6
_CRC32_D, _CRC32_C = 1 << 8, 1 << 9
_MULTIPART, _FILTER, _HEADER_CRC32 = 1 << 10, 1 << 11, 1 << 12

_OF_DATA = ((_ADLER32_D, zlib.adler32), (_CRC32_D, zlib.crc32))
_OF_PACKED = ((_ADLER32_C, zlib.adler32), (_CRC32_C, zlib.crc32))
"""Checksums in the order of a block's fields."""


class _Reader:
    """Reads big-endian numbers one after another, with bounds checks."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.position = 0

    def take(self, size: int) -> memoryview:
        taken = self._content.data[self.position : self.position + size]
        if len(taken) < size:
            raise self._content.error(f"truncated lzop data: the file ends at byte {len(self._content.data)}")
        self.position += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")


def decompress_lzop(content: Content) -> bytearray:
    """Decompress all streams, and check every checksum.

    Raises
    ------
    ImageError
        If the data is truncated or corrupt, uses options that lzop does not use by default, or is larger than its
        allowance.
    """
    lzo = import_library(content, "lzallright", "compressed with lzop")
    reader = _Reader(content)
    contents = bytearray()
    flags = None
    for _ in range(MAX_PARTS):
        if flags is None:
            if content.data[reader.position : reader.position + len(LZOP_MAGIC)] != LZOP_MAGIC:
                return contents
            flags = _read_header(content, reader)
        elif not _unpack_block(content, reader, flags, lzo, contents):
            flags = None
    raise content.error(f"has more than {MAX_PARTS} lzop blocks, the last at byte {reader.position}")


def _read_header(content: Content, reader: _Reader) -> int:
    """Read a stream's header; return its flags."""
    reader.take(len(LZOP_MAGIC))
    start = reader.position
    version, _library_version = reader.number(2), reader.number(2)
    if version >= _WITH_LEVEL:
        reader.take(2)
    method_at = reader.position
    method = reader.number(1)
    if version >= _WITH_LEVEL:
        reader.take(1)
    flags_at = reader.position
    flags = reader.number(4)
    if method not in _METHODS:
        raise content.error(f"has lzop method {method} (at byte {method_at}), which is not LZO1X")
    if flags & (_FILTER | _MULTIPART):
        raise content.error(
            f"has lzop flags {flags:#x} (at byte {flags_at}): filters and parts are not supported"
        )
    reader.take(4 + (8 if version >= _WITH_LEVEL else 4))
    reader.take(reader.number(1))
    checked = content.data[start : reader.position]
    checksum = zlib.crc32 if flags & _HEADER_CRC32 else zlib.adler32
    at = reader.position
    _check(content, "header", at, checksum(checked), reader.number(4))
    if flags & _EXTRA_FIELD:
        reader.take(reader.number(4))
        reader.take(4)
    return flags


def _unpack_block(content: Content, reader: _Reader, flags: int, lzo: Any, contents: bytearray) -> bool:
    """Append a block to `contents`; return False at the end of the stream."""
    start = reader.position
    size = reader.number(4)
    if size == 0:
        return False
    packed_size = reader.number(4)
    if size > _BLOCK_SIZE or not 0 < packed_size <= size:
        raise content.error(
            f"corrupt lzop data: the block at byte {start} has {packed_size} bytes and unpacks to {size}; "
            f"the limit is {_BLOCK_SIZE}"
        )
    of_data = [(checksum, reader.number(4)) for flag, checksum in _OF_DATA if flags & flag]
    of_packed = []
    if packed_size < size:
        of_packed = [(checksum, reader.number(4)) for flag, checksum in _OF_PACKED if flags & flag]
    packed = reader.take(packed_size)
    for checksum, stated in of_packed:
        _check(content, "compressed block", start, checksum(packed), stated)
    unpacked = bytes(packed) if packed_size == size else _decompress(content, start, packed, size, lzo)
    if len(unpacked) != size:
        raise content.error(
            f"corrupt lzop data: the block at byte {start} unpacks to {len(unpacked)} bytes, not {size}"
        )
    for checksum, stated in of_data:
        _check(content, "block", start, checksum(unpacked), stated)
    content.keep(contents, unpacked)
    return True


def _decompress(content: Content, start: int, packed: memoryview, size: int, lzo: Any) -> bytes:
    try:
        return bytes(lzo.LZOCompressor.decompress(packed, size))
    except lzo.LZOError as reason:
        raise content.error(f"corrupt lzop data in the block at byte {start}: {reason.args[0]}") from reason


def _check(content: Content, what: str, position: int, found: int, stated: int) -> None:
    if found != stated:
        raise content.error(
            f"corrupt lzop data: the {what} at byte {position} has checksum {found:#010x}, not {stated:#010x}"
        )
