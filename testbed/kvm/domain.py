# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of KVM's, and its memory in the process of the VMM."""

import ctypes
import mmap

from coldline.errors import HypervisorError

__all__ = ["KvmDomain"]


class KvmDomain:
    """A guest of KVM's.

    Attributes
    ----------
    domid : int
        Its number in this process.
    """

    def __init__(self, domid: int, machine: int) -> None:
        self.domid = domid
        self.machine = machine
        self.vcpu = -1
        self.banks: list[tuple[int, mmap.mmap]] = []
        self.registers_set = False

    def error(self, operation: str, reason: str) -> HypervisorError:
        """Return the error for an operation on this guest that failed."""
        return HypervisorError(f"domain {self.domid}: {operation}: {reason}")

    def local(self, address: int, size: int) -> int:
        """Return where a range of the guest's memory is in this process.

        Raises
        ------
        HypervisorError
            If it is not in one bank.
        """
        for base, memory in self.banks:
            if base <= address and address + size <= base + len(memory):
                start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
                return start + address - base
        raise self.error(f"map {address:#x}", f"{size:#x} bytes are not all in its RAM")
