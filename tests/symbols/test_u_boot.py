# SPDX-License-Identifier: GPL-2.0-or-later
"""U-Boot, which copies itself to the end of RAM: functions and lines are those of its own source, where it runs.

It is built from Debian's source. Expected places are what binutils' addr2line says of its linked file.
"""

import json
import subprocess

import pytest

from testbed.builds.modules import BuildError
from testbed.builds.u_boot import UBoot, u_boot
from testbed.packages.apt import FetchError
from tests.helpers.command import HAZARD, Cli
from tests.helpers.requirements import require

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def built() -> UBoot:
    try:
        return u_boot()
    except FetchError as error:
        pytest.skip(f"its source cannot be had: {error}")
    except BuildError as error:
        require(False, str(error))
        raise


def places(built: UBoot, addresses: list[int]) -> list[tuple[str, str]]:
    """The function and the source line of each address as linked."""
    words = ["aarch64-linux-gnu-addr2line", "-f", "-e", str(built.linked), *map(hex, addresses)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    prefix = f"{built.source}/"
    return [
        (function, line.partition(" ")[0].removeprefix(prefix))
        for function, line in zip(lines[::2], lines[1::2], strict=True)
    ]


def symbol(built: UBoot, name: str) -> int:
    listed = subprocess.run(
        ["aarch64-linux-gnu-nm", built.linked], capture_output=True, text=True, check=True
    )
    (address,) = (line.split()[0] for line in listed.stdout.splitlines() if line.split()[-1] == name)
    return int(address, 16)


def test_findings_name_its_functions_and_lines(cli: Cli, built: UBoot) -> None:
    """The first hazards by `hypercall` on Xen 4.17: it fetches code where it has copied it."""
    found = cli(
        "boot", "--bios", built.image, "--host", "xen-4.17-arm64", "--strategy", "hypercall",
        "--until", "6000000", "--symbols", built.linked, "--source-prefix", built.source, "--json",
    )  # fmt: skip
    assert found.status == HAZARD, found.err
    document = json.loads(found.out)
    hazards = document["hazards"]
    assert len(hazards) > 10
    (start,) = (each["pc"] for each in hazards if each["function"] == "relocation_return+0x0")
    moved = start - symbol(built, "relocation_return")
    assert moved % 4096 == 0
    for each, (function, line) in zip(
        hazards, places(built, [each["pc"] - moved for each in hazards]), strict=True
    ):
        assert each["source"] == line
        if ".c:" in line:  # in assembly, binutils names the function and coldline the label
            assert each["function"].partition("+")[0] == function
    assert any(".c:" in each["source"] for each in hazards)
    deciding = [cause["deciding"] for cause in document["causes"]]
    assert {each["function"].partition("+")[0] for each in deciding} == {"copy_loop"}
    ((_, line),) = set(places(built, [each["pc"] for each in deciding]))
    assert {each["source"] for each in deciding} == {line}
