# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated device trees, validated against dtschema's schemas and Linux's device bindings.

dtschema has the schemas of nodes that every tree has. Those of devices are in Linux's sources and Debian's linux-doc,
which is fetched once. No schema exists for the nodes of `WITHOUT_SCHEMA`.
"""

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coldline.guest import XenPlatform
from testbed.packages import apt, debian
from tests.helpers.device_trees import GIB, INITRD, tree
from tests.helpers.images import dtb
from tests.helpers.requirements import require

BINDINGS = (
    "arm/cpus",
    "arm/psci",
    "interrupt-controller/arm,gic",
    "interrupt-controller/arm,gic-v3",
    "serial/8250",
    "serial/serial",
    "timer/arm,arch_timer",
)
XEN = XenPlatform(4, 17)
WITHOUT_SCHEMA = {"xen,xenvm", "xen,xenvm-4.17", "xen,xen", "xen,xen-4.17", "arm,sbsa-uart"}
"""Linux describes Xen's in a text, bindings/arm/xen.txt (6.1), and the UART, bindings/serial/arm_sbsa_uart.txt."""

TREES: dict[str, dict[str, Any]] = {
    "the least": {},
    "an initrd, a command line": {"initrd": INITRD, "bootargs": "console=ttyAMA0"},
    "GICv2, 8 cores": {"gic_version": 2, "vcpus": 8, "core_compatible": "arm,cortex-a72"},
    "128 cores, two banks": {"vcpus": 128, "memory": 64 * GIB, "core_compatible": "arm,neoverse-n1"},
    "EL2": {"exception_level": 2, "core_compatible": "arm,cortex-a53"},
    "Xen": {"xen": XEN, "serial": False, "rng_seed": bytes(range(128))},
}


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of all schemas that are needed."""
    require(tool("dt-validate").exists(), "dtschema is not installed")
    try:
        package = debian.packages("arm64", ["linux-doc-6.1"])["linux-doc-6.1"]
    except apt.FetchError as error:
        require(False, f"Linux's bindings: {error}")
        raise
    folder = tmp_path_factory.mktemp("bindings")
    for name in BINDINGS:
        target = folder / f"{name}.yaml"
        target.parent.mkdir(exist_ok=True)
        (found,) = package.glob(f"usr/share/doc/*/Documentation/devicetree/bindings/{name}.yaml*")
        data = found.read_bytes()
        target.write_bytes(gzip.decompress(data) if found.suffix == ".gz" else data)
    made = folder / "schemas.json"
    run("dt-mk-schema", "-j", "-o", made, folder)
    return made


def tool(name: str) -> Path:
    return Path(sys.executable).parent / name


def run(name: str, *arguments: object) -> str:
    done = subprocess.run(
        [tool(name), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout + done.stderr


def said_of(schemas: Path, folder: Path, blob: bytes) -> tuple[str, set[str]]:
    """The output of dt-validate for a tree: the faults, and the nodes without a schema."""
    path = folder / "tree.dtb"
    path.write_bytes(blob)
    faults: list[str] = []
    unknown: set[str] = set()
    for line in run("dt-validate", "-m", "-s", schemas, path).splitlines():
        _, is_unknown, names = line.partition("failed to match any schema with compatible: ")
        if is_unknown:
            unknown |= set(re.findall(r"'([^']+)'", names))
        else:
            faults.append(line)
    return "\n".join(faults), unknown


@pytest.mark.parametrize("name", TREES)
def test_generated_trees_are_as_the_schemas_have_them(schemas: Path, tmp_path: Path, name: str) -> None:
    faults, unknown = said_of(schemas, tmp_path, tree(**TREES[name]))
    assert faults == ""
    assert unknown <= WITHOUT_SCHEMA


def test_no_more_is_without_a_schema_than_is_said(schemas: Path, tmp_path: Path) -> None:
    assert said_of(schemas, tmp_path, tree(xen=XEN)) == ("", WITHOUT_SCHEMA)


def test_the_schemas_find_faults(schemas: Path, tmp_path: Path) -> None:
    broken = dtb(
        """/ {
        #address-cells = <2>; #size-cells = <2>; model = "m"; compatible = "xen,xenvm";
        psci { compatible = "arm,psci-1.0"; method = "svc"; };
        timer { compatible = "arm,armv9-timer"; interrupts = <1 13>; };
    };"""
    )
    faults, unknown = said_of(schemas, tmp_path, broken)
    assert re.search(r"'svc' is not one of .*\n.*arm/psci.yaml", faults)
    assert unknown == {"xen,xenvm", "arm,armv9-timer"}
