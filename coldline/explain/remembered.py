# SPDX-License-Identifier: GPL-2.0-or-later
"""Remembers what a function gave, up to a size in memory."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Remembered(Generic[_T]):
    """A function that remembers what it gave, and forgets all of it once that is too much.

    Parameters
    ----------
    function : callable
        The function; its arguments can be hashed.
    size_of : callable
        The size of what it gives, in any unit.
    most : int
        The most that is remembered, in that unit.

    Attributes
    ----------
    size : int
        How much is remembered.
    forgot : int
        How often it has forgotten all.
    """

    def __init__(self, function: Callable[..., _T], size_of: Callable[[_T], int], most: int) -> None:
        self._function, self._size_of, self._most = function, size_of, most
        self._known: dict[Hashable, _T] = {}
        self.size = self.forgot = 0

    def __call__(self, *arguments: Hashable) -> _T:
        """What the function gives for some arguments."""
        found = self._known.get(arguments)
        if found is None:
            found = self._function(*arguments)
            size = self._size_of(found)
            if self.size + size > self._most:
                self._known.clear()
                self.size = 0
                self.forgot += 1
            self.size += size
            self._known[arguments] = found
        return found
