# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that build guests, as a user runs them in dom0."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.dom0 import domains, driver_device
from testbed.dom0.commands import coldline, good, xl

SAMPLE = f"midway-{domains.ARCHITECTURE}"


@pytest.fixture
def small(driver: None) -> Iterator[list[str]]:
    yield ["create", "--sample", SAMPLE, "--memory", "16", "--name", "small", "--json"]
    coldline("destroy", "small")


def test_a_guest_is_xls_too(small: list[str], tmp_path: Path) -> None:
    made = json.loads(good(*small, "--paused", "--strategy", "hypercall"))
    assert made == {"domid": made["domid"], "name": "small", "state": "paused"}
    again = coldline(*small, "--strategy", "hypercall")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == ("coldline: a domain 'small' exists already: choose another name with --name\n")
    (known,) = json.loads(good("list", "small", "--json"))
    assert (known["domid"], known["state"], known["vcpus"]) == (made["domid"], "paused", 1)
    assert xl("list", "small").splitlines()[1].split()[:3] == ["small", str(made["domid"]), "16"]
    assert xl("domid", "small").strip() == str(made["domid"])
    xl("unpause", "small")
    assert "paused" not in good("list", "small")
    xl("destroy", "small")
    assert "small" not in good("list")


def test_xls_guest_is_ours(tmp_path: Path) -> None:
    config = tmp_path / "linux.cfg"
    config.write_text('name = "theirs"\nkernel = "/host/guest/kernel"\nmemory = 64\n')
    xl("create", "-p", str(config))
    (known,) = json.loads(good("list", "theirs", "--json"))
    assert known["state"] == "paused"
    good("destroy", "theirs")
    assert "theirs" not in xl("list")


def test_the_trace_is_of_what_was_done(small: list[str], tmp_path: Path) -> None:
    trace = tmp_path / "made.trace"
    good(*small, "--strategy", "uncached", "--trace", str(trace))
    lines = [line for line in trace.read_text().splitlines() if not line.startswith("#")]
    assert (
        "dom0 map 0x40000000 0x1000 normal-nc" in " ".join(lines)[:10000] or "normal-nc" in trace.read_text()
    )
    assert lines[-1].startswith("look read ")
    assert any(line.startswith("xen write 0x40000000 0x1000000") for line in lines)
    unwritable = coldline(*small, "--name", "other", "--trace", "/nowhere/trace")
    assert (unwritable.returncode, unwritable.stdout) == (2, "")
    assert "other" not in good("list")


def test_without_the_driver(small: list[str]) -> None:
    aside = Path("/dev/xen/set-aside")
    Path(driver_device.DRIVER_PATH).rename(aside)
    try:
        refused = coldline(*small, "--strategy", "uncached")
        assert refused.returncode == 2
        assert refused.stderr.startswith("coldline: load kernel at 0x4000")  # on arm32 32 KiB higher
        assert ": no /dev/xen/coldline: " in refused.stderr
        assert "make -C driver" in refused.stderr
        assert "small" not in good("list")
        good(*small, "--strategy", "hypercall", "--paused")
    finally:
        aside.rename(driver_device.DRIVER_PATH)
