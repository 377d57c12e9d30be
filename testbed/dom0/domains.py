# SPDX-License-Identifier: GPL-2.0-or-later
"""Bare domains of Xen 4.17, for tests: memory and nothing else, over libxencall and libxenforeignmemory."""

import ctypes
import errno
import mmap
import os
import struct
import time

_MEMORY_OP, _DOMCTL = 12, 36
_POPULATE_PHYSMAP = 6
_CREATE, _DESTROY, _INFO, _MAX_MEM, _PAGING_POOL = 1, 2, 5, 11, 86
_INTERFACE = 0x15  # of domctls, in Xen 4.17
_DOMCTL_BYTES, _UNION = 144, 16
_FIRST_FRAME = 0x40000  # the first bank of a guest's RAM

_call = ctypes.CDLL("libxencall.so.1", use_errno=True)
_call.xencall_open.restype = ctypes.c_void_p
_call.xencall_open.argtypes = [ctypes.c_void_p, ctypes.c_uint]
_call.xencall_alloc_buffer_pages.restype = ctypes.c_void_p
_call.xencall_alloc_buffer_pages.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_call.xencall1.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint64]
_call.xencall2.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint64, ctypes.c_uint64]
_foreign = ctypes.CDLL("libxenforeignmemory.so.1", use_errno=True)
_foreign.xenforeignmemory_open.restype = ctypes.c_void_p
_foreign.xenforeignmemory_open.argtypes = [ctypes.c_void_p, ctypes.c_uint]
_foreign.xenforeignmemory_map.restype = ctypes.c_void_p
_foreign.xenforeignmemory_map.argtypes = [
    ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p,
]  # fmt: skip
_foreign.xenforeignmemory_unmap.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class Xen:
    """Handles of the two libraries, and two pages that hypercalls may use."""

    def __init__(self) -> None:
        self._calls = _call.xencall_open(None, 0)
        self._memory = _foreign.xenforeignmemory_open(None, 0)
        if not self._calls or not self._memory:
            raise OSError(ctypes.get_errno(), "Xen's libraries do not open")
        self._buffer = _call.xencall_alloc_buffer_pages(self._calls, 2)
        if not self._buffer:
            raise OSError(ctypes.get_errno(), "no hypercall buffer")

    def _domctl(self, command: int, domain: int, union: bytes = b"") -> bytes:
        header = struct.pack("<IIH6x", command, _INTERFACE, domain)
        ctypes.memmove(self._buffer, (header + union).ljust(_DOMCTL_BYTES, b"\0"), _DOMCTL_BYTES)
        if _call.xencall1(self._calls, _DOMCTL, self._buffer) < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"domctl {command} of domain {domain}: {os.strerror(number)}")
        return ctypes.string_at(self._buffer, _DOMCTL_BYTES)

    def create(self, frames: int) -> "Domain":
        """Make a domain with `frames` frames of RAM, from the first of a guest's."""
        union = struct.pack(
            "<I16sIIIIIIIIIBxHII",
            0, os.urandom(16), 3, 0, 1, 1023, 0xFFFFFFFF, 0xFFFFFFFF, 1, 0, 0, 0, 0, 0, 0,
        )  # fmt: skip
        (number,) = struct.unpack_from("<H", self._domctl(_CREATE, 0, union), 8)
        domain = Domain(self, number, range(_FIRST_FRAME, _FIRST_FRAME + frames))
        try:
            self._domctl(_MAX_MEM, number, struct.pack("<Q", (frames + 256) * 4))
            self._domctl(_PAGING_POOL, number, struct.pack("<Q", 0x1000 * 512))
            self._populate(domain)
        except BaseException:
            domain.destroy()
            raise
        return domain

    def _populate(self, domain: "Domain") -> None:
        count = len(domain.frames)
        extents = self._buffer + mmap.PAGESIZE
        data = struct.pack(f"<{count}Q", *domain.frames)
        assert len(data) <= mmap.PAGESIZE, "more frames than the hypercall buffer holds"
        ctypes.memmove(extents, data, len(data))
        ctypes.memmove(self._buffer, struct.pack("<QQIIH6x", extents, count, 0, 0, domain.number), 32)
        done = _call.xencall2(self._calls, _MEMORY_OP, _POPULATE_PHYSMAP, self._buffer)
        if done != count:
            raise OSError(ctypes.get_errno(), f"{done} of {count} frames populated")

    def destroy(self, number: int) -> None:
        """Have Xen end a domain; what maps its frames keeps it dying."""
        while True:
            try:
                self._domctl(_DESTROY, number)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.ERESTART):
                    continue
                if error.errno != errno.ESRCH:
                    raise
            return

    def exists(self, number: int) -> bool:
        """Whether Xen still knows a domain, alive or dying."""
        try:
            reply = self._domctl(_INFO, number)
        except OSError as error:
            if error.errno == errno.ESRCH:
                return False
            raise
        # Xen tells of the next domain where there is none of that number
        return struct.unpack_from("<H", reply, _UNION)[0] == number

    def gone(self, number: int, within_s: float = 3.0) -> bool:
        """Whether a domain that was destroyed is gone in time."""
        end = time.monotonic() + within_s
        while self.exists(number):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def map(self, domain: "Domain", frames: list[int]) -> int:
        """Map frames through libxenforeignmemory; return the address."""
        numbers = (ctypes.c_uint64 * len(frames))(*frames)
        address = _foreign.xenforeignmemory_map(
            self._memory, domain.number, mmap.PROT_READ | mmap.PROT_WRITE, len(frames), numbers, None
        )
        if not address:
            raise OSError(ctypes.get_errno(), "xenforeignmemory_map")
        return address

    def unmap(self, address: int, count: int) -> None:
        """Undo `map`."""
        if _foreign.xenforeignmemory_unmap(self._memory, address, count):
            raise OSError(ctypes.get_errno(), "xenforeignmemory_unmap")


class Domain:
    """A domain and the numbers of its frames."""

    def __init__(self, xen: Xen, number: int, frames: range) -> None:
        self.xen = xen
        self.number = number
        self.frames = list(frames)

    def destroy(self) -> None:
        """End it."""
        self.xen.destroy(self.number)

    def gone(self) -> bool:
        """Whether it is gone after its destruction."""
        return self.xen.gone(self.number)
