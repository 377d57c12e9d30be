# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels turn on a second core, which gets to its own MMU and caches."""

import lzma
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coldline.hypervisor.simulated import SimulatedHost
from tests.helpers.command import HAZARD
from tests.helpers.requirements import require

SERIAL = {"xenvm": 0x2200_0000, "virt": 0x0900_0000}


@pytest.fixture(scope="module")
def debian_armhf_kernel() -> Path:
    """Debian's current arm32 kernel, a zImage."""
    from testbed.packages.apt import FetchError
    from testbed.packages.kernels import kernel

    try:
        return kernel("armhf")
    except FetchError as error:
        require(False, f"no Debian kernel: {error}")
        raise


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


def unpacked(zimage: bytes) -> bytes:
    """What a zImage unpacks itself to: that takes two thousand million instructions."""
    for found in re.finditer(rb"\xfd7zXZ\0", zimage):
        with suppress(lzma.LZMAError):
            return lzma.LZMADecompressor().decompress(zimage[found.start() :])
    raise AssertionError("no xz data")


@pytest.mark.long
@pytest.mark.parametrize("machine", SERIAL)
def test_arm32_linux_turns_on_a_second_core(
    boot: Any, tmp_path: Path, debian_armhf_kernel: Path, toggles: list[tuple[int, bool]], machine: str
) -> None:
    path = tmp_path / "Image"
    path.write_bytes(unpacked(debian_armhf_kernel.read_bytes()))
    place = ("--load", "0x40208000", "--entry", "0x40208000", "--arch", "arm32", "--host", "clean-reset")
    options = ("--machine", machine, "--append", f"earlycon=pl011,{SERIAL[machine]:#x} keep_bootcon")
    _, document = boot(path, *place, "--no-order", "--vcpus", 2, "--until", "off", *options)
    assert (0, True) in toggles
    assert (1, True) in toggles
    assert document["end"] == "wait"
    assert "CPU1: thread -1, cpu 1, socket 0, mpidr 80000001" in document["console"]
    assert min(document["coverage"]["turns"]) > 1
    # The kernel's tracer patches calls that it makes itself; its test of write buffers maps a page twice.
    assert document["hazards_by_kind"] == {"stale-fetch": 3, "lost-write": 1}
    assert {each["agent"] for each in document["hazards"]} == {"guest", "guest-nc"}, (
        "none is the second core's"
    )
