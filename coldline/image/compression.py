# SPDX-License-Identifier: GPL-2.0-or-later
"""Decompression, with memory bounded by a limit and not by sizes that the data claims.

Every format is recognised by its first bytes. The contents of consecutive streams are concatenated, as the formats'
own tools do. Anything after the last stream is ignored: padding,
an appended device tree, the size that Linux's build appends (linux scripts/Makefile.lib (6.1), size_append).
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from coldline.image import lz4_legacy, lzop
from coldline.image.content import MAX_PARTS, Content, Declared
from coldline.image.optional_imports import import_library
from coldline.support.frozen_record import Record

_FIRST_BYTES, _IN_BYTES = 4 << 10, 64 << 10
"""Input bytes of a decoder at once. It copies what follows the stream's end, so the first input is small."""

_OUT_BYTES = 1 << 20

_MEMORY_LIMIT = 192 << 20
"""The most memory of an LZMA decoder, in bytes: enough for the dictionary of 128 MiB that Linux uses
(scripts/xz_wrap.sh)."""

_ZSTD_WINDOW_LOG = 27
"""128 MiB: the limit of zstd's own command, and what Linux uses (scripts/Makefile.lib (6.1), zstd22)."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""wbits of a gzip wrapper around deflate: the zlib manual, inflateInit2."""


class _Decoder(Protocol):
    """A decoder of one stream, with the interface of the standard library's bz2 and lzma."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


class _Gunzip:
    """zlib's decoder with the interface of `_Decoder`."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def needs_input(self) -> bool:
        return not self._member.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: memoryview, max_length: int) -> bytes:
        return self._member.decompress(self._member.unconsumed_tail or data, max_length)


class Codec(Record):
    """A compression format.

    Attributes
    ----------
    name : str
        The format's name, for messages.
    starts : callable
        Returns whether data starts like this format.
    decompress : callable
        Decompresses a whole `Content`.
    """

    name: str
    starts: Callable[[memoryview], bool]
    decompress: Callable[[Content], bytearray]


def codec_of(data: memoryview) -> Codec | None:
    """Return the compression format that `data` starts with, or None."""
    return next((codec for codec in CODECS if codec.starts(data)), None)


def decompress(content: Content, codec: Codec) -> Content:
    """Decompress `content`.

    Raises
    ------
    ImageError
        If it is truncated or corrupt (with the offset), is larger than its allowance, needs more memory than is
        usual for its format, or has more than `coldline.image.content.MAX_PARTS` streams or blocks.
    MissingDependencyError
        If the library for its format is not installed.
    """
    return content.inside(codec.name, memoryview(codec.decompress(content)).toreadonly())


def decompress_declared(content: Content, declared: Declared | None) -> Content:
    """Decompress `content` if it is compressed, and check that against its container's declaration.

    Raises
    ------
    ImageError
        As `decompress`; or if the format is not the declared one, or a compressed file is inside another.
    """
    codec = codec_of(content.data)
    allowed = declared.compressions if declared is not None else None
    if declared is not None and allowed and (codec is None or codec.name not in allowed):
        found = "not compressed" if codec is None else f"{codec.name}"
        raise content.error(f"{declared.by} says that it is compressed with {allowed[0]}, but it is {found}")
    if codec is None:
        return content
    unpacked = decompress(content, codec)
    inner = codec_of(unpacked.data)
    if inner is not None:
        raise content.error(f"is {inner.name} inside {codec.name}: decompress it first")
    return unpacked


_Opener = Callable[[Content], tuple[Any, Callable[[], _Decoder]]]
"""Returns a library's error type and its decoder factory. It is called only when needed, as it imports the
library."""


def _streams(
    name: str,
    starts: Callable[[memoryview], bool],
    opener: _Opener,
    goes_on: Callable[[memoryview], bool] | None = None,
) -> Codec:
    """Return the codec of a format whose library decodes one stream at a time; `goes_on` detects a further stream."""
    another = goes_on or starts

    def unpack_all(content: Content) -> bytearray:
        error, decoder = opener(content)
        contents = bytearray()
        position = 0
        for _ in range(MAX_PARTS):
            position = _unpack_stream(content, name, position, decoder(), error, contents)
            if not another(content.data[position:]):
                return contents
        raise content.error(f"has more than {MAX_PARTS} {name} streams, the last at byte {position}")

    return Codec(name, starts, unpack_all)


def _unpack_stream(
    content: Content, name: str, start: int, decoder: _Decoder, error: Any, contents: bytearray
) -> int:
    """Append the content of one stream to `contents`; return the offset after the stream."""
    data = content.data
    chunk, fed = data[:0], start
    sizes = _sizes()
    while not decoder.eof:
        starved = decoder.needs_input
        chunk_at = fed
        chunk = data[fed : fed + next(sizes)] if starved else data[:0]
        fed += len(chunk)
        try:
            unpacked = decoder.decompress(chunk, min(_OUT_BYTES, content.allowance.left + 1))
        except error as reason:
            raise content.error(
                f"corrupt {name} data at or after byte {chunk_at}: {_words(reason)}"
            ) from reason
        content.keep(contents, unpacked)
        if starved and not chunk and not unpacked and not decoder.eof:
            raise content.error(f"truncated {name} data: the file ends at byte {len(data)}")
    return fed - len(decoder.unused_data or b"")


def _sizes() -> Iterator[int]:
    yield _FIRST_BYTES
    while True:
        yield _IN_BYTES


def _words(reason: Exception) -> str:
    """Return a library's message without zlib's preamble: ``Error -3 while decompressing data: ...``."""
    return str(reason).partition(" while decompressing data: ")[2] or str(reason)


def _gzip(content: Content) -> tuple[Any, Callable[[], _Decoder]]:
    return zlib.error, _Gunzip


def _bzip2(content: Content) -> tuple[Any, Callable[[], _Decoder]]:
    bz2 = import_library(content, "bz2", "compressed with bzip2")
    return OSError, bz2.BZ2Decompressor


def _lzma(form: str) -> _Opener:
    def opener(content: Content) -> tuple[Any, Callable[[], _Decoder]]:
        lzma = import_library(content, "lzma", "compressed with LZMA")
        return lzma.LZMAError, lambda: lzma.LZMADecompressor(getattr(lzma, form), memlimit=_MEMORY_LIMIT)

    return opener


def _zstd(content: Content) -> tuple[Any, Callable[[], _Decoder]]:
    module = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    zstd = import_library(content, module, "compressed with zstd")
    options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return zstd.ZstdError, lambda: zstd.ZstdDecompressor(options=options)


def _lz4(content: Content) -> tuple[Any, Callable[[], _Decoder]]:
    frame = import_library(content, "lz4.frame", "compressed with lz4")
    return RuntimeError, frame.LZ4FrameDecompressor


def _magic(*magics: bytes) -> Callable[[memoryview], bool]:
    return lambda data: any(data[: len(magic)] == magic for magic in magics)


def _is_bzip2(data: memoryview) -> bool:
    """Check for a level, then a block or the end: bzip2 bzlib.h, compress.c, BZ2_compressBlock."""
    head = bytes(data[:10])
    return head[:3] == b"BZh" and b"1" <= head[3:4] <= b"9" and head[4:] in (
        b"\x31\x41\x59\x26\x53\x59",
        b"\x17\x72\x45\x38\x50\x90",
    )  # fmt: skip


def _is_lzma(data: memoryview) -> bool:
    """Check for the usual properties, a usual dictionary and a possible size, as LZMA alone has no magic number.

    Source: xz doc/lzma-file-format.txt, 1.1; file(1) checks the same.
    """
    head = bytes(data[:13])
    dictionary = int.from_bytes(head[1:5], "little")
    size = int.from_bytes(head[5:], "little")
    return (
        len(head) == 13
        and head[0] == 0x5D
        and dictionary >= 4096
        and _is_rounded(dictionary)
        and (size < 1 << 38 or size == (1 << 64) - 1)
    )


def _is_rounded(dictionary: int) -> bool:
    """Return whether a size is 2^n or 2^n + 2^(n-1), as LZMA's encoders write it."""
    top = 1 << dictionary.bit_length() - 1
    return dictionary in (top, top | top >> 1)


_SKIPPABLE = tuple(bytes([0x50 + kind, 0x2A, 0x4D, 0x18]) for kind in range(16))
"""Frames without contents: zstd doc/zstd_compression_format.md, lz4 doc/lz4_Frame_format.md."""

CODECS = (
    _streams("gzip", _magic(b"\x1f\x8b"), _gzip),
    _streams("bzip2", _is_bzip2, _bzip2),
    _streams("xz", _magic(b"\xfd7zXZ\x00"), _lzma("FORMAT_XZ")),
    _streams("zstd", _magic(b"\x28\xb5\x2f\xfd", *_SKIPPABLE), _zstd),
    _streams("lz4", _magic(b"\x04\x22\x4d\x18"), _lz4),
    Codec("lz4 (legacy)", _magic(lz4_legacy.LZ4_LEGACY_MAGIC), lz4_legacy.decompress_lz4_legacy),
    Codec("lzop", _magic(lzop.LZOP_MAGIC), lzop.decompress_lzop),
    _streams("lzma", _is_lzma, _lzma("FORMAT_ALONE"), lambda data: False),
)
"""Every format. Source: RFC 1952; xz doc/xz-file-format.txt; zstd doc/zstd_compression_format.md; lz4
doc/lz4_Frame_format.md."""
