# SPDX-License-Identifier: GPL-2.0-or-later
"""Accesses to memory of this process, and cache maintenance by address."""

import ctypes
import errno
import functools
import mmap
import os
import sys
from typing import Final

from coldline.hypervisor.protocol import Buffer
from coldline.hypervisor.xen.bindings.prototypes import Function, failed, functions

MAINTENANCE_LIBC_PROTOTYPES: Final = """\
void *mmap(void *, size_t, int, int, int, long);
long syscall(long, ...);
"""

_ARM_CACHEFLUSH: Final = 0x0F0002
"""__ARM_NR_cacheflush: linux arch/arm/include/uapi/asm/unistd.h (6.1)."""

CLEAN_INVALIDATE: Final = (
    0xD53B0022,  # 0:  mrs   x2, ctr_el0
    0xD3504C42,  #     ubfx  x2, x2, #16, #4     CTR_EL0.DminLine: words of the smallest line, as a power of two
    0xD2800083,  #     mov   x3, #4
    0x9AC22062,  #     lsl   x2, x3, x2
    0xD1000443,  #     sub   x3, x2, #1
    0x8A230000,  #     bic   x0, x0, x3
    0xD50B7E20,  # 1:  dc    civac, x0
    0x8B020000,  #     add   x0, x0, x2
    0xEB01001F,  #     cmp   x0, x1
    0x54FFFFA3,  #     b.lo  1b
    0xD5033F9F,  #     dsb   sy
    0xD65F03C0,  #     ret
)
"""A64 code of ``void f(start, end)``: DC CIVAC on every line from `start` to before `end` (Arm ARM DDI 0487 C5.3).

User space can execute it, as Linux sets SCTLR_EL1.UCI (linux arch/arm64/include/asm/sysreg.h (6.1))."""

BARRIERS: Final = {
    "aarch64": (0xD5033BBF, 0xD65F03C0),  # dmb ish; ret
    "arm": (0xF57FF05B, 0xE12FFF1E),  # dmb ish; bx lr
}
"""Code of ``void f(void)``, by the execution state of this process (Arm ARM DDI 0487 B2.3.9; DDI 0406C A3.8.3)."""


class ProcessMemory:
    """Memory of this process, accessed by address."""

    def __init__(self) -> None:
        self._code: Function | None = None
        self._system_call: Function | None = None

    def copy(self, address: int, data: Buffer) -> None:
        """Copy `data` to an address."""
        source = memoryview(data).cast("B")
        self.view(address, source.nbytes)[:] = source

    def view(self, address: int, size: int) -> memoryview:
        """Return the `size` bytes at an address, writable."""
        return memoryview((ctypes.c_char * size).from_address(address)).cast("B")

    def read(self, address: int, size: int) -> bytes:
        """Return a copy of the `size` bytes at an address."""
        return ctypes.string_at(address, size)

    def clean_invalidate(self, address: int, size: int) -> None:
        """Clean and invalidate to the point of coherency, from user space; arm64 only.

        Raises
        ------
        OSError
            If this process may not create executable memory.
        """
        if self._code is None:
            self._code = _executable(b"".join(word.to_bytes(4, "little") for word in CLEAN_INVALIDATE))
        self._code(address, address + size)

    def cacheflush(self, address: int, size: int) -> None:
        """Call Linux's cacheflush: to the point of unification, and instruction caches; 32-bit user space only.

        Raises
        ------
        OSError
            If this process has no such system call.
        """
        if ctypes.sizeof(ctypes.c_void_p) != 4:
            raise OSError(errno.ENOSYS, "cacheflush")
        if self._system_call is None:
            self._system_call = functions("", "libc6", MAINTENANCE_LIBC_PROTOTYPES)["syscall"]
        if self._system_call(
            _ARM_CACHEFLUSH, ctypes.c_ulong(address), ctypes.c_ulong(address + size), ctypes.c_ulong(0)
        ):
            raise failed("cacheflush")


@functools.cache
def _barrier() -> Function:
    machine = os.uname().machine
    state = "arm" if machine.startswith("arm") or sys.maxsize < 1 << 32 else machine
    if state not in BARRIERS:
        raise OSError(errno.ENOTSUP, f"no memory barrier for {machine}")
    return _executable(b"".join(word.to_bytes(4, "little") for word in BARRIERS[state]))


def barrier() -> None:
    """Order this process's earlier accesses before its later ones, as other users of the memory see them.

    Raises
    ------
    OSError
        If this is not an ARM machine, or this process may not create executable memory.
    """
    _barrier()(0, 0)


def _executable(code: bytes) -> Function:
    """Return machine code as a function of two addresses. Its pages are never writable and executable at once.

    The kernel maintains its caches as such a page is mapped: linux arch/arm64/mm/flush.c __sync_icache_dcache (6.1).
    """
    libc = functions("", "libc6", MAINTENANCE_LIBC_PROTOTYPES)
    descriptor = os.memfd_create("coldline-maintenance")
    try:
        os.write(descriptor, code)
        protection = mmap.PROT_READ | mmap.PROT_EXEC
        address: int = libc["mmap"](None, mmap.PAGESIZE, protection, mmap.MAP_PRIVATE, descriptor, 0)
    finally:
        os.close(descriptor)
    if address == ctypes.c_void_p(-1).value:
        raise failed("mmap of code")
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)
