# SPDX-License-Identifier: GPL-2.0-or-later
"""Bindings that pass every call through one function, to hold back interrupts, count calls or make one fail."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.protocols import Bindings

Around = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]
"""Takes a call's name, the function that makes it and its arguments; returns the call's result."""


class WatchedBindings:
    """Bindings whose every call is made by a function of the caller's; see `Bindings`.

    Parameters
    ----------
    bindings : Bindings
        The bindings that do the work.
    around : Around
        Makes each call.
    """

    def __init__(self, bindings: "Bindings", around: Around) -> None:
        self._bindings = bindings
        self._around = around

    has_driver: Any = property(lambda self: self._bindings.has_driver)
    calls: Any = property(lambda self: _WatchedPort(self._bindings.calls, "", self._around))
    foreign: Any = property(
        lambda self: _WatchedPort(self._bindings.foreign, "foreign memory: ", self._around)
    )
    driver: Any = property(lambda self: _WatchedPort(self._bindings.driver, "driver: ", self._around))
    memory: Any = property(lambda self: _WatchedPort(self._bindings.memory, "memory: ", self._around))
    records: Any = property(lambda self: _WatchedPort(self._bindings.records, "records: ", self._around))
    scripts: Any = property(lambda self: _WatchedPort(self._bindings.scripts, "scripts: ", self._around))
    store: Any = property(lambda self: _WatchedPort(self._bindings.store, "store: ", self._around))


class _WatchedPort:
    def __init__(self, inner: Any, prefix: str, around: Around) -> None:
        self._inner, self._prefix, self._around = inner, prefix, around

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any) -> Any:
            # A hypercall's name is its first argument.
            what = self._prefix + (arguments[0] if name == "call" else name)
            return self._around(what, found, arguments)

        return call
