# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console ring, whose page the guest changes at every access, and the text that the terminal gets."""

import contextlib
import re
import struct

from coldline.cli.console_session import Shown
from coldline.hypervisor.xen.console.ring import (
    IN,
    IN_CONS,
    IN_PROD,
    OUT,
    OUT_CONS,
    OUT_PROD,
    ConsoleRing,
    RingError,
)
from tests.fuzz.target import Target

_PAGE_SIZE = 4096
_INDICES = struct.Struct("<4I")
_MOST_TURNS = 64
_LINE_KEEPING = re.compile("[\r\n\t\b]")


class _HostilePage:
    """A page in which each load of a guest's index returns the next number of the input."""

    def __init__(self, data: bytes) -> None:
        self._bytes = bytearray(_PAGE_SIZE)
        self._bytes[IN_CONS : IN_CONS + _INDICES.size] = data[: _INDICES.size].ljust(_INDICES.size, b"\0")
        self._rest = memoryview(data)[_INDICES.size :]

    def next(self, size: int) -> bytes:
        """The next bytes of the input; zeros after its end."""
        found, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return found.ljust(size, b"\0")

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return not self._rest

    def load(self, offset: int) -> int:
        """See `coldline.hypervisor.xen.console.ring.SharedPage`."""
        assert offset in (IN_CONS, IN_PROD, OUT_CONS, OUT_PROD)
        (step,) = self.next(1)
        value = int.from_bytes(self._bytes[offset : offset + 4], "little")
        if offset in (IN_CONS, OUT_PROD):
            # Mostly a little further on, as an honest guest would be; else anything.
            value = (value + step * 9) & 0xFFFFFFFF if step < 0xF0 else int.from_bytes(self.next(4), "little")
        self.store(offset, value)
        return value

    def store(self, offset: int, value: int) -> None:
        """See `coldline.hypervisor.xen.console.ring.SharedPage`."""
        assert 0 <= value < 1 << 32
        self._bytes[offset : offset + 4] = value.to_bytes(4, "little")

    def read(self, offset: int, size: int) -> bytes:
        """See `coldline.hypervisor.xen.console.ring.SharedPage`."""
        assert OUT.start <= offset <= offset + size <= OUT.stop
        return bytes(self._bytes[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """See `coldline.hypervisor.xen.console.ring.SharedPage`."""
        assert IN.start <= offset <= offset + len(data) <= IN.stop
        self._bytes[offset : offset + len(data)] = data

    def barrier(self) -> None:
        """See `coldline.hypervisor.xen.console.ring.SharedPage`."""


def _console(data: bytes) -> None:
    _show(data)
    page = _HostilePage(data)
    ring = ConsoleRing(page)
    turns = 0
    while not page.ended and turns < _MOST_TURNS:
        turns += 1
        (size,) = page.next(1)
        with contextlib.suppress(RingError):  # told, and the next turn may be better
            if size & 1:
                assert len(ring.read_output()) <= len(OUT)
            else:
                assert 0 <= ring.write_input(bytes(size * 9)) <= min(size * 9, len(IN))


def _show(data: bytes) -> None:
    """The text for a terminal, when the output comes in two parts."""
    shown = Shown()
    middle = len(data) // 2
    text = (shown(data[:middle]) + shown(data[middle:])).decode()
    assert _LINE_KEEPING.sub("", text).isprintable()


def _seeds() -> list[bytes]:
    wrapping = _INDICES.pack(0xFFFFFF00, 0xFFFFFFF0, 0xFFFFFFFE, 3)
    return [
        b"\x1b]0;a\x07\xc3\xa4\xe2\x82\xac\r\n\x9b1m\xf0\x9f",
        "\u202e\x85\t".encode(),
        bytes(16) + bytes(range(256)),
        wrapping + bytes([1, 5, 2, 7] * 20),
        wrapping + b"\1\xff\xff\xff\xff\xff" * 9,
    ]


TARGETS = {"console": Target(_console, _seeds)}
