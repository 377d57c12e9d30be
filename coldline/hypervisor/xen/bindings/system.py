# SPDX-License-Identifier: GPL-2.0-or-later
"""The bindings of this system: Xen's libraries, coldline's driver and xenstore, each opened on first use."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from coldline.hypervisor.xen.bindings.protocols import DRIVER_PATH

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.driver import DriverDevice
    from coldline.hypervisor.xen.bindings.libraries import ForeignMemoryLibrary, HypercallLibrary
    from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory
    from coldline.hypervisor.xen.bindings.records import RecordFolder
    from coldline.hypervisor.xen.bindings.scripts import ScriptRunner
    from coldline.hypervisor.xen.bindings.store import Store

_Port = TypeVar("_Port")


class SystemBindings:
    """The bindings of the dom0 that this process runs in; see `Bindings`."""

    def __init__(self) -> None:
        self._opened: dict[str, Any] = {}

    def _open_once(self, name: str, opener: Callable[[], _Port]) -> _Port:
        if name not in self._opened:
            self._opened[name] = opener()
        port: _Port = self._opened[name]
        return port

    @property
    def calls(self) -> "HypercallLibrary":
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.libraries import HypercallLibrary

        return self._open_once("calls", HypercallLibrary)

    @property
    def foreign(self) -> "ForeignMemoryLibrary":
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.libraries import ForeignMemoryLibrary

        return self._open_once("foreign", ForeignMemoryLibrary)

    @property
    def has_driver(self) -> bool:
        """See `Bindings`."""
        return os.path.exists(DRIVER_PATH)

    @property
    def driver(self) -> "DriverDevice":
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.driver import open_driver

        return self._open_once("driver", open_driver)

    @property
    def memory(self) -> "ProcessMemory":
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory

        return self._open_once("memory", ProcessMemory)

    @property
    def records(self) -> "RecordFolder":
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.records import RecordFolder

        return self._open_once("records", RecordFolder)

    @property
    def scripts(self) -> "ScriptRunner":
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.scripts import ScriptRunner

        return self._open_once("scripts", ScriptRunner)

    @property
    def store(self) -> "Store":
        """See `Bindings`."""
        from coldline.hypervisor.xen.bindings.store import Store

        return self._open_once("store", Store)

    def close(self) -> None:
        """Close every port that was opened."""
        while self._opened:
            opened = self._opened.popitem()[1]
            if hasattr(opened, "close"):
                opened.close()
