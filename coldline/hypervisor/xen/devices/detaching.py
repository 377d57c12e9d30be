# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes a domain's devices away, before it is destroyed.

Source: xen tools/libs/light/libxl_device.c (4.17), libxl__devices_destroy, libxl__initiate_device_generic_remove,
libxl__device_destroy, with the frontend removed first, as when `xl` destroys a domain.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from coldline.hypervisor.xen.devices.attaching import BACKEND_WAIT_S, reaches
from coldline.hypervisor.xen.devices.entries import BACKENDS, CLOSED, CLOSING, script_environment
from coldline.hypervisor.xen.store_entries import in_transaction, libxl_of
from coldline.support.frozen_record import Record

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.protocols import ScriptPort, StorePort

_OF_THE_KERNEL: Final = ("vbd", "vif")
"""Kinds of backends that close, and have scripts. A program that serves another kind may not run any more."""

_WAIT_FOR_OTHERS_S: Final = 2.0
"""libxl_internal.h (4.17), LIBXL_QEMU_BODGE_TIMEOUT."""


class _Attached(Record):
    """A device that libxl's entries name: its paths, and the kind and number of its backend."""

    libxl: str
    frontend: str
    backend: str
    kind: str
    domid: int
    number: int


def has_devices(store: "StorePort", domid: int) -> bool:
    """Return whether a domain has devices that dom0 serves."""
    return next(_attached(store, domid), None) is not None


def detach_devices(store: "StorePort", scripts: "ScriptPort", domid: int) -> None:
    """Take away all devices of a paused domain that dom0 serves, whoever attached them.

    A backend that does not close in time is left behind, as by `xl`. A script that fails, or cannot be run, changes
    nothing else.
    """
    found = list(_attached(store, domid))
    for device in found:
        _close(store, device)
    for device in found:
        kernels = device.kind in _OF_THE_KERNEL
        reaches(store, device.backend, CLOSED, BACKEND_WAIT_S if kernels else _WAIT_FOR_OTHERS_S)
        if kernels:
            _run_script(store, scripts, device)
        _remove(store, device)


def _attached(store: "StorePort", domid: int) -> Iterator[_Attached]:
    base = f"{libxl_of(domid)}/device"
    for kind in store.list(base):
        for number in store.list(f"{base}/{kind}"):
            path = f"{base}/{kind}/{number}"
            backend = (store.read(f"{path}/backend") or b"").decode("utf-8", "replace")
            frontend = (store.read(f"{path}/frontend") or b"").decode("utf-8", "replace")
            parts = backend.removeprefix(f"{BACKENDS}/").split("/")
            if len(parts) == 3 and parts[2].isdecimal():  # of dom0
                yield _Attached(path, frontend, backend, parts[0], domid, int(parts[2]))


def _close(store: "StorePort", device: _Attached) -> None:
    """Ask a backend to close. Without its frontend, it does not wait for the guest."""

    def write() -> None:
        if device.frontend:
            store.remove(device.frontend)
        state = store.read(f"{device.backend}/state")
        if state is not None:
            store.write(f"{device.backend}/online", "0")
            if state != CLOSED.encode():
                store.write(f"{device.backend}/state", CLOSING)

    in_transaction(store, write)


def _run_script(store: "StorePort", scripts: "ScriptPort", device: _Attached) -> None:
    script = (store.read(f"{device.backend}/script") or b"").decode("utf-8", "replace")
    if script:
        gateway = (store.read(f"{device.backend}/gatewaydev") or b"").decode("utf-8", "replace")
        words = ("offline", "type_if=vif") if device.kind == "vif" else ("remove",)
        environment = script_environment(device.kind, device.domid, device.number, script, gateway)
        with contextlib.suppress(OSError):  # it may be gone, or may never have been a program
            scripts.run(script, words, environment)


def _remove(store: "StorePort", device: _Attached) -> None:
    """Remove the entries of both ends, and of libxl, and what is empty then above the backend's."""

    def remove() -> None:
        for path in (device.frontend, device.libxl, device.backend):
            if path:
                store.remove(path)
        above = device.backend.rpartition("/")[0]
        while above.startswith(BACKENDS) and not store.list(above):
            store.remove(above)
            above = above.rpartition("/")[0]

    in_transaction(store, remove)
