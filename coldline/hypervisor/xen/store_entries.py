# SPDX-License-Identifier: GPL-2.0-or-later
"""A domain's entries in xenstore, the same as `xl` writes, so that `xl` and Xen's daemons can manage the domain.

They are written in two steps, as by libxl: who the domain is, before it gets memory, and its rings, once it is built.

Source: xen tools/libs/light/libxl_create.c libxl__domain_make, libxl_dom.c libxl__build_post, libxl_console.c
libxl__device_console_add (4.17).
"""

from collections.abc import Callable
from typing import Final

from coldline.errors import UsageError
from coldline.hypervisor.xen.bindings.protocols import PERMISSION_NONE, PERMISSION_READ, StorePort
from coldline.support.frozen_record import Record

_DOMAINS: Final = "/local/domain"

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
    memory_kib : int
        Its RAM, in KiB.
    max_memory_kib : int
        The most RAM that its balloon may ask for, in KiB.
    vcpus, online_vcpus : int
        Number of virtual CPUs, and how many of them are online at the start.
    start_s : float
        When it was built, in seconds of Unix time.
    store, console : Ring
        The rings of xenstored and of xenconsoled.
    vuart : Ring or None
        xenconsoled's ring of the emulated PL011, if the guest has one.
    """

    domid: int
    handle: bytes
    memory_kib: int
    max_memory_kib: int
    vcpus: int
    online_vcpus: int
    start_s: float
    store: Ring
    console: Ring
    vuart: Ring | None = None


def write_identity(tree: StorePort, domid: int, handle: bytes, name: str) -> None:
    """Write who a new domain is, and replace the entries of a former domain with the same number.

    Raises
    ------
    UsageError
        If another domain has the name. xenstored repeats the transaction if one gets it in the meantime.
    """
    in_transaction(tree, lambda: _write_identity(tree, domid, handle, name))


def rename(tree: StorePort, domid: int, old: bytes, new: bytes, name: str) -> None:
    """Write a domain's new name and new UUID: its entries below ``/vm`` move.

    Raises
    ------
    UsageError
        If another domain has the name.
    """
    before, after = vm_of(old), vm_of(new)

    def write() -> None:
        if _is_taken(tree, domid, name):
            raise UsageError(f"domain {domid} cannot be renamed: a domain '{name}' exists already")
        started = tree.read(f"{before}/start_time")
        tree.remove(before)
        tree.make(after)
        tree.permit(after, (0, PERMISSION_NONE), (domid, PERMISSION_READ))
        tree.write(f"{after}/uuid", uuid_text(new))
        if started is not None:
            tree.write(f"{after}/start_time", started.decode())
        for path in (after, home_of(domid)):
            tree.write(f"{path}/name", name)
        tree.write(f"{home_of(domid)}/vm", after)

    in_transaction(tree, write)


def _is_taken(tree: StorePort, domid: int, name: str) -> bool:
    others = [other for other in tree.list(_DOMAINS) if other != str(domid)]
    wanted = name.encode("utf-8", "surrogateescape")
    return any(tree.read(f"{_DOMAINS}/{other}/name") == wanted for other in others)


def write_entries(tree: StorePort, entries: Entries) -> None:
    """Write a built domain's entries in one transaction."""
    in_transaction(tree, lambda: _write(tree, entries))


def in_transaction(tree: StorePort, write: Callable[[], None]) -> None:
    """Call `write` in a transaction, and again as long as xenstored says that it conflicted."""
    while True:
        try:
            tree.begin()
            write()
            if tree.commit():
                return
        except BaseException:
            tree.abandon()
            raise


def _write_identity(tree: StorePort, domid: int, handle: bytes, name: str) -> None:
    home, vm, libxl = home_of(domid), vm_of(handle), libxl_of(domid)
    if _is_taken(tree, domid, name):
        raise UsageError(f"a domain '{name}' exists already: choose another name with --name")
    for path in (home, libxl, vm):
        tree.remove(path)
        tree.make(path)
    for path in (home, vm):
        tree.permit(path, (0, PERMISSION_NONE), (domid, PERMISSION_READ))
    values = {
        f"{home}/vm": vm,
        f"{home}/name": name,
        f"{home}/control/platform-feature-multiprocessor-suspend": "1",
        f"{home}/control/platform-feature-xs_reset_watches": "1",
        f"{vm}/name": name,
        f"{vm}/uuid": uuid_text(handle),
        f"{libxl}/type": "pvh",
        f"{libxl}/dm-version": "qemu_xen",
    }
    for path, value in values.items():
        tree.write(path, value)
    tree.make(f"{libxl}/device")
    for each in _GUESTS_OWN:
        tree.make(f"{home}/{each}")
        tree.permit(f"{home}/{each}", (domid, PERMISSION_NONE))


def _write(tree: StorePort, entries: Entries) -> None:
    home, vm = home_of(entries.domid), vm_of(entries.handle)
    seconds, fraction = divmod(int(entries.start_s * 100), 100)
    values = {
        f"{vm}/start_time": f"{seconds}.{fraction:02}",
        f"{home}/domid": str(entries.domid),
        f"{home}/memory/static-max": str(entries.max_memory_kib),
        f"{home}/memory/target": str(entries.memory_kib),
        f"{home}/memory/videoram": "0",
        f"{home}/store/port": str(entries.store.port),
        f"{home}/store/ring-ref": str(entries.store.frame),
    }
    for vcpu in range(entries.vcpus):
        values[f"{home}/cpu/{vcpu}/availability"] = "online" if vcpu < entries.online_vcpus else "offline"
    values |= _console(f"{home}/console", entries.console)
    if entries.vuart is not None:
        values |= _console(f"{home}/vuart/0", entries.vuart)
    for path, value in values.items():
        tree.write(path, value)


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
    for path in (home_of(domid), libxl_of(domid), vm_of(handle)):
        tree.remove(path)


def home_of(domid: int) -> str:
    """Return the path of a domain's own entries."""
    return f"{_DOMAINS}/{domid}"


def vm_of(handle: bytes) -> str:
    """Return the path of the entries that stay when a domain's number changes."""
    return f"/vm/{uuid_text(handle)}"


def libxl_of(domid: int) -> str:
    """Return the path of what libxl keeps of a domain."""
    return f"/libxl/{domid}"


def uuid_text(handle: bytes) -> str:
    """Return a UUID as text: ``6ba7b810-9dad-11d1-80b4-00c04fd430c8``."""
    digits = handle.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
