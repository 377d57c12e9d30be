# SPDX-License-Identifier: GPL-2.0-or-later
"""The hypervisor protocol that builders use, the host models, and the back ends: simulated hosts and a real Xen."""

from typing import TYPE_CHECKING

from coldline.support.lazy_exports import lazily

if TYPE_CHECKING:
    from coldline.hypervisor.model import AliasLifetime, HostAlias, HostModel, HostRule
    from coldline.hypervisor.models import HOST_MODELS, host_model
    from coldline.hypervisor.protocol import Data, Domain, DomainT, Hypervisor, Mapping

__all__ = [
    "HOST_MODELS",
    "AliasLifetime",
    "Data",
    "Domain",
    "DomainT",
    "HostAlias",
    "HostModel",
    "HostRule",
    "Hypervisor",
    "Mapping",
    "host_model",
]

__getattr__ = lazily(
    __name__,
    {
        "model": (
            "HostAlias",
            "HostModel",
            "AliasLifetime",
            "HostRule",
        ),
        "models": (
            "HOST_MODELS",
            "host_model",
        ),
        "protocol": (
            "Data",
            "Domain",
            "DomainT",
            "Hypervisor",
            "Mapping",
        ),
    },
)
