# SPDX-License-Identifier: GPL-2.0-or-later
"""Bit fields, declared once as their most and least significant bits."""

from typing import NamedTuple


class Field(NamedTuple):
    """Bits `msb` down to `lsb` of a register or descriptor."""

    msb: int
    lsb: int

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << (self.msb - self.lsb + 1)) - 1) << self.lsb

    def get(self, value: int) -> int:
        """The field of `value`."""
        return (value & self.mask) >> self.lsb

    def put(self, field: int) -> int:
        """A register with only this field, set to `field`.

        Raises
        ------
        ValueError
            If `field` does not fit.
        """
        if field < 0 or field << self.lsb & ~self.mask:
            raise ValueError(f"{field:#x} does not fit bits {self.msb}:{self.lsb}")
        return field << self.lsb


class Sctlr:
    """SCTLR_ELx (Arm ARM DDI 0487, System Control Register)."""

    M = Field(0, 0)
    C = Field(2, 2)
    I = Field(12, 12)  # noqa: E741


class SctlrV7(Sctlr):
    """SCTLR of Armv7, whose M, C and I are where AArch64 has them (Arm ARM DDI 0406C B4.1.130)."""

    V = Field(13, 13)
    EE = Field(25, 25)
    TRE = Field(28, 28)
    AFE = Field(29, 29)
    TE = Field(30, 30)


class Tcr:
    """TCR_EL1; TCR_EL2 without VHE, and TCR_EL3, share the fields of TTBR0 up to TG0 (Arm ARM DDI 0487, Translation
    Control Register).
    """

    T0SZ = Field(5, 0)
    EPD0 = Field(7, 7)
    IRGN0 = Field(9, 8)
    ORGN0 = Field(11, 10)
    TG0 = Field(15, 14)
    T1SZ = Field(21, 16)
    EPD1 = Field(23, 23)
    IRGN1 = Field(25, 24)
    ORGN1 = Field(27, 26)
    TG1 = Field(31, 30)
    IPS = Field(34, 32)
    DS = Field(59, 59)


class TcrEl2:
    """TCR_EL2 without VHE, TCR_EL3 and VTCR_EL2: the fields that are at other bits than in `Tcr`."""

    PS = Field(18, 16)
    DS = Field(32, 32)


class Ttbcr:
    """TTBCR of Armv7 (Arm ARM DDI 0406C B4.1.153): its short-descriptor fields, and those of LPAE (EAE set)
    that are at other bits than in `Tcr`.
    """

    N = Field(2, 0)
    PD0 = Field(4, 4)
    PD1 = Field(5, 5)
    EAE = Field(31, 31)
    T0SZ = Field(2, 0)
    T1SZ = Field(18, 16)


class Ttbr:
    """TTBR0 and TTBR1 of Armv7 with the Multiprocessing Extensions, EAE clear (Arm ARM DDI 0406C B4.1.154).

    IRGN is in two parts, the higher bit at the lower place.
    """

    IRGN_1 = Field(0, 0)
    RGN = Field(4, 3)
    IRGN_0 = Field(6, 6)


class Descriptor:
    """A VMSAv8-64 stage 1 descriptor (Arm ARM DDI 0487, 'Translation table descriptor formats')."""

    VALID = Field(0, 0)
    TABLE = Field(1, 1)
    ATTR_INDEX = Field(4, 2)
    PXN = Field(53, 53)
    PXN_TABLE = Field(59, 59)
    ADDRESS = Field(47, 12)
    LPA_ADDRESS = Field(15, 12)
    """Bits 51:48 of an address, with pages of 64 KiB and addresses of 52 bits."""
    LPA2_ADDRESS = Field(49, 12)
    LPA2_TOP = Field(9, 8)
    """Bits 51:50 of an address, with smaller pages and TCR's DS set."""


class ShortDescriptor:
    """A short-descriptor stage 1 descriptor (Arm ARM DDI 0406C B3.5.1): the fields that both levels share."""

    TYPE = Field(1, 0)
    B = Field(2, 2)
    C = Field(3, 3)


class FirstLevel(ShortDescriptor):
    """A descriptor of the first level: a page table, a section or a supersection."""

    TABLE_PXN = Field(2, 2)
    TABLE_ADDRESS = Field(31, 10)
    PXN = Field(0, 0)
    XN = Field(4, 4)
    DOMAIN = Field(8, 5)
    ACCESS_FLAG = Field(10, 10)
    TEX = Field(14, 12)
    SUPERSECTION = Field(18, 18)
    SECTION_ADDRESS = Field(31, 20)
    SUPERSECTION_ADDRESS = Field(31, 24)
    SUPERSECTION_35_32 = Field(23, 20)
    SUPERSECTION_39_36 = Field(8, 5)


class SecondLevel(ShortDescriptor):
    """A descriptor of the second level: a large page or a small one."""

    ACCESS_FLAG = Field(4, 4)
    SMALL_XN = Field(0, 0)
    SMALL_TEX = Field(8, 6)
    SMALL_ADDRESS = Field(31, 12)
    LARGE_TEX = Field(14, 12)
    LARGE_XN = Field(15, 15)
    LARGE_ADDRESS = Field(31, 16)


class MemoryFeatures:
    """ID_AA64MMFR0_EL1 (Arm ARM DDI 0487, AArch64 Memory Model Feature Register 0)."""

    TGRAN16 = Field(23, 20)
    """1 if stage 1 has a granule of 16 KiB."""


class SystemRegister(NamedTuple):
    """The encoding of a register or an operation in MSR, MRS and SYS: op0, op1, CRn, CRm, op2."""

    op0: int
    op1: int
    crn: int
    crm: int
    op2: int

    @property
    def key(self) -> int:
        """The encoding as one number, as it stands in the instruction from bit 5 (Arm ARM DDI 0487 C5.1.2)."""
        return self.op0 << 14 | self.op1 << 11 | self.crn << 7 | self.crm << 3 | self.op2


ID_AA64MMFR0_EL1 = SystemRegister(3, 0, 0, 7, 0)
SCTLR_EL1 = SystemRegister(3, 0, 1, 0, 0)
SCTLR_EL2 = SystemRegister(3, 4, 1, 0, 0)
TTBR0_EL1 = SystemRegister(3, 0, 2, 0, 0)
TTBR1_EL1 = SystemRegister(3, 0, 2, 0, 1)
TTBR0_EL2 = SystemRegister(3, 4, 2, 0, 0)
TCR_EL1 = SystemRegister(3, 0, 2, 0, 2)
TCR_EL2 = SystemRegister(3, 4, 2, 0, 2)
MAIR_EL1 = SystemRegister(3, 0, 10, 2, 0)
MAIR_EL2 = SystemRegister(3, 4, 10, 2, 0)
MPIDR_EL1 = SystemRegister(3, 0, 0, 0, 5)
SP_EL0 = SystemRegister(3, 0, 4, 1, 0)
VBAR_EL1 = SystemRegister(3, 0, 12, 0, 0)
ELR_EL1 = SystemRegister(3, 0, 4, 0, 1)
SPSR_EL1 = SystemRegister(3, 0, 4, 0, 0)
ESR_EL1 = SystemRegister(3, 0, 5, 2, 0)
FAR_EL1 = SystemRegister(3, 0, 6, 0, 0)
FAR_EL2 = SystemRegister(3, 4, 6, 0, 0)
VBAR_EL2 = SystemRegister(3, 4, 12, 0, 0)
ELR_EL2 = SystemRegister(3, 4, 4, 0, 1)
SPSR_EL2 = SystemRegister(3, 4, 4, 0, 0)
ESR_EL2 = SystemRegister(3, 4, 5, 2, 0)
HCR_EL2 = SystemRegister(3, 4, 1, 1, 0)
SCR_EL3 = SystemRegister(3, 6, 1, 1, 0)
SCTLR_EL3 = SystemRegister(3, 6, 1, 0, 0)
TTBR0_EL3 = SystemRegister(3, 6, 2, 0, 0)
TCR_EL3 = SystemRegister(3, 6, 2, 0, 2)
MAIR_EL3 = SystemRegister(3, 6, 10, 2, 0)
VBAR_EL3 = SystemRegister(3, 6, 12, 0, 0)
ELR_EL3 = SystemRegister(3, 6, 4, 0, 1)
SPSR_EL3 = SystemRegister(3, 6, 4, 0, 0)
ESR_EL3 = SystemRegister(3, 6, 5, 2, 0)
FAR_EL3 = SystemRegister(3, 6, 6, 0, 0)
SPSEL = SystemRegister(3, 0, 4, 2, 0)
CNTPCT_EL0 = SystemRegister(3, 3, 14, 0, 1)
CNTVCT_EL0 = SystemRegister(3, 3, 14, 0, 2)
PMCCNTR_EL0 = SystemRegister(3, 3, 9, 13, 0)
