# SPDX-License-Identifier: GPL-2.0-or-later
"""EDK2, which is many linked files: functions and lines are those of its own source, in the module that has them.

It is built from Debian's source. Where a module is in the image is found here by the first bytes of its code: the
expected places are then what binutils' addr2line says of the module's linked file.
"""

import json
import subprocess
from pathlib import Path

import pytest

from testbed.builds.edk2 import Edk2, edk2
from testbed.builds.modules import BuildError
from testbed.packages.apt import FetchError
from tests.helpers.command import HAZARD, Cli
from tests.helpers.requirements import require

pytestmark = pytest.mark.long

TEXT = 0x220
"""The address of the code of each module, as linked (BaseTools/Scripts/GccBase.lds)."""


@pytest.fixture(scope="module")
def built() -> Edk2:
    try:
        return edk2()
    except FetchError as error:
        pytest.skip(f"its source cannot be had: {error}")
    except BuildError as error:
        require(False, str(error))
        raise


def text_of(linked: Path, folder: Path) -> bytes:
    out = folder / "text"
    subprocess.run(
        ["arm-linux-gnueabihf-objcopy", "-O", "binary", "-j", ".text", linked, out], check=True, timeout=60
    )
    return out.read_bytes()


def loaded_at(built: Edk2, folder: Path) -> dict[Path, range]:
    """Where the code of each module is in the flash: its first 64 bytes are there once, by its entry point."""
    image = built.image.read_bytes()
    found = {}
    for linked in sorted(built.modules.iterdir()):
        text = text_of(linked, folder)
        assert image.count(text[:64]) == 1, linked.name
        start = image.index(text[:64])
        found[linked] = range(start, start + len(text))
    return found


def place(linked: Path, address: int) -> tuple[list[str], str]:
    """The functions of an address, the innermost first: all but the last are inlined there; and its line."""
    words = ["arm-linux-gnueabihf-addr2line", "-f", "-i", "-e", str(linked), hex(address)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return lines[::2], lines[1].partition(" ")[0]


def test_findings_name_functions_and_lines_of_each_module(cli: Cli, built: Edk2, tmp_path: Path) -> None:
    """Its stack and heap, which it stores to with the caches off and reads through them."""
    modules = loaded_at(built, tmp_path)
    found = cli(
        "boot", "--bios", built.image, "--host", "xen-4.17-arm32", "--strategy", "hypercall",
        "--until", "3000000", "--symbols", built.modules, "--source-prefix", built.source, "--json",
    )  # fmt: skip
    assert found.status == HAZARD, found.err
    document = json.loads(found.out)
    told = [*document["hazards"], *(cause["deciding"] for cause in document["causes"])]
    seen: set[str] = set()
    lines = 0
    for each in told:
        ((linked, where),) = ((path, where) for path, where in modules.items() if each["pc"] in where)
        functions, line = place(linked, each["pc"] - where.start + TEXT)
        assert [*each.get("inlined", []), each["function"].partition("+")[0]] == functions
        if ".c:" in line:
            assert each["source"] == line.removeprefix(f"{built.source}/")
            lines += 1
        seen.add(linked.stem)
    assert lines > 100
    assert {"Sec", "PeiCore", "MemoryInit"} <= seen
    assert "ArmConfigureMmu" in {
        each["function"].partition("+")[0] for each in document["hazards"]
    }  # it turns the caches on: docs/findings/edk2-arm32-temporary-ram.md
