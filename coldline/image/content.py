# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes on their way from a file to a kernel, and what is known of them so far."""

from coldline.errors import ImageError
from coldline.support.record import Record, field

MAX_PARTS = 1 << 16
"""Streams in a file, or blocks in a stream: so that time is bounded where parts are small and many."""


class Allowance:
    """How many bytes may be unpacked in all.

    Parameters
    ----------
    limit : int
        Bytes.
    """

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit


class Content(Record):
    """A file, or what was found inside it.

    Attributes
    ----------
    path : str
        The file, for messages.
    data : memoryview
        The bytes, read-only. Offsets in messages count from the first of them.
    allowance : Allowance
        What may yet be unpacked, shared by everything that is in one file.
    layers : tuple of str
        What the bytes were in, outermost first.
    """

    path: str
    data: memoryview = field(repr=False)
    allowance: Allowance = field(repr=False)
    layers: tuple[str, ...] = ()

    def inside(self, layer: str, data: memoryview) -> "Content":
        """What is in it."""
        return Content(self.path, data, self.allowance, (*self.layers, layer))

    def error(self, reason: str) -> ImageError:
        """The error that says what is wrong with the bytes, and where they were."""
        where = f"inside {', '.join(self.layers)}: " if self.layers else ""
        return ImageError(self.path, where + reason)

    def keep(self, unpacked: bytearray, more: bytes) -> None:
        """Append `more` to `unpacked`.

        Raises
        ------
        ImageError
            If that makes more than is allowed.
        """
        if len(more) > self.allowance.left:
            raise self.error(
                f"unpacks to more than the limit of {self.allowance.limit} bytes (--max-unpacked)"
            )
        self.allowance.left -= len(more)
        unpacked += more


class Declared(Record, kw_only=True):
    """What a container says of the kernel in it; None where it says nothing.

    Attributes
    ----------
    by : str
        Who says it, for messages: ``its uImage header``.
    architecture : str or None
        ``arm64`` or ``arm32``.
    compressions : tuple of str or None
        The names of `coldline.image.compression.CODECS` that fit.
    load, entry : int or None
        Addresses.
    """

    by: str
    architecture: str | None = None
    compressions: tuple[str, ...] | None = None
    load: int | None = None
    entry: int | None = None


class ContainerParts(Record, kw_only=True):
    """What was in a container."""

    kernel: Content
    declared: Declared
    initrd: memoryview | None = field(default=None, repr=False)
    device_tree: memoryview | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
