# SPDX-License-Identifier: GPL-2.0-or-later
"""A Xen made of bytes and dictionaries, as `coldline.hypervisor.xen.Bindings`.

It decodes calls from the bytes that a real Xen would get, with the structures that are checked against Xen's
headers, and refuses what a real one would refuse.
"""

import ctypes
import errno
import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from coldline.hypervisor.xen import structures
from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory
from coldline.hypervisor.xen.bindings.protocols import DriverPort
from coldline.hypervisor.xen.hypercalls import HYPERCALL_NUMBERS
from coldline.hypervisor.xen.machine_structures import CpupoolOp, PhysInfo, SchedulerOp, VcpuAffinity
from coldline.hypervisor.xen.structures import CreateDomain, DomctlHeader, GetDomainInfo, GuestContext

PAGE = 4096
INTERFACE = 0x15
COMMANDS = {number: name for name, number in HYPERCALL_NUMBERS.items() if name.startswith("XEN_DOMCTL_")}


def refuse(number: int, what: str = "Xen") -> NoReturn:
    raise OSError(number, what)


class FakeDomain:
    def __init__(self, handle: bytes, vcpus: int) -> None:
        self.handle = handle
        self.vcpus = vcpus
        self.max_vcpus = 0
        self.max_kib = 0
        self.pool = 0
        self.bits: int | None = None
        self.frames: dict[int, bytearray] = {}
        self.context: GuestContext | None = None
        self.paused = True
        self.dying = False
        self.bindings: list[int] = []
        self.parameters: dict[int, int] = {}
        self.grants = bytearray(PAGE)
        self.vuart: int | None = None
        self.affinity: dict[int, int] = {}
        self.share: tuple[int, int] | None = None
        self.pool_number = 0
        self.shutdown: int | None = None


@dataclass
class FakeMapping:
    """Frames of a domain that this process maps, or its grant table, which has neither of the last two."""

    domid: int
    domain: FakeDomain
    frames: list[int]
    pages: mmap.mmap
    attribute: int | None = None
    by: "FakeForeign | None" = None


class FakeXen:
    """The bindings to the fake Xen."""

    def __init__(
        self, *, version: tuple[int, int] = (4, 17), with_driver: bool = True, with_store: bool = True
    ) -> None:
        self.version = version
        self.domains: dict[int, FakeDomain] = {}
        self.mappings: dict[int, FakeMapping] = {}
        self.flushed: list[tuple[int, int, int]] = []
        self.maintained: list[tuple[str, int, int]] = []
        self.next = 1
        self.free_frames = 1 << 20
        self.no_orders: set[int] = set()
        self.cpus = 4
        self.schedulers = {0: 6, 1: 9}  # credit2 and null, by cpupool
        self.with_driver = with_driver
        self.calls = FakeCalls(self)
        self.foreign = FakeForeign(self, {0xFF})
        self.memory = FakeMemory(self)
        self._driver = FakeForeign(self, {0xFF, 0x44})
        self.store_is = FakeStore()
        self.records = FakeRecords()
        self.scripts = FakeScripts(self)
        self.with_store = with_store

    @property
    def has_driver(self) -> bool:
        return self.with_driver

    @property
    def driver(self) -> DriverPort:
        if not self.with_driver:
            from coldline.hypervisor.xen.bindings.driver import open_driver

            return open_driver()  # this machine has none
        return self._driver

    @property
    def store(self) -> "FakeStore":
        from coldline.errors import HypervisorError

        if not self.with_store:
            raise HypervisorError("xenstored does not answer")
        return self.store_is

    def read(self, domid: int, address: int, size: int) -> bytes:
        """A domain's memory, including writes through live mappings."""
        for place in self.mappings:
            self.foreign.store_back(place)
        first, last = address // PAGE, (address + size - 1) // PAGE
        frames = self.domains[domid].frames
        whole = b"".join(bytes(frames[frame]) for frame in range(first, last + 1))
        return whole[address % PAGE : address % PAGE + size]

    def shut_down(self, domid: int, reason: int) -> None:
        """A guest powers off (0), reboots (1), suspends (2), crashes (3), or its watchdog ends it (4)."""
        self.domains[domid].shutdown = reason

    def bury(self) -> None:
        mapped = {mapping.domid for mapping in self.mappings.values()}
        for domid, domain in list(self.domains.items()):
            if domain.dying and domid not in mapped:
                self.free_frames += len(domain.frames)
                del self.domains[domid]


class FakeCalls:
    """A stand-in for libxencall."""

    def __init__(self, xen: "FakeXen") -> None:
        self.xen = xen
        self.memory = mmap.mmap(-1, 2 * PAGE)
        self.buffer = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def call(self, name: str, op: int, *arguments: int) -> int:
        group = next(
            group for group, number in HYPERCALL_NUMBERS.items() if number == op and group.startswith("__")
        )
        result: int = getattr(self, group.removeprefix("__HYPERVISOR_"))(*arguments)
        return result

    def xen_version(self, command: int, argument: int) -> int:
        assert (command, argument) == (0, 0)
        return self.xen.version[0] << 16 | self.xen.version[1]

    def domain(self, domid: int) -> FakeDomain:
        if domid not in self.xen.domains:
            refuse(errno.ESRCH)
        return self.xen.domains[domid]

    def domctl(self, place: int) -> int:
        header = structures.DomctlHeader.from_address(place)
        if header.interface_version != INTERFACE:
            refuse(errno.EACCES)
        name = COMMANDS[header.cmd].removeprefix("XEN_DOMCTL_")
        union = place + ctypes.sizeof(header)
        if name == "createdomain":
            header.domain = self.createdomain(structures.CreateDomain.from_address(union))
        elif name == "getdomaininfo":
            self.getdomaininfo(header, structures.GetDomainInfo.from_address(union))
        else:
            domain = self.domain(header.domain)
            if domain.dying and name != "destroydomain":
                refuse(errno.EINVAL)
            getattr(self, name)(header.domain, domain, union)
        return 0

    def createdomain(self, request: CreateDomain) -> int:
        if request.flags != 3 or request.grant_opts != 1 or not 0 < request.max_vcpus <= 128:
            refuse(errno.EINVAL)
        domid, self.xen.next = self.xen.next, self.xen.next + 1
        if request.cpupool_id not in self.xen.schedulers:
            refuse(errno.EINVAL)
        self.xen.domains[domid] = FakeDomain(bytes(request.handle), request.max_vcpus)
        self.xen.domains[domid].pool_number = request.cpupool_id
        request.arch.gic_version = 2
        return domid

    def fill(self, info: GetDomainInfo, domid: int, domain: FakeDomain) -> None:
        info.domain = domid
        info.flags = (1 if domain.dying else 0) | (8 if domain.paused else 16)
        if domain.shutdown is not None:
            info.flags |= 4 | domain.shutdown << 16
        info.tot_pages = len(domain.frames)
        info.nr_online_vcpus = 1 if domain.context else 0
        info.handle[:] = domain.handle
        info.gpaddr_bits = 40

    def getdomaininfo(self, header: DomctlHeader, info: GetDomainInfo) -> None:
        later = [domid for domid in sorted(self.xen.domains) if domid >= header.domain]
        if not later:
            refuse(errno.ESRCH)
        self.fill(info, later[0], self.xen.domains[later[0]])

    def sysctl(self, place: int) -> int:
        header = structures.SysctlHeader.from_address(place)
        if header.interface_version != INTERFACE:
            refuse(errno.EACCES)
        union = place + ctypes.sizeof(header)
        if header.cmd == HYPERCALL_NUMBERS["XEN_SYSCTL_physinfo"]:
            machine = PhysInfo.from_address(union)
            machine.max_cpu_id, machine.free_pages = self.xen.cpus - 1, self.xen.free_frames
            return 0
        if header.cmd == HYPERCALL_NUMBERS["XEN_SYSCTL_cpupool_op"]:
            pool = CpupoolOp.from_address(union)
            later_pools = [number for number in self.xen.schedulers if number >= pool.cpupool_id]
            if pool.op != 3 or not pool.cpumap.bitmap or not later_pools:
                refuse(errno.ENOENT)
            pool.cpupool_id = later_pools[0]
            pool.sched_id = self.xen.schedulers[pool.cpupool_id]
            return 0
        assert header.cmd == HYPERCALL_NUMBERS["XEN_SYSCTL_getdomaininfolist"]
        request = structures.GetDomainInfoList.from_address(place + ctypes.sizeof(header))
        later = [domid for domid in sorted(self.xen.domains) if domid >= request.first_domain]
        size = ctypes.sizeof(structures.GetDomainInfo)
        for index, domid in enumerate(later[: request.max_domains]):
            info = structures.GetDomainInfo.from_address(request.buffer + index * size)
            self.fill(info, domid, self.xen.domains[domid])
        request.num_domains = min(len(later), request.max_domains)
        return 0

    def destroydomain(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.dying = True
        self.xen.bury()

    def pausedomain(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.paused = True

    def unpausedomain(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.paused = False

    def setvcpuaffinity(self, domid: int, domain: FakeDomain, union: int) -> None:
        request = VcpuAffinity.from_address(union)
        cpus = ctypes.string_at(request.cpumap_hard.bitmap, request.cpumap_hard.nr_bits // 8)
        if request.flags != 1 or request.vcpu >= domain.vcpus:
            refuse(errno.EINVAL)
        domain.affinity[request.vcpu] = int.from_bytes(cpus, "little")

    def scheduler_op(self, domid: int, domain: FakeDomain, union: int) -> None:
        request = SchedulerOp.from_address(union)
        if request.cmd or request.sched_id != self.xen.schedulers[domain.pool_number]:
            refuse(errno.EINVAL)
        domain.share = request.weight, request.cap

    def setdomainhandle(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.handle = ctypes.string_at(union, 16)

    def max_vcpus(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.max_vcpus = structures.MaxVcpus.from_address(union).max
        if domain.max_vcpus != domain.vcpus:
            refuse(errno.EINVAL)

    def max_mem(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.max_kib = structures.MaxMem.from_address(union).max_memkb

    def set_paging_mempool_size(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.pool = structures.PagingMempool.from_address(union).size
        if domain.pool % PAGE:
            refuse(errno.EINVAL)

    def set_address_size(self, domid: int, domain: FakeDomain, union: int) -> None:
        domain.bits = structures.AddressSize.from_address(union).size

    def setvcpucontext(self, domid: int, domain: FakeDomain, union: int) -> None:
        request = structures.VcpuContext.from_address(union)
        if domain.bits is None or not domain.max_vcpus or request.vcpu:
            refuse(errno.EINVAL)
        size = ctypes.sizeof(structures.GuestContext)
        domain.context = structures.GuestContext.from_buffer_copy(ctypes.string_at(request.ctxt, size))

    def cacheflush(self, domid: int, domain: FakeDomain, union: int) -> None:
        request = structures.CacheFlush.from_address(union)
        if request.nr_pfns > 1 << 18:
            refuse(errno.EINVAL)
        self.xen.flushed.append((domid, request.start_pfn, request.nr_pfns))

    def vuart_op(self, domid: int, domain: FakeDomain, union: int) -> None:
        request = structures.VuartOp.from_address(union)
        if request.cmd or request.type or request.console_domid or request.gfn not in domain.frames:
            refuse(errno.EINVAL)
        domain.vuart = request.gfn
        request.evtchn = self.port(domain)

    def port(self, domain: FakeDomain) -> int:
        domain.bindings.append(len(domain.bindings) + 1)
        return domain.bindings[-1]

    def memory_op(self, command: int, place: int) -> int:
        assert command == HYPERCALL_NUMBERS["XENMEM_populate_physmap"]
        request = structures.MemoryReservation.from_address(place)
        domain = self.domain(request.domid)
        if not domain.pool or not domain.max_vcpus:
            refuse(errno.ENOMEM)
        count = 1 << request.extent_order
        starts = (ctypes.c_uint64 * request.nr_extents).from_address(request.extent_start)
        for done, start in enumerate(starts):
            full = len(domain.frames) + count > domain.max_kib // 4 or count > self.xen.free_frames
            if full or request.extent_order in self.xen.no_orders or start % count:
                return done
            for frame in range(start, start + count):
                assert frame not in domain.frames, f"frame {frame:#x} twice"
                domain.frames[frame] = bytearray(PAGE)
            self.xen.free_frames -= count
        return len(starts)

    def event_channel_op(self, command: int, place: int) -> int:
        assert command == HYPERCALL_NUMBERS["EVTCHNOP_alloc_unbound"]
        request = structures.AllocUnbound.from_address(place)
        assert request.remote_dom == 0
        request.port = self.port(self.domain(request.dom))
        return 0

    def hvm_op(self, command: int, place: int) -> int:
        assert command == HYPERCALL_NUMBERS["HVMOP_set_param"]
        request = structures.HvmParam.from_address(place)
        self.domain(request.domid).parameters[request.index] = request.value
        return 0


class FakeForeign:
    """A stand-in for libxenforeignmemory or the driver: pages of this process, copied to frames on use."""

    def __init__(self, xen: "FakeXen", attributes: set[int]) -> None:
        self.xen = xen
        self.attributes = attributes

    def map(self, domid: int, frames: Sequence[int], attr: int = 0xFF) -> int:
        assert attr in self.attributes
        domain = self.xen.domains.get(domid)
        if domain is None or domain.dying:
            refuse(errno.ESRCH)
        if any(frame not in domain.frames for frame in frames):
            refuse(errno.EINVAL)
        pages = mmap.mmap(-1, len(frames) * PAGE)
        for index, frame in enumerate(frames):
            pages[index * PAGE : (index + 1) * PAGE] = bytes(domain.frames[frame])
        place = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        self.xen.mappings[place] = FakeMapping(domid, domain, list(frames), pages, attr, self)
        return place

    def replace(self, place: int, domid: int, frames: Sequence[int], attr: int) -> None:
        mapping = self.xen.mappings[place]
        assert (mapping.by, mapping.domid, mapping.attribute) == (self, domid, attr)
        assert len(frames) <= len(mapping.pages) // PAGE
        self.store_back(place)
        domain = self.xen.domains[domid]
        if domain.dying:
            refuse(errno.ESRCH)
        if any(frame not in domain.frames for frame in frames):
            refuse(errno.EINVAL)
        mapping.frames = list(frames)
        for index, frame in enumerate(frames):
            mapping.pages[index * PAGE : (index + 1) * PAGE] = bytes(domain.frames[frame])

    def store_back(self, place: int) -> None:
        mapping = self.xen.mappings[place]
        for index, frame in enumerate(mapping.frames):
            mapping.domain.frames[frame][:] = mapping.pages[index * PAGE : (index + 1) * PAGE]

    def unmap(self, place: int, count: int) -> None:
        mapping = self.xen.mappings[place]
        assert (mapping.by, len(mapping.pages)) == (self, count * PAGE)
        self.store_back(place)
        del self.xen.mappings[place]
        self.xen.bury()

    def map_grant_table(self, domid: int) -> tuple[int, int]:
        domain = self.xen.calls.domain(domid)
        pages = mmap.mmap(-1, PAGE)
        place = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        self.xen.mappings[place] = FakeMapping(domid, domain, [], pages)
        return place, place

    def unmap_resource(self, place: int) -> None:
        mapping = self.xen.mappings.pop(place)
        mapping.domain.grants[:] = mapping.pages[:]
        self.xen.bury()


class FakeMemory(ProcessMemory):
    """A stand-in for process memory, which records maintenance instead of doing it."""

    def __init__(self, xen: "FakeXen") -> None:
        super().__init__()
        self.xen = xen

    def clean_invalidate(self, address: int, size: int) -> None:
        self.xen.maintained.append(("dc civac", address, size))

    def cacheflush(self, address: int, size: int) -> None:
        self.xen.maintained.append(("cacheflush", address, size))


class FakeRecords:
    """A stand-in for libxl's folder."""

    def __init__(self) -> None:
        self.texts: dict[tuple[int, str], str] = {}

    def write(self, domid: int, uuid: str, text: str) -> None:
        self.texts[domid, uuid] = text

    def remove(self, domid: int, uuid: str) -> None:
        self.texts.pop((domid, uuid), None)

    def move(self, domid: int, old: str, new: str) -> None:
        if (domid, old) in self.texts:
            self.texts[domid, new] = self.texts.pop((domid, old))


class FakeScripts:
    """A stand-in for hotplug scripts: it notes each call, and does what it is told."""

    def __init__(self, xen: "FakeXen") -> None:
        self.xen = xen
        self.ran: list[tuple[str, tuple[str, ...], dict[str, str]]] = []
        self.status = 0

    def run(self, script: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        self.ran.append((script, tuple(words), dict(environment)))
        return self.status


class FakeStore:
    """A stand-in for xenstored."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.permissions: dict[str, tuple[tuple[int, int], ...]] = {}
        self.introduced: list[tuple[int, int, int]] = []
        self.before: tuple[dict[str, bytes], dict[str, tuple[tuple[int, int], ...]]] | None = None
        self.disturbances = 0
        self.serves = {"vbd", "vif"}
        """Kinds of backends that dom0's kernel has."""
        self.watched: list[str] = []
        self.happens: list[Callable[[], None]] = []

    def begin(self) -> None:
        assert self.before is None
        self.before = (dict(self.entries), dict(self.permissions))

    def commit(self) -> bool:
        if self.disturbances:
            self.disturbances -= 1
            self.abandon()
            return False
        self.before = None
        self.run_backends()
        return True

    def run_backends(self) -> None:
        """Let dom0's kernel take new backends (1 to 2), and close those that are closing (5 to 6)."""
        for path, value in self.entries.items():
            parts = path.split("/")
            if parts[4:5] + parts[8:] == ["backend", "state"] and parts[5] in self.serves:
                self.entries[path] = {b"1": b"2", b"5": b"6"}.get(value, value)

    def abandon(self) -> None:
        if self.before is not None:
            self.entries, self.permissions = self.before
            self.before = None

    def read(self, path: str) -> bytes | None:
        return self.entries.get(path)

    def list(self, path: str) -> list[str]:
        below = [name[len(path) + 1 :] for name in self.entries if name.startswith(f"{path}/")]
        return [name for name in below if "/" not in name]

    def write(self, path: str, value: str) -> None:
        self.make(path)
        self.entries[path] = value.encode()

    def make(self, path: str) -> None:
        parts = path.split("/")
        for end in range(2, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:end]), b"")

    def remove(self, path: str) -> None:
        self.entries = {
            name: value
            for name, value in self.entries.items()
            if name != path and not name.startswith(f"{path}/")
        }

    def permit(self, path: str, *permissions: tuple[int, int]) -> None:
        assert path in self.entries
        self.permissions[path] = permissions

    def watch(self, path: str) -> None:
        self.watched.append(path)

    def await_event(self) -> None:
        assert self.watched == ["@releaseDomain"]
        self.happens.pop(0)()

    def introduce(self, domid: int, frame: int, port: int) -> None:
        self.introduced.append((domid, frame, port))
