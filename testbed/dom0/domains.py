# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains for tests that have only memory."""

import errno
import os
import time
from collections.abc import Sequence

from coldline.hypervisor.xen import SystemBindings, XenHost

_FIRST_FRAME = 0x40000  # the first bank of a guest's RAM
ARCHITECTURE = "arm64" if os.uname().machine == "aarch64" else "arm32"


class Xen:
    """The running Xen."""

    def __init__(self) -> None:
        self.bindings = SystemBindings()
        self.host = XenHost(self.bindings)

    def close(self) -> None:
        """Close the bindings."""
        self.bindings.close()

    def create(self, frames: int) -> "Domain":
        """Create a domain with `frames` frames at the start of a guest's RAM."""
        made = self.host.create_domain(ARCHITECTURE, frames * 4096, 1)
        domain = Domain(self, made.domid, range(_FIRST_FRAME, _FIRST_FRAME + frames))
        try:
            self.host.populate(made, _FIRST_FRAME * 4096, frames * 4096)
        except BaseException:
            domain.destroy()
            raise
        return domain

    def destroy(self, number: int) -> None:
        """Destroy a domain, if it exists; mappings of its frames keep it dying."""
        try:
            self.host.hypercalls.destroy(number)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise

    def exists(self, number: int) -> bool:
        """Return whether a domain exists, alive or dying."""
        return self.host.hypercalls.domain(number) is not None

    def gone(self, number: int, within_s: float = 3.0) -> bool:
        """Return whether a destroyed domain is gone within a time."""
        end = time.monotonic() + within_s
        while self.exists(number):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def map(self, domain: "Domain", frames: Sequence[int]) -> int:
        """Map frames through libxenforeignmemory; return the address."""
        return self.bindings.foreign.map(domain.number, frames)

    def unmap(self, address: int, count: int) -> None:
        """Undo `map`."""
        self.bindings.foreign.unmap(address, count)


class Domain:
    """A domain and the numbers of its frames."""

    def __init__(self, xen: Xen, number: int, frames: range) -> None:
        self.xen = xen
        self.number = number
        self.frames = list(frames)

    def destroy(self) -> None:
        """Destroy the domain."""
        self.xen.destroy(self.number)

    def gone(self) -> bool:
        """Return whether the destroyed domain is gone."""
        return self.xen.gone(self.number)
