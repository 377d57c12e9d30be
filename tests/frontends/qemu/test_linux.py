# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with several cores, watched from its first instruction to the panic for want of a root."""

import json
from pathlib import Path

import pytest

pytest.importorskip("numba")

from testbed.packages.kernels import kernel
from tests.helpers import machines
from tests.helpers.command import HAZARD, Cli
from tests.helpers.requirements import packages_of


@pytest.mark.long
@pytest.mark.parametrize("vcpus", [2, 4])
def test_debians_kernel(cli: Cli, tmp_path: Path, vcpus: int) -> None:
    """Its only hazards are instructions that it changes while they may be executed: docs/reference/watch.md."""
    with packages_of(None):
        image = kernel("arm64")
    console = tmp_path / "console"
    done = cli(
        "watch", "--json", "--hazards", "0", "--", *machines.qemu(), "-M", "virt", "-cpu", "cortex-a57", "-smp",
        str(vcpus), "-m", "512", "-display", "none", "-nic", "none", "-no-reboot", "-serial", f"file:{console}",
        "-kernel", str(image), "-append", "console=ttyAMA0 panic=-1",
    )  # fmt: skip
    assert done.status == HAZARD, done
    document = json.loads(done.out)
    assert set(document["hazards_by_kind"]) == {"stale-fetch"}
    assert document["hazards_found"] < 10
    assert document["inconclusive_because"] == []
    assert document["machine"]["status"] == 0
    text = console.read_text(errors="replace")
    assert f"SMP: Total of {vcpus} processors activated" in text
    assert "Kernel panic - not syncing: VFS: Unable to mount root fs" in text
