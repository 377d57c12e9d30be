# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts' maintenance for a guest that maintains by set/way, in the trace of a run."""

from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
from tests.helpers.command import HAZARD, INCONCLUSIVE, Cli

RAM = 0x4000_0000
STORED, LATER = RAM + 0x10_0000, RAM + 0x20_0000

PROGRAM = a64.code(
    a64.mov(1, STORED),
    a64.store(1, 1),
    a64.sys("dc cisw", 2),
    a64.b(1),  # another block
    a64.sys("dc cisw", 3),  # of the same sweep
    a64.b(1),
    a64.mov(1, LATER),
    a64.store(1, 1),
    a64.off(),
)


def trace(cli: Cli, tmp_path: Path, host: str) -> list[str]:
    (tmp_path / "Image").write_bytes(a64.image(PROGRAM))
    path = tmp_path / "a.trace"
    assert cli(
        "boot",
        tmp_path / "Image",
        "--memory",
        "16M",
        "--no-order",
        "--strategy",
        "hypercall",
        "--host",
        host,
        "--trace",
        path,
    ).status in (HAZARD, INCONCLUSIVE)
    lines = path.read_text().splitlines()
    return lines[lines.index("guest mmu off") :]


@pytest.mark.parametrize("host", ["xen-4.17-arm64", "xen-4.22-arm64"])
def test_xen_maintains_what_was_used_before_the_guests_next_block(
    cli: Cli, tmp_path: Path, host: str
) -> None:
    events = trace(cli, tmp_path, host)
    maintained = [event for event in events if event.startswith("xen")]
    assert maintained == [
        f"xen dc civac {RAM:#x} 0x1000",
        f"xen dc civac {STORED:#x} 0x1000",
        "xen ic ialluis",
    ]
    first, last = events.index(maintained[0]), events.index(maintained[-1])
    assert last == first + 2
    assert events[first - 1] == f"guest dc cisw {RAM:#x} 0x1000000"
    assert events[last + 1].startswith("guest fetch")
    assert f"guest write {STORED:#x} 8" in events[:first]
    assert f"guest write {LATER:#x} 8" in events[last:]


@pytest.mark.parametrize("host", ["rfc", "kvm-arm64"])
def test_others_do_nothing(cli: Cli, tmp_path: Path, host: str) -> None:
    """The RFC's Xen did not trap set/way; KVM acts only when the caches turn on."""
    lines = trace(cli, tmp_path, host)
    assert all(event.startswith("guest") for event in lines)
