# SPDX-License-Identifier: GPL-2.0-or-later
"""The small VMM, where there is no KVM: its serial port, its memory, its form of KVM's structures."""

import ctypes
import mmap

import pytest

from coldline.arm import MemoryType
from coldline.errors import HypervisorError
from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory
from testbed.kvm import interface, serial
from testbed.kvm.domain import KvmDomain
from testbed.kvm.host import KvmHost
from testbed.kvm.mapping import KvmMapping

SIZES = {
    interface.MemoryRegion: interface.Request.SET_MEMORY,
    interface.Feature: interface.Request.INIT_VCPU,
    interface.OneRegister: interface.Request.SET_REGISTER,
    interface.Device: interface.Request.CREATE_DEVICE,
    interface.DeviceAttribute: interface.Request.SET_ATTRIBUTE,
}


@pytest.mark.parametrize("structure", SIZES, ids=lambda each: each.__name__)
def test_a_request_has_its_structures_size(structure: type[ctypes.Structure]) -> None:
    """Bits 16 to 29 of a request's number are the size: Linux include/uapi/asm-generic/ioctl.h."""
    assert SIZES[structure] >> 16 & 0x3FFF == ctypes.sizeof(structure)


def test_where_an_exit_has_its_access() -> None:
    """The union of ``struct kvm_run`` begins at byte 32: Linux include/uapi/linux/kvm.h."""
    assert interface.Exit.reason.offset == 8
    assert interface.Exit.of.offset == 32


def test_the_serial_port_is_a_pl011() -> None:
    sent = bytearray()
    port = serial.SendingPl011(sent.append)
    for byte in b"hello":
        port.write(0, byte)
    assert sent == b"hello"
    assert port.read(0x18) & 1 << 5 == 0, "the transmit FIFO is never full"
    peripheral = sum(port.read(0xFE0 + 4 * index) << 8 * index for index in range(4))
    assert peripheral & 0x000FFFFF == 0x00041011, (
        "Arm's PL011, as linux drivers/tty/serial/amba-pl011.c has it"
    )
    port.write(0x30, 0x301)
    assert port.read(0x30) == 0x301


@pytest.fixture(name="domain")
def fixture_domain() -> KvmDomain:
    domain = KvmDomain(1, -1)
    domain.banks.append((0x4000_0000, mmap.mmap(-1, 0x4000)))
    return domain


def test_a_mapping_is_the_guests_memory(domain: KvmDomain) -> None:
    with KvmMapping(domain, 0x4000_1000, 0x1000, ProcessMemory()) as mapping:
        mapping.write(8, b"data")
        mapping.move(0x4000_2000, 0x1000)
        mapping.write(0, b"more")
    _, memory = domain.banks[0]
    assert memory[0x1008:0x100C] == b"data"
    assert memory[0x2000:0x2004] == b"more"
    with pytest.raises(HypervisorError, match="the mapping is closed"):
        mapping.write(0, b"x")


def test_what_is_not_the_guests_memory(domain: KvmDomain) -> None:
    with pytest.raises(HypervisorError, match="not all in its RAM"):
        KvmMapping(domain, 0x4000_3000, 0x2000, ProcessMemory())
    host = KvmHost.__new__(KvmHost)
    with pytest.raises(HypervisorError, match="a VMM's memory is not normal-nc"):
        host.map_foreign(domain, 0x4000_0000, 0x1000, MemoryType.NORMAL_NC)
