# SPDX-License-Identifier: GPL-2.0-or-later
"""libxl's record of a domain: the JSON file from which `xl` knows how a domain was configured.

`xl list -l`, `mem-set`, `block-attach`, `network-attach` and xl's own restart of a domain read it. It holds a
``libxl_domain_config`` without the members that have their default, in the form that yajl writes.

Source: xen tools/libs/light/libxl_types.idl, libxl_json.c, libxl_internal.c libxl__set_domain_configuration (4.17).
4.20 writes the same for the members that coldline sets.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from coldline.hypervisor.xen.domain_setup import DomainSetup
from coldline.hypervisor.xen.store_entries import uuid_text

if TYPE_CHECKING:
    from coldline.guest.config import Disk, NetworkInterface

_ANY_DOMID: Final = 0xFFFFFFFF
"""``domid`` in a configuration: the number that the domain asks for, which is any (INVALID_DOMID)."""

_ACTION_NAMES: Final = {"rename-restart": "restart_rename"}
"""libxl's name of an action where it is not xl's with ``_`` for ``-``: libxl_action_on_shutdown."""

_Members = dict[str, object]


def libxl_json(
    setup: DomainSetup, handle: bytes, memory: int, vcpus: int, affinity: list[list[int]] | None = None
) -> str:
    """Return the text of a domain's record.

    Parameters
    ----------
    setup : DomainSetup
        Its settings.
    handle : bytes
        Its UUID.
    memory : int
        Its RAM, in bytes.
    vcpus : int
        All its vCPUs.
    affinity : list of list of int, optional
        For each vCPU, from the first, the host's CPUs that it may run on.
    """
    files = setup.files
    created: _Members = {
        "type": "pvh",
        "name": setup.name,
        "domid": _ANY_DOMID,
        "uuid": uuid_text(handle),
        "pool_name": setup.scheduling.pool,
        "run_hotplug_scripts": "True",
    }
    built: _Members = {
        "max_vcpus": vcpus,
        "avail_vcpus": list(range(vcpus if setup.online_vcpus is None else setup.online_vcpus)),
        "vcpu_hard_affinity": affinity or None,
        "max_memkb": (setup.max_memory or memory) // 1024,
        "target_memkb": memory // 1024,
        "video_memkb": 0,
        "sched_params": _given({"weight": setup.scheduling.weight, "cap": setup.scheduling.cap}),
        "claim_mode": "True",
        "kernel": files.kernel,
        "cmdline": files.cmdline or None,
        "ramdisk": files.ramdisk,
        "device_tree": files.device_tree,
        "type.pvh": {},
        "arch_arm": _given(
            {
                "gic_version": None if files.gic_version is None else f"v{files.gic_version}",
                "vuart": "sbsa_uart" if setup.vuart else None,
            }
        ),
        "arch_x86": {},
    }
    devices: _Members = {
        "disks": [_disk(disk) for disk in setup.disks] or None,
        "nics": [_interface(number, each) for number, each in enumerate(setup.networks)] or None,
    }
    actions = {
        f"on_{reason}": None if action == "destroy" else _ACTION_NAMES.get(action, action.replace("-", "_"))
        for reason, action in (
            ("poweroff", setup.actions.poweroff),
            ("reboot", setup.actions.reboot),
            ("watchdog", setup.actions.watchdog),
            ("crash", setup.actions.crash),
            ("soft_reset", setup.actions.soft_reset),
        )
    }
    record = {"c_info": _given(created), "b_info": _given(built), **_given(devices), **_given(actions)}
    return _beautified(record) + "\n"


def _disk(disk: "Disk") -> _Members:
    members: _Members = {
        "backend_domname": disk.domain,
        "pdev_path": disk.target,
        "vdev": disk.vdev,
        "backend": disk.backend,
        "format": disk.format,
        "script": disk.script,
        "removable": 1 if disk.cdrom else None,
        "readwrite": 1 if disk.writable else None,
        "is_cdrom": 1 if disk.cdrom else None,
        "direct_io_safe": True if disk.direct_io_safe else None,
        "discard_enable": None if disk.discard == disk.writable else str(disk.discard),
        "colo_restore_enable": "False",
        "trusted": None if disk.trusted else "False",
    }
    return _given(members)


def _interface(number: int, interface: "NetworkInterface") -> _Members:
    from coldline.guest.config.networks import DEFAULT_BRIDGE  # imported only when needed, for a fast start

    rate = interface.rate
    members: _Members = {
        "backend_domname": interface.domain,
        "devid": number,
        "mtu": interface.mtu,
        "mac": interface.mac,
        "ip": interface.ip,
        "bridge": None if interface.bridge == DEFAULT_BRIDGE else interface.bridge,
        "ifname": interface.name,
        "script": interface.script,
        "nictype": "vif",
        "rate_bytes_per_interval": rate and rate.bytes_per_interval,
        "rate_interval_usecs": rate and rate.interval_us,
        "gatewaydev": interface.gateway,
        "trusted": None if interface.trusted else "False",
    }
    return _given(members)


def _given(members: Mapping[str, object]) -> _Members:
    return {name: value for name, value in members.items() if value is not None}


def _beautified(value: object, depth: int = 0) -> str:
    """Return JSON as yajl 2 prints it with ``yajl_gen_beautify``: an empty map or list has an empty line."""
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(name)}: {_beautified(each, depth + 1)}" for name, each in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{outer}}}"
    if isinstance(value, list):
        lines = [f"{inner}{_beautified(each, depth + 1)}" for each in value]
        return "[\n" + ",\n".join(lines) + f"\n{outer}]"
    return json.dumps(value, ensure_ascii=False)
