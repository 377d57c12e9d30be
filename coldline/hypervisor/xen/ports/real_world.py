# SPDX-License-Identifier: GPL-2.0-or-later
"""The world as it is: Xen's libraries, coldline's driver and xenstore, each opened as it is first asked for."""

import os
from typing import Any

from coldline.hypervisor.xen.hypercalls import CallLibrary
from coldline.hypervisor.xen.ports.world import DEVICE, Accesses, Driver, Foreign
from coldline.hypervisor.xen.store_entries import Tree


class RealWorld:
    """The libraries and the driver of this dom0."""

    def __init__(self) -> None:
        self._opened: dict[str, Any] = {}

    def _door(self, name: str, opened: Any) -> Any:
        if name not in self._opened:
            self._opened[name] = opened()
        return self._opened[name]

    @property
    def calls(self) -> CallLibrary:
        """See `World`."""
        from coldline.hypervisor.xen.ports.libraries import Calls

        calls: CallLibrary = self._door("calls", Calls)
        return calls

    @property
    def foreign(self) -> Foreign:
        """See `World`."""
        from coldline.hypervisor.xen.ports.libraries import ForeignMemory

        foreign: Foreign = self._door("foreign", ForeignMemory)
        return foreign

    @property
    def has_driver(self) -> bool:
        """See `World`."""
        return os.path.exists(DEVICE)

    @property
    def driver(self) -> Driver:
        """See `World`."""
        from coldline.hypervisor.xen.ports.driver import open_device

        driver: Driver = self._door("driver", open_device)
        return driver

    @property
    def memory(self) -> Accesses:
        """See `World`."""
        from coldline.hypervisor.xen.ports.maintenance import Memory

        memory: Accesses = self._door("memory", Memory)
        return memory

    @property
    def store(self) -> Tree:
        """See `World`."""
        from coldline.hypervisor.xen.ports.store import Store

        store: Tree = self._door("store", Store)
        return store

    def close(self) -> None:
        """Close what was opened."""
        while self._opened:
            opened = self._opened.popitem()[1]
            if hasattr(opened, "close"):
                opened.close()
