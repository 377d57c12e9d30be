# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM's interface on arm64, as far as a VMM with one vCPU needs it.

Source: Linux include/uapi/linux/kvm.h, arch/arm64/include/uapi/asm/kvm.h, Documentation/virt/kvm/api.rst (6.1).
"""

import ctypes
import fcntl
from typing import Any, Final

__all__ = [
    "CORE_PC", "CORE_PSTATE", "CPU_INTERFACE_OR_REDISTRIBUTOR", "DISTRIBUTOR", "EXIT_MMIO", "EXIT_SYSTEM",
    "GIC_ADDRESSES", "GIC_CONTROL", "GIC_DEVICES", "PSCI_0_2", "Device", "DeviceAttribute", "Exit", "Feature",
    "MemoryRegion", "OneRegister", "Request", "core_register", "request",
]  # fmt: skip


class Request:
    """Requests to KVM, to a VM, to a vCPU or to a device of a VM."""

    CREATE_VM: Final = 0xAE01
    VCPU_STATE_SIZE: Final = 0xAE04
    CREATE_VCPU: Final = 0xAE41
    SET_MEMORY: Final = 0x4020AE46
    RUN: Final = 0xAE80
    SET_REGISTER: Final = 0x4010AEAC
    INIT_VCPU: Final = 0x4020AEAE
    PREFERRED_TARGET: Final = 0x8020AEAF
    CREATE_DEVICE: Final = 0xC00CAEE0
    SET_ATTRIBUTE: Final = 0x4018AEE1


class MemoryRegion(ctypes.Structure):
    """``struct kvm_userspace_memory_region``."""

    _fields_ = (
        ("slot", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("guest_address", ctypes.c_uint64),
        ("size", ctypes.c_uint64), ("local_address", ctypes.c_uint64),
    )  # fmt: skip


class Feature(ctypes.Structure):
    """``struct kvm_vcpu_init``: a target and bits of features."""

    _fields_ = (("target", ctypes.c_uint32), ("features", ctypes.c_uint32 * 7))


PSCI_0_2: Final = 1 << 2
"""KVM_ARM_VCPU_PSCI_0_2: KVM answers the guest's PSCI calls."""


class OneRegister(ctypes.Structure):
    """``struct kvm_one_reg``."""

    _fields_ = (("id", ctypes.c_uint64), ("address", ctypes.c_uint64))


class Device(ctypes.Structure):
    """``struct kvm_create_device``."""

    _fields_ = (("type", ctypes.c_uint32), ("fd", ctypes.c_uint32), ("flags", ctypes.c_uint32))


class DeviceAttribute(ctypes.Structure):
    """``struct kvm_device_attr``."""

    _fields_ = (
        ("flags", ctypes.c_uint32), ("group", ctypes.c_uint32), ("attribute", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
    )  # fmt: skip


GIC_DEVICES: Final = {2: 5, 3: 7}
"""The devices' types (KVM_DEV_TYPE_ARM_VGIC_V2 and _V3), by the GIC's version."""

GIC_ADDRESSES: Final = 0
GIC_CONTROL: Final = 4
"""Groups of a GIC's attributes; attribute 0 of the second one initialises it."""

DISTRIBUTOR: Final = {2: 0, 3: 2}
CPU_INTERFACE_OR_REDISTRIBUTOR: Final = {2: 1, 3: 3}
"""Attributes with the addresses of a GIC's parts, by its version."""


class _Mmio(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint64), ("data", ctypes.c_uint8 * 8), ("size", ctypes.c_uint32),
        ("is_write", ctypes.c_uint8),
    )  # fmt: skip


class _Union(ctypes.Union):
    _fields_ = (("mmio", _Mmio), ("system_event", ctypes.c_uint32))


class Exit(ctypes.Structure):
    """The start of ``struct kvm_run``: why the vCPU has stopped."""

    _fields_ = (
        ("_requests", ctypes.c_uint64),
        ("reason", ctypes.c_uint32),
        ("_other", ctypes.c_uint8 * 20),
        ("of", _Union),
    )


EXIT_MMIO: Final = 6
EXIT_SYSTEM: Final = 24
"""Reasons: an access to a device's register, and the guest's end or reset."""

_CORE: Final = 0x6030_0000_0010_0000
CORE_PC: Final = 32
CORE_PSTATE: Final = 33


def core_register(number: int) -> int:
    """Return the name that KVM has for one of x0 to x30, for `CORE_PC` or for `CORE_PSTATE`."""
    return _CORE | number * 2


def request(file: int, number: int, argument: Any = 0) -> int:
    """Make a request of KVM's; a structure is changed in place.

    Raises
    ------
    OSError
        If KVM refuses it.
    """
    answer: int = fcntl.ioctl(file, number, argument)
    return answer
