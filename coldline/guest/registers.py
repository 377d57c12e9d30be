# SPDX-License-Identifier: GPL-2.0-or-later
"""What the first vCPU starts with.

Source: Linux Documentation/arch/arm64/booting.rst, section 4; xen tools/libs/guest/xg_dom_arm.c (4.17),
vcpu_arm64.
"""

import enum

from coldline.guest.plan import Registers


class _Pstate(enum.IntFlag):
    """SPSR_ELx from AArch64 state: Arm ARM DDI 0487 C5.2.20."""

    SP_ELX = 1 << 0
    EL1 = 1 << 2
    EL2 = 2 << 2
    F = 1 << 6
    I = 1 << 7  # noqa: E741
    A = 1 << 8
    D = 1 << 9


_MASKED = _Pstate.D | _Pstate.A | _Pstate.I | _Pstate.F

_PSTATE = {1: _MASKED | _Pstate.EL1 | _Pstate.SP_ELX, 2: _MASKED | _Pstate.EL2 | _Pstate.SP_ELX}

_SCTLR = {1: 0x00C50078, 2: 0x30C50830}
"""M, C and I are 0. EL1: xen xen/include/public/arch-arm.h (4.17), SCTLR_GUEST_INIT; EL2: its RES1 bits,
Linux arch/arm64/include/asm/sysreg.h (6.1), SCTLR_EL2_RES1."""


def first_registers(*, entry: int, dtb: int, exception_level: int) -> Registers:
    """The registers that the arm64 boot protocol asks for.

    Parameters
    ----------
    entry, dtb : int
        Guest physical addresses of the kernel's first byte and of the device tree.
    exception_level : int
        1 or 2.
    """
    return Registers(
        pc=entry,
        general=(dtb, 0, 0, 0),
        pstate=int(_PSTATE[exception_level]),
        sctlr=_SCTLR[exception_level],
    )
