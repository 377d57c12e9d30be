# SPDX-License-Identifier: GPL-2.0-or-later
"""Core profiles: what an implementation promises about its caches.

The writeback granule and IDC and DIC are fields of CTR_EL0: each profile has the register's value from the core's
technical reference manual.
"""

from dataclasses import dataclass

from coldline.arm.fields import Field


class Ctr:
    """CTR_EL0 (Arm ARM DDI 0487), and Armv7's CTR, which is the same without IDC and DIC (DDI 0406C B4.1.42):
    sizes are log2 of 4-byte words.
    """

    CWG = Field(27, 24)
    IDC = Field(28, 28)
    DIC = Field(29, 29)
    DMIN_LINE = Field(19, 16)


@dataclass(frozen=True, slots=True)
class Core:
    """A core profile.

    Attributes
    ----------
    name : str
        The profile's name, as for ``--core``.
    compatible : str
        The `compatible` property of a device tree's cpu node.
    ctr : int
        CTR_EL0, or CTR.
    granules : frozenset of int
        Translation granules that it implements, in bytes (ID_AA64MMFR0_EL1.TGran); Armv7 has one.
    emulated_by : str
        The emulator's core model that runs in its place.
    source : str
        The source of these values.
    architecture : str
        The architecture of the guests that it runs: ``arm64`` or ``arm32``.
    permits_all : bool
        Whether its caches may do all that the architecture permits, and most implementations do not: an access past
        the caches may hit, an instruction cache may hold what was fetched past the caches, and what is issued is
        complete only at a barrier.
    """

    name: str
    compatible: str
    ctr: int
    granules: frozenset[int]
    emulated_by: str
    source: str
    architecture: str = "arm64"
    permits_all: bool = False

    @property
    def line(self) -> int:
        """Bytes of the writeback granule; 2048 if CTR does not give it (CWG = 0)."""
        words = Ctr.CWG.get(self.ctr)
        return 4 << words if words else 2048

    @property
    def idc(self) -> bool:
        """Whether instruction fetches see written data without a clean to the point of unification."""
        return bool(Ctr.IDC.get(self.ctr))

    @property
    def dic(self) -> bool:
        """Whether no instruction-cache invalidation is ever needed."""
        return bool(Ctr.DIC.get(self.ctr))


ARCHITECTURE = "architecture"
"""The name of the profile with every permission, for guests of either architecture."""

_4K = frozenset({4096})
_4K_64K = frozenset({4096, 65536})

CORES: dict[str, Core] = {
    core.name: core
    for core in (
        Core(
            "armv8-a",
            "arm,armv8",
            0x8444C004,
            frozenset({4096, 16384, 65536}),
            "a72",
            "the architecture's minimum with 64-byte lines: neither IDC nor DIC",
        ),
        Core(
            ARCHITECTURE,
            "arm,armv8",
            0x8444C004,
            frozenset({4096, 16384, 65536}),
            "a72",
            "the architecture's minimum with 64-byte lines, as armv8-a, with all its permissions",
            permits_all=True,
        ),
        Core("cortex-a53", "arm,cortex-a53", 0x84448004, _4K_64K, "a53", "Arm DDI 0500, CTR_EL0"),
        Core("cortex-a57", "arm,cortex-a57", 0x8444C004, _4K_64K, "a57", "Arm DDI 0488, CTR_EL0"),
        Core("cortex-a72", "arm,cortex-a72", 0x8444C004, _4K_64K, "a72", "Arm 100095, CTR_EL0"),
        Core("xgene1", "apm,potenza", 0x8444C004, _4K_64K, "a57", "APM883208: 64-byte lines; IDC, DIC 0"),
        Core(
            "neoverse-n1",
            "arm,neoverse-n1",
            0xB444C004,
            frozenset({4096, 16384, 65536}),
            "a72",
            "Arm 100616, CTR_EL0 with a coherent instruction cache: IDC = DIC = 1",
        ),
        Core(
            "armv7-a",
            # Xen writes this for every 32-bit guest: tools/libs/light/libxl_arm.c (4.17)
            "arm,cortex-a15",
            0x8444C004,
            _4K,
            "a15",
            "the architecture's minimum with 64-byte lines and LPAE",
            "arm32",
        ),
        Core(
            f"{ARCHITECTURE}-v7",
            "arm,cortex-a15",
            0x8444C004,
            _4K,
            "a15",
            "the same for arm32",
            "arm32",
            permits_all=True,
        ),
        Core("cortex-a7", "arm,cortex-a7", 0x84448003, _4K, "a7", "Arm DDI 0464, CTR", "arm32"),
        Core("cortex-a15", "arm,cortex-a15", 0x8444C004, _4K, "a15", "Arm DDI 0438, CTR: Midway's", "arm32"),
    )
}
"""Every profile by name. The emulator provides the instruction set; the promises are the profile's."""
