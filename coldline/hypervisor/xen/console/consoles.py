# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console: through xenconsoled's terminal, or through the guest's ring if xenconsoled does not run."""

import contextlib
import ctypes
import os
import re
import select
import stat
import time
from typing import Final, Protocol

from coldline.errors import HypervisorError
from coldline.hypervisor.xen.bindings.events import EventChannel
from coldline.hypervisor.xen.bindings.maintenance import barrier
from coldline.hypervisor.xen.bindings.protocols import Bindings, ForeignPort
from coldline.hypervisor.xen.console.ring import ConsoleRing
from coldline.hypervisor.xen.domain_list import DomainInfo
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.store_entries import home_of

TTY_WAIT_S: Final = 3.0
"""Seconds to wait until xenconsoled has made a terminal for a new guest; xl waits five."""

_READ = 4096
_TTY = re.compile(r"/dev/pts/[0-9]+")
_MAX_FRAME = 1 << 36


class Console(Protocol):
    """The console of a guest: a `PtyConsole` or a `RingConsole`."""

    def fileno(self) -> int:
        """Return the descriptor to poll for output."""

    def read(self) -> bytes:
        """Return output: a few KiB at most, empty if there is none.

        Raises
        ------
        EOFError
            If there will be no more output.
        RingError
            If the guest wrote impossible indices into its ring.
        """

    def write(self, data: bytes) -> int:
        """Send input; return how many bytes were accepted.

        Raises
        ------
        RingError
            If the guest wrote impossible indices into its ring.
        """

    def close(self) -> None:
        """Close the console."""


def open_console(bindings: Bindings, domain: DomainInfo, *, vuart: bool = False) -> Console:
    """Open the console of a domain.

    Parameters
    ----------
    bindings : Bindings
        The bindings to Xen.
    domain : DomainInfo
        The domain.
    vuart : bool
        Open the emulated PL011 instead of hvc0.

    Raises
    ------
    HypervisorError
        If the domain has no such console, or its ring is in use.
    """
    name = "vuart" if vuart else "console"
    home = f"{home_of(domain.domid)}/{'vuart/0' if vuart else 'console'}"
    with error_context(f"domain {domain.domid}: {name}"):
        if bindings.store.read(f"{home}/ring-ref") is None:
            raise HypervisorError(f"domain {domain.domid} has no {name}")
        end = time.monotonic() + TTY_WAIT_S
        while not (tty := (bindings.store.read(f"{home}/tty") or b"").decode("utf-8", "replace")):
            if time.monotonic() > end:
                frame, port = (_number(bindings, f"{home}/{key}") for key in ("ring-ref", "port"))
                return RingConsole(bindings.foreign, domain.domid, frame, port)
            time.sleep(0.05)
        return PtyConsole(tty)


def _number(bindings: Bindings, path: str) -> int:
    text = bindings.store.read(path) or b""
    if not text.isdigit() or int(text[:20]) >= _MAX_FRAME:
        raise HypervisorError(f"xenstore has no number at {path}")
    return int(text)


class PtyConsole:
    """The pseudo-terminal that xenconsoled made for a guest.

    Parameters
    ----------
    path : str
        Its path, from xenstore. Only a pseudo-terminal is opened: a guest that could choose any path could access the
        files of dom0 (XSA-57).
    """

    def __init__(self, path: str) -> None:
        if not _TTY.fullmatch(path):
            raise HypervisorError(f"xenstore has {path!r} as its terminal, which is not a pseudo-terminal")
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISCHR(os.fstat(self._descriptor).st_mode):
            self.close()
            raise HypervisorError(f"{path} is not a terminal")

    def fileno(self) -> int:
        """See `Console`."""
        return self._descriptor

    def read(self) -> bytes:
        """See `Console`."""
        try:
            data = os.read(self._descriptor, _READ)
        except BlockingIOError:
            return b""
        except OSError as error:  # the other end is closed
            raise EOFError from error
        if not data:
            raise EOFError
        return data

    def write(self, data: bytes) -> int:
        """See `Console`."""
        try:
            return os.write(self._descriptor, data)
        except OSError:  # full; or closed, which `read` reports
            return 0

    def close(self) -> None:
        """See `Console`."""
        os.close(self._descriptor)


class MappedPage:
    """A shared page that is mapped in this process: see `ring.SharedPage`."""

    def __init__(self, address: int) -> None:
        self._address = address

    def load(self, offset: int) -> int:
        """See `ring.SharedPage`."""
        return ctypes.c_uint32.from_address(self._address + offset).value

    def store(self, offset: int, value: int) -> None:
        """See `ring.SharedPage`."""
        ctypes.c_uint32.from_address(self._address + offset).value = value

    def read(self, offset: int, size: int) -> bytes:
        """See `ring.SharedPage`."""
        return ctypes.string_at(self._address + offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """See `ring.SharedPage`."""
        ctypes.memmove(self._address + offset, data, len(data))

    def barrier(self) -> None:
        """See `ring.SharedPage`."""
        barrier()


class RingConsole:
    """A guest's console ring and its event channel, which only one process can bind."""

    def __init__(self, foreign: ForeignPort, domid: int, frame: int, port: int) -> None:
        self._foreign = foreign
        self._channel = EventChannel(domid, port)
        try:
            self._address = foreign.map(domid, [frame])
        except BaseException:
            self._channel.close()
            raise
        self._ring = ConsoleRing(MappedPage(self._address))

    def fileno(self) -> int:
        """See `Console`."""
        return self._channel.fileno()

    def read(self) -> bytes:
        """See `Console`."""
        if select.select([self._channel], [], [], 0)[0]:
            self._channel.acknowledge()
        data = self._ring.read_output()
        if data:
            self._channel.notify()  # tell the guest that there is room
        return data

    def write(self, data: bytes) -> int:
        """See `Console`."""
        given = self._ring.write_input(data)
        if given:
            self._channel.notify()
        return given

    def close(self) -> None:
        """See `Console`."""
        with contextlib.suppress(OSError):
            self._foreign.unmap(self._address, 1)
        self._channel.close()
