# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on a real Xen, built from its dom0 by hypercalls, foreign mappings and coldline's driver."""

from typing import TYPE_CHECKING

from coldline.support.lazy_exports import lazily

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.protocols import Bindings
    from coldline.hypervisor.xen.bindings.system import SystemBindings
    from coldline.hypervisor.xen.domain import XenDomain, XenDomainState
    from coldline.hypervisor.xen.host import XenHost
    from coldline.hypervisor.xen.mapping import XenMapping

__all__ = ["Bindings", "SystemBindings", "XenDomain", "XenDomainState", "XenHost", "XenMapping"]

__getattr__ = lazily(
    __name__,
    {
        "domain": (
            "XenDomainState",
            "XenDomain",
        ),
        "host": ("XenHost",),
        "mapping": ("XenMapping",),
        "bindings.system": ("SystemBindings",),
        "bindings.protocols": ("Bindings",),
    },
)
