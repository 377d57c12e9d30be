# SPDX-License-Identifier: GPL-2.0-or-later
"""The result of loading a kernel: its pieces, entry and requirements, as data."""

from typing import TYPE_CHECKING

from coldline.support.frozen_record import Record, field

if TYPE_CHECKING:
    from coldline.image.file_bytes import FileBytes


class KernelPiece(Record):
    """A range of memory that a kernel's file fills.

    Attributes
    ----------
    address : int
        Address of the first byte: guest physical if the kernel is `Kernel.fixed`, else an offset from its base.
    data : memoryview or FileBytes
        The bytes, uncompressed and read-only.
    size : int
        Bytes that the kernel occupies from `address` on: `data` and the zeros after it. At least ``len(data)``. The
        file alone sets it, so nothing may be allocated by it.
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
        The containers and compressions around it, outermost first: ``("FIT", "gzip")``. Empty for a plain kernel.
    pieces : tuple of KernelPiece
        The pieces to load, at least one, sorted by address; no two overlap.
    entry : int
        The address of the first instruction, counted like the pieces' addresses and inside one of them. On arm32,
        bit 0 means Thumb state, as in an ELF file (ELF for the Arm Architecture, IHI 0044).
    fixed : bool
        Whether addresses are guest physical. Otherwise they count from a base: for an Image any 2 MiB boundary,
        where the piece's address is its text_offset; for a zImage the start of RAM.
    anywhere : bool
        Whether the base may be anywhere in RAM, and need not be close to its start.
    page_size : int or None
        Size of the kernel's own pages; None if unknown.
    initrd, device_tree : memoryview or None
        What the file contains besides the kernel.
    notes : tuple of str
        Remarks about the file, for the user.
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
