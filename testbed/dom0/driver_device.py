# SPDX-License-Identifier: GPL-2.0-or-later
"""The device of coldline's driver, and the system calls that change a mapping of it."""

import ctypes
from typing import Any

from coldline.hypervisor.xen.bindings import driver
from coldline.hypervisor.xen.bindings.driver import MAP_REPLACE, QUERY_WRITE, READ_WRITE
from coldline.hypervisor.xen.bindings.protocols import ATTR_NORMAL_NC, ATTR_NORMAL_WB, DRIVER_PATH
from coldline.hypervisor.xen.bindings.prototypes import failed, functions
from coldline.support.units import PAGE_SIZE

__all__ = [
    "ATTR_NORMAL_NC",
    "ATTR_NORMAL_WB",
    "DRIVER_PATH",
    "MAP_REPLACE",
    "PAGE_SIZE",
    "QUERY_WRITE",
    "READ_WRITE",
    "Device",
]

_libc = functions(
    "",
    "libc6",
    "int munmap(void *, size_t);\n"
    "int mprotect(void *, size_t, int);\n"
    "int madvise(void *, size_t, int);\n"
    "void *mremap(void *, size_t, size_t, int, void *);\n",
)


class Device(driver.DriverDevice):
    """The open device."""

    def map_into(
        self, address: Any, domain: Any, frames: Any, attr: Any, errors: Any = None, /, **other: Any
    ) -> Any:
        """Map frames into a reserved mapping; `mapped` starts with a value that the driver must overwrite."""
        return super().map_into(address, domain, frames, attr, errors, **{"mapped": 0xFFFFFFFF, **other})


def _check(result: int) -> None:
    if result:
        raise failed("")


def unmap(address: int, pages: int) -> None:
    """Call munmap."""
    _check(_libc["munmap"](address, pages * PAGE_SIZE))


def protect(address: int, pages: int, protection: int) -> None:
    """Call mprotect."""
    _check(_libc["mprotect"](address, pages * PAGE_SIZE, protection))


def advise(address: int, pages: int, advice: int) -> None:
    """Call madvise."""
    _check(_libc["madvise"](address, pages * PAGE_SIZE, advice))


def move(address: int, old_pages: int, new_pages: int, flags: int, new_address: int) -> int:
    """Call mremap."""
    moved: int = _libc["mremap"](address, old_pages * PAGE_SIZE, new_pages * PAGE_SIZE, flags, new_address)
    _check(moved == ctypes.c_void_p(-1).value)
    return moved
