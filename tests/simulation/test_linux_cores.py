# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels turn on a second core, which gets to its own MMU and caches."""

import lzma
import re
from array import array
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


STORES_ALONE = 0xF57F_F04A
"""DSB ISHST; with the lowest bit set, a DSB is for loads, too (Arm ARM DDI 0406C "DSB")."""

MAINTENANCE = {0xEE07_CF3B, 0xEE07_CF35, 0xEE07_0F3E, 0xEE07_0FD1}
"""DCCMVAU and ICIMVAU of r12, DCCIMVAC of r0, BPIALLIS of r0 (Arm ARM DDI 0406C B3.18.6)."""


def repaired(image: bytes) -> bytes:
    """An image in which each DSB for stores alone that soon follows cache maintenance is one for loads, too."""
    words = array("I", image[: len(image) // 4 * 4])
    for at in [number for number, word in enumerate(words) if word in MAINTENANCE]:
        for number in range(at + 1, at + 5):
            if words[number] | 4 == STORES_ALONE | 4:
                words[number] |= 1
    return words.tobytes()


@pytest.mark.long
@pytest.mark.parametrize("machine", SERIAL)
@pytest.mark.parametrize("barriers", ["as they are", "repaired", "no order"])
def test_arm32_linux_turns_on_a_second_core(
    boot: Any,
    tmp_path: Path,
    debian_armhf_kernel: Path,
    toggles: list[tuple[int, bool]],
    machine: str,
    barriers: str,
) -> None:
    """Its cache maintenance ends with a DSB for stores alone, which completes none: docs/explanation/findings.md."""
    path = tmp_path / "Image"
    image = unpacked(debian_armhf_kernel.read_bytes())
    path.write_bytes(repaired(image) if barriers == "repaired" else image)
    place = ("--load", "0x40208000", "--entry", "0x40208000", "--arch", "arm32", "--host", "clean-reset")
    options = ("--machine", machine, "--append", f"earlycon=pl011,{SERIAL[machine]:#x} keep_bootcon")
    order = ("--no-order",) if barriers == "no order" else ()
    _, document = boot(path, *place, *order, "--vcpus", 2, "--until", "off", *options)
    assert (0, True) in toggles
    assert (1, True) in toggles
    assert document["end"] == "wait"
    assert "CPU1: thread -1, cpu 1, socket 0, mpidr 80000001" in document["console"]
    assert min(document["coverage"]["turns"]) > 1
    found = document["hazards_by_kind"]
    if barriers == "as they are":
        assert (found.pop("stale-read"), found.pop("lost-write"), list(found)) == (1, 1, ["stale-fetch"])
        assert found["stale-fetch"] > 1000, "ftrace has changed some function that runs later"
        return
    # The kernel's tracer patches calls that it makes itself; its test of write buffers maps a page twice.
    fetched = {"repaired": 4, "no order": 3}[barriers]
    assert found == {"stale-fetch": fetched, "lost-write": 1}
    by_second = [each["kind"] for each in document["hazards"] if each["agent"] not in ("guest", "guest-nc")]
    # Its first tables map the code a second time, past the caches.
    assert by_second == {"repaired": ["stale-fetch"], "no order": []}[barriers]
