# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on a real Xen, built from its dom0 by hypercalls, foreign mappings and coldline's driver."""

from typing import TYPE_CHECKING

from coldline.support.lazy_exports import lazily

if TYPE_CHECKING:
    from coldline.hypervisor.xen.domain import XenDomain, XenDomainState
    from coldline.hypervisor.xen.host import XenHost
    from coldline.hypervisor.xen.mapping import XenMapping
    from coldline.hypervisor.xen.ports.protocols import Ports
    from coldline.hypervisor.xen.ports.system import SystemPorts

__all__ = ["Ports", "SystemPorts", "XenDomain", "XenDomainState", "XenHost", "XenMapping"]

__getattr__ = lazily(
    __name__,
    {
        "domain": (
            "XenDomainState",
            "XenDomain",
        ),
        "host": ("XenHost",),
        "mapping": ("XenMapping",),
        "ports.system": ("SystemPorts",),
        "ports.protocols": ("Ports",),
    },
)
