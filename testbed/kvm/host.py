# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux' KVM as a hypervisor of `coldline.hypervisor.Hypervisor`, for guests with one vCPU and a PL011."""

import ctypes
import itertools
import mmap
import os
from collections.abc import Callable
from typing import Final

from coldline.arm import MemoryType
from coldline.errors import HypervisorError
from coldline.guest.machines import VIRT
from coldline.guest.plan import Registers
from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory
from coldline.support.units import GIB
from testbed.kvm import interface as kvm
from testbed.kvm.domain import KvmDomain
from testbed.kvm.interface import Request, request
from testbed.kvm.mapping import KvmMapping
from testbed.kvm.serial import SendingPl011

__all__ = ["KvmHost"]

_GIC: Final = 3


class KvmHost:
    """Linux' KVM. A guest has one vCPU, and the GIC and the PL011 of QEMU's ``virt`` machine.

    Parameters
    ----------
    send : callable
        Receives each byte that a guest sends to its console.

    Raises
    ------
    HypervisorError
        If there is no KVM.
    """

    max_mapping = GIB

    def __init__(self, send: Callable[[int], None]) -> None:
        try:
            self._kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HypervisorError(f"/dev/kvm: {error.strerror}") from error
        self._numbers = itertools.count(1)
        self._memory = ProcessMemory()
        self._serial = SendingPl011(send)

    def create_domain(self, architecture: str, max_memory: int, vcpus: int) -> KvmDomain:
        """See `Hypervisor.create_domain`."""
        if architecture != "arm64" or vcpus != 1:
            raise HypervisorError("only guests for arm64 with one vCPU can be built on KVM here")
        try:
            domain = KvmDomain(next(self._numbers), request(self._kvm, Request.CREATE_VM))
            domain.vcpu = request(domain.machine, Request.CREATE_VCPU, 0)
            self._add_gic(domain)
            feature = kvm.Feature()
            request(domain.machine, Request.PREFERRED_TARGET, feature)
            feature.features[0] |= kvm.PSCI_0_2
            request(domain.vcpu, Request.INIT_VCPU, feature)
        except OSError as error:
            raise HypervisorError(f"KVM cannot make a guest: {error.strerror}") from error
        return domain

    def _add_gic(self, domain: KvmDomain) -> None:
        assert VIRT.gicv3 is not None
        device = kvm.Device(type=kvm.GIC_DEVICES[_GIC])
        request(domain.machine, Request.CREATE_DEVICE, device)
        parts = (kvm.DISTRIBUTOR[_GIC], kvm.CPU_INTERFACE_OR_REDISTRIBUTOR[_GIC])
        for part, where in zip(parts, VIRT.gicv3, strict=True):
            address = ctypes.c_uint64(where.base)
            self._set(device.fd, kvm.GIC_ADDRESSES, part, ctypes.addressof(address))
        self._set(device.fd, kvm.GIC_CONTROL, 0, 0)

    @staticmethod
    def _set(device: int, group: int, attribute: int, address: int) -> None:
        wanted = kvm.DeviceAttribute(group=group, attribute=attribute, address=address)
        request(device, Request.SET_ATTRIBUTE, wanted)

    def populate(self, domain: KvmDomain, address: int, size: int) -> None:
        """See `Hypervisor.populate`. Linux zeroes a page as it is touched first."""
        memory = mmap.mmap(-1, size)
        domain.banks.append((address, memory))
        region = kvm.MemoryRegion(
            slot=len(domain.banks) - 1,
            guest_address=address,
            size=size,
            local_address=domain.local(address, size),
        )
        try:
            request(domain.machine, Request.SET_MEMORY, region)
        except OSError as error:
            raise domain.error(f"populate {address:#x}", str(error.strerror)) from error

    def map_foreign(self, domain: KvmDomain, address: int, size: int, memory_type: MemoryType) -> KvmMapping:
        """See `Hypervisor.map_foreign`."""
        if memory_type is not MemoryType.NORMAL_WB:
            raise domain.error(f"map {address:#x}", f"a VMM's memory is not {memory_type.word}")
        return KvmMapping(domain, address, size, self._memory)

    def flush(self, domain: KvmDomain, address: int, size: int) -> None:
        """Do nothing: KVM maintains each page as it enters stage 2."""

    def set_registers(self, domain: KvmDomain, vcpu: int, registers: Registers) -> None:
        """See `Hypervisor.set_registers`. SCTLR_EL1 has its reset value, with the MMU and the caches off."""
        values = dict(enumerate(registers.general)) | {
            kvm.CORE_PC: registers.pc,
            kvm.CORE_PSTATE: registers.pstate,
        }
        for number, value in values.items():
            held = ctypes.c_uint64(value)
            one = kvm.OneRegister(id=kvm.core_register(number), address=ctypes.addressof(held))
            try:
                request(domain.vcpu, Request.SET_REGISTER, one)
            except OSError as error:
                raise domain.error("set registers", str(error.strerror)) from error
        domain.registers_set = True

    def run(self, domain: KvmDomain, done: Callable[[], bool]) -> str:
        """Run a guest until it ends, or until `done` after an access to a device; return why it ended.

        Raises
        ------
        HypervisorError
            If KVM cannot run it.
        """
        size = request(self._kvm, Request.VCPU_STATE_SIZE)
        with mmap.mmap(domain.vcpu, size) as state:
            exit_ = kvm.Exit.from_buffer(state)
            try:
                while True:
                    try:
                        request(domain.vcpu, Request.RUN)
                    except InterruptedError:
                        continue
                    except OSError as error:
                        raise domain.error("run", str(error.strerror)) from error
                    if exit_.reason == kvm.EXIT_SYSTEM:
                        return f"system event {exit_.of.system_event}"
                    if exit_.reason != kvm.EXIT_MMIO:
                        raise domain.error("run", f"KVM's exit reason {exit_.reason}")
                    self._access(exit_)
                    if done():
                        return ""
            finally:
                del exit_

    def _access(self, exit_: kvm.Exit) -> None:
        mmio, serial = exit_.of.mmio, VIRT.serial
        inside = serial.base <= mmio.address < serial.end
        if mmio.is_write:
            if inside:
                value = int.from_bytes(bytes(mmio.data[: mmio.size]), "little")
                self._serial.write(mmio.address - serial.base, value)
            return
        value = self._serial.read(mmio.address - serial.base) if inside else 0
        for index, byte in enumerate(value.to_bytes(8, "little")):
            mmio.data[index] = byte

    def unpause(self, domain: KvmDomain) -> None:
        """Check that a guest can run; `run` runs it.

        Raises
        ------
        HypervisorError
            If its registers are not set.
        """
        if not domain.registers_set:
            raise domain.error("unpause", "the registers of vCPU 0 are not set")

    def destroy(self, domain: KvmDomain) -> None:
        """See `Hypervisor.destroy`."""
        for file in (domain.vcpu, domain.machine):
            os.close(file)
        domain.banks.clear()
