# SPDX-License-Identifier: GPL-2.0-or-later
"""privcmd's ioctls that map frames, with the one that the patches of ``driver/rfc-v2`` add."""

import ctypes
import fcntl
import mmap
import os
from collections.abc import Sequence
from typing import Self

from testbed.dom0.driver_device import PAGE_SIZE

DEFAULT, UNCACHED = 0, 1
"""Memory types: PRIVCMD_MEMTYPE_*."""

_RESTRICT = 6 << 0 | ord("P") << 8 | 2 << 16  # _IOC(_IOC_NONE, 'P', 6, sizeof(domid_t))


class _BatchV2(ctypes.Structure):
    _fields_ = (
        ("num", ctypes.c_uint),
        ("dom", ctypes.c_uint16),
        ("addr", ctypes.c_uint64),
        ("arr", ctypes.c_void_p),
        ("err", ctypes.c_void_p),
    )


class _BatchV3(ctypes.Structure):
    _fields_ = (
        ("addr", ctypes.c_uint64),
        ("arr", ctypes.c_uint64),
        ("err", ctypes.c_uint64),
        ("num", ctypes.c_uint32),
        ("dom", ctypes.c_uint16),
        ("memtype", ctypes.c_uint16),
    )


_MMAPBATCH_V2 = ord("P") << 8 | 4 | ctypes.sizeof(_BatchV2) << 16
_MMAPBATCH_V3 = 1 << 30 | ord("P") << 8 | 11 | 32 << 16  # _IOW, 32 bytes

_mmap = ctypes.CDLL(None, use_errno=True).mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
)  # fmt: skip


class Privcmd:
    """An open /dev/xen/privcmd."""

    def __init__(self) -> None:
        self._file = os.open("/dev/xen/privcmd", os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def restrict(self, domain: int) -> None:
        """Restrict this open file to a domain."""
        fcntl.ioctl(self._file, _RESTRICT, domain.to_bytes(2, "little"))

    def reserve(self, pages: int) -> int:
        """Return the address of a mapping without frames."""
        address = _mmap(
            None, pages * PAGE_SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, self._file, 0
        )
        if address == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "mmap")
        return int(address)

    def map_v2(self, address: int, domain: int, frames: Sequence[int]) -> list[int]:
        """Map frames as always; return the result of each."""
        array, errors = _arrays(frames)
        batch = _BatchV2(len(frames), domain, address, ctypes.addressof(array), ctypes.addressof(errors))
        fcntl.ioctl(self._file, _MMAPBATCH_V2, batch)
        return list(errors)

    def map_v3(self, address: int, domain: int, frames: Sequence[int], memtype: int) -> list[int]:
        """Map frames with a memory type; return the result of each."""
        array, errors = _arrays(frames)
        batch = _BatchV3(
            address, ctypes.addressof(array), ctypes.addressof(errors), len(frames), domain, memtype
        )
        assert ctypes.sizeof(batch) == 32
        fcntl.ioctl(self._file, _MMAPBATCH_V3, batch)
        return list(errors)


def _arrays(frames: Sequence[int]) -> tuple[ctypes.Array[ctypes.c_uint64], ctypes.Array[ctypes.c_int]]:
    return (ctypes.c_uint64 * len(frames))(*frames), (ctypes.c_int * len(frames))(*[77] * len(frames))
