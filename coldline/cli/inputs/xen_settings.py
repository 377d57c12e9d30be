# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings of a domain that only its configuration file has, and the `DomainSetup` of arguments."""

import argparse
from typing import TYPE_CHECKING

from coldline.hypervisor.xen.domain_setup import DomainSetup, GuestFiles, Scheduling, ShutdownActions
from coldline.support.frozen_record import replace

if TYPE_CHECKING:
    from coldline.guest.config import GuestConfig


def settings_of(config: "GuestConfig") -> dict[str, object]:
    """Return what a file sets besides a guest's plan, by the names of arguments; None for what it does not set."""
    from coldline.guest.config.networks import random_mac

    return {
        "max_memory": config.maxmem if config.maxmem > config.memory else None,
        "online_vcpus": config.vcpus if config.vcpus < config.maxvcpus else None,
        "pool": config.pool,
        "affinity": config.cpus or None,
        "weight": config.weight,
        "cap": config.cap,
        "disks": config.disks,
        # a guest that is built again keeps its addresses
        "networks": tuple(each if each.mac else replace(each, mac=random_mac()) for each in config.networks),
        "actions": ShutdownActions(
            config.on_poweroff,
            config.on_reboot,
            config.on_crash,
            config.on_watchdog,
            config.on_soft_reset,
        ),
    }


def setup_of(options: argparse.Namespace, name: str) -> DomainSetup:
    """Return the settings that filled-in arguments ask for."""
    online = options.online_vcpus
    return DomainSetup(
        name=name,
        vuart=bool(options.vuart),
        max_memory=options.max_memory,
        online_vcpus=online if online is not None and online < options.vcpus else None,
        scheduling=Scheduling(options.pool, options.affinity or (), options.weight, options.cap),
        actions=options.actions or ShutdownActions(),
        files=GuestFiles(
            options.image,
            options.initrd,
            options.dtb or options.dtb_only,
            options.append,
            options.gic,
        ),
        disks=options.disks or (),
        networks=options.networks or (),
    )
