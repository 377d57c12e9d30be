# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that has been read and checked, as data."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel whose header has been checked. Pure data.

    Attributes
    ----------
    path : str
        The file that it came from, for messages.
    architecture : str
        ``arm64``.
    format : str
        ``Image``.
    compression : str or None
        ``gzip`` where the file was compressed, None where `data` is the file.
    data : memoryview
        The bytes to load, uncompressed and read-only.
    text_offset : int
        Bytes from a 2 MiB boundary to the first byte of `data`; below 2 MiB and a multiple of 4 KiB.
    image_size : int
        Bytes that must be free from the load address on: `data` and the BSS behind it. At least
        ``len(data)``, and bounded by nothing else: it is the file's word, so nothing is allocated by it.
    page_size : int or None
        Bytes of the kernel's own pages; None where the header leaves it unspecified.
    anywhere : bool
        Whether the 2 MiB boundary may be anywhere in RAM, rather than as near its start as can be.
    """

    path: str
    architecture: str = "arm64"
    format: str = "Image"
    compression: str | None
    data: memoryview = field(repr=False)
    text_offset: int
    image_size: int
    page_size: int | None
    anywhere: bool
