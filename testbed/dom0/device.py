# SPDX-License-Identifier: GPL-2.0-or-later
"""The device of coldline's driver, as coldline.h declares it."""

import ctypes
import fcntl
import mmap
import os

PATH = "/dev/xen/coldline"
NORMAL_NC, NORMAL_WB = 0x44, 0xFF
QUERY_WRITE = 1
PAGE = 4096
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap64.restype = ctypes.c_void_p
_libc.mmap64.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64,
]  # fmt: skip
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.mremap.restype = ctypes.c_void_p
_libc.mremap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p,
]  # fmt: skip
_FAILED = ctypes.c_void_p(-1).value


class Features(ctypes.Structure):
    """struct coldline_features."""

    _fields_ = (
        ("abi", ctypes.c_uint32),
        ("frame_size", ctypes.c_uint32),
        ("max_frames", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("attrs", ctypes.c_uint64 * 4),
    )


class Map(ctypes.Structure):
    """struct coldline_map."""

    _fields_ = (
        ("address", ctypes.c_uint64),
        ("frames", ctypes.c_uint64),
        ("errors", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("domain", ctypes.c_uint32),
        ("attr", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("mapped", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class Query(ctypes.Structure):
    """struct coldline_query."""

    _fields_ = (
        ("address", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("translated", ctypes.c_uint8),
        ("attr", ctypes.c_uint8),
        ("shareability", ctypes.c_uint8),
        ("fault", ctypes.c_uint8),
    )


def _number(direction: int, command: int, structure: type[ctypes.Structure]) -> int:
    return direction << 30 | ctypes.sizeof(structure) << 16 | 0xDC << 8 | command


FEATURES = _number(2, 0, Features)
MAP = _number(3, 1, Map)
QUERY = _number(3, 2, Query)


class Device:
    """The open device."""

    def __init__(self) -> None:
        self.fd = os.open(PATH, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Close it; mappings stay."""
        os.close(self.fd)

    def features(self) -> Features:
        """Ask what the driver can do."""
        reply = Features()
        fcntl.ioctl(self.fd, FEATURES, reply)
        return reply

    def query(self, address: int, flags: int = 0) -> Query:
        """Ask what the hardware makes of an address."""
        query = Query(address=address, flags=flags)
        fcntl.ioctl(self.fd, QUERY, query)
        return query

    def empty(
        self, pages: int, protection: int = READ_WRITE, flags: int = mmap.MAP_SHARED, offset: int = 0
    ) -> int:
        """Make a mapping that shows nothing yet; return its address."""
        return check_address(_libc.mmap64(None, pages * PAGE, protection, flags, self.fd, offset))

    def show(
        self, address: int, domain: int, frames: list[int], attr: int, errors: object = None, /, **other: int
    ) -> int:
        """Show frames in an empty mapping; return how many are mapped. `errors` is an array of
        c_int32; `other` has members of the structure that are to differ."""
        numbers = (ctypes.c_uint64 * len(frames))(*frames)
        words = {
            "address": address,
            "frames": ctypes.addressof(numbers),
            "errors": 0 if errors is None else ctypes.addressof(errors),
            "count": len(frames),
            "domain": domain,
            "attr": attr,
            "mapped": 0xFFFFFFFF,
        }
        request = Map(**{**words, **other})
        fcntl.ioctl(self.fd, MAP, request)
        return request.mapped

    def map(self, domain: int, frames: list[int], attr: int) -> int:
        """Map all of `frames`; return the address."""
        address = self.empty(len(frames))
        try:
            assert self.show(address, domain, frames, attr) == len(frames)
        except BaseException:
            unmap(address, len(frames))
            raise
        return address


def check_address(address: int) -> int:
    """Return an address that mmap or mremap gave, or raise its error."""
    if address == _FAILED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return address


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unmap(address: int, pages: int) -> None:
    """Call munmap."""
    _check(_libc.munmap(address, pages * PAGE))


def protect(address: int, pages: int, protection: int) -> None:
    """Call mprotect."""
    _check(_libc.mprotect(address, pages * PAGE, protection))


def advise(address: int, pages: int, advice: int) -> None:
    """Call madvise."""
    _check(_libc.madvise(address, pages * PAGE, advice))


def move(address: int, old_pages: int, new_pages: int, flags: int, new_address: int) -> int:
    """Call mremap."""
    return check_address(_libc.mremap(address, old_pages * PAGE, new_pages * PAGE, flags, new_address))
