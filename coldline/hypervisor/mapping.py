# SPDX-License-Identifier: GPL-2.0-or-later
"""Base classes for the mappings of all back ends: closing at the end of a block, and bounds."""

from typing import Protocol, Self

from coldline.errors import HypervisorError


class _Owner(Protocol):
    def error(self, operation: str, reason: str) -> HypervisorError: ...


class ClosesOnExit:
    """Closes itself at the end of a ``with`` block."""

    def close(self) -> None:
        """See `Mapping.close`."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BoundedMapping(ClosesOnExit):
    """A mapping of a domain's memory that checks its bounds and whether it is open."""

    domain: _Owner
    address: int
    size: int
    _max_size: int
    _open: bool

    def _check_move(self, address: int, size: int) -> None:
        """Raise `HypervisorError` if the mapping was smaller when it was made, or is closed."""
        if not self._open:
            raise self.domain.error(f"map {address:#x}", "the mapping to be moved is closed")
        if size > self._max_size:
            raise self.domain.error(
                f"map {address:#x}",
                f"{size:#x} bytes exceed the mapping's original size of {self._max_size:#x}",
            )

    def _check(self, operation: str, offset: int, size: int) -> None:
        """Raise `HypervisorError` if a range is not inside the mapping, or the mapping is closed."""
        where = f"{operation} {self.address + offset:#x}"
        if not self._open:
            raise self.domain.error(where, "the mapping is closed")
        if offset < 0 or size < 0 or offset + size > self.size:
            mapped = f"{self.address:#x} to {self.address + self.size:#x}"
            raise self.domain.error(
                where, f"{size:#x} bytes at offset {offset:#x} are outside the mapping ({mapped})"
            )
