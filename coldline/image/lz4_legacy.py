# SPDX-License-Identifier: GPL-2.0-or-later
"""The legacy lz4 format, which Linux's build writes with ``lz4 -l``.

Source: lz4 doc/lz4_Frame_format.md, "Legacy frame"; linux lib/decompress_unlz4.c (6.1). The format has no end
mark and no checksum, so truncation between two blocks cannot be detected.
"""

from coldline.image.content import MAX_PARTS, Content
from coldline.image.optional_imports import import_library

LZ4_LEGACY_MAGIC = b"\x02\x21\x4c\x18"

_WORD = 4
_BLOCK_SIZE = 8 << 20
"""The most bytes in a block; every block but the last has that many."""

_MAX_PACKED = _BLOCK_SIZE + _BLOCK_SIZE // 255 + 16
"""Bytes: lz4 lib/lz4.h, LZ4_COMPRESSBOUND."""


def decompress_lz4_legacy(content: Content) -> bytearray:
    """Decompress all blocks.

    A block's size is untrusted, so it is checked against the file's end before use. A size of 0 ends the stream, and
    so does a last word with the size of the unpacked data, which Linux's build appends.

    Raises
    ------
    ImageError
        If the data is truncated or corrupt, or larger than its allowance.
    """
    block = import_library(content, "lz4.block", "compressed with lz4 (legacy)")
    data = content.data
    contents = bytearray()
    position = 0
    for _ in range(MAX_PARTS):
        if position == len(data):
            return contents
        word = data[position : position + _WORD]
        if word == LZ4_LEGACY_MAGIC:
            position += _WORD
            continue
        size = int.from_bytes(word, "little")
        after = position + _WORD
        if len(word) == _WORD and (size == 0 or (after == len(data) and size == len(contents) & 0xFFFFFFFF)):
            return contents
        if len(word) < _WORD or size > len(data) - after:
            raise content.error(f"truncated lz4 data: the file ends at byte {len(data)}")
        if size > _MAX_PACKED:
            raise content.error(f"corrupt lz4 data: the block at byte {position} has {size} bytes")
        try:
            unpacked = block.decompress(data[after : after + size], uncompressed_size=_BLOCK_SIZE)
        except block.LZ4BlockError as reason:
            raise content.error(f"corrupt lz4 data in the block at byte {position}: {reason}") from reason
        content.keep(contents, unpacked)
        position = after + size
    raise content.error(f"has more than {MAX_PARTS} lz4 blocks, the last at byte {position}")
