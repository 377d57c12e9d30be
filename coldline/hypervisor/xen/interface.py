# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface that toolstacks share with one version of Xen: it is no ABI, and changes between versions.

Source: xen xen/include/public/domctl.h, sysctl.h and arch-arm.h, as released with each version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from coldline.errors import HypervisorError
from coldline.hypervisor.xen import structures


@dataclass(frozen=True, slots=True)
class Interface:
    """What one version of Xen takes.

    Attributes
    ----------
    xen : tuple of int
        Its version, major and minor.
    domctl, sysctl : int
        The versions of the two interfaces, which every call names: Xen refuses another (EACCES).
    create : type
        The structure of XEN_DOMCTL_createdomain.
    info : type
        The structure of XEN_DOMCTL_getdomaininfo.
    paging_pool : bool
        Whether a domain needs XEN_DOMCTL_set_paging_mempool_size before it is given memory.
    """

    xen: tuple[int, int]
    domctl: int
    sysctl: int
    create: type[structures.CreateDomain]
    info: type[structures.GetDomainInfo]
    paging_pool: bool = True

    @property
    def name(self) -> str:
        """``4.17``."""
        return ".".join(map(str, self.xen))


INTERFACES: Final[Mapping[tuple[int, int], Interface]] = MappingProxyType(
    {
        known.xen: known
        for known in (Interface((4, 17), 0x15, 0x15, structures.CreateDomain, structures.GetDomainInfo),)
    }
)
"""By Xen's version."""


def interface_of(version: tuple[int, int]) -> Interface:
    """The interface of a version of Xen.

    Raises
    ------
    HypervisorError
        If it is none that is known; the message lists those.
    """
    if version not in INTERFACES:
        known = ", ".join(interface.name for interface in INTERFACES.values())
        raise HypervisorError(f"Xen {version[0]}.{version[1]}: coldline speaks to Xen {known}")
    return INTERFACES[version]
