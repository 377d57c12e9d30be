# SPDX-License-Identifier: GPL-2.0-or-later
"""The toolstack interface of each Xen version: it is not a stable ABI, and changes between versions.

Source: xen xen/include/public/domctl.h, sysctl.h and arch-arm.h, as released with each version.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from coldline.errors import HypervisorError
from coldline.hypervisor.xen import structures
from coldline.support.frozen_record import Record


class Interface(Record):
    """The toolstack interface of one Xen version.

    Attributes
    ----------
    xen : tuple of int
        Xen's version, major and minor.
    domctl : int
        The version of the domctl interface. Every call names it, and Xen refuses any other (EACCES).
    sysctls : tuple of int
        Possible versions of the sysctl interface, tried in order until Xen accepts one.
    create, info, context : type
        The structures of XEN_DOMCTL_createdomain, XEN_DOMCTL_getdomaininfo and XEN_DOMCTL_setvcpucontext.
    paging_pool : bool
        Whether every domain needs XEN_DOMCTL_set_paging_mempool_size before it gets memory. Older versions have it
        only with the fix of XSA-409.
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

_SUPPORTED: Final = (
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
"""Tested on a running 4.17 and 4.20; the other entries follow those versions' headers and history only."""

INTERFACES: Final[Mapping[tuple[int, int], Interface]] = MappingProxyType(
    {each.xen: each for each in _SUPPORTED}
)
"""Every supported interface, by Xen's version."""


def interface_of(version: tuple[int, int]) -> Interface:
    """Return the interface of a Xen version.

    Raises
    ------
    HypervisorError
        If the version is not supported; the message lists the supported ones.
    """
    if version not in INTERFACES:
        supported = ", ".join(interface.name for interface in INTERFACES.values())
        raise HypervisorError(f"Xen {version[0]}.{version[1]} is not supported; supported are {supported}")
    return INTERFACES[version]
