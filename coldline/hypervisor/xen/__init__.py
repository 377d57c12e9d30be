# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on a real Xen, from its dom0: hypercalls and foreign mappings, and coldline's driver for uncached ones."""

from typing import TYPE_CHECKING

from coldline.support.lazy_exports import lazily

if TYPE_CHECKING:
    from coldline.hypervisor.xen.domain import State, XenDomain
    from coldline.hypervisor.xen.host import XenHost
    from coldline.hypervisor.xen.mapping import XenMapping
    from coldline.hypervisor.xen.ports.real_world import RealWorld
    from coldline.hypervisor.xen.ports.world import World

__all__ = ["RealWorld", "State", "World", "XenDomain", "XenHost", "XenMapping"]

__getattr__ = lazily(
    __name__,
    {
        "domain": (
            "State",
            "XenDomain",
        ),
        "host": ("XenHost",),
        "mapping": ("XenMapping",),
        "ports.real_world": ("RealWorld",),
        "ports.world": ("World",),
    },
)
