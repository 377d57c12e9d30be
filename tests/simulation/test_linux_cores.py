# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels turn on a second core, which gets to its own MMU and caches."""

from pathlib import Path
from typing import Any

import pytest

from coldline.hypervisor.simulated import SimulatedHost
from tests.helpers.command import HAZARD

SERIAL = {"xenvm": 0x2200_0000, "virt": 0x0900_0000}


@pytest.fixture
def toggles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Each vCPU whose MMU and data cache go on or off together, as the host is told."""
    noted: list[tuple[int, bool]] = []
    real = SimulatedHost.guest_caches_toggled

    def note(self: SimulatedHost, domain: Any, vcpu: int, *, enabled: bool, used: Any) -> None:
        noted.append((vcpu, enabled))
        real(self, domain, vcpu, enabled=enabled, used=used)

    monkeypatch.setattr(SimulatedHost, "guest_caches_toggled", note)
    return noted


@pytest.mark.long
@pytest.mark.parametrize("machine", SERIAL)
def test_arm64_linux_turns_on_a_second_core(
    boot: Any, debian_arm64_kernel: Path, toggles: list[tuple[int, bool]], machine: str
) -> None:
    """It then waits for the second core, which would wake it by an interrupt."""
    options = ("--machine", machine, "--append", f"earlycon=pl011,{SERIAL[machine]:#x} keep_bootcon")
    status, document = boot(
        debian_arm64_kernel, "--vcpus", 2, "--host", "rfc", "--until", "off", *options, "--hazards", 1
    )
    assert (0, True) in toggles
    assert (1, True) in toggles
    assert document["end"] == "wait"
    assert document["console"].rstrip().endswith("smp: Bringing up secondary CPUs ...")
    assert min(document["coverage"]["turns"]) > 1
    # One NOP that the kernel replaces, and runs before it has invalidated the instruction cache there.
    assert (status, document["hazards_by_kind"]) == (HAZARD, {"stale-fetch": 1})
