# SPDX-License-Identifier: GPL-2.0-or-later
"""A text as blocks of whole lines, of a bounded size."""

from collections.abc import Iterator
from typing import IO, Any, Final, NamedTuple

from coldline.trace.text import MAX_LINE_LENGTH

FIRST_BLOCK: Final = 1 << 19
"""The most bytes that are read for the first block: parsing them takes as long as loading the compiled loop."""

LATER_BLOCK: Final = 1 << 18
"""The most bytes that are read for a later block: it and its events stay in a core's cache."""

_LONGEST_BEGUN: Final = 4 * MAX_LINE_LENGTH + 8
"""The most bytes of a line that is not too long: four for a character, and its end."""


class LineBlock(NamedTuple):
    """Some lines of a text.

    Attributes
    ----------
    end : int
        Where it ends in `LineBlocks.buffer`; it begins at 0.
    whole : bool
        Whether its last line has an end. A line without one is in a block of its own: the last of the text, or one
        that is too long, of which only the beginning was read.
    ended : bool
        Whether the text ends with it, if it is not `whole`.
    """

    end: int
    whole: bool
    ended: bool = False


class LineBlocks:
    """Splits a text into blocks of whole lines.

    Parameters
    ----------
    file : binary file
        The text. It need not be seekable.
    first, most : int
        How many bytes to read for the first block, and for each later one.
    slack : int
        How many bytes after a block a user of the buffer may touch.

    Attributes
    ----------
    buffer : bytearray
        Has the current block; another object for another block, if it has to grow.
    """

    def __init__(self, file: IO[bytes], *, first: int, most: int, slack: int = 0) -> None:
        self._file: Any = file
        self._sizes = (min(first, most), most)
        self._slack = slack
        self.buffer = bytearray(0)

    def __iter__(self) -> Iterator[LineBlock]:
        held, size = 0, self._sizes[0]
        while not self._is_too_long(held):
            self._make_room(held + size + self._slack)
            with memoryview(self.buffer) as whole, whole[held : held + size] as room:
                read = self._file.readinto(room)
            end = self._end_of_lines(held + read, is_all=not read)
            if end:
                yield LineBlock(end, whole=True)
            held += read - end
            self.buffer[:held] = self.buffer[end : end + held]
            if not read:
                if held:
                    yield LineBlock(held, whole=False, ended=True)
                return
            size = self._sizes[1]
        yield LineBlock(held, whole=False)

    def lines(self, start: int, end: int) -> list[str]:
        """The lines of a part of the current block, without their ends."""
        return lines_of(bytes(self.buffer[start:end]))

    def _is_too_long(self, held: int) -> bool:
        """Whether the line that is begun in the buffer has too many characters."""
        if held <= MAX_LINE_LENGTH:
            return False
        return len(self.buffer[:held].decode("utf-8", "replace").rstrip("\r")) > MAX_LINE_LENGTH

    def _make_room(self, size: int) -> None:
        if len(self.buffer) < size:
            buffer = bytearray(max(size, _LONGEST_BEGUN + self._slack))
            buffer[: len(self.buffer)] = self.buffer
            self.buffer = buffer

    def _end_of_lines(self, length: int, *, is_all: bool) -> int:
        """Where the last end of a line ends that is surely whole: a CR may be the first half of one."""
        end = self.buffer.rfind(b"\n", 0, length) + 1
        return max(end, self.buffer.rfind(b"\r", end, length if is_all else max(length - 1, 0)) + 1)


def lines_of(text: bytes) -> list[str]:
    """The lines of a text in UTF-8, without their ends, which may be LF, CR LF or CR."""
    lines = text.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
