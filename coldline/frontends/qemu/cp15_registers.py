# SPDX-License-Identifier: GPL-2.0-or-later
"""The registers of a core of AArch32 alone, as those of a translation regime, or as AArch64's of a hypervisor."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from coldline.arm import lpae
from coldline.arm.fields import Ttbcr
from coldline.mmu.view import LPAE, SHORT

_WORD: Final = (1 << 32) - 1
_SECURE: Final = "_S"
_VTCR_T0SZ, _VTCR_SIGN, _VTCR_REST = 0xF, 1 << 4, 0x3FC0
_IPA_BITS: Final = 32
"""What T0SZ of VTCR counts from, where VTCR_EL2 has 64."""


class RegimeRegisters(NamedTuple):
    """The format of a regime's tables, and its registers by their names in `coldline.mmu.view`."""

    format: int
    values: dict[str, int]


def is_aarch32(registers: Mapping[str, int]) -> bool:
    """Whether registers, by QEMU's names, are those of a core of AArch32 alone."""
    return "TTBCR" in registers


def of_regime(registers: Mapping[str, int], level: int) -> RegimeRegisters:
    """Return the registers of PL1&0 (1), of Hyp mode (2), or of Secure PL1&0 (3)."""
    if level == 2:
        mair = lpae.mair(registers.get("MAIR_EL2", 0) & _WORD, registers.get("HMAIR1", 0))
        values = {"sctlr": registers.get("SCTLR_EL2", 0), "ttbr0": registers.get("HTTBR", 0), "ttbr1": 0}
        return RegimeRegisters(LPAE, {**values, "tcr": registers.get("TCR_EL2", 0), "mair": mair})
    bank = _SECURE if level == 3 else ""

    def read(name: str) -> int:
        return registers.get(f"{name}{bank}", registers.get(name, 0))

    ttbcr = read("TTBCR")
    is_long = bool(Ttbcr.EAE.get(ttbcr))
    roots = (read("TTBR0"), read("TTBR1")) if is_long else (read("TTBR0_EL1"), read("TTBR1_EL1"))
    values = {
        "sctlr": read("SCTLR"),
        "ttbr0": roots[0],
        "ttbr1": roots[1],
        "tcr": ttbcr,
        "mair": lpae.mair(read("MAIR0"), read("MAIR1")),  # the same registers as PRRR and NMRR
    }
    return RegimeRegisters(LPAE if is_long else SHORT, values)


def as_aarch64(registers: Mapping[str, int]) -> dict[str, int]:
    """Return the registers of a hypervisor and of Secure state by AArch64's names and fields."""
    found = {
        name: registers[short]
        for short, name in (("HCR", "HCR_EL2"), ("VTTBR", "VTTBR_EL2"), ("SCR", "SCR_EL3"))
        if short in registers
    }
    if "VTCR" in registers:
        found["VTCR_EL2"] = _vtcr(registers["VTCR"])
    return found


def _vtcr(vtcr: int) -> int:
    """VTCR_EL2 for the same stage 2: T0SZ of VTCR is signed (Arm ARM DDI 0406C, VTCR)."""
    size = (vtcr & _VTCR_T0SZ) - (vtcr & _VTCR_SIGN)
    return vtcr & _VTCR_REST | _IPA_BITS + size
