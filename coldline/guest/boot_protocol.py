# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of Linux's boot protocol in which arm64 and arm32 differ. Data only."""

from types import MappingProxyType
from typing import Final

from coldline.support.frozen_record import Record
from coldline.support.units import GIB, MIB


class BootProtocol(Record, kw_only=True):
    """The requirements of one architecture's kernels.

    Attributes
    ----------
    architecture : str
        ``arm64`` or ``arm32``.
    max_bootargs : int
        The most bytes of a command line, without the NUL. Linux silently truncates a longer one.
    exception_levels : tuple of int
        Exception levels at which a kernel can start.
    program_levels : tuple of int
        Those at which a program or firmware can start.
    low_memory : int or None
        Bytes from the start of RAM that must contain the initrd and the device tree; None for all of RAM.
    initrd_window : int or None
        Size of a window, aligned to 1 GiB, that must contain the initrd and the kernel if Xen's placement rule has no
        place for them; None to use that rule only.
    gic_version : int or None
        The default version of the interrupt controller; None for the machine's default.
    core, timer : str
        ``compatible`` of the default core and of the timer.
    """

    architecture: str
    max_bootargs: int
    exception_levels: tuple[int, ...]
    program_levels: tuple[int, ...]
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
        program_levels=(1, 2, 3),
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
        program_levels=(1,),  # the emulator's Armv7 cores have neither Hyp nor Monitor mode
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
