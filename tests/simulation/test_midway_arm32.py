# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots of midway-arm32: the verdict of every strategy on every host that runs arm32 guests.

Expected results are derived from the rules, the host models' aliases and the guest's source.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldline.arm import psci
from coldline.arm.cores import CORES
from coldline.checker.final_read import Region, sweep
from coldline.checker.state.findings import entries
from coldline.cli import main
from coldline.events import Op
from coldline.first_pass import check
from coldline.frontends.unicorn import End, Until
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.simulated import SimulatedMapping
from coldline.image import load_kernel
from coldline.samples import sample
from coldline.simulation import Trial

COHERENT, HAZARD = 0, 1
KERNEL, SIZE = 0x4000_8000, 0x2800
DATA, MOVED, ORIGINAL, TABLE = 0x800, 0x1000, 0x1800, 0x2000
READS_DATA_AT = 0xB0  # ldr r1, [r2], after the MMU is on
MIDWAY = ("--sample", "midway-arm32", "--memory", "16M")

# Where it touches its own image, by line. With the MMU off it fetches lines 0x0 to 0x80 (the ISB is at 0x94), reads
# its literals in 0x140 and what it moves, and stores to 0x800 and 0x1000. With it on, it fetches 0x80 to 0x100 and
# 0x1000, reads 0x800 and 0x140, and its table is walked at 0x2000. It empties its instruction cache at 0x98.
OFF_CODE = {0x0, 0x40, 0x80}
ON_CODE = {0x80, 0xC0, 0x100, MOVED}
LITERALS = {0x140}

Found = dict[str, set[int]]

RACE: Found = {"stale-read": {DATA}, "stale-fetch": {MOVED}}
DIRTY: Found = {
    "stale-fetch": OFF_CODE | ON_CODE,
    "stale-read": LITERALS | {ORIGINAL, DATA},
    "lost-write": {DATA, MOVED},
}
BELOW_THE_POU: Found = DIRTY | {"stale-fetch": OFF_CODE | {MOVED}}
"""Data is in level 2, where fetches with caches on find it; what is past the caches is as without maintenance."""

FILLED_BEFORE: Found = {"stale-read": LITERALS | {DATA, TABLE}, "stale-fetch": ON_CODE}
"""Clean lines of the scrub's zeros, of Xen's own slots, from before the uncached stores."""

MATRIX: dict[tuple[str, str], Found] = {
    ("rfc", "none"): DIRTY,
    ("rfc", "syscall"): BELOW_THE_POU,
    ("rfc", "uncached"): {},
    ("rfc", "hypercall"): {},
    ("rfc", "uncached-hypercall"): {},
    ("xen-4.17-arm32", "none"): DIRTY,
    ("xen-4.17-arm32", "syscall"): BELOW_THE_POU,
    ("xen-4.17-arm32", "uncached"): FILLED_BEFORE,
    ("xen-4.17-arm32", "hypercall"): RACE,
    ("xen-4.17-arm32", "uncached-hypercall"): RACE,
}

Run = Callable[..., tuple[int, Any]]


def told(hazard: dict[str, Any]) -> list[str]:
    """A witness as events and steps."""
    return [item.get("event") or f"({item['step']})" for item in hazard["witness"]]


def found_by(host: str, strategy: str) -> Found:
    """Lines of the kernel in which an event may go wrong, as offsets into it, by kind."""
    trial = Trial(
        plan=make_plan(load_kernel(sample("midway-arm32").image), GuestOptions(memory=16 << 20)),
        strategy=strategy,
        model=HOST_MODELS[host],
        core=CORES["cortex-a15"],
        until=Until(End.PSCI, 100_000),
    )

    checker = check(trial, trial.profile)
    found: Found = {}
    for entry in entries(checker.findings, trial.profile.line):
        found.setdefault(entry.kind, set()).add((entry.address - KERNEL) & ~63)
    stale = sum(each.stale for each in sweep(checker, [Region("kernel", KERNEL, SIZE, SIZE)]))
    assert bool(found) or not stale, "what a sweep of the image finds, the guest has met"
    return found


def test_the_matrix_is_whole() -> None:
    hosts = [
        name for name, model in HOST_MODELS.items() if model.has_strategies and "arm32" in model.architectures
    ]
    strategies = ["none", "syscall", "uncached", "hypercall", "uncached-hypercall"]
    assert list(MATRIX) == [(host, strategy) for host in hosts for strategy in strategies]


@pytest.mark.parametrize(("host", "strategy"), MATRIX)
def test_on_every_host_by_every_strategy(host: str, strategy: str) -> None:
    assert found_by(host, strategy) == MATRIX[host, strategy]


@pytest.mark.parametrize("core", [name for name, core in CORES.items() if core.architecture == "arm32"])
@pytest.mark.parametrize("strategy", ["uncached", "hypercall", "uncached-hypercall"])
def test_coherent_without_an_alias_that_fills(boot: Run, strategy: str, core: str) -> None:
    status, document = boot(*MIDWAY, "--strategy", strategy, "--core", core)
    assert (status, document["verdict"], document["hazards"]) == (COHERENT, "coherent", [])
    assert {each["name"]: each["stale"] for each in document["sweep"]} == {"kernel": 0, "dtb": 0}
    assert (document["end"], document["psci"][:2]) == ("off", [psci.SYSTEM_OFF, 0])
    assert document["console"] == "midway: data new, code new\r\n"
    assert (document["core"], document["exception_level"]) == (core, 1)


def test_unmaintained_it_is_read_wrong_from_its_first_instruction(boot: Run) -> None:
    status, document = boot(*MIDWAY, "--no-order", "--strategy", "none")
    first = document["hazards"][0]
    assert (status, first["kind"], first["address"], first["pc"]) == (HAZARD, "stale-fetch", KERNEL, KERNEL)
    # It needs no step at all: the image is still in level 1, and the guest fetches from memory.
    assert not any("step" in item for item in first["witness"])


def test_the_system_call_leaves_the_image_below_the_point_of_unification(boot: Run) -> None:
    """After the call, the image is dirty in level 2, and the guest fetches from memory: xen 89eb02c220."""
    status, document = boot(*MIDWAY, "--no-order", "--strategy", "syscall")
    first = document["hazards"][0]
    assert (status, first["kind"], first["address"], first["pc"]) == (HAZARD, "stale-fetch", KERNEL, KERNEL)
    assert not any("step" in item for item in first["witness"])
    call = next(item for item in first["witness"] if item.get("event") == f"dom0 dc cvau {KERNEL:#x} 0x3000")
    assert call["state"] == "L1 clean new, L2 dirty new, I invalid, memory OLD"
    assert told(first)[-1].startswith("guest fetch")


def test_what_dc_civac_would_do_is_the_race_of_the_rfc(boot: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DC CIVAC in user space, lines would be cleaned to memory, and filled again before the unmap."""

    def clean_invalidate(mapping: SimulatedMapping, offset: int, size: int) -> None:
        mapping._event(Op.DC_CIVAC, offset, size)

    monkeypatch.setattr(SimulatedMapping, "cacheflush", clean_invalidate)
    status, document = boot(*MIDWAY, "--no-order", "--strategy", "syscall")
    data, moved = document["hazards"]
    assert (status, data["kind"], data["address"], data["size"]) == (HAZARD, "stale-read", KERNEL + DATA, 4)
    assert data["pc"] == KERNEL + READS_DATA_AT
    assert (moved["kind"], moved["address"], moved["pc"]) == ("stale-fetch", KERNEL + MOVED, KERNEL + MOVED)
    for hazard, fills in ((data, {"(fill 1)", "(fill 2)"}), (moved, {"(fill 2)"})):
        story = told(hazard)
        (step,) = [item for item in story if item.startswith("(")]
        assert step in fills
        at = story.index(step)
        assert story[at - 1] == f"dom0 dc civac {KERNEL:#x} 0x3000"
        assert story[at + 1] == f"dom0 unmap {KERNEL:#x} 0x3000"


def test_the_command_prints_the_same_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", *MIDWAY, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    printed = {
        (host, strategy): cell["kinds"]
        for host, row in document["verdicts"].items()
        for strategy, cell in row.items()
    }
    assert printed == {pair: sorted(found) for pair, found in MATRIX.items()}
    assert document["core"] == "armv7-a"


def test_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boot", *MIDWAY, "--strategy", "syscall", "--hazards", "3"]) == HAZARD
    out = capsys.readouterr().out
    assert out.startswith("guest.zImage: arm32 zImage\n  armv7-a on rfc, built by 'syscall'\n")
    assert f"  entry   {KERNEL:#012x} in Supervisor mode, r2 = 0x40fff000\n" in out
    assert "fetched at pc 0x40008000: mov r0, r0\n" in out
    assert "by pc 0x40008034: ldr r1, [pc, #0x104]\n" in out
    assert "the guest called PSCI's SYSTEM_OFF with r1 = 0x0 after " in out


def test_its_trace(boot: Run, tmp_path: Path) -> None:
    """The guest's events, from its source."""
    path = tmp_path / "boot.trace"
    boot(*MIDWAY, "--no-order", "--strategy", "uncached", "--trace", path)
    lines = [line for line in path.read_text().splitlines() if line.startswith("guest ")]
    assert lines[:4] == ["guest mmu off", "guest dcache off", "guest icache off", "guest fetch 0x40008000 36"]
    stores = [line for line in lines if line.startswith("guest write")]
    assert stores == ["guest write 0x40008800 4", "guest write 0x40009000 4", "guest write 0x40009004 4"]
    walks = [line for line in lines if line.startswith("guest walk")]
    assert set(walks) == {"guest walk 0x4000a008 8 normal-wb", "guest walk 0x4000a000 8 normal-wb"}
    on = lines.index("guest mmu on")
    assert lines[on - 1 : on + 3] == [
        "guest map 0x40000000 0x1000000 normal-wb exec",
        "guest mmu on",
        "guest dcache on",
        "guest icache on",
    ]
    before, after = lines[:on], lines[on:]
    assert not [line for line in after if line.startswith("guest write")]
    assert "guest read 0x40009800 4" in before
    assert "guest ic iallu" in after
    assert after.index("guest read 0x40008800 4") > after.index("guest ic iallu")
