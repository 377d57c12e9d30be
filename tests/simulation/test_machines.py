# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that the command line or a device tree describes, and programs that run on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
from tests.helpers.command import ERROR, INCONCLUSIVE, Cli
from tests.helpers.images import dtb
from tests.helpers.tiny_guests import Code, code, mov

ENTRY = 0x8_0000
UART = 0x3F20_1000
BOARD = """
/ {
    #address-cells = <1>; #size-cells = <1>;
    chosen { stdout-path = "/serial@3f201000"; };
    memory@0 { device_type = "memory"; reg = <0 0x1000000>; };
    serial@3f201000 { compatible = "arm,pl011"; reg = <0x3f201000 0x1000>; };
};
"""

Boot = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(boot: Boot, tmp_path: Path) -> Boot:
    """Boots a program that is loaded at `ENTRY`."""

    def boot_it(made: Code, *arguments: object) -> tuple[int, Any]:
        path = tmp_path / "program.bin"
        path.write_bytes(a64.bytes_of(made))
        place = ("--load", f"{ENTRY:#x}", "--entry", f"{ENTRY:#x}", "--arch", "arm64")
        return boot(path, *place, *arguments)

    return boot_it


def says(uart: int = UART) -> Code:
    return code(a64.say(b"hi", uart), a64.off())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--machine", "raspi3b"],
        ["--ram", "0,16M", "--uart", f"pl011,{UART:#x}"],
        ["--ram", "0x80000,4K", "--uart", f"ns16550,{UART:#x}"],
    ],
)
def test_a_program_prints(run: Boot, arguments: list[str]) -> None:
    status, document = run(says(), *arguments)
    assert (status, document["console"], document["host"]) == (INCONCLUSIVE, "hi", "bootloader")
    assert [each["name"] for each in document["segments"]] == ["kernel"]


def test_a_device_tree_describes_the_machine(run: Boot, tmp_path: Path) -> None:
    tree = tmp_path / "board.dtb"
    tree.write_bytes(dtb(BOARD))
    status, document = run(says(), "--dtb-only", tree)
    assert (status, document["console"]) == (INCONCLUSIVE, "hi")
    assert document["banks"] == [{"address": 0, "size": 0x100_0000}]
    assert [each["name"] for each in document["segments"]] == ["kernel", "dtb"]


def test_registers_that_the_user_describes(run: Boot) -> None:
    """The program prints what it reads."""
    reads = code(mov(1, 0x1000_0004), a64.ldr_w(2, 1), mov(3, UART), a64.store_w(2, 3), a64.off())
    machine = ("--machine", "raspi3b")
    _, document = run(reads, *machine, "--mmio", "0x10000000,4=0x42", "--mmio", "0x10000004,4=0x41")
    assert document["console"] == "A"
    assert "registers at 0x10000004" in document["coverage"]["devices"]


def test_an_address_without_a_device(run: Boot) -> None:
    reads = code(mov(1, 0x7000_0008), a64.ldr_w(2, 1), a64.off())
    _, document = run(reads, "--ram", "0,16M")
    assert document["fault"].startswith("the guest used 0x70000008 at 0x80008: no RAM and no device is there")
    _, document = run(reads, "--ram", "0,16M", "--mmio-default")
    assert (document["end"], document["coverage"]["devices"]) == ("off", ["no known device at 0x70000000"])


def test_code_is_not_run_from_a_device(run: Boot) -> None:
    _, document = run(code(mov(1, 0x7000_0000), a64.blr(1)), "--ram", "0,16M", "--mmio-default")
    assert document["fault"] == "the guest fetched an instruction from 0x70000000, where a device is"


def test_a_status_that_never_comes(run: Boot) -> None:
    """ldr w2, [x1]; tbz w2, #3, .-4"""
    waits = code(mov(1, 0x7000_0008), a64.ldr_w(2, 1), a64.Insn("tbz w2, #3, .-4", 0x361F_FFE2))
    _, document = run(waits, "--ram", "0,16M", "--mmio-default")
    assert (document["end"], document["poll"]) == (
        "loop",
        "it reads 0x0 (4 bytes) at 0x70000008 (no known device) at pc 0x80008, and waits for bit 3 to be 1",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ram", "0,0"], "--ram 0,0: it is empty"),
        (["--mmio", "0x1000,0"], "--mmio 0x1000,0: it is empty"),
        (["--ram", "0,2M", "--ram", "0x100000,2M"], "--ram 0,2M and --ram 0x100000,2M overlap"),
        (["--ram", "0,2M", "--mmio", "0x1ff000,4"], "--ram 0,2M and --mmio 0x1ff000,4 overlap"),
        (["--mmio", "8,8", "--mmio", "0xc,4"], "--mmio 8,8 and --mmio 0xc,4 overlap"),
        (["--ram", "0x100,4K"], "--ram 0x100,4K: base and size must be multiples of 4 KiB"),
        (["--ram", "0"], "--ram takes BASE,SIZE, such as 0x40000000,512M, not '0'"),
        (["--ram", "x,1M"], "--ram takes BASE,SIZE, such as 0x40000000,512M, not 'x,1M'"),
        (
            ["--ram", "0xffffffff000,8K"],
            "--ram 0xffffffff000,8K: it ends above the physical address space, at 0x10000000000",
        ),
        (["--mmio", "0,4=x"], "--mmio 0,4=x: 'x' is not a number"),
        (
            ["--mmio", "0,4=0x100000000"],
            "--mmio takes BASE,SIZE or BASE,SIZE=VALUE of 32 bits, not '0,4=0x100000000'",
        ),
        (
            ["--ram", "0,2M", "--memory", "2M"],
            "--ram says where RAM is and how large, so --memory cannot be used with it",
        ),
        (
            ["--uart", "pl011,0xffffffff00"],
            "--uart pl011,0xffffffff00: '0xffffffff00' is not a physical address",
        ),
        (["--uart", "pl011,x"], "--uart pl011,x: 'x' is not a physical address"),
        (["--ram", "0,4K", "--ram", "8K,4K"], "--ram takes BASE,SIZE, such as 0x40000000,512M, not '8K,4K'"),
        (["--machine", "raspi3b", "--gic", "2"], "GIC version 2: machine raspi3b has no GIC to choose"),
        (["--machine", "raspi3b", "--vcpus", "9"], "9 vCPUs: machine raspi3b supports 1 to 8"),
        (
            ["--machine", "raspi3b", "--append", "x"],
            "a command line needs a device tree, and none is given for machine raspi3b",
        ),
    ],
)
def test_a_machine_that_cannot_be(cli: Cli, tmp_path: Path, arguments: list[str], message: str) -> None:
    path = tmp_path / "program.bin"
    path.write_bytes(a64.bytes_of(says()))
    place = ("--load", f"{ENTRY:#x}", "--entry", f"{ENTRY:#x}", "--arch", "arm64")
    found = cli("boot", path, *place, *arguments)
    assert (found.status, found.out, found.err) == (ERROR, "", f"coldline: {message}\n")


def test_an_unknown_kind_of_serial_port(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "program.bin"
    path.write_bytes(b"x")
    found = cli("boot", path, "--uart", "uart,0x1000")
    assert found.err.startswith(
        "coldline: --uart takes KIND,ADDRESS, not 'uart,0x1000'; the kinds are: pl011, ns16550,"
    )


def test_a_device_tree_without_ram(cli: Cli, tmp_path: Path) -> None:
    path, tree = tmp_path / "program.bin", tmp_path / "board.dtb"
    path.write_bytes(a64.bytes_of(says()))
    tree.write_bytes(dtb("/ { };"))
    place = ("--load", f"{ENTRY:#x}", "--entry", f"{ENTRY:#x}", "--arch", "arm64")
    found = cli("boot", path, *place, "--dtb-only", tree)
    assert (found.status, found.err) == (
        ERROR,
        f"coldline: {tree}: the device tree has no RAM: give --ram BASE,SIZE\n",
    )
