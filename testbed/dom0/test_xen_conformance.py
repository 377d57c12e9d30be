# SPDX-License-Identifier: GPL-2.0-or-later
"""The conformance suite of hypervisors, run on a real Xen."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from coldline.arm import MemoryType
from coldline.hypervisor.conformance import CHECKS, mappings
from coldline.hypervisor.xen import XenDomain
from coldline.support.units import PAGE_SIZE
from testbed.dom0 import domains
from testbed.dom0.domains import Xen


class Rig:
    types = (MemoryType.NORMAL_WB, MemoryType.NORMAL_NC)

    def __init__(self, xen: Xen, architecture: str) -> None:
        self.xen = xen
        self.host = xen.host
        self.architecture = architecture

    def read(self, domain: XenDomain, address: int, size: int) -> bytes:
        first, end = address // PAGE_SIZE, -(-(address + size) // PAGE_SIZE)
        place = self.xen.bindings.foreign.map(domain.domid, range(first, end))
        try:
            return ctypes.string_at(place + address % PAGE_SIZE, size)
        finally:
            self.xen.bindings.foreign.unmap(place, end - first)

    def gone(self, domain: XenDomain) -> bool:
        return self.xen.gone(domain.domid, 0.5)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("architecture", ["arm64", "arm32"])
def test_conformance(xen: Xen, architecture: str, check: Callable[[Any], None]) -> None:
    if architecture != domains.ARCHITECTURE:
        if domains.ARCHITECTURE == "arm32":
            pytest.skip("an arm32 Xen runs no arm64 guests")
        if check is mappings.user_maintenance_is_the_architectures:
            pytest.skip("an arm64 dom0 has no system call for arm32 guests")
    check(Rig(xen, architecture))
