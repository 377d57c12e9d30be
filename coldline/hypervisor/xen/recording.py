# SPDX-License-Identifier: GPL-2.0-or-later
"""Records the operations that build a guest on a real Xen, as events."""

from coldline.arm import MemoryType
from coldline.events import Recorder
from coldline.hypervisor.model import HostModel
from coldline.hypervisor.models import host_model
from coldline.hypervisor.recording import RecordedHost, RecordedMapping
from coldline.hypervisor.xen.bindings.protocols import Bindings
from coldline.hypervisor.xen.domain import XenDomain
from coldline.hypervisor.xen.host import XenHost
from coldline.hypervisor.xen.hypercalls import Hypercalls


def model_of(version: tuple[int, int], machine: str) -> HostModel:
    """Return the host model of a Xen version.

    Parameters
    ----------
    version : tuple of int
        Xen's version.
    machine : str
        What ``uname -m`` prints in its dom0.
    """
    if machine != "aarch64":
        return host_model("xen-4.17-arm32")
    return host_model("xen-4.22-arm64" if version >= (4, 22) else "xen-4.17-arm64")


class RecordedXen(RecordedHost[XenDomain]):
    """A `RecordedHost` of Xen that also records rings, which are not RAM."""

    def __init__(self, inner: XenHost, model: HostModel, record: Recorder) -> None:
        super().__init__(inner, model, record)
        self._xen = inner

    @property
    def bindings(self) -> Bindings:
        """See `XenHost`."""
        return self._xen.bindings

    @property
    def hypercalls(self) -> Hypercalls:
        """See `XenHost`."""
        return self._xen.hypercalls

    def populate_unchecked(self, domain: XenDomain, address: int, size: int) -> None:
        """See `XenHost.populate_unchecked`."""
        self._xen.populate_unchecked(domain, address, size)
        self.record_populate(domain, address, size)

    def map_unchecked(
        self, domain: XenDomain, address: int, size: int, memory_type: MemoryType
    ) -> RecordedMapping:
        """See `XenHost.map_unchecked`."""
        return self.record_mapping(self._xen.map_unchecked(domain, address, size, memory_type))

    def unmap_resource(self, domain: XenDomain, resource: object) -> None:
        """See `XenHost.unmap_resource`."""
        self._xen.unmap_resource(domain, resource)
