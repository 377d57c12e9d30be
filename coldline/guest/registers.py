# SPDX-License-Identifier: GPL-2.0-or-later
"""The first vCPU's registers at its first instruction.

Source: Linux Documentation/arch/arm64/booting.rst, section 4, and Documentation/arm/booting.rst, section 6; xen
tools/libs/guest/xg_dom_arm.c (4.17), vcpu_arm64 and vcpu_arm32.
"""

from coldline.guest.plan import Registers


class _Pstate:
    """SPSR_ELx from AArch64 state: Arm ARM DDI 0487 C5.2.20."""

    SP_ELX = 1 << 0
    EL1 = 1 << 2
    EL2 = 2 << 2
    EL3 = 3 << 2
    F = 1 << 6
    I = 1 << 7  # noqa: E741
    A = 1 << 8
    D = 1 << 9


class _Cpsr:
    """CPSR: Arm ARM DDI 0406C B1.3.3."""

    SVC = 0b10011
    T = 1 << 5
    F = 1 << 6
    I = 1 << 7  # noqa: E741
    A = 1 << 8
    Z = 1 << 30


_MASKED = _Pstate.D | _Pstate.A | _Pstate.I | _Pstate.F

_PSTATE = {
    level: _MASKED | bits | _Pstate.SP_ELX
    for level, bits in ((1, _Pstate.EL1), (2, _Pstate.EL2), (3, _Pstate.EL3))
}

_CPSR = _Cpsr.Z | _Cpsr.A | _Cpsr.I | _Cpsr.F | _Cpsr.SVC
"""The value of xen tools/libs/guest/xg_dom_arm.c (4.17), vcpu_arm32; Z has no meaning for a kernel."""

_SCTLR = {1: 0x00C50078, 2: 0x30C50830, 3: 0x30C50830}
"""M, C and I are 0. EL1, and arm32: xen xen/include/public/arch-arm.h (4.17), SCTLR_GUEST_INIT; EL2: its RES1 bits,
Linux arch/arm64/include/asm/sysreg.h (6.1), SCTLR_EL2_RES1; EL3: the same, tf-a include/arch/aarch64/arch.h (2.8),
SCTLR_EL3_RES1."""

_NO_MACHINE = 0xFFFFFFFF
"""r1: not a machine number, so that the kernel uses the device tree."""


def first_registers(*, architecture: str, entry: int, dtb: int, exception_level: int) -> Registers:
    """Return the registers that the architecture's boot protocol requires.

    Parameters
    ----------
    architecture : str
        ``arm64`` or ``arm32``.
    entry, dtb : int
        Guest physical addresses of the kernel's first instruction and of the device tree. On arm32, bit 0 of
        `entry` says that it is a Thumb one.
    exception_level : int
        1 to 3; on arm32 1, which is Supervisor mode.
    """
    if architecture == "arm32":
        return Registers(
            pc=entry & ~1,
            general=(0, _NO_MACHINE, dtb, 0),
            pstate=_CPSR | _Cpsr.T if entry & 1 else _CPSR,
            sctlr=_SCTLR[1],
        )
    return Registers(
        pc=entry,
        general=(dtb, 0, 0, 0),
        pstate=_PSTATE[exception_level],
        sctlr=_SCTLR[exception_level],
    )
