# SPDX-License-Identifier: GPL-2.0-or-later
"""The subject of a conformance check, and functions that raise an error if the protocol is broken."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from coldline.arm import MemoryType
from coldline.errors import ConformanceError, HypervisorError
from coldline.guest.plan import Registers
from coldline.hypervisor.protocol import Hypervisor
from coldline.support.units import PAGE_SIZE

RAM_BASE: Final = 0x40000000
RAM_SIZE: Final = 16 * PAGE_SIZE
"""The RAM of a test domain, unless a check asks for another size."""

_IDLE_LOOP: Final = {"arm64": (0xD503207F, 0x17FFFFFF), "arm32": (0xE320F003, 0xEAFFFFFD)}
"""WFI, and a branch back to it."""

_PSTATE: Final = {"arm64": 0x3C5, "arm32": 0x1D3}
"""EL1h, or Supervisor mode, with all exceptions masked."""

_SCTLR: Final = 0x00C50078
"""MMU and caches off: xen xen/include/public/arch-arm.h (4.17), SCTLR_GUEST_INIT."""


class HypervisorUnderTest(Protocol):
    """A hypervisor, and what a check needs to observe its domains from outside the protocol.

    Attributes
    ----------
    host : Hypervisor
        The hypervisor.
    architecture : str
        The architecture of the test domains.
    types : tuple of MemoryType
        The memory types that its foreign mappings can have.
    """

    host: Hypervisor[Any]
    architecture: str
    types: tuple[MemoryType, ...]

    def read(self, domain: Any, address: int, size: int) -> bytes:
        """Read a domain's memory."""

    def gone(self, domain: Any) -> bool:
        """Return whether nothing is left of a domain, after waiting for its end."""


def expect(condition: bool, failure: str) -> None:
    """Check a condition, also under ``python -O``.

    Raises
    ------
    ConformanceError
        If it is false; `failure` is the message.
    """
    if not condition:
        raise ConformanceError(failure)


def expect_equal(found: object, expected: object, what: str) -> None:
    """Check that `what` has the value that the protocol demands.

    Raises
    ------
    ConformanceError
        If not; the message has both values.
    """
    if found != expected:
        raise ConformanceError(f"{what} is {found!r}, not {expected!r}")


@contextmanager
def refused(start: str) -> Iterator[None]:
    """Check that the block raises a HypervisorError whose message starts with `start`.

    Raises
    ------
    ConformanceError
        If it raises nothing, or the message starts otherwise.
    """
    message = None
    try:
        yield
    except HypervisorError as error:
        message = str(error)
    expect(message is not None, f"no error, where one that starts with {start!r} is required")
    expect(str(message).startswith(start), f"the error {message!r} does not start with {start!r}")


@contextmanager
def temporary_domain(
    subject: HypervisorUnderTest, *, size: int = RAM_SIZE, max_memory: int = RAM_SIZE
) -> Iterator[Any]:
    """Create a paused domain with `size` bytes of RAM, and destroy it at the end.

    Raises
    ------
    ConformanceError
        If something is left of the domain.
    """
    domain = subject.host.create_domain(subject.architecture, max_memory, 1)
    try:
        if size:
            subject.host.populate(domain, RAM_BASE, size)
        yield domain
    finally:
        try:
            subject.host.destroy(domain)
        except HypervisorError:
            if not subject.gone(domain):
                raise
    expect(subject.gone(domain), f"domain {domain.domid} is not gone after it was destroyed")


def start_idle(subject: HypervisorUnderTest, domain: Any) -> None:
    """Start a domain in a loop that only waits for interrupts."""
    code = b"".join(word.to_bytes(4, "little") for word in _IDLE_LOOP[subject.architecture])
    with subject.host.map_foreign(domain, RAM_BASE, PAGE_SIZE, subject.types[0]) as mapping:
        mapping.write(0, code)
    registers = Registers(RAM_BASE, (0, 0, 0, 0), _PSTATE[subject.architecture], _SCTLR)
    subject.host.set_registers(domain, 0, registers)
    subject.host.unpause(domain)
