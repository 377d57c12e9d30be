# SPDX-License-Identifier: GPL-2.0-or-later
"""Client of coldline's driver, which maps foreign memory with a memory type; see ``driver/coldline.h``."""

import ctypes
import errno
import fcntl
import mmap
import os
from array import array
from collections.abc import Sequence
from typing import Final

from coldline.hypervisor.xen.bindings.protocols import DRIVER_PATH, DriverError
from coldline.hypervisor.xen.bindings.prototypes import failed, functions
from coldline.support.units import PAGE_SIZE

ABI: Final = 3
MAP_REPLACE: Final = 1
QUERY_WRITE: Final = 1

DRIVER_LIBC_PROTOTYPES: Final = """\
void *mmap64(void *, size_t, int, int, int, off64_t);
int munmap(void *, size_t);
"""
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
_FAILED = ctypes.c_void_p(-1).value


class FeaturesReply(ctypes.Structure):
    """``struct coldline_features``."""

    _fields_ = (
        ("abi", ctypes.c_uint32),
        ("frame_size", ctypes.c_uint32),
        ("max_frames", ctypes.c_uint32),
        ("kept_frames", ctypes.c_uint32),
        ("attrs", ctypes.c_uint64 * 4),
    )


class MapRequest(ctypes.Structure):
    """``struct coldline_map``."""

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


class QueryRequest(ctypes.Structure):
    """``struct coldline_query``."""

    _fields_ = (
        ("address", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("translated", ctypes.c_uint8),
        ("attr", ctypes.c_uint8),
        ("shareability", ctypes.c_uint8),
        ("fault", ctypes.c_uint8),
    )


class RestrictRequest(ctypes.Structure):
    """``struct coldline_restrict``."""

    _fields_ = (("domain", ctypes.c_uint32), ("reserved", ctypes.c_uint32))


def _number(direction: int, command: int, structure: type[ctypes.Structure]) -> int:
    """Return an ioctl's number: linux include/uapi/asm-generic/ioctl.h."""
    return direction << 30 | ctypes.sizeof(structure) << 16 | 0xDC << 8 | command


IOCTL_FEATURES: Final = _number(2, 0, FeaturesReply)
IOCTL_MAP: Final = _number(3, 1, MapRequest)
IOCTL_QUERY: Final = _number(3, 2, QueryRequest)
IOCTL_RESTRICT: Final = _number(1, 3, RestrictRequest)


class DriverDevice:
    """The open device of coldline's driver.

    Parameters
    ----------
    read_only : bool
        Open it so that its mappings can only be read.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, *, read_only: bool = False) -> None:
        self._libc = functions("", "libc6", DRIVER_LIBC_PROTOTYPES)
        self.fd = os.open(DRIVER_PATH, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the device; mappings stay."""
        os.close(self.fd)

    def _ioctl(self, name: str, number: int, argument: ctypes.Structure) -> None:
        try:
            fcntl.ioctl(self.fd, number, argument)
        except OSError as error:
            raise OSError(error.errno, f"COLDLINE_IOCTL_{name}") from error

    def features(self) -> FeaturesReply:
        """Return what the driver can do."""
        reply = FeaturesReply()
        self._ioctl("FEATURES", IOCTL_FEATURES, reply)
        return reply

    def query(self, address: int, flags: int = 0) -> QueryRequest:
        """Return how the hardware translates an address of this process."""
        query = QueryRequest(address=address, flags=flags)
        self._ioctl("QUERY", IOCTL_QUERY, query)
        return query

    def restrict(self, domain: int, reserved: int = 0) -> None:
        """Let this open file, and its copies in other processes, map frames of one domain only, from now on."""
        self._ioctl("RESTRICT", IOCTL_RESTRICT, RestrictRequest(domain, reserved))

    def reserve(
        self, pages: int, protection: int = READ_WRITE, flags: int = mmap.MAP_SHARED, offset: int = 0
    ) -> int:
        """Reserve a mapping without frames; return its address."""
        address: int = self._libc["mmap64"](None, pages * PAGE_SIZE, protection, flags, self.fd, offset)
        if address == _FAILED:
            raise failed(f"mmap of {DRIVER_PATH}")
        return address

    def map_into(
        self,
        address: int,
        domain: int,
        frames: Sequence[int],
        attr: int,
        errors: object = None,
        /,
        **other: int,
    ) -> int:
        """Map frames into a reserved mapping; return how many were mapped.

        Parameters
        ----------
        address : int
            From `reserve`, with one page for each frame.
        domain : int
            Its number.
        frames : sequence of int
            Its frames, in order.
        attr : int
            The memory type, in MAIR_ELx's encoding.
        errors : array of c_int32, optional
            Receives each frame's error. Without it, no frame is mapped if one of them cannot be.
        **other : int
            Other values for members of `MapRequest`, for tests.
        """
        numbers = array("Q", frames)
        words = {
            "address": address,
            "frames": numbers.buffer_info()[0],
            "errors": 0 if errors is None else ctypes.addressof(errors),  # type: ignore[arg-type]
            "count": len(frames),
            "domain": domain,
            "attr": attr,
        }
        request = MapRequest(**{**words, **other})
        self._ioctl("MAP", IOCTL_MAP, request)
        return int(request.mapped)

    def map(self, domain: int, frames: Sequence[int], attr: int) -> int:
        """Map all of `frames`, in order; return the address."""
        address = self.reserve(len(frames))
        try:
            self._map_all(address, domain, frames, attr)
        except BaseException:
            self.unmap(address, len(frames))
            raise
        return address

    def replace(self, address: int, domain: int, frames: Sequence[int], attr: int) -> None:
        """Map all of `frames`, in order, in place of the frames of `map`; if that fails, nothing is mapped.

        Parameters
        ----------
        address : int
            From `map`.
        domain, frames, attr : int, sequence of int, int
            As for `map`; no more frames than there.
        """
        self._map_all(address, domain, frames, attr, flags=MAP_REPLACE)

    def _map_all(self, address: int, domain: int, frames: Sequence[int], attr: int, **other: int) -> None:
        mapped = self.map_into(address, domain, frames, attr, **other)
        if mapped != len(frames):
            raise OSError(errno.EIO, f"{DRIVER_PATH} mapped {mapped} of {len(frames)} frames")

    def unmap(self, address: int, pages: int) -> None:
        """Undo `map` or `reserve`."""
        if self._libc["munmap"](address, pages * PAGE_SIZE):
            raise failed("munmap")


def open_driver() -> DriverDevice:
    """Open the device of coldline's driver, and check its interface.

    Raises
    ------
    DriverError
        If the driver is not loaded, or has another interface; the message says what to do.
    """
    try:
        device = DriverDevice()
    except FileNotFoundError as error:
        raise DriverError(
            f"no {DRIVER_PATH}: an uncached mapping needs coldline's driver: "
            "make -C driver && insmod driver/xen-coldline.ko (docs/reference/driver.md)"
        ) from error
    except OSError as error:
        raise DriverError(f"{DRIVER_PATH} cannot be opened: {error.strerror}") from error
    try:
        features = device.features()
        if (features.abi, features.frame_size) != (ABI, PAGE_SIZE):
            raise DriverError(
                f"{DRIVER_PATH} has interface {features.abi} with frames of {features.frame_size} bytes, "
                f"not {ABI} with {PAGE_SIZE}: build the driver that came with this coldline"
            )
    except BaseException:
        device.close()
        raise
    return device
