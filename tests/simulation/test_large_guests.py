# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with RAM past 3 GiB are planned, built and run in far less memory than they have."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
from coldline.builder import build_domain
from coldline.guest import Bank, GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.simulated import SimulatedHost
from tests.helpers.command import INCONCLUSIVE, Cli
from tests.helpers.device_trees import GIB, KERNEL
from tests.helpers.peak_memory import PEAK
from tests.helpers.tiny_guests import code, mov

RAM1 = 0x2_0000_0000


def test_a_built_guest_of_every_byte_that_fits() -> None:
    plan = make_plan(KERNEL, GuestOptions(memory=1019 * GIB))
    assert plan.banks == (Bank(0x40000000, 3 * GIB), Bank(RAM1, 1016 * GIB))
    domain = build_domain(plan, "uncached", SimulatedHost(HOST_MODELS["rfc"], lambda event: None))
    low, high = domain.banks
    assert (low.size, high.base, high.size) == (3 * GIB, RAM1, 1016 * GIB)
    assert (high.buffer[0], high.buffer[-1]) == (0, 0)
    high.buffer[-1] = 0xAB
    assert bytes(high.buffer[-2:]) == b"\0\xab"


@pytest.mark.parametrize("gigabytes", [4, 64])
def test_a_guest_uses_the_last_page_past_3_gib(cli: Cli, tmp_path: Path, gigabytes: int) -> None:
    last = RAM1 + (gigabytes - 3) * GIB - 0x1000
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(mov(1, last), mov(2, 0x1234), a64.store(2, 1), a64.ldr(3, 1), a64.off())))
    trace = tmp_path / "a.trace"
    found = cli("boot", path, "--memory", f"{gigabytes}G", "--json", "--trace", trace)
    assert found.status == INCONCLUSIVE, found.err
    said = json.loads(found.out)
    assert said["banks"] == [
        {"address": 0x40000000, "size": 3 * GIB},
        {"address": RAM1, "size": (gigabytes - 3) * GIB},
    ]
    events = trace.read_text().splitlines()
    assert f"guest write {last:#x} 8" in events
    assert f"guest read {last:#x} 8" in events


def test_64_gib_are_run_in_less_than_one(tmp_path: Path) -> None:
    path = tmp_path / "Image"
    path.write_bytes(a64.image(a64.off()))
    program = PEAK + (
        "import sys; from coldline.cli import main\n"
        f"status = main(['boot', {str(path)!r}, '--memory', '64G', '--quiet'])\n"
        "print(status, peak() << 10)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    status, peak = done.stdout.splitlines()[-1].split()
    assert status == str(INCONCLUSIVE)
    assert int(peak) < GIB
