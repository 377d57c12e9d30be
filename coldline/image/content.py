# SPDX-License-Identifier: GPL-2.0-or-later
"""The bytes of a file or of something inside it, with what containers declare about them."""

from coldline.errors import ImageError
from coldline.support.frozen_record import Record, field

MAX_PARTS = 1 << 16
"""The most streams in a file, or blocks in a stream: bounds the time for many small parts."""


class Allowance:
    """The number of bytes that may still be decompressed from one file.

    Parameters
    ----------
    limit : int
        The number at the start.
    """

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit


class Content(Record):
    """A file, or something that was found inside it.

    Attributes
    ----------
    path : str
        The file, for messages.
    data : memoryview
        The bytes, read-only. Offsets in messages count from the first of them.
    allowance : Allowance
        What may still be decompressed; everything in one file shares it.
    layers : tuple of str
        The containers and compressions around the bytes, outermost first.
    """

    path: str
    data: memoryview = field(repr=False)
    allowance: Allowance = field(repr=False)
    layers: tuple[str, ...] = ()

    def inside(self, layer: str, data: memoryview) -> "Content":
        """Return content that was found in this content, in a container or compression called `layer`."""
        return Content(self.path, data, self.allowance, (*self.layers, layer))

    def error(self, reason: str) -> ImageError:
        """Return an error about these bytes, which also names the layers around them."""
        where = f"inside {', '.join(self.layers)}: " if self.layers else ""
        return ImageError(self.path, where + reason)

    def keep(self, unpacked: bytearray, more: bytes) -> None:
        """Append `more` to `unpacked`.

        Raises
        ------
        ImageError
            If the allowance is exceeded.
        """
        if len(more) > self.allowance.left:
            raise self.error(
                f"unpacks to more than the limit of {self.allowance.limit} bytes (--max-unpacked)"
            )
        self.allowance.left -= len(more)
        unpacked += more


class Declared(Record, kw_only=True):
    """A container's declarations about the kernel in it; None where it declares nothing.

    Attributes
    ----------
    by : str
        The container, for messages: ``its uImage header``.
    architecture : str or None
        ``arm64`` or ``arm32``.
    compressions : tuple of str or None
        Names of the possible `coldline.image.compression.CODECS`.
    load, entry : int or None
        Guest physical addresses.
    """

    by: str
    architecture: str | None = None
    compressions: tuple[str, ...] | None = None
    load: int | None = None
    entry: int | None = None


class ContainerParts(Record, kw_only=True):
    """The content of a container: a kernel, and perhaps an initrd and a device tree.

    Attributes
    ----------
    kernel : Content
        The kernel.
    declared : Declared
        What the container declares about it.
    as_declared : bool
        Whether the kernel goes where it is declared to go, whatever its own format.
    initrd, device_tree : memoryview or None
        The other parts.
    notes : tuple of str
        Remarks about the container, for the user.
    """

    kernel: Content
    declared: Declared
    as_declared: bool = False
    initrd: memoryview | None = field(default=None, repr=False)
    device_tree: memoryview | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
