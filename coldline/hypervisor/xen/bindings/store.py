# SPDX-License-Identifier: GPL-2.0-or-later
"""Binding of libxenstore. xenstore is the tree of entries through which guests, daemons and toolstacks communicate.

An error is an OSError that names the function and the path.
"""

import ctypes
import errno
import os
import select
from typing import Final

from coldline.errors import HypervisorError
from coldline.hypervisor.xen.bindings.prototypes import failed, functions

STORE_PROTOTYPES: Final = """\
struct xs_handle *xs_open(unsigned long);
void xs_close(struct xs_handle *);
void *xs_read(struct xs_handle *, xs_transaction_t, const char *, unsigned int *);
char **xs_directory(struct xs_handle *, xs_transaction_t, const char *, unsigned int *);
bool xs_write(struct xs_handle *, xs_transaction_t, const char *, const void *, unsigned int);
bool xs_mkdir(struct xs_handle *, xs_transaction_t, const char *);
bool xs_rm(struct xs_handle *, xs_transaction_t, const char *);
bool xs_set_permissions(struct xs_handle *, xs_transaction_t, const char *, struct xs_permissions *, unsigned int);
xs_transaction_t xs_transaction_start(struct xs_handle *);
bool xs_transaction_end(struct xs_handle *, xs_transaction_t, bool);
bool xs_watch(struct xs_handle *, const char *, const char *);
char **xs_read_watch(struct xs_handle *, unsigned int *);
int xs_fileno(struct xs_handle *);
bool xs_introduce_domain(struct xs_handle *, unsigned int, unsigned long, unsigned int);
"""
STORE_LIBC_PROTOTYPES: Final = "void free(void *);"


class Permissions(ctypes.Structure):
    """``struct xs_permissions``: xenstore_lib.h. The first of several has the owner, and what all others may do."""

    _fields_ = (("id", ctypes.c_uint), ("perms", ctypes.c_uint))


class Store:
    """xenstore, open.

    Raises
    ------
    HypervisorError
        If xenstored does not answer.
    """

    def __init__(self) -> None:
        self._functions = functions("libxenstore.so.4", "libxenstore4", STORE_PROTOTYPES)
        self._free = functions("", "libc6", STORE_LIBC_PROTOTYPES)["free"]
        self._transaction = 0
        self._handle = self._functions["xs_open"](0)
        if not self._handle:
            why = os.strerror(ctypes.get_errno()) if ctypes.get_errno() else "no answer"
            raise HypervisorError(f"xenstored does not answer ({why}): it must run before a guest is built")

    def close(self) -> None:
        """Close the connection; an open transaction is dropped."""
        self._functions["xs_close"](self._handle)

    def begin(self) -> None:
        """Start a transaction: until `commit`, other clients see no change."""
        self._transaction = self._functions["xs_transaction_start"](self._handle)
        if not self._transaction:
            raise failed("xs_transaction_start")

    def commit(self) -> bool:
        """Apply all changes since `begin` at once; return False if they conflicted and none was applied."""
        transaction, self._transaction = self._transaction, 0
        if self._functions["xs_transaction_end"](self._handle, transaction, False):
            return True
        error = failed("xs_transaction_end")
        if error.errno == errno.EAGAIN:
            return False
        raise error

    def abandon(self) -> None:
        """Drop all changes since `begin`."""
        transaction, self._transaction = self._transaction, 0
        if transaction:
            self._functions["xs_transaction_end"](self._handle, transaction, True)

    def read(self, path: str) -> bytes | None:
        """Return the value of an entry, or None if there is no such entry."""
        length = ctypes.c_uint()
        found = self._functions["xs_read"](
            self._handle, self._transaction, path.encode(), ctypes.addressof(length)
        )
        if not found:
            error = failed(f"xs_read {path}")
            if error.errno == errno.ENOENT:
                return None
            raise error
        try:
            return ctypes.string_at(found, length.value)
        finally:
            self._free(found)

    def list(self, path: str) -> list[str]:
        """Return the names of the entries directly below one; empty if it does not exist."""
        count = ctypes.c_uint()
        found = self._functions["xs_directory"](
            self._handle, self._transaction, path.encode(), ctypes.addressof(count)
        )
        if not found:
            error = failed(f"xs_directory {path}")
            if error.errno == errno.ENOENT:
                return []
            raise error
        try:
            names = ctypes.cast(found, ctypes.POINTER(ctypes.c_char_p))
            return [(names[index] or b"").decode("utf-8", "replace") for index in range(count.value)]
        finally:
            self._free(found)

    def write(self, path: str, value: str) -> None:
        """Set an entry; missing entries above it are created."""
        data = value.encode("utf-8", "surrogateescape")
        buffer = ctypes.create_string_buffer(data, len(data) + 1)
        arguments = (path.encode(), ctypes.addressof(buffer), len(data))
        self._check(
            f"xs_write {path}", self._functions["xs_write"](self._handle, self._transaction, *arguments)
        )

    def make(self, path: str) -> None:
        """Create an entry without a value."""
        self._check(
            f"xs_mkdir {path}", self._functions["xs_mkdir"](self._handle, self._transaction, path.encode())
        )

    def remove(self, path: str) -> None:
        """Remove an entry and everything below it, if it exists."""
        if not self._functions["xs_rm"](self._handle, self._transaction, path.encode()):
            error = failed(f"xs_rm {path}")
            if error.errno != errno.ENOENT:
                raise error

    def permit(self, path: str, *permissions: tuple[int, int]) -> None:
        """Set an entry's permissions, as pairs for `Permissions`; new entries below it inherit them."""
        array = (Permissions * len(permissions))(*(Permissions(*each) for each in permissions))
        done = self._functions["xs_set_permissions"](
            self._handle, self._transaction, path.encode(), ctypes.addressof(array), len(permissions)
        )
        self._check(f"xs_set_permissions {path}", done)

    def watch(self, path: str) -> None:
        """Ask for an event whenever something changes below a path; ``@releaseDomain`` is the end of any domain."""
        self._check(f"xs_watch {path}", self._functions["xs_watch"](self._handle, path.encode(), b"coldline"))

    def await_event(self) -> None:
        """Wait until a watch has an event. The first one comes at once. A signal's handler can end the wait."""
        select.select([self._functions["xs_fileno"](self._handle)], [], [])
        count = ctypes.c_uint()
        found = self._functions["xs_read_watch"](self._handle, ctypes.addressof(count))
        if not found:
            raise failed("xs_read_watch")
        self._free(found)

    def introduce(self, domid: int, frame: int, port: int) -> None:
        """Tell xenstored a domain's ring and event channel, which it then maps and binds."""
        done = self._functions["xs_introduce_domain"](self._handle, domid, frame, port)
        self._check(f"xs_introduce_domain {domid}", done)

    def _check(self, what: str, done: bool) -> None:
        if not done:
            raise failed(what)
