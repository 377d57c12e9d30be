# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on a real Xen, from its dom0: hypercalls and foreign mappings, and coldline's driver for uncached ones."""

from typing import TYPE_CHECKING

from coldline.lazy import lazily

if TYPE_CHECKING:
    from coldline.hypervisor.xen.domain import State, XenDomain
    from coldline.hypervisor.xen.doors.real_world import RealWorld
    from coldline.hypervisor.xen.doors.world import World
    from coldline.hypervisor.xen.host import XenHost
    from coldline.hypervisor.xen.mapping import XenMapping

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
        "doors.real_world": ("RealWorld",),
        "doors.world": ("World",),
    },
)
