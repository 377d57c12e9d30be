# SPDX-License-Identifier: GPL-2.0-or-later
"""Gives a domain its disks and network interfaces, before it starts.

As by libxl: the entries are written, dom0's kernel takes the backend, and a hotplug script connects it.
"""

import os
import stat
import time
from typing import TYPE_CHECKING, Final

from coldline.errors import HypervisorError, UsageError
from coldline.hypervisor.xen.devices.entries import (
    INIT_WAIT,
    SCRIPTS,
    XenDevice,
    disk_device,
    interface_device,
    script_environment,
    script_path,
    write_device,
)
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.store_entries import in_transaction

if TYPE_CHECKING:
    from coldline.guest.config import Disk
    from coldline.hypervisor.xen.bindings.protocols import Bindings, StorePort
    from coldline.hypervisor.xen.domain_setup import DomainSetup

BACKEND_WAIT_S: Final = 10.0
"""Seconds that a backend may take to a state: libxl_internal.h (4.17), LIBXL_INIT_TIMEOUT, LIBXL_DESTROY_TIMEOUT."""

POLL_S: Final = 0.02

_DRIVERS: Final = {"vbd": "xen-blkback", "vif": "xen-netback"}


def check_devices(setup: "DomainSetup") -> None:
    """Check what a guest's devices need of dom0, before anything is made.

    Raises
    ------
    UsageError
        If a disk's target is not there or cannot be a disk, a script is not there, or two disks have a number.
    """
    numbers: dict[int, str] = {}
    for disk in setup.disks:
        if (same := numbers.setdefault(disk.number, disk.vdev)) is not disk.vdev:
            raise UsageError(f"disk {disk.vdev} has the number of disk {same}")
        if disk.script is None:
            _check_target(disk)
        _check_script(f"disk {disk.vdev}", disk.script or "block")
    for number, interface in enumerate(setup.networks):
        _check_script(f"network interface {number}", interface.script or "vif-bridge")


def _check_target(disk: "Disk") -> None:
    try:
        mode = os.stat(disk.target).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"disk {disk.vdev}: {disk.target}: {reason}") from error
    if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
        raise UsageError(f"disk {disk.vdev}: {disk.target} is neither a block device nor a file")


def _check_script(name: str, script: str) -> None:
    path = script_path(script)
    if not os.path.exists(path):
        raise UsageError(
            f"{name}: there is no script {path}: Debian's xen-utils-common has Xen's own in {SCRIPTS}"
        )
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise UsageError(f"{name}: the script {path} is not an executable file")


def _devices_of(domid: int, setup: "DomainSetup") -> list[XenDevice]:
    """Return a domain's devices: disks, then network interfaces, as libxl attaches them."""
    interfaces = enumerate(setup.networks)
    return [
        *(disk_device(domid, disk) for disk in setup.disks),
        *(interface_device(domid, number, interface) for number, interface in interfaces),
    ]


def attach_devices(bindings: "Bindings", domid: int, setup: "DomainSetup") -> None:
    """Give a built domain its devices; if one fails, destroying the domain takes away those that it has.

    Raises
    ------
    HypervisorError
        If no backend takes a device in time, or its script fails; the message names the device.
    """
    for device in _devices_of(domid, setup):
        with error_context(f"domain {domid}: {device.name}"):
            _attach(bindings, device)


def _attach(bindings: "Bindings", device: XenDevice) -> None:
    store = bindings.store
    in_transaction(store, lambda: write_device(store, device))
    what = f"domain {device.domid}: {device.name}"
    if not reaches(store, device.backend_path, INIT_WAIT, BACKEND_WAIT_S):
        raise HypervisorError(
            f"{what}: dom0's kernel has not taken it in {BACKEND_WAIT_S:g} s: is {_DRIVERS[device.kind]} loaded?"
        )
    script = device.backend["script"]
    environment = script_environment(
        device.kind, device.domid, device.number, script, device.backend.get("gatewaydev", "")
    )
    words = ("online", "type_if=vif") if device.kind == "vif" else ("add",)
    with error_context(f"{what}: {script}"):
        status = bindings.scripts.run(script, words, environment)
    # always read: an interrupt that came while the script ran is raised here
    error = store.read(f"{device.backend_path}/hotplug-error") or b""
    if status:
        said = " ".join(error.decode("utf-8", "replace").split())
        raise HypervisorError(f"{what}: {script}: {said or _ended(status)}")


def _ended(status: int) -> str:
    from coldline.hypervisor.xen.bindings import scripts  # imported only when needed, for a fast start

    if status == scripts.TIMED_OUT:
        return f"it took longer than {scripts.SCRIPT_LIMIT_S:g} s"
    return f"it was ended by signal {-status}" if status < 0 else f"it failed, with status {status}"


def reaches(store: "StorePort", backend: str, state: str, seconds: float) -> bool:
    """Wait until a backend reaches a state, or is gone; return False if it does not in time."""
    end = time.monotonic() + seconds
    while (found := store.read(f"{backend}/state")) not in (state.encode(), None):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return found is not None or state != INIT_WAIT
