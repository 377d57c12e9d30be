# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console ring, as whoever is at the other end of it may use it: nothing in it is believed.

The page is the guest's, and changes at any moment to anything. So what belongs to this end is kept here and only ever
written there; what belongs to the guest is read once a turn, checked against the ring's size, and only then used;
and where in the ring an index points is its remainder, whatever it is. The layout and the order of accesses are those
of xen xen/include/public/io/console.h (4.17), the same for an emulated PL011 (xen xen/arch/arm/vpl011.c (4.17)).
"""

from typing import Final, Protocol

from coldline.errors import HypervisorError

IN: Final = range(1024)
"""What the guest is to read: bytes of the page."""

OUT: Final = range(1024, 3072)
"""What the guest has written: bytes of the page."""

IN_CONS, IN_PROD, OUT_CONS, OUT_PROD = 3072, 3076, 3080, 3084
"""The four indices, of 32 bits, which grow and wrap: by how much they differ is what is in a ring."""

_INDEX: Final = 0xFFFFFFFF


class RingError(HypervisorError):
    """A guest's index says that there is more in its ring than a ring holds: the guest is at fault."""


class SharedPage(Protocol):
    """A page that another writes to at the same time."""

    def load(self, offset: int) -> int:
        """Read 32 bits, in one access."""

    def store(self, offset: int, value: int) -> None:
        """Write 32 bits, in one access."""

    def read(self, offset: int, size: int) -> bytes:
        """Copy bytes out of it."""

    def write(self, offset: int, data: bytes) -> None:
        """Copy bytes into it."""

    def barrier(self) -> None:
        """Order all accesses before this against all after it, as the other end sees them."""


class ConsoleRing:
    """The end of a console that dom0 has: the one that shows output and gives input.

    Parameters
    ----------
    page : SharedPage
        The ring's. Its two indices that belong to this end are taken as they are, once.
    """

    def __init__(self, page: SharedPage) -> None:
        self._page = page
        self._taken = page.load(OUT_CONS)
        self._given = page.load(IN_PROD)

    def read_output(self) -> bytes:
        """Take all that the guest has written since: at most `OUT`'s size.

        Raises
        ------
        RingError
            If its index cannot be; the ring is left as it is, and may be tried again.
        """
        written = self._page.load(OUT_PROD)
        self._page.barrier()  # the index, then what it speaks of
        waiting = self._filled("output", written, self._taken, OUT)
        start = self._taken % len(OUT)
        first = min(waiting, len(OUT) - start)
        data = self._page.read(OUT.start + start, first)
        if first < waiting:
            data += self._page.read(OUT.start, waiting - first)
        self._taken = written
        self._page.barrier()  # what was read, then that it may be written over
        self._page.store(OUT_CONS, self._taken)
        return data

    def write_input(self, data: bytes) -> int:
        """Give the guest as much input as there is room for; return how many bytes that was.

        Raises
        ------
        RingError
            If its index cannot be; nothing is given.
        """
        read = self._page.load(IN_CONS)
        self._page.barrier()  # the index, then what it lets us write over
        room = len(IN) - self._filled("input", self._given, read, IN)
        data = data[:room]
        start = self._given % len(IN)
        first = data[: len(IN) - start]
        self._page.write(IN.start + start, first)
        if len(first) < len(data):
            self._page.write(IN.start, data[len(first) :])
        self._page.barrier()  # the bytes, then the index
        self._given = (self._given + len(data)) & _INDEX
        self._page.store(IN_PROD, self._given)
        return len(data)

    def _filled(self, name: str, end: int, start: int, ring: range) -> int:
        filled = (end - start) & _INDEX
        if filled > len(ring):
            raise RingError(
                f"its console's {name} ring of {len(ring)} bytes claims to hold {filled}: "
                "the guest wrote nonsense there"
            )
        return filled
