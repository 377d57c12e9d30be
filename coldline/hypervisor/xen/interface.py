# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface that toolstacks share with one version of Xen: it is no ABI, and changes between versions.

Source: xen xen/include/public/domctl.h, sysctl.h and arch-arm.h, as released with each version.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from coldline.errors import HypervisorError
from coldline.hypervisor.xen import structures
from coldline.support.record import Record


class Interface(Record):
    """What one version of Xen takes.

    Attributes
    ----------
    xen : tuple of int
        Its version, major and minor.
    domctl : int
        The version of the interface of domctls, which every call names: Xen refuses another (EACCES).
    sysctls : tuple of int
        What the version of that of sysctls can be: Xen tells.
    create, info, context : type
        The structures of XEN_DOMCTL_createdomain, XEN_DOMCTL_getdomaininfo and XEN_DOMCTL_setvcpucontext.
    paging_pool : bool
        Whether every domain needs XEN_DOMCTL_set_paging_mempool_size before it is given memory; older versions have
        it by XSA-409 or not at all.
    """

    xen: tuple[int, int]
    domctl: int
    sysctls: tuple[int, ...]
    create: type[structures.AnyCreateDomain] = structures.CreateDomain
    info: type[structures.AnyDomainInfo] = structures.GetDomainInfo
    context: type[structures.AnyContext] = structures.GuestContext
    paging_pool: bool = True

    @property
    def name(self) -> str:
        """``4.17``."""
        return ".".join(map(str, self.xen))


_OLD: Final = (structures.GetDomainInfo414, structures.GuestContext414, False)

_KNOWN: Final = (
    Interface((4, 14), 0x12, (0x13, 0x12), structures.CreateDomain414, *_OLD),
    Interface((4, 15), 0x13, (0x13, 0x14), structures.CreateDomain415, *_OLD),
    Interface((4, 16), 0x14, (0x14, 0x13), create=structures.CreateDomain416, paging_pool=False),
    Interface((4, 17), 0x15, (0x15,)),
    Interface((4, 18), 0x16, (0x15, 0x16)),
    Interface((4, 19), 0x17, (0x15, 0x16), create=structures.CreateDomain419),
    Interface((4, 20), 0x17, (0x15, 0x16), create=structures.CreateDomain419),
    Interface((4, 21), 0x17, (0x16, 0x15), create=structures.CreateDomain419),
    Interface((4, 22), 0x18, (0x16, 0x17, 0x15), create=structures.CreateDomain419),
)
"""The tests run on 4.17 and on 4.20; the others are as their headers and their history have them, and not tried."""

INTERFACES: Final[Mapping[tuple[int, int], Interface]] = MappingProxyType(
    {known.xen: known for known in _KNOWN}
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
