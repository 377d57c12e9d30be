# SPDX-License-Identifier: GPL-2.0-or-later
"""Bare-metal programs that turn on their MMU: what each must invalidate, on the hosts without a hypervisor.

They are of one family, in every instruction set and format of tables: with the MMU off, a program writes its tables,
a counter in .bss, a variable in .data and a word of its stack. Then it turns MMU and caches on and reads them again.
One is right or wrong in one place. The expected verdicts follow from the rules.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from tests.helpers.command import COHERENT, ERROR, HAZARD, Cli
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, InstructionSet, M
from tests.helpers.requirements import require
from tests.helpers.tiny_guests import ENTRY, RAM, Code, code

Run = Callable[..., tuple[int, Any]]

LOADED = 0x1000
"""Bytes of the image; all else that a program writes is outside of it."""

DATA, BSS, STACK = RAM + 0x800, RAM + 0x3_0040, RAM + 0x3_1000
BARE = ["bootloader", "bootloader-dirty", "warm-reset", "clean-reset"]


def store_word(each: InstructionSet, address: int, value: int, size: int) -> Code:
    """Store an entry of a table, in one access."""
    if each.name == "a64" or size == 4:
        return code(each.mov(2, address), each.mov(4, value), each.store(4, 2, size))
    pair = code(each.mov(4, value & 0xFFFF_FFFF), each.mov(5, value >> 32))
    return code(each.mov(2, address), pair, each.store(4, 2, size))


def entries_of(each: InstructionSet) -> dict[int, int]:
    """The entries of the tables that are not zero, by address."""
    size = each.descriptor
    return {
        RAM + start + offset: int.from_bytes(table[offset : offset + size], "little")
        for start, table in each.tables({}).items()
        for offset in range(0, len(table), size)
        if any(table[offset : offset + size])
    }


def program(each: InstructionSet, before: list[int], after: list[int]) -> Code:
    """The program; it invalidates some lines before it writes, and some after that."""
    dsb = a64.DSB if each.name == "a64" else a32.DSB

    def invalidate(addresses: list[int]) -> list[Code]:
        return [code(each.mov(3, address), each.maintain("dc ivac", 3)) for address in addresses]

    variables = [
        code(each.mov(2, address), each.mov(4, 0x1234), each.store(4, 2)) for address in (BSS, DATA, STACK)
    ]
    tables = [
        store_word(each, address, value, each.descriptor) for address, value in entries_of(each).items()
    ]
    reads = [code(each.mov(2, address), each.load(4, 2)) for address in (BSS, DATA, STACK)]
    return code(
        *invalidate(before),
        dsb,
        *variables,
        *tables,
        *invalidate(after),
        dsb,
        each.prepare(),
        each.tlbi(),
        each.maintain("ic iallu"),
        each.sctlr(M | C | I),
        *reads,
        each.off(),
    )


def lines(addresses: list[int]) -> list[int]:
    return sorted({address & ~63 for address in addresses})


def tables_of(each: InstructionSet) -> list[int]:
    """The lines of its tables."""
    return lines(list(entries_of(each)))


def walked(each: InstructionSet) -> list[int]:
    """The lines of the entries that are read to translate the program's addresses."""
    return lines([int(event.split()[2], 0) for event in each.walk(RAM)])


@pytest.fixture
def run(boot: Run, tmp_path: Path) -> Callable[..., tuple[int, dict[str, list[int]], Any]]:
    """Boots a program as a raw image: the status, the lines that hazards are in, by kind, and the report."""

    def boot_it(
        each: InstructionSet, made: Code, *arguments: object
    ) -> tuple[int, dict[str, list[int]], Any]:
        image = a64.image if each.name == "a64" else a32.image
        path = tmp_path / "program.bin"
        path.write_bytes(image(made, {DATA - RAM: bytes(4)}, size=LOADED))
        architecture = "arm64" if each.name == "a64" else "arm32"
        place = ("--load", f"{RAM:#x}", "--entry", f"{ENTRY:#x}", "--arch", architecture)
        status, document = boot(path, *place, "--memory", "16M", *arguments)
        found: dict[str, list[int]] = {}
        for hazard in document["hazards"]:
            found.setdefault(hazard["kind"], []).append(hazard["address"] & ~63)
        return status, {kind: sorted(set(where)) for kind, where in found.items()}, document

    return boot_it


@pytest.fixture(params=INSTRUCTION_SETS.values(), ids=lambda each: each.name)
def each(request: pytest.FixtureRequest) -> InstructionSet:
    chosen: InstructionSet = request.param
    return chosen


VARIABLES = lines([DATA, BSS, STACK])


def test_nothing_invalidated(run: Any, each: InstructionSet) -> None:
    """`tables`: clean copies of what was there before, of the tables too; on the host that is the default."""
    status, found, document = run(each, program(each, [], []), "--hazards", 20)
    assert (status, found) == (HAZARD, {"stale-read": sorted(walked(each) + VARIABLES)})
    assert (document["host"], document["host_by_default"], document["strategy"]) == ("bootloader", True, None)
    agents = {hazard["agent"] for hazard in document["hazards"]}
    assert agents == {"guest"}


def test_the_tables_alone_are_invalidated(run: Any, each: InstructionSet) -> None:
    """`tables-partly`: .bss, .data and the stack are left."""
    status, found, _ = run(each, program(each, [], tables_of(each)), "--hazards", 20)
    assert (status, found) == (HAZARD, {"stale-read": VARIABLES})


def test_all_of_it_is_invalidated(run: Any, each: InstructionSet) -> None:
    """`tables-right`: coherent after a boot loader."""
    status, found, document = run(each, program(each, [], tables_of(each) + VARIABLES))
    assert (status, found, document["verdict"]) == (COHERENT, {}, "coherent")


@pytest.mark.parametrize("host", ["bootloader-dirty", "warm-reset"])
def test_invalidating_late_may_write_dirty_lines_back(run: Any, each: InstructionSet, host: str) -> None:
    """Whatever was not loaded may be lost; .data was, and is clean."""
    made = program(each, [], tables_of(each) + VARIABLES)
    status, found, document = run(each, made, "--host", host, "--hazards", 20)
    assert (status, found) == (HAZARD, {"lost-write": sorted(walked(each) + lines([BSS, STACK]))})
    assert (document["host"], document["host_by_default"]) == (host, False)


@pytest.mark.parametrize("host", BARE)
def test_invalidating_first_is_right_everywhere(run: Any, each: InstructionSet, host: str) -> None:
    """With the MMU off nothing fills a line again. Lines of what was loaded are clean, so either outcome is right."""
    status, found, _ = run(each, program(each, tables_of(each) + VARIABLES, []), "--host", host)
    assert (status, found) == (COHERENT, {})


def test_after_a_reset_that_invalidates_there_is_nothing_to_do(run: Any, each: InstructionSet) -> None:
    status, found, _ = run(each, program(each, [], []), "--host", "clean-reset")
    assert (status, found) == (COHERENT, {})


# -- which host --------------------------------------------------------------------------------------------------


def test_the_report_says_that_the_host_is_the_default(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "program.bin"
    path.write_bytes(a64.image(a64.off(), size=LOADED))
    place = ("--load", f"{RAM:#x}", "--entry", f"{ENTRY:#x}", "--arch", "arm64")
    assert "  armv8-a on bootloader (the default for a raw image)\n" in cli("boot", path, *place).out
    assert "  armv8-a on clean-reset\n" in cli("boot", path, *place, "--host", "clean-reset").out
    assert "  armv8-a on rfc, built by 'uncached'\n" in cli("boot", path, *place, "--host", "rfc").out
    assert "  armv8-a on warm-reset (the default for --bios)\n" in cli("boot", "--bios", path).out
    on_virt = cli("boot", path, "--machine", "virt")
    assert "  armv8-a on bootloader (the default on machine virt)\n" in on_virt.out
    plain = cli("boot", path)
    assert "  armv8-a on rfc, built by 'uncached'\n" in plain.out


@pytest.mark.parametrize("host", BARE)
def test_a_strategy_there_is_an_error(cli: Cli, host: str) -> None:
    found = cli("boot", "--sample", "midway-arm64", "--host", host, "--strategy", "uncached")
    assert (found.status, found.out) == (ERROR, "")
    assert found.err == (
        f"coldline: --strategy has no meaning on host {host}, where no builder writes the guest; --host names one "
        "with a builder: rfc, xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64, kvm-s2fwb\n"
    )


def test_a_strategy_on_a_host_that_is_the_default_is_an_error(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "program.bin"
    path.write_bytes(a64.bytes_of(a64.off()))
    found = cli("boot", "--bios", path, "--strategy", "flush")
    assert (found.status, found.out) == (ERROR, "")
    assert found.err.startswith(
        "coldline: --strategy has no meaning on host warm-reset (the default for --bios), where"
    )


def test_midway_runs_into_what_its_loader_left(boot: Run) -> None:
    """It stores with its MMU off to what was loaded, and invalidates nothing."""
    for name in ("midway-arm64", "midway-arm32"):
        status, document = boot("--sample", name, "--memory", "16M", "--host", "bootloader")
        assert status == HAZARD
        assert {hazard["kind"] for hazard in document["hazards"]} == {"stale-read", "stale-fetch"}


def test_the_matrix_has_the_hosts_with_strategies(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = cli("matrix", "--sample", "midway-arm32", "--memory", "16M")
    assert shown.status == COHERENT
    assert [line.split()[1] for line in shown.out.splitlines()] == [
        "host",
        "--------------",
        "rfc",
        "xen-4.17-arm32",
    ]


def test_a_kernel_that_invalidates_what_it_wrote(boot: Run, debian_arm64_kernel: Path) -> None:
    """Linux's arm64 kernel keeps to booting.rst, so a boot loader's clean lines do it no harm."""
    status, document = boot(
        debian_arm64_kernel, "--append", "earlycon=pl011,0x22000000", "--host", "bootloader"
    )
    assert (status, document["verdict"]) == (COHERENT, "coherent")


# -- an ELF program ------------------------------------------------------------------------------------------------

LINKER_SCRIPT = """
ENTRY(_start)
SECTIONS {
  . = 0x40080000;
  .text : { *(.text*) }
  .data ALIGN(64) : { *(.data*) }
  .bss ALIGN(64) (NOLOAD) : { *(.bss*) }
}
"""

ELF_PROGRAM = """
    .text
    .global _start
_start:
    ldr x1, =counter
    mov x2, #1
    str x2, [x1]
    ldr x2, [x1]
    ldr x0, =0x84000008
    mov x1, #0
    hvc #0
    .data
    .quad 1
    .bss
counter:
    .skip 64
"""


@pytest.mark.parametrize(
    ("host", "kinds"),
    [
        (None, set()),
        ("bootloader-dirty", {"lost-write"}),
        ("warm-reset", {"lost-write"}),
        ("clean-reset", set()),
    ],
)
def test_bss_right_behind_data_is_not_what_was_loaded(
    boot: Run, tmp_path: Path, host: str | None, kinds: set[str]
) -> None:
    """Its lines may be dirty, though they are in a page of which the first part was loaded."""
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    require(compiler is not None, "no aarch64-linux-gnu-gcc")
    (tmp_path / "a.S").write_text(ELF_PROGRAM)
    (tmp_path / "a.ld").write_text(LINKER_SCRIPT)
    options = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-T", str(tmp_path / "a.ld")]
    made = [str(compiler), *options, str(tmp_path / "a.S"), "-o", str(tmp_path / "a.elf")]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    named = ("--host", host) if host is not None else ()
    _, document = boot(tmp_path / "a.elf", "--memory", "16M", *named)
    assert document["host"] == (host or "bootloader")
    assert {hazard["kind"] for hazard in document["hazards"]} == kinds
