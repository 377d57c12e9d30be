# SPDX-License-Identifier: GPL-2.0-or-later
"""A zImage's decompressor, which moves itself: functions and lines are those of its own source, before and after.

It is built from Debian's source. Expected places are what binutils' addr2line says of its linked file.
"""

import json
import subprocess

import pytest

from testbed.builds.decompressor import Decompressor, decompressor
from testbed.builds.modules import BuildError
from testbed.packages.apt import FetchError
from tests.helpers.command import HAZARD, Cli
from tests.helpers.requirements import require

pytestmark = pytest.mark.long

LOADED_AT = 0x4000_8000
"""Where Xen loads a zImage (xen tools/libs/guest/xg_dom_armzimageloader.c (4.17)); it is linked at 0."""


@pytest.fixture(scope="module")
def built() -> Decompressor:
    try:
        return decompressor()
    except FetchError as error:
        pytest.skip(f"its source cannot be had: {error}")
    except BuildError as error:
        require(False, str(error))
        raise


def place(built: Decompressor, address: int) -> tuple[list[str], str]:
    """The functions of an address as linked, the innermost first, of which all but the last are inlined; its line."""
    words = ["arm-linux-gnueabihf-addr2line", "-f", "-i", "-e", str(built.linked), hex(address)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return lines[::2], lines[1].partition(" ")[0].removeprefix(f"{built.source}/")


def code_size(built: Decompressor) -> int:
    listed = subprocess.run(
        ["arm-linux-gnueabihf-size", "-A", built.linked], capture_output=True, text=True, check=True
    )
    (size,) = (line.split()[1] for line in listed.stdout.splitlines() if line.startswith(".text "))
    return int(size)


def address_of(built: Decompressor, function: str) -> int:
    """The address of a function as linked."""
    words = ["arm-linux-gnueabihf-nm", str(built.linked)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    (found,) = (int(line.split()[0], 16) for line in lines if line.split()[-1] == function)
    return found


def test_findings_name_its_functions_and_lines(cli: Cli, built: Decompressor) -> None:
    """Its own move, with the caches off: docs/findings/linux-arm32-moves-itself.md."""
    found = cli(
        "boot", built.image, "--host", "xen-4.17-arm32", "--strategy", "hypercall", "--no-order",
        "--until", "3000000", "--symbols", built.linked, "--source-prefix", built.source, "--json",
    )  # fmt: skip
    assert found.status == HAZARD, found.err
    document = json.loads(found.out)
    size = code_size(built)
    loaded = range(LOADED_AT, LOADED_AT + size)
    hazards = [each for each in document["hazards"] if each["witness"]]  # those with a story
    deciding = [cause["deciding"] for cause in document["causes"]]
    # The kernel is unpacked by the copy: one place of it fits all of its instructions.
    (start,) = {
        each["pc"] - int(each["function"].partition("+")[2], 16)
        for each in hazards
        if each["function"].startswith("decompress_kernel+")
    }
    moved = start - address_of(built, "decompress_kernel")
    lines = 0
    for each in [*hazards, *deciding]:
        at = each["pc"] - (LOADED_AT if each["pc"] in loaded else moved)
        assert at in range(size)
        functions, line = place(built, at)
        assert each["source"] == line
        if ".c:" in line:  # in assembly, binutils names the function and coldline the label
            assert [*each.get("inlined", []), each["function"].partition("+")[0]] == functions
            lines += 1
    assert lines
    assert all(each["pc"] in loaded for each in deciding)  # the stores of the move
    assert not any(each["pc"] in loaded for each in hazards)
    assert {each["source"].partition(":")[0] for each in deciding} == {"arch/arm/boot/compressed/head.S"}
