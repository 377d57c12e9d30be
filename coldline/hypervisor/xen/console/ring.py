# SPDX-License-Identifier: GPL-2.0-or-later
"""dom0's end of a guest's console ring, which trusts nothing in the ring.

The page belongs to the guest, which can write anything to it at any time. So dom0's own indices are kept here and
only written to the page. The guest's indices are read once for each operation and checked against the ring's size
before use, and every position in the ring is taken modulo its size. Layout and order of accesses: xen
xen/include/public/io/console.h (4.17); an emulated PL011 has the same (xen xen/arch/arm/vpl011.c (4.17)).
"""

from typing import Final, Protocol

from coldline.errors import HypervisorError

IN: Final = range(1024)
"""The input ring, which the guest reads: bytes of the page."""

OUT: Final = range(1024, 3072)
"""The output ring, which the guest writes: bytes of the page."""

IN_CONS, IN_PROD, OUT_CONS, OUT_PROD = 3072, 3076, 3080, 3084
"""Offsets of the four indices. Each has 32 bits, increases and wraps; a ring's fill is the difference of its two."""

_INDEX: Final = 0xFFFFFFFF


class RingError(HypervisorError):
    """A guest's index claims more bytes than its ring can hold: the guest is at fault."""


class SharedPage(Protocol):
    """A page that the guest can write at the same time."""

    def load(self, offset: int) -> int:
        """Read 32 bits, in one access."""

    def store(self, offset: int, value: int) -> None:
        """Write 32 bits, in one access."""

    def read(self, offset: int, size: int) -> bytes:
        """Copy bytes out of it."""

    def write(self, offset: int, data: bytes) -> None:
        """Copy bytes into it."""

    def barrier(self) -> None:
        """Order all earlier accesses before all later ones, as the guest sees them."""


class ConsoleRing:
    """dom0's end of a console: reads the guest's output and writes its input.

    Parameters
    ----------
    page : SharedPage
        The ring's page. Its two indices that belong to dom0 are read once, here.
    """

    def __init__(self, page: SharedPage) -> None:
        self._page = page
        self._taken = page.load(OUT_CONS)
        self._given = page.load(IN_PROD)

    def read_output(self) -> bytes:
        """Return all new output, at most the size of `OUT`.

        Raises
        ------
        RingError
            If the guest's index is impossible; the ring is unchanged, and may be read again.
        """
        written = self._page.load(OUT_PROD)
        self._page.barrier()  # read the index before the bytes
        waiting = self._filled("output", written, self._taken, OUT)
        start = self._taken % len(OUT)
        first = min(waiting, len(OUT) - start)
        data = self._page.read(OUT.start + start, first)
        if first < waiting:
            data += self._page.read(OUT.start, waiting - first)
        self._taken = written
        self._page.barrier()  # read the bytes before freeing their room
        self._page.store(OUT_CONS, self._taken)
        return data

    def write_input(self, data: bytes) -> int:
        """Write as much input as there is room for; return how many bytes that was.

        Raises
        ------
        RingError
            If the guest's index is impossible; nothing is written.
        """
        read = self._page.load(IN_CONS)
        self._page.barrier()  # read the index before writing to the room it frees
        room = len(IN) - self._filled("input", self._given, read, IN)
        data = data[:room]
        start = self._given % len(IN)
        first = data[: len(IN) - start]
        self._page.write(IN.start + start, first)
        if len(first) < len(data):
            self._page.write(IN.start, data[len(first) :])
        self._page.barrier()  # write the bytes before the index
        self._given = (self._given + len(data)) & _INDEX
        self._page.store(IN_PROD, self._given)
        return len(data)

    def _filled(self, name: str, end: int, start: int, ring: range) -> int:
        filled = (end - start) & _INDEX
        if filled > len(ring):
            raise RingError(
                f"the guest's {name} ring of {len(ring)} bytes claims to hold {filled}: "
                "the guest wrote an invalid index"
            )
        return filled
