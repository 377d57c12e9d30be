# SPDX-License-Identifier: GPL-2.0-or-later
"""The records that the plugin writes into the ring, and the ring's head: the one place that says their layout.

A record is four words of 64 bits. The first has its `RecordKind`, the vCPU, the exception level of the block of
code, and more by kind; `Head` has the fields. The third has a physical address, and above that the number of the
block of code that the instruction is in; numbers come again after `CODE_NUMBERS` others. The C source gets everything
from `definitions`.
"""

from typing import Final

from coldline.arm.cp15 import CP15_BARRIERS
from coldline.arm.fields import Field
from coldline.events.batch import InstructionState

PLUGIN_VERSION: Final = 4
"""The version of QEMU's interface of plugins that the plugin is for; QEMU 10.0 is the first with it."""

RECORD_SIZE: Final = 32
"""Bytes of a record."""


class Head:
    """The fields of a record's first word."""

    KIND: Final = Field(7, 0)
    VCPU: Final = Field(15, 8)
    LEVEL: Final = Field(18, 16)
    SET: Final = Field(20, 19)
    """The instruction set of a block, or of a SYS instruction or its like of AArch32: an `InstructionState`."""
    SIZE: Final = Field(31, 24)
    """Bytes of a load or store; of `RecordKind.REGISTER`, 1 if the vCPU has waited or was turned on just before."""
    INDEX: Final = Field(47, 32)
    """Of a load or store, the place of its instruction in its block, in halfwords; of `RecordKind.REGISTER`, the
    number of the register in `TOLD_REGISTERS`; of `RecordKind.BLOCK`, its bytes; of `RecordKind.SYSTEM`, op1, CRn,
    CRm and op2; of `RecordKind.BARRIER`, which it is."""


class RecordKind:
    """What a record says; the other words are named with it."""

    BLOCK: Final = 0
    """A block of code is entered, or the part of it in its second page: a virtual address, the physical one, which is
    all ones outside of RAM, and the place of its first byte there, in halfwords from the block's.

    QEMU uses what it translated for every virtual address of the same bytes, so the one here may be another one. It
    is the present one where the physical address of the second page is not known.
    """
    LOAD: Final = 1
    """A load has happened: virtual address, physical address."""
    STORE: Final = 2
    """A store has happened: virtual address, physical address, the value. Of the second half of a store of 16 bytes,
    the physical address is all ones if it is in another page than the first byte."""
    SYSTEM: Final = 3
    """A SYS instruction, or an operation of CP15, is about to be executed: its operand, and in place of a physical
    address its place in its block."""
    BARRIER: Final = 4
    """A barrier is about to be executed: 0, and its place in its block as with `SYSTEM`."""
    REGISTER: Final = 5
    """A register has another value from here on: the value."""


LEVEL_AARCH32: Final = 7
"""In place of an exception level: the block is of AArch32 code of a 64-bit core, at EL1 or above it."""

DSB, DMB, ISB = 1, 2, 3
"""Which barrier it is."""

TOLD_REGISTERS: Final = (
    "SCTLR", "TTBR0_EL1", "TTBR1_EL1", "TCR_EL1", "MAIR_EL1",
    "SCTLR_EL2", "TTBR0_EL2", "TTBR1_EL2", "TCR_EL2", "MAIR_EL2",
    "SCTLR_EL3", "TTBR0_EL3", "TCR_EL3", "MAIR_EL3",
    "HCR_EL2", "VTCR_EL2", "VTTBR_EL2", "SCR_EL3",
    "TTBCR", "TTBR0", "TTBR1", "MAIR0", "MAIR1", "HTTBR", "HMAIR1", "HCR", "VTCR", "VTTBR", "SCR",
    "SCTLR_S", "TTBCR_S", "TTBR0_S", "TTBR1_S", "TTBR0_EL1_S", "TTBR1_EL1_S", "MAIR0_S", "MAIR1_S",
)  # fmt: skip
"""The registers that are told, by QEMU's names for them. A core of AArch32 alone has those of the last two lines, and
of AArch64's names ``SCTLR``, ``TTBR0_EL1`` and ``TTBR1_EL1`` (32 bits wide), and ``SCTLR_EL2``, ``TCR_EL2`` and
``MAIR_EL2`` for HSCTLR, HTCR and HMAIR0 (qemu target/arm/helper.c, 10.0). With EL3, ``_S`` are the Secure banks."""

PHYSICAL_BITS: Final = 40
"""Bits of a physical address."""

CODE_NUMBERS: Final = 1 << (64 - PHYSICAL_BITS)
"""The numbers of blocks of code."""

HEAD_SIZE: Final = 4096
MAGIC: Final = 0x636F_6C64_6C69_6E65
CAPACITY: Final = 1 << 17
"""Records of the ring: 4 MiB."""

PUBLISH_EVERY: Final = 2048
"""Records after which the plugin tells the reader of them."""

MAX_VCPUS: Final = 64


class RingHead:
    """Where the words of the ring's head are."""

    MAGIC: Final = 0
    CAPACITY: Final = 8
    STATE: Final = 16
    GO: Final = 24
    GONE: Final = 32
    WAITS: Final = 40
    INSTRUCTIONS: Final = 48
    ACCESSES: Final = 56
    WRITTEN: Final = 64
    CTR: Final = 72
    """CTR_EL0 of the vCPU that executes first; 0 if it has none."""
    TAKEN: Final = 128


class PluginState:
    """What the plugin says of itself in the ring's head."""

    STARTING: Final = 0
    LOADED: Final = 1
    RUNS: Final = 2
    ENDED: Final = 3
    NO_VCPU: Final = 4
    """It cannot find out which vCPU executes, and has ended QEMU."""


EXIT_ALONE: Final = 97
"""The exit status with which the plugin ends QEMU if nobody reads the ring any more."""


def definitions() -> str:
    """Return the definitions for the C source."""
    numbers = {
        "PLUGIN_VERSION": PLUGIN_VERSION,
        "LEVEL_AARCH32": LEVEL_AARCH32,
        "HEAD_SIZE": HEAD_SIZE,
        "ADDRESS_BITS": PHYSICAL_BITS,
        "BLOCKS": CODE_NUMBERS,
        "MAGIC": MAGIC,
        "PUBLISH_EVERY": PUBLISH_EVERY,
        "MAX_VCPUS": MAX_VCPUS,
        "EXIT_ALONE": EXIT_ALONE,
        "BARRIER_DSB": DSB,
        "BARRIER_DMB": DMB,
        "BARRIER_ISB": ISB,
        "SET_SHIFT": Head.SET.lsb,
        **{f"SET_{each.name}": int(each) for each in InstructionState},
        **{f"CP15_{name.upper()}": place.key for name, place in CP15_BARRIERS.items()},
        **{f"KIND_{name}": getattr(RecordKind, name) for name in vars(RecordKind) if name.isupper()},
        **{f"STATE_{name}": getattr(PluginState, name) for name in vars(PluginState) if name.isupper()},
    }
    lines = [f"#define COLDLINE_{name} {value:#x}ull" for name, value in numbers.items()]
    names = ", ".join(f'"{name}"' for name in TOLD_REGISTERS)
    return "\n".join([*lines, f"#define COLDLINE_REGISTERS {names}", ""])
