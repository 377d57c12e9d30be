# SPDX-License-Identifier: GPL-2.0-or-later
"""A world whose every call passes by a function first."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coldline.hypervisor.xen.ports.world import World

Around = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]


class Watched:
    """Another world.

    Parameters
    ----------
    world : World
        The one behind it.
    around : callable
        Given a call's name, what makes it and its arguments; returns what the call is to return.
    """

    def __init__(self, world: "World", around: Around) -> None:
        self._world = world
        self._around = around

    has_driver: Any = property(lambda self: self._world.has_driver)
    calls: Any = property(lambda self: _Door(self._world.calls, "", self._around))
    foreign: Any = property(lambda self: _Door(self._world.foreign, "foreign memory: ", self._around))
    driver: Any = property(lambda self: _Door(self._world.driver, "driver: ", self._around))
    memory: Any = property(lambda self: _Door(self._world.memory, "memory: ", self._around))
    store: Any = property(lambda self: _Door(self._world.store, "store: ", self._around))


class _Door:
    def __init__(self, inner: Any, prefix: str, around: Around) -> None:
        self._inner, self._prefix, self._around = inner, prefix, around

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any) -> Any:
            # a hypercall's name is its first argument
            what = self._prefix + (arguments[0] if name == "call" else name)
            return self._around(what, found, arguments)

        return call
