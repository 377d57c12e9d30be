# SPDX-License-Identifier: GPL-2.0-or-later
"""What Linux asks of whoever boots it, where arm64 and arm32 differ. Data only."""

from types import MappingProxyType
from typing import Final

from coldline.support.record import Record
from coldline.support.units import GIB, MIB


class BootProtocol(Record, kw_only=True):
    """How kernels of one architecture are booted.

    Attributes
    ----------
    architecture : str
        ``arm64`` or ``arm32``.
    max_bootargs : int
        Bytes of a command line, without the NUL: Linux cuts off what is longer and says nothing.
    exception_levels : tuple of int
        Where a kernel can start.
    low_memory : int or None
        Bytes from the start of RAM within which the initrd and the device tree must be; None for anywhere in it.
    initrd_window : int or None
        Bytes of a window, aligned to 1 GiB, that the initrd and the kernel must be in where they are not placed by
        Xen's rule; None where that rule alone will do.
    gic_version : int or None
        Of the interrupt controller, unless the user says otherwise; None for the machine's own.
    core, timer : str
        What the device tree calls a core that nobody has named, and the timer.
    """

    architecture: str
    max_bootargs: int
    exception_levels: tuple[int, ...]
    low_memory: int | None
    initrd_window: int | None
    gic_version: int | None
    core: str
    timer: str


_PROTOCOLS: Final = (
    BootProtocol(
        architecture="arm64",
        max_bootargs=2047,  # linux arch/arm64/include/uapi/asm/setup.h (6.1), COMMAND_LINE_SIZE
        exception_levels=(1, 2),
        low_memory=None,
        initrd_window=32 * GIB,  # linux Documentation/arch/arm64/booting.rst, section 4
        gic_version=None,
        core="arm,armv8",
        timer="arm,armv8-timer",
    ),
    BootProtocol(
        architecture="arm32",
        max_bootargs=1023,  # linux arch/arm/include/uapi/asm/setup.h (6.1), COMMAND_LINE_SIZE
        exception_levels=(1,),
        # linux Documentation/arm/booting.rst, 4b and 5; arch/arm/mm/mmu.c, adjust_lowmem_bounds: 768 MiB with the
        # usual split of 3 GiB for processes and 1 GiB for the kernel, 760 MiB in old kernels.
        low_memory=760 * MIB,
        initrd_window=None,
        gic_version=2,  # what Armv7 cores have
        core="arm,cortex-a15",
        timer="arm,armv7-timer",
    ),
)

PROTOCOLS: Final = MappingProxyType({protocol.architecture: protocol for protocol in _PROTOCOLS})
"""Every protocol, by architecture."""
