# SPDX-License-Identifier: GPL-2.0-or-later
"""The same small guests under QEMU and under Unicorn: the same walks, maintenance, memory types, and accesses.

What differs is what the machines are: Unicorn's guest runs under a hypervisor, so that an invalidation by address
cleans as well, and operations by set/way reach its own RAM.
"""

import struct
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("unicorn")

from coldline.events.batch import Batch
from coldline.frontends.qemu import Watch, read_command_line
from tests.frontends.unicorn.test_instruction_sets import CASES, SET_WAY
from tests.helpers import machines
from tests.helpers.guest_runs import Ran
from tests.helpers.instruction_sets import INSTRUCTION_SETS, InstructionSet
from tests.helpers.tiny_guests import RAM, Insn, code

QUICK = [
    ("a32-short", "dc_ivac"),
    ("a32-short-tre", "type_normal-nc_exec"),
    ("a32-lpae", "a_page_comes_and_goes_by_address"),
]
"""Those that are run by default; each starts a QEMU."""

WRITE_DACR = Insn("mcr p15, 0, r1, c3, c0, 0", 0xEE03_1F10)
"""Domain 0 is a client with 1; Unicorn's run asks for no permission (Arm ARM DDI 0406C B4.1.43)."""

_SWITCHES = ("mmu", "dcache", "icache")


def watched(words: list[str]) -> Ran:
    """The events of a machine, with the agents of a guest."""
    ran = Ran()

    def take(batch: Batch) -> None:
        lines = (str(batch.event(index)) for index in range(len(batch)))
        ran.events += [line.replace("cpu0.el1", "guest", 1).replace("dc ivac", "dc civac") for line in lines]

    watch = Watch(read_command_line(words), start="cold", barriers=True)  # so that nothing is left out
    watch.run(take)
    assert watch.outcome.failure == ""
    assert watch.outcome.unknown == 0
    return ran


def machine(isa: InstructionSet, image: bytes, folder: Path, *, vcpus: int = 1) -> list[str]:
    """The command line of a machine that starts an image."""
    is_64 = isa.name == "a64"
    file = folder / "program"
    if is_64:
        file.write_bytes(machines.elf(image))
    else:
        ident = b"\x7fELF\x01\x01\x01" + bytes(9)
        header = struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, RAM, 52, 0, 0x500_0000, 52, 32, 1, 40, 0, 0)
        segment = struct.pack("<IIIIIIII", 1, 0x1000, RAM, RAM, len(image), len(image), 7, 0x1000)
        file.write_bytes((ident + header + segment).ljust(0x1000, b"\0") + image)
    return machines.machine(
        machines.qemu("qemu-system-aarch64" if is_64 else "qemu-system-arm"),
        file,
        vcpus=vcpus,
        core="cortex-a57" if is_64 else "cortex-a15",
    )


def comparable(ran: Ran) -> list[str]:
    """The events of the guest alone, without fetches and barriers, and without switches that change nothing.

    LDRD and STRD are two accesses under Unicorn, and one under QEMU.
    """
    kept, now = [], dict.fromkeys(_SWITCHES, "off")
    for event in ran.events:
        agent, operation, *rest = event.split()
        if not agent.startswith("guest") or operation in ("fetch", "dsb", "dmb", "isb"):
            continue
        if operation in _SWITCHES:
            if now[operation] == rest[0]:
                continue
            now[operation] = rest[0]
        if operation in ("read", "write") and rest[1] == "8":
            at = int(rest[0], 0)
            kept += [f"{agent} {operation} {each:#x} 4" for each in (at, at + 4)]
        else:
            kept.append(event)
    return kept


@pytest.mark.parametrize(
    ("isa", "name"),
    [
        pytest.param(isa, name, marks=() if (isa, name) in QUICK else pytest.mark.long)
        for isa in INSTRUCTION_SETS
        for name in CASES
        if name.replace("_", " ") not in SET_WAY
    ],
)
def test_the_same_events(tmp_path: Path, isa: str, name: str) -> None:
    instructions = INSTRUCTION_SETS[isa]
    case = CASES[name](instructions)
    domains = [] if isa == "a64" else code(instructions.mov(1, 1), WRITE_DACR)
    program = code(domains, case.program, instructions.off(7))
    data = {**instructions.tables(case.pages), **case.data}
    under_unicorn = instructions.run(program, data)
    under_qemu = watched(machine(instructions, instructions.image(program, data), tmp_path))
    assert comparable(under_qemu) == comparable(under_unicorn)
    if case.runs_straight:
        assert under_qemu.fetched == under_unicorn.fetched
