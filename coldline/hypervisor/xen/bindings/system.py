# SPDX-License-Identifier: GPL-2.0-or-later
"""The bindings of this system: Xen's libraries, coldline's driver and xenstore, each opened on first use."""

import os
from collections.abc import Callable
from typing import Any

from coldline.hypervisor.xen.bindings.protocols import (
    DRIVER_PATH,
    DriverPort,
    ForeignPort,
    HypercallPort,
    MemoryPort,
    StorePort,
)


class SystemBindings:
    """The bindings of the dom0 that this process runs in; see `Bindings`."""

    def __init__(self) -> None:
        self._opened: dict[str, Any] = {}

    def _open_once(self, name: str, opener: Callable[[], Any]) -> Any:
        if name not in self._opened:
            self._opened[name] = opener()
        return self._opened[name]

    @property
    def calls(self) -> HypercallPort:
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.libraries import HypercallLibrary

        calls: HypercallPort = self._open_once("calls", HypercallLibrary)
        return calls

    @property
    def foreign(self) -> ForeignPort:
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.libraries import ForeignMemoryLibrary

        foreign: ForeignPort = self._open_once("foreign", ForeignMemoryLibrary)
        return foreign

    @property
    def has_driver(self) -> bool:
        """See `Bindings`."""
        return os.path.exists(DRIVER_PATH)

    @property
    def driver(self) -> DriverPort:
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.driver import open_driver

        driver: DriverPort = self._open_once("driver", open_driver)
        return driver

    @property
    def memory(self) -> MemoryPort:
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory

        memory: MemoryPort = self._open_once("memory", ProcessMemory)
        return memory

    @property
    def store(self) -> StorePort:
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.store import Store

        store: StorePort = self._open_once("store", Store)
        return store

    def close(self) -> None:
        """Close every port that was opened."""
        while self._opened:
            opened = self._opened.popitem()[1]
            if hasattr(opened, "close"):
                opened.close()
