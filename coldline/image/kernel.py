# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that has been read and checked, as data."""

from typing import TYPE_CHECKING

from coldline.support.record import Record, field

if TYPE_CHECKING:
    from coldline.image.file_bytes import FileBytes


class KernelPiece(Record):
    """A run of bytes that a kernel wants in memory.

    Attributes
    ----------
    address : int
        Of its first byte: guest physical where the kernel is `Kernel.fixed`, else bytes from the base.
    data : memoryview or FileBytes
        The bytes, uncompressed and read-only.
    size : int
        Bytes that must be free from `address` on: `data` and the zeros behind it. At least ``len(data)``, and
        bounded by nothing else: it is the file's word, so nothing is allocated by it.
    """

    address: int
    data: "memoryview | FileBytes" = field(repr=False)
    size: int

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.address + self.size


class Kernel(Record, kw_only=True):
    """A kernel whose headers have been checked. Pure data.

    Attributes
    ----------
    path : str
        The file that it came from, for messages.
    architecture : str
        ``arm64`` or ``arm32``.
    format : str
        ``Image``, ``zImage``, ``ELF`` or ``raw``.
    layers : tuple of str
        What the file wraps it in, outermost first: ``("FIT", "gzip")``. Empty where the file is the kernel.
    pieces : tuple of KernelPiece
        What is loaded, by address, at least one; no two overlap.
    entry : int
        Where it starts, counted as the pieces' addresses are; in one of them. On arm32 bit 0 says that it starts in
        Thumb state, as in an ELF file (ELF for the Arm Architecture, IHI 0044).
    fixed : bool
        Whether the addresses are guest physical ones. Else they count from a base: for an Image any 2 MiB
        boundary, its text_offset being the piece's address; for a zImage the start of RAM.
    anywhere : bool
        Whether the base may be anywhere in RAM, rather than as near its start as can be.
    page_size : int or None
        Bytes of the kernel's own pages; None where nothing tells.
    initrd, device_tree : memoryview or None
        What the file brings for it.
    notes : tuple of str
        What the file says of the kernel besides, in words.
    """

    path: str
    architecture: str
    format: str
    layers: tuple[str, ...] = ()
    pieces: tuple[KernelPiece, ...]
    entry: int
    fixed: bool
    anywhere: bool = False
    page_size: int | None = None
    initrd: memoryview | None = field(default=None, repr=False)
    device_tree: memoryview | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
