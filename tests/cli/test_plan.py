# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline plan``: its table and JSON; it needs no host, no NumPy and no emulator."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coldline.guest import GuestOptions, make_plan
from coldline.guest.devices import DeviceRegisters, devices_of
from coldline.image import Kernel, KernelPiece, load_kernel
from coldline.report.memory_map import RegionKind, bank_regions
from coldline.samples import sample
from tests.helpers.command import COHERENT, ERROR, Cli, command
from tests.helpers.requirements import require

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MIDWAY = ("plan", "--sample", "midway-arm64")

KERNEL = Kernel(
    path="Image",
    architecture="arm64",
    format="Image",
    pieces=(KernelPiece(0, memoryview(bytes(4096)), 32 * MIB),),
    entry=0,
    fixed=False,
)


def test_a_table(cli: Cli) -> None:
    result = cli(*MIDWAY)
    assert (result.status, result.err) == (COHERENT, "")
    lines = [re.split(r"\s{2,}", line.strip(), maxsplit=4) for line in result.out.splitlines()[3:]]
    assert lines[0] == ["from", "to", "size", "what", "why"]
    assert [line[:4] for line in lines[1:]] == [
        ["0x0003001000", "0x0003011000", "64 KiB", "interrupt-controller: distributor"],
        ["0x0003020000", "0x0004020000", "16 MiB", "interrupt-controller: redistributors"],
        ["0x0022000000", "0x0022001000", "4 KiB", "serial"],
        ["0x0040000000", "0x0050000000", "256 MiB", "RAM"],
        ["0x0040000000", "0x0040002000", "8 KiB", "kernel"],
        ["0x0040002000", "0x0048000000", "128 MiB", "free"],
        ["0x0048000000", "0x0048001000", "4 KiB", "dtb, 1.1 KiB loaded"],
        ["0x0048001000", "0x0050000000", "128 MiB", "free"],
    ]
    assert lines[7][4] == "128 MiB from the start of RAM, clear of the kernel"


def test_json_says_what_a_boot_does(cli: Cli) -> None:
    got = json.loads(cli(*MIDWAY, "--json").out)
    booted = json.loads(cli("boot", *MIDWAY[1:], "--until", "1", "--json").out)
    for key in ("image", "architecture", "format", "layers", "notes", "exception_level", "entry"):
        assert got[key] == booted[key]
    said = {"name": "RAM", "rule": "first-ram", "why": "where RAM starts"}
    assert [{**each, **said} for each in booted["banks"]] == got["banks"]
    assert [
        {key: each[key] for key in ("name", "address", "size", "loaded")} for each in got["segments"]
    ] == (booted["segments"])
    assert [each["rule"] for each in got["segments"]] == ["offset", "middle"]


@pytest.mark.parametrize("memory", [64 * MIB, 256 * MIB, 3 * GIB, 5 * GIB])
@pytest.mark.parametrize("initrd", [None, 1, 20 * MIB])
def test_the_regions_of_a_bank_have_no_gap_and_are_the_plans(memory: int, initrd: int | None) -> None:
    data = None if initrd is None else memoryview(bytes(initrd))
    plan = make_plan(KERNEL, GuestOptions(memory=memory, initrd=data))
    seen = []
    for bank in plan.banks:
        at = bank.base
        for region in bank_regions(plan, bank):
            assert region.base == at
            assert region.size > 0
            at = region.end
            if region.kind is RegionKind.SEGMENT:
                seen.append((region.name, region.base, region.size))
        assert at == bank.end
    assert seen == [(each.name, each.address, each.size) for each in plan.segments]


# -- devices -----------------------------------------------------------------------------------------------------


def compiled(source: str) -> memoryview:
    require(shutil.which("dtc"), "dtc is not installed (Debian: device-tree-compiler)")
    return memoryview(
        subprocess.run(
            ["dtc", "-q", "-I", "dts", "-O", "dtb"], input=source.encode(), capture_output=True, check=True
        ).stdout
    )


def test_devices_are_those_at_addresses_of_the_guest() -> None:
    tree = compiled(
        """
        /dts-v1/;
        / {
            #address-cells = <2>;
            #size-cells = <1>;
            memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0x1000>; };
            ram { device_type = "memory"; reg = <0 0x50000000 0x1000>; };
            reserved-memory { ranges; #address-cells = <2>; #size-cells = <1>; r@0 { reg = <0 0 4096>; }; };
            cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { reg = <0>; }; };
            gic@9000 { compatible = "arm,gic-v3"; reg = <0 0x9000 0x100>, <1 0xa000 0x200>, <0 0xb000 0x300>; };
            uart@1000 { compatible = "a,b", "arm,pl011"; reg = <0 0x1000 0x10>; };
            empty@2000 { reg = <0 0x2000 0>; };
            bus {
                compatible = "simple-bus"; ranges; #address-cells = <1>; #size-cells = <1>;
                on@3000 { reg = <0x3000 1>; };
            };
            i2c { #address-cells = <1>; #size-cells = <0>; off@50 { reg = <0x50>; }; };
            other { ranges = <0 0 0 0x100>; #address-cells = <1>; #size-cells = <1>; off@0 { reg = <0 1>; }; };
        };
        """
    )
    assert devices_of("x.dtb", tree) == [
        DeviceRegisters("uart", "a,b", 0x1000, 0x10),
        DeviceRegisters("on", "", 0x3000, 1),
        DeviceRegisters("gic: distributor", "arm,gic-v3", 0x9000, 0x100),
        DeviceRegisters("gic", "arm,gic-v3", 0xB000, 0x300),
        DeviceRegisters("gic: redistributors", "arm,gic-v3", 0x10000A000, 0x200),
    ]


# -- files -------------------------------------------------------------------------------------------------------


def test_the_tree_that_is_written_is_the_guests(tmp_path: Path, cli: Cli) -> None:
    plan = make_plan(
        load_kernel(sample("midway-arm64").image), GuestOptions(memory=64 * MIB, bootargs="quiet")
    )
    want = next(bytes(each.data[:]) for each in plan.segments if each.name == "dtb")
    path = tmp_path / "guest.dtb"
    result = cli(*MIDWAY, "--memory", "64M", "--append", "quiet", "--dtb-out", path)
    assert result.status == COHERENT
    assert path.read_bytes() == want
    assert command(*MIDWAY, "--memory", "64M", "--append", "quiet", "--dtb-out", "-").stdout == want


def test_standard_output_has_one_thing(cli: Cli) -> None:
    result = cli(*MIDWAY, "--json", "--dtb-out", "-")
    assert (result.status, result.out) == (ERROR, "")
    assert "standard output takes one of" in result.err


def test_a_file_that_cannot_be(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "none" / "guest.dtb"
    result = cli(*MIDWAY, "--dtb-out", path)
    assert result.status == ERROR
    assert result.err == f"coldline: {path}: cannot write a device tree: No such file or directory\n"


# -- what it needs -----------------------------------------------------------------------------------------------

BARE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "numba", "llvmlite", "rich", "unicorn", "capstone", "elftools", "lz4"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from coldline.cli import main
sys.exit(main())
"""


def test_needs_libfdt_alone(tmp_path: Path) -> None:
    config = tmp_path / "guest.cfg"
    config.write_text(f"name = 'midway'\nkernel = '{sample('midway-arm64').image}'\nmemory = 64\n")
    files = ["--dtb-out", str(tmp_path / "guest.dtb"), "--svg", str(tmp_path / "guest.svg")]
    done = subprocess.run(
        [sys.executable, "-c", BARE, "plan", config, *files], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (COHERENT, "")
    assert "dtb, " in done.stdout
    assert (tmp_path / "guest.dtb").stat().st_size > 500
    assert "<svg" in (tmp_path / "guest.svg").read_text()
