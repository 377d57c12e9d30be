# SPDX-License-Identifier: GPL-2.0-or-later
"""What formats of text records have in common: lines of bytes in hexadecimal, each with an address and a checksum."""

from collections.abc import Iterator

from coldline.image.content import Content, Declared
from coldline.image.firmware_binaries import secure_firmware
from coldline.image.kernel import Kernel, KernelPiece
from coldline.image.raw import ADDRESS_SPACE_SIZE, architecture_of

MAX_RECORDS = 1 << 22
"""The most records: 64 MiB in the usual records of 16 bytes. It bounds the time."""

MAX_RECORD_PIECES = 256
"""The most pieces that the records may leave, as an ELF file's segments."""

_MAX_LINE = 600
"""Characters of a line: 255 bytes in hexadecimal and the rest."""


def record_lines(content: Content, form: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, each with its number.

    Raises
    ------
    ImageError
        If a line is too long or not ASCII, or there are too many.
    """
    data, at, number = content.data, 0, 0
    while at < len(data):
        number += 1
        line = bytes(data[at : at + _MAX_LINE]).partition(b"\n")[0]
        at += len(line) + 1
        if number > MAX_RECORDS:
            raise content.error(f"has more than {MAX_RECORDS} lines of {form}")
        if len(line) == _MAX_LINE or not line.isascii():
            raise content.error(f"line {number} is not {form}: it starts with {line[:8].hex(' ')}")
        text = line.decode("ascii").strip()
        if text:
            yield number, text


def record_bytes(content: Content, number: int, digits: str, form: str) -> bytes:
    """Return the bytes of a line.

    Raises
    ------
    ImageError
        If they are not hexadecimal digits.
    """
    try:
        if not digits.isalnum():
            raise ValueError
        return bytes.fromhex(digits)
    except ValueError:
        raise content.error(f"line {number} is not {form}: its digits are not hexadecimal pairs") from None


class RecordedMemory:
    """The memory that records fill.

    Parameters
    ----------
    content : Content
        The file, for messages.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._runs: list[tuple[int, bytearray, int]] = []
        self._end = -1

    def add(self, address: int, data: bytes, number: int) -> None:
        """Add the bytes of line `number`.

        Raises
        ------
        ImageError
            If the records leave too many pieces.
        """
        if not data:
            return
        if address != self._end:
            if len(self._runs) == MAX_RECORD_PIECES:
                raise self._content.error(
                    f"has more than {MAX_RECORD_PIECES} pieces of memory, the last from line {number} on"
                )
            self._runs.append((address, bytearray(), number))
        self._runs[-1][1].extend(data)
        self._end = address + len(data)

    def kernel(self, form: str, entry: int | None, declared: Declared | None) -> Kernel:
        """Return the kernel that the records are, for the declared architecture or that of the entry's branch.

        Raises
        ------
        ImageError
            If records overlap, or the entry or the architecture is missing or impossible.
        """
        content = self._content
        runs = sorted(self._runs, key=lambda run: run[0])
        pieces: list[KernelPiece] = []
        for address, data, number in runs:
            if pieces and address < pieces[-1].end:
                raise content.error(f"line {number} has bytes for {address:#x}, which another line has, too")
            pieces.append(KernelPiece(address, memoryview(data).toreadonly(), len(data)))
        secure = next(filter(None, (secure_firmware(memoryview(piece.data[:])) for piece in pieces)), None)
        inside = next(
            (each for each in pieces if entry is not None and each.address <= entry < each.end), None
        )
        if entry is None:
            raise content.error(f"is {form} without a start address, so it does not say where to enter it")
        if inside is None:
            raise content.error(f"is {form} whose start address {entry:#x} is outside its bytes")
        code = memoryview(inside.data[entry - inside.address :][:4])
        architecture = (declared.architecture if declared else None) or architecture_of(code)
        if architecture is None:
            raise content.error(f"is {form}, which does not say which architecture it is for: give --arch")
        if entry % 4 and (architecture == "arm64" or not entry & 1):
            raise content.error(f"is {form} whose start address {entry:#x} is not word-aligned")
        if pieces[-1].end > ADDRESS_SPACE_SIZE[architecture]:
            raise content.error(f"is {form} with bytes past the end of {architecture}'s addresses")
        return Kernel(
            path=content.path,
            architecture=architecture,
            format=form,
            layers=content.layers,
            pieces=tuple(pieces),
            entry=entry,
            fixed=True,
            notes=(f"it is {secure}: --el 3 starts it there",) if secure is not None else (),
        )
