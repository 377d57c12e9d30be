# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the files that a guest is made of.

Files are read into private memory and not mapped. If a mapped file is truncated, the process dies of SIGBUS in the
middle of a build; if it is rewritten, its content is no longer what was checked. The cost is one copy, bounded by the
limit. Files that are only passed on avoid it: see `open_blob`.
"""

import contextlib
import os
import stat
from collections.abc import Iterator

from coldline.errors import ImageError
from coldline.image.arm64_image import arm64_image, is_arm64_image
from coldline.image.compression import codec_of, decompress
from coldline.image.content import Allowance, Content, Declared
from coldline.image.file_bytes import FileBytes
from coldline.image.format_detection import recognise
from coldline.image.kernel import Kernel
from coldline.image.raw import architecture_of, raw_kernel
from coldline.support.frozen_record import Record, replace

MAX_IMAGE = 1 << 30
"""The default limit of a file's size, in bytes (the same as Xen's: tools/include/xenguest.h (4.17))."""

MAX_UNPACKED = 1 << 30
"""The default limit of a compressed kernel's unpacked size, in bytes."""

_CHUNK = 1 << 20

_START = 4096
"""Bytes that suffice to recognise every compression and an arm64 Image."""

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)


class RawPlacement(Record):
    """The place of a file without a known format.

    Attributes
    ----------
    architecture : str or None
        ``arm64`` or ``arm32``; None to guess from a branch as the first instruction, or else ``arm64``.
    load, entry : int
        Guest physical addresses: of its first byte, and of its first instruction.
    in_flash : bool
        Whether it is firmware that starts from flash, so that a file with a format for memory is an error.
    """

    architecture: str | None
    load: int
    entry: int
    in_flash: bool = False


def load_kernel(
    path: str | os.PathLike[str],
    *,
    max_image: int = MAX_IMAGE,
    max_unpacked: int = MAX_UNPACKED,
    configuration: str | None = None,
    raw: RawPlacement | None = None,
    architecture: str | None = None,
) -> Kernel:
    """Read and check a kernel; its format is recognised by its content.

    The formats are an arm64 Image, a 32-bit zImage, an ELF file of either architecture, S-records and Intel HEX. Each
    may be in an EFI zboot image, a uImage, a FIT or an image for a board's boot ROM, and all of these may be
    compressed with gzip, bzip2, xz, zstd, lz4, lzop or LZMA.

    Parameters
    ----------
    path : str or path-like
        The file.
    max_image : int
        The largest allowed size of the file, in bytes.
    max_unpacked : int
        The largest allowed size of everything unpacked from it, in bytes.
    configuration : str or None
        A FIT's configuration; None for its default.
    raw : RawPlacement or None
        Load the file, once decompressed, as raw bytes to this place, whatever its format.
    architecture : str or None
        ``arm64`` or ``arm32``, for a format that does not name one; in any other file an error if it differs.

    Raises
    ------
    ImageError
        If the file cannot be read, exceeds a limit, is malformed, or lacks required information.
    UsageError
        If the file has no such configuration.
    MissingDependencyError
        If a library for this format is not installed.
    """
    name = os.fspath(path)
    blob = load_blob(name, _what(raw), max_image=max_image)
    return _kernel(Content(name, blob, Allowance(max_unpacked)), configuration, raw, architecture)


def open_kernel(
    path: str | os.PathLike[str],
    *,
    max_image: int = MAX_IMAGE,
    max_unpacked: int = MAX_UNPACKED,
    configuration: str | None = None,
    raw: RawPlacement | None = None,
    architecture: str | None = None,
) -> Kernel:
    """Like `load_kernel`, but an arm64 Image stays in its file if that is a regular file.

    Parameters and errors are those of `load_kernel`.
    """
    name = os.fspath(path)
    blob = open_blob(name, _what(raw), max_image=max_image)
    if isinstance(blob, FileBytes):
        start = Content(name, blob.read(0, _START), Allowance(max_unpacked))
        if (
            raw is None
            and architecture is None
            and codec_of(start.data) is None
            and is_arm64_image(start.data)
        ):
            return arm64_image(start, blob)
        blob = blob.read(0, blob.nbytes)
    return _kernel(Content(name, blob, Allowance(max_unpacked)), configuration, raw, architecture)


def _what(raw: RawPlacement | None) -> str:
    return "firmware" if raw is not None and raw.in_flash else "kernel"


def _kernel(
    content: Content, configuration: str | None, raw: RawPlacement | None, architecture: str | None
) -> Kernel:
    if raw is None:
        told = Declared(by="--arch", architecture=architecture) if architecture else None
        return recognise(content, told, configuration)
    codec = codec_of(content.data)
    if codec is not None:
        content = decompress(content, codec)
    notes: tuple[str, ...] = ()
    if raw.in_flash:
        from coldline.image.flash_image import check_flash_image

        notes = check_flash_image(content)
    architecture = raw.architecture or architecture_of(content.data) or "arm64"
    declared = Declared(by="--load", architecture=architecture, load=raw.load, entry=raw.entry)
    return replace(raw_kernel(content, declared), notes=notes)


def load_blob(path: str | os.PathLike[str], what: str, *, max_image: int = MAX_IMAGE) -> memoryview:
    """Read a whole file: a kernel, an initrd or a device tree.

    A pipe is read to its end, or to one byte above the limit. A named pipe without a writer is empty.

    Parameters
    ----------
    path : str or path-like
        The file.
    what : str
        What the file should be, for messages: ``initrd``.
    max_image : int
        The largest allowed size, in bytes.

    Returns
    -------
    memoryview
        The bytes, at least one, read-only and private: later changes to the file have no effect.

    Raises
    ------
    ImageError
        If the file cannot be opened or read, is empty, exceeds the limit, or is neither a file nor a pipe.
    """
    name = os.fspath(path)
    with _opened(name, what, max_image) as (descriptor, size):
        return _read(name, what, descriptor, size, max_image)


def open_blob(
    path: str | os.PathLike[str], what: str, *, max_image: int = MAX_IMAGE
) -> memoryview | FileBytes:
    """Like `load_blob`, but the bytes stay in the file unless it is a pipe.

    Parameters and errors are those of `load_blob`.

    Returns
    -------
    FileBytes or memoryview
        The bytes, at least one.
    """
    name = os.fspath(path)
    with _opened(name, what, max_image) as (descriptor, size):
        if not size:
            return _read(name, what, descriptor, size, max_image)
        return FileBytes(name, what, os.fdopen(os.dup(descriptor), "rb", buffering=0))


@contextlib.contextmanager
def _opened(name: str, what: str, max_image: int) -> Iterator[tuple[int, int]]:
    """Yield the descriptor and size of a file or pipe; an OSError of the block becomes an ImageError."""
    try:
        # O_NONBLOCK: opening a pipe without a writer must not hang.
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        raise ImageError(name, f"cannot open the {what}: {error.strerror}") from error
    except ValueError as error:
        raise ImageError(repr(name), f"cannot open the {what}: {error}") from error
    try:
        status = os.fstat(descriptor)
        for is_kind, kind in _KINDS:
            if is_kind(status.st_mode):
                raise ImageError(name, f"the {what} is {kind}, not a file")
        if status.st_size > max_image:
            raise ImageError(
                name,
                f"the {what} has {status.st_size} bytes, more than the limit of {max_image} (--max-image)",
            )
        os.set_blocking(descriptor, True)
        yield descriptor, status.st_size
    except OSError as error:
        raise ImageError(name, f"cannot read the {what}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _read(name: str, what: str, descriptor: int, size: int, max_image: int) -> memoryview:
    data = (
        _read_file(name, what, descriptor, size) if size else _read_stream(name, what, descriptor, max_image)
    )
    if not data:
        raise ImageError(name, f"the {what} is empty")
    return memoryview(data).toreadonly()


def _read_file(name: str, what: str, descriptor: int, size: int) -> bytes | bytearray:
    first = os.read(descriptor, size)
    if len(first) == size:
        return first
    data = bytearray(first)
    while len(data) < size:
        chunk = os.read(descriptor, min(_CHUNK, size - len(data)))
        if not chunk:
            raise ImageError(name, f"the {what} shrank from {size} to {len(data)} bytes while it was read")
        data += chunk
    return data


def _read_stream(name: str, what: str, descriptor: int, max_image: int) -> bytearray:
    """Read a pipe, or a file without a known size, as in /proc."""
    data = bytearray()
    while chunk := os.read(descriptor, min(_CHUNK, max_image + 1 - len(data))):
        data += chunk
        if len(data) > max_image:
            raise ImageError(name, f"the {what} has more bytes than the limit of {max_image} (--max-image)")
    return data
