# SPDX-License-Identifier: GPL-2.0-or-later
"""The entries in xenstore of disks and network interfaces, the same as `xl` writes.

Source: xen tools/libs/light/libxl_disk.c device_disk_add, libxl_nic.c libxl__set_xenstore_nic, libxl_device.c
libxl__device_generic_add and libxl__device_add_async, libxl_linux.c get_hotplug_env (4.17).
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from coldline.hypervisor.xen.bindings.protocols import PERMISSION_NONE, PERMISSION_READ, StorePort
from coldline.hypervisor.xen.store_entries import home_of, libxl_of
from coldline.support.frozen_record import Record

if TYPE_CHECKING:
    from coldline.guest.config import Disk, NetworkInterface

SCRIPTS: Final = "/etc/xen/scripts"
"""XEN_SCRIPT_DIR."""

INITIALISING, INIT_WAIT, CLOSING, CLOSED = "1", "2", "5", "6"
"""States of either end: xen xen/include/public/io/xenbus.h (4.17), enum xenbus_state."""

DEFAULT_MTU: Final = 1500
BACKENDS: Final = "/local/domain/0/backend"


class XenDevice(Record):
    """A device of a domain.

    Attributes
    ----------
    domid : int
        The domain.
    kind : str
        ``vbd`` or ``vif``.
    number : int
        Its number in the domain.
    name : str
        What messages call it: ``disk xvda``.
    backend, frontend : mapping of str to str
        The entries of either end.
    settled : mapping of str to str
        Entries of the frontend that the guest can only read.
    """

    domid: int
    kind: str
    number: int
    name: str
    backend: Mapping[str, str]
    frontend: Mapping[str, str]
    settled: Mapping[str, str] = {}

    @property
    def backend_path(self) -> str:
        """Where dom0's end is."""
        return f"{BACKENDS}/{self.kind}/{self.domid}/{self.number}"

    @property
    def frontend_path(self) -> str:
        """Where the guest's end is."""
        return f"{home_of(self.domid)}/device/{self.kind}/{self.number}"

    @property
    def libxl_path(self) -> str:
        """Where libxl finds both."""
        return f"{libxl_of(self.domid)}/device/{self.kind}/{self.number}"


def disk_device(domid: int, disk: "Disk") -> XenDevice:
    """Return a disk with its entries."""
    kind = "cdrom" if disk.cdrom else "disk"
    target = disk.target if disk.script else os.path.abspath(disk.target)
    backend = {
        "params": target,
        "script": script_path(disk.script or "block"),
        "frontend-id": str(domid),
        "online": "1",
        "removable": _flag(disk.cdrom),
        "bootable": "1",
        "state": INITIALISING,
        "dev": disk.vdev,
        "type": "phy",
        "mode": "w" if disk.writable else "r",
        "device-type": kind,
        **({"direct-io-safe": "1"} if disk.direct_io_safe else {}),
        "discard-enable": _flag(disk.discard),
        "specification": "xen",
    }
    frontend = {
        "backend-id": "0",
        "state": INITIALISING,
        "virtual-device": str(disk.number),
        "device-type": kind,
        "trusted": _flag(disk.trusted),
    }
    return XenDevice(domid, "vbd", disk.number, f"disk {disk.vdev}", backend, frontend)


def interface_device(domid: int, number: int, interface: "NetworkInterface") -> XenDevice:
    """Return a network interface with its entries; its `mac` must be known."""
    assert interface.mac is not None
    rate = interface.rate
    given = {
        "vifname": interface.name,
        "mac": interface.mac,
        "ip": interface.ip,
        "gatewaydev": interface.gateway,
        "rate": None if rate is None else f"{rate.bytes_per_interval},{rate.interval_us}",
        "mtu": None if interface.mtu in (None, DEFAULT_MTU) else str(interface.mtu),
        "bridge": interface.bridge,
    }
    backend = {
        "frontend-id": str(domid),
        "online": "1",
        "state": INITIALISING,
        "script": script_path(interface.script or "vif-bridge"),
        **{name: value for name, value in given.items() if value is not None},
        "handle": str(number),
        "type": "vif",
        "hotplug-status": "",  # the backend waits for the script
    }
    frontend = {
        "backend-id": "0",
        "state": INITIALISING,
        "handle": str(number),
        "mac": interface.mac,
        "trusted": _flag(interface.trusted),
    }
    settled = {"mtu": str(interface.mtu or DEFAULT_MTU)}
    return XenDevice(domid, "vif", number, f"network interface {number}", backend, frontend, settled)


def write_device(tree: StorePort, device: XenDevice) -> None:
    """Write a device's entries, within a transaction: the backend's are also libxl's copy."""
    domid = device.domid
    tree.remove(device.libxl_path)
    tree.write(f"{device.libxl_path}/frontend", device.frontend_path)
    tree.write(f"{device.libxl_path}/backend", device.backend_path)
    for path, other, permissions in (
        (
            device.frontend_path,
            ("backend", device.backend_path),
            ((domid, PERMISSION_NONE), (0, PERMISSION_READ)),
        ),
        (
            device.backend_path,
            ("frontend", device.frontend_path),
            ((0, PERMISSION_NONE), (domid, PERMISSION_READ)),
        ),
    ):
        tree.remove(path)
        tree.make(path)
        tree.permit(path, *permissions)
        tree.write(f"{path}/{other[0]}", other[1])
    for path, values in (
        (device.frontend_path, device.frontend),
        (device.frontend_path, device.settled),
        (device.backend_path, device.backend),
        (device.libxl_path, device.backend),
    ):
        for name, value in values.items():
            tree.write(f"{path}/{name}", value)
    for name in device.settled:
        tree.permit(f"{device.frontend_path}/{name}", (0, PERMISSION_NONE), (domid, PERMISSION_READ))


def script_environment(kind: str, domid: int, number: int, script: str, gateway: str = "") -> dict[str, str]:
    """Return what a hotplug script finds in its environment."""
    found = {
        "script": script,
        "XENBUS_TYPE": kind,
        "XENBUS_PATH": f"backend/{kind}/{domid}/{number}",
        "XENBUS_BASE_PATH": "backend",
    }
    if kind == "vif":
        found |= {"netdev": gateway, "vif": f"vif{domid}.{number}"}
    return found


def script_path(script: str) -> str:
    """Return the path of a hotplug script; a relative one is in `SCRIPTS`."""
    return os.path.join(SCRIPTS, script)


def _flag(value: bool) -> str:
    return "1" if value else "0"
