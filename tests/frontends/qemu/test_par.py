# SPDX-License-Identifier: GPL-2.0-or-later
"""The types of accesses are those that the machine itself says: a program asks by AT, and prints PAR_EL1's ATTR.

QEMU works them out on its own (target/arm/ptw.c). The program reads each page as well, and the type of that read is
compared with what was printed.
"""

from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.arm import MemoryType
from coldline.arm.vmsa import attribute_type
from coldline.events.batch import Batch
from coldline.frontends.qemu import Watch, read_command_line
from tests.frontends.qemu import test_stage2 as guests
from tests.helpers import machines
from tests.helpers.guest_runs import NEVER, WINDOW, mmu_on
from tests.helpers.machines import SECOND, machine, write_program
from tests.helpers.tiny_guests import ISB, RAM, Code, code, ldr, mov, msr, off
from tests.helpers.tiny_guests import sys as maintain

UART = 0x0900_0000
"""That of ``virt``; the tables map it at EL1 and EL2 as they do for the tests of `guest_runs`."""

AGENTS = {"": MemoryType.NORMAL_WB, "-wt": MemoryType.NORMAL_WT, "-nc": MemoryType.NORMAL_NC}
OWN_LEVEL2, OWN_LEVEL3, FRAMES = 0x18000, 0x19000, 0x20000
FIRST_PAGE = 16


@pytest.fixture(name="qemu")
def fixture_qemu() -> list[str]:
    return machines.qemu()


def asks(address: int, operation: str) -> Code:
    """Ask for a translation, and print the attributes of its memory as one byte."""
    return code(
        mov(2, address), maintain(operation, 2), ISB, a64.mrs(4, "par_el1"), a64.lsr(4, 4, 56), mov(3, UART),
        a64.strb(4, 3),
    )  # fmt: skip


def reads(addresses: list[int]) -> Code:
    return code(*(code(mov(2, address), ldr(4, 2)) for address in addresses))


def told_and_seen(words: list[str], pages: list[int]) -> tuple[list[MemoryType], list[MemoryType]]:
    """What the program printed of each physical page, and the type of its read there."""
    seen: dict[int, MemoryType] = {}
    printed = bytearray()

    def take(batch: Batch) -> None:
        for index in range(len(batch)):
            agent, operation, *rest = str(batch.event(index)).split()
            if operation == "read":
                suffix = agent[agent.rindex(".") :].partition("-")
                seen[int(rest[0], 0)] = AGENTS.get(suffix[1] + suffix[2], MemoryType.DEVICE)

    watch = Watch(read_command_line(words), start="cold", console=printed.extend)
    watch.run(take)
    assert watch.outcome.failure == ""
    assert watch.outcome.unknown == 0
    told = [MemoryType(attribute_type(each, 0)) for each in printed]
    return told, [seen[page] for page in pages]


@pytest.mark.parametrize("level", [1, 2])
def test_types_of_stage_1(qemu: list[str], tmp_path: Path, level: int) -> None:
    kinds = (a64.WB, a64.WT, a64.NC, a64.DEVICE)
    addresses = [WINDOW + 0x1000 * index for index in range(len(kinds))]
    pages = {
        index: a64.page(address, kind, NEVER)
        for index, (address, kind) in enumerate(zip(addresses, kinds, strict=True))
    }
    operation = f"at s1e{level}r"
    program = code(
        mmu_on(level=level),
        *(asks(each, operation) for each in addresses),
        reads(addresses),
        off(call=a64.SMC),
    )
    last = off(call=a64.SMC if level == 2 else a64.HVC)
    program = code(program[: -len(last)], last)
    file = write_program(tmp_path / "program", program, pages=pages)
    words = guests.words_of(qemu, file) if level == 2 else machine(qemu, file)
    told, seen = told_and_seen(words, addresses)
    assert told == [MemoryType.NORMAL_WB, MemoryType.NORMAL_WT, MemoryType.NORMAL_NC, MemoryType.DEVICE]
    assert seen == told


@pytest.mark.parametrize(
    ("forced", "attributes"),
    [(False, (0b0001, 0b0101, 0b1010, 0b1111)), (True, (0b0001, 0b0101, 0b0110, 0b0111))],
)
def test_types_of_both_stages(
    qemu: list[str], tmp_path: Path, forced: bool, attributes: tuple[int, ...]
) -> None:
    kinds = (a64.WB, a64.WT, a64.NC, a64.DEVICE)
    pairs = [(kind, each) for kind in kinds for each in attributes]
    numbers = range(FIRST_PAGE, FIRST_PAGE + len(pairs))
    frames = [RAM + FRAMES + 0x1000 * index for index in range(len(pairs))]
    own = {
        number: a64.page(guests.GUEST + 0x1000 * number, kind)
        for number, (kind, _) in zip(numbers, pairs, strict=True)
    }
    whole = 0b0110 if forced else guests.NORMAL_WB
    more = {
        **guests.stage2(whole),
        guests.STAGE2_LEVEL3: a64.words(
            {
                0: guests.leaf(SECOND, whole),
                **{
                    2 + index: guests.leaf(RAM + at, whole)
                    for index, at in enumerate((guests.OWN_LEVEL1, OWN_LEVEL2, OWN_LEVEL3))
                },
                **{
                    n: guests.leaf(frame, each)
                    for n, frame, (_, each) in zip(numbers, frames, pairs, strict=True)
                },
            }
        ),
        guests.OWN_LEVEL1: a64.words({2: a64.table(guests.GUEST + 0x3000)}),
        OWN_LEVEL2: a64.words({0: a64.table(guests.GUEST + 0x4000)}),
        OWN_LEVEL3: a64.words({0: a64.page(guests.GUEST), **own}),
        FRAMES: bytes(0x1000 * len(pairs)),
    }
    addresses = [guests.GUEST + 0x1000 * number for number in numbers]
    hcr = guests.VM | (guests.FWB if forced else 0)
    entering = guests.enter(hcr)
    registers = {
        "mair_el1": a64.MAIR, "tcr_el1": a64.tcr(), "ttbr0_el1": guests.GUEST + 0x2000,
        "vtcr_el2": guests.VTCR, "vttbr_el2": guests.VMID << 48 | RAM + guests.STAGE2_LEVEL1,
        "hcr_el2": guests.RW | hcr, "sctlr_el1": a64.SCTLR_OFF | a64.M | a64.C | a64.I,
    }  # fmt: skip
    first = code(
        mmu_on(level=2),
        *(code(mov(1, value), msr(name, 1)) for name, value in registers.items()),
        ISB,
        *(asks(each, "at s12e1r") for each in addresses),
        entering,
    )
    guest = code(guests.OWN_MMU_ON, reads(addresses), off(call=a64.SMC))
    file = write_program(tmp_path / "program", first, guest, more=more)
    told, seen = told_and_seen(guests.words_of(qemu, file, "max" if forced else "cortex-a57"), frames)
    assert len(told) == len(pairs)
    assert len(set(told)) == len(kinds)
    assert seen == told
