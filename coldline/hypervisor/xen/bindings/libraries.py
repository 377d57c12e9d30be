# SPDX-License-Identifier: GPL-2.0-or-later
"""Bindings of Xen's libraries: libxencall for hypercalls, libxenforeignmemory for foreign memory.

An error is an OSError that names the function.
"""

import ctypes
import mmap
import os
from array import array
from collections.abc import Sequence
from typing import Any, Final

from coldline.errors import HypervisorError
from coldline.hypervisor.xen.bindings.prototypes import Function, failed, functions

PRIVCMD: Final = "/dev/xen/privcmd"

CALL_PROTOTYPES: Final = """\
xencall_handle *xencall_open(struct xentoollog_logger *, unsigned);
int xencall_close(xencall_handle *);
int xencall1(xencall_handle *, unsigned int, uint64_t);
int xencall2(xencall_handle *, unsigned int, uint64_t, uint64_t);
void *xencall_alloc_buffer_pages(xencall_handle *, size_t);
void xencall_free_buffer_pages(xencall_handle *, void *, size_t);
"""

FOREIGN_PROTOTYPES: Final = """\
xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *, unsigned);
int xenforeignmemory_close(xenforeignmemory_handle *);
void *xenforeignmemory_map(xenforeignmemory_handle *, uint32_t, int, size_t, const xen_pfn_t *, int *);
int xenforeignmemory_unmap(xenforeignmemory_handle *, void *, size_t);
xenforeignmemory_resource_handle *xenforeignmemory_map_resource(xenforeignmemory_handle *, domid_t, unsigned int, \
unsigned int, unsigned long, unsigned long, void **, int, int);
int xenforeignmemory_unmap_resource(xenforeignmemory_handle *, xenforeignmemory_resource_handle *);
"""

RESOURCE_GRANT_TABLE: Final = 1
"""XENMEM_resource_grant_table: xen xen/include/public/memory.h (4.17)."""

BUFFER_PAGES: Final = 2
"""Size of the hypercall buffer: a page for a call's structure, and a page for the data that it points to."""

_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE


def check_privileged() -> None:
    """Check that this process may make hypercalls.

    Raises
    ------
    HypervisorError
        If not; the message says what is missing.
    """
    if os.access(PRIVCMD, os.R_OK | os.W_OK):
        return
    if not os.path.exists(PRIVCMD):
        raise HypervisorError(
            f"no {PRIVCMD}: this is not a dom0 of Xen, or the module xen-privcmd is not loaded"
        )
    raise HypervisorError(f"{PRIVCMD} cannot be opened: hypercalls need root")


class HypercallLibrary:
    """libxencall, open, with a buffer for the arguments of hypercalls.

    The buffer is ordinary cacheable memory, as Xen's ABI demands (xen xen/include/public/arch-arm.h (4.17)).

    Attributes
    ----------
    buffer : int
        Address of the buffer: `BUFFER_PAGES` pages, for the caller to use.
    """

    def __init__(self) -> None:
        check_privileged()
        self._functions = functions("libxencall.so.1", "libxencall1", CALL_PROTOTYPES)
        self._handle = self._functions["xencall_open"](None, 0)
        if not self._handle:
            raise failed("xencall_open")
        self.buffer: int = self._functions["xencall_alloc_buffer_pages"](self._handle, BUFFER_PAGES)
        if not self.buffer:
            error = failed("xencall_alloc_buffer_pages")
            self._functions["xencall_close"](self._handle)
            raise error

    def call(self, name: str, op: int, *arguments: int) -> int:
        """Make a hypercall with one or two arguments; `name` is for the error message."""
        function: Function = self._functions[f"xencall{len(arguments)}"]
        result: int = function(self._handle, op, *arguments)
        if result < 0:
            raise failed(name)
        return result

    def close(self) -> None:
        """Free the buffer and close the library."""
        self._functions["xencall_free_buffer_pages"](self._handle, self.buffer, BUFFER_PAGES)
        self._functions["xencall_close"](self._handle)


class ForeignMemoryLibrary:
    """libxenforeignmemory, open: Normal write-back mappings of other domains' frames."""

    def __init__(self) -> None:
        check_privileged()
        self._functions = functions("libxenforeignmemory.so.1", "libxenforeignmemory1", FOREIGN_PROTOTYPES)
        self._handle = self._functions["xenforeignmemory_open"](None, 0)
        if not self._handle:
            raise failed("xenforeignmemory_open")

    def map(self, domid: int, frames: Sequence[int]) -> int:
        """Map frames of a domain, in order, all or none; return the address."""
        numbers = array("Q", frames)
        function = self._functions["xenforeignmemory_map"]
        address: int | None = function(
            self._handle, domid, _READ_WRITE, len(frames), numbers.buffer_info()[0], None
        )
        if not address:
            raise failed("xenforeignmemory_map")
        return address

    def unmap(self, address: int, count: int) -> None:
        """Undo `map`."""
        if self._functions["xenforeignmemory_unmap"](self._handle, address, count):
            raise failed("xenforeignmemory_unmap")

    def map_grant_table(self, domid: int) -> tuple[Any, int]:
        """Map the first frame of a domain's grant table; return the handle for `unmap_resource`, and the address."""
        address = ctypes.c_void_p()
        resource = self._functions["xenforeignmemory_map_resource"](
            self._handle, domid, RESOURCE_GRANT_TABLE, 0, 0, 1, ctypes.addressof(address), _READ_WRITE, 0
        )
        if not resource or not address.value:
            raise failed("xenforeignmemory_map_resource")
        return resource, address.value

    def unmap_resource(self, resource: Any) -> None:
        """Undo `map_grant_table`."""
        if self._functions["xenforeignmemory_unmap_resource"](self._handle, resource):
            raise failed("xenforeignmemory_unmap_resource")

    def close(self) -> None:
        """Close the library; mappings stay until they are unmapped or the process ends."""
        self._functions["xenforeignmemory_close"](self._handle)
