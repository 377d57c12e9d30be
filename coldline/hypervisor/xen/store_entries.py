# SPDX-License-Identifier: GPL-2.0-or-later
"""A domain's entries in xenstore, the same as `xl` writes, so that `xl` and Xen's daemons can manage the domain.

Source: xen tools/libs/light/libxl_create.c libxl__domain_make, libxl_dom.c libxl__build_post, libxl_console.c
libxl__device_console_add (4.17).
"""

from typing import Final

from coldline.hypervisor.xen.bindings.protocols import PERMISSION_NONE, PERMISSION_READ, StorePort
from coldline.support.frozen_record import Record

_CONSOLE_LIMIT: Final = 1048576
"""Bytes of a guest's output that xenconsoled buffers: libxl_internal.h (4.17), LIBXL_XENCONSOLE_LIMIT."""

_GUESTS_OWN: Final = (
    "control/shutdown",
    "control/feature-poweroff",
    "control/feature-reboot",
    "control/feature-suspend",
    "control/sysrq",
    "device/suspend/event-channel",
    "data",
    "drivers",
    "feature",
    "attr",
    "error",
)
"""Entries below its own path that the guest may write."""


class Ring(Record):
    """A ring that a guest shares with a daemon: its frame, and the guest's event channel port."""

    frame: int
    port: int


class Entries(Record):
    """The values of a domain's entries.

    Attributes
    ----------
    domid : int
        The domain's number.
    handle : bytes
        Its UUID.
    name : str
        Its name.
    memory_kib : int
        Its RAM, in KiB.
    vcpus : int
        Number of virtual CPUs.
    store, console : Ring
        The rings of xenstored and of xenconsoled.
    vuart : Ring or None
        xenconsoled's ring of the emulated PL011, if the guest has one.
    """

    domid: int
    handle: bytes
    name: str
    memory_kib: int
    vcpus: int
    store: Ring
    console: Ring
    vuart: Ring | None = None


def write_entries(tree: StorePort, entries: Entries) -> None:
    """Write all entries in one transaction, and replace those of a former domain with the same number."""
    while True:
        try:
            tree.begin()
            _write(tree, entries)
            if tree.commit():
                return
        except BaseException:
            tree.abandon()
            raise


def _write(tree: StorePort, entries: Entries) -> None:
    home, vm = home_of(entries.domid), vm_of(entries.handle)
    for path in (home, _libxl_of(entries.domid), vm):
        tree.remove(path)
        tree.make(path)
    for path in (home, vm):
        tree.permit(path, (0, PERMISSION_NONE), (entries.domid, PERMISSION_READ))
    values = {
        f"{home}/vm": vm,
        f"{home}/name": entries.name,
        f"{home}/domid": str(entries.domid),
        f"{home}/control/platform-feature-multiprocessor-suspend": "1",
        f"{home}/control/platform-feature-xs_reset_watches": "1",
        f"{home}/memory/static-max": str(entries.memory_kib),
        f"{home}/memory/target": str(entries.memory_kib),
        f"{home}/store/port": str(entries.store.port),
        f"{home}/store/ring-ref": str(entries.store.frame),
        f"{vm}/name": entries.name,
        f"{vm}/uuid": uuid_text(entries.handle),
        f"{_libxl_of(entries.domid)}/type": "pvh",
    }
    values |= {f"{home}/cpu/{vcpu}/availability": "online" for vcpu in range(entries.vcpus)}
    values |= _console(f"{home}/console", entries.console)
    if entries.vuart is not None:
        values |= _console(f"{home}/vuart/0", entries.vuart)
    for path, value in values.items():
        tree.write(path, value)
    for name in _GUESTS_OWN:
        tree.make(f"{home}/{name}")
        tree.permit(f"{home}/{name}", (entries.domid, PERMISSION_NONE))


def _console(path: str, ring: Ring) -> dict[str, str]:
    return {
        f"{path}/backend-id": "0",
        f"{path}/type": "xenconsoled",
        f"{path}/output": "pty",
        f"{path}/tty": "",
        f"{path}/limit": str(_CONSOLE_LIMIT),
        f"{path}/port": str(ring.port),
        f"{path}/ring-ref": str(ring.frame),
    }


def remove_entries(tree: StorePort, domid: int, handle: bytes) -> None:
    """Remove all entries of a domain."""
    for path in (home_of(domid), _libxl_of(domid), vm_of(handle)):
        tree.remove(path)


def home_of(domid: int) -> str:
    """Return the path of a domain's own entries."""
    return f"/local/domain/{domid}"


def vm_of(handle: bytes) -> str:
    """Return the path of the entries that stay when a domain's number changes."""
    return f"/vm/{uuid_text(handle)}"


def _libxl_of(domid: int) -> str:
    return f"/libxl/{domid}"


def uuid_text(handle: bytes) -> str:
    """Return a UUID as text: ``6ba7b810-9dad-11d1-80b4-00c04fd430c8``."""
    digits = handle.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
