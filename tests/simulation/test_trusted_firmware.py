# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's BL31 of Trusted Firmware-A, at EL3, and U-Boot, which it enters at EL2."""

import json
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
from tests.conftest import debian_package
from tests.helpers.command import ERROR, Cli
from tests.helpers.tiny_guests import code, mov

U_BOOT_AT = 0x8_0000
"""Where BL31 for the Raspberry Pi 4 enters what it starts, if the firmware before it has said nothing else."""

GIC = ("--mmio", "0xff841fe8,4=0x20")
"""GICD_PIDR2 of the GIC-400, whose architecture revision BL31 checks: 2 (Arm IHI 0048B, 4.3.25)."""

AT_0 = ("--load", "0", "--entry", "0", "--arch", "arm64", "--core", "cortex-a72", "--el", "3")


@pytest.fixture(scope="module")
def bl31() -> bytes:
    folder = debian_package("arm64", "arm-trusted-firmware") / "usr/lib/arm-trusted-firmware"
    return (folder / "rpi4/bl31.bin").read_bytes()


def boot(cli: Cli, path: Path, *options: str) -> Any:
    found = cli("boot", path, *AT_0, "--machine", "raspi4b", *GIC, "--json", *options)
    assert found.status != ERROR, found.err
    return json.loads(found.out)


def test_bl31_enters_what_is_behind_it_at_el2_and_answers_its_calls(
    cli: Cli, tmp_path: Path, bl31: bytes
) -> None:
    """The program behind it asks BL31 for PSCI's version by SMC, and prints CurrentEL and the answer."""
    current_el = a64.Insn("mrs x4, currentel", 0xD538_4244)
    uart = 0xFE20_1000
    show = a64.store_w(4, 5)
    program = code(
        mov(5, uart),
        current_el,
        a64.add(4, 4, ord("0")),
        show,
        mov(0, a64.PSCI_VERSION),
        a64.SMC,
        a64.add(4, 0, 0),
        a64.Insn("lsr x4, x4, #16", 0xD350_FC84),
        a64.add(4, 4, ord("0")),
        show,
        a64.WFI,
    )
    path = tmp_path / "both.bin"
    path.write_bytes(bl31.ljust(U_BOOT_AT, b"\0") + a64.bytes_of(program))
    document = boot(cli, path)
    printed = document["console"]
    assert "INFO:    Entry point address = 0x80000" in printed
    assert "INFO:    SPSR = 0x3c9" in printed
    assert printed.endswith("81")  # CurrentEL.EL is in bits 3:2, so 8 is EL2; PSCI is 1.x
    assert (document["end"], document["exception_level"]) == ("wait", 3)
    coverage = document["coverage"]
    assert coverage["mmu_on"] == coverage["caches_on"] > 0


def test_without_a_gic_that_identifies_itself_bl31_says_so(cli: Cli, tmp_path: Path, bl31: bytes) -> None:
    path = tmp_path / "bl31.bin"
    path.write_bytes(bl31)
    found = cli("boot", path, *AT_0, "--machine", "raspi4b", "--json")
    assert "ASSERT: drivers/arm/gic/v2/gicv2_main.c" in json.loads(found.out)["console"]
