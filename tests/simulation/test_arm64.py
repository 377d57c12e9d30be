# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots of midway-arm64 and Debian's arm64 kernel: the verdict of every strategy on every host.

Expected results are derived from the rules, the host models' aliases and the guest's source.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tests.helpers.tiny_guests as a64
from coldline.arm.cores import CORES
from coldline.checker.final_read import Region, sweep
from coldline.checker.state.findings import entries
from coldline.cli import main
from coldline.errors import HypervisorError
from coldline.events import words
from coldline.events.batch import Batch
from coldline.first_pass import check
from coldline.frontends.unicorn import End, Outcome, Until, pc_sync
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.image import load_kernel
from coldline.samples import sample
from coldline.simulation import Trial
from coldline.support import cache_folder
from tests.helpers.guest_runs import instructions

COHERENT, HAZARD = 0, 1
KERNEL = 0x4000_0000
ARM64_HOSTS = [
    name for name, model in HOST_MODELS.items() if model.has_strategies and "arm64" in model.architectures
]

Run = Callable[..., tuple[int, Any]]


# -- midway: the RFC's race ------------------------------------------------------------------------------------

MIDWAY = ("--sample", "midway-arm64", "--memory", "16M")
AT_ONCE = (*MIDWAY, "--no-order")
DATA, PATCHED = 0x800, 0x1000
READS_DATA_AT = 0xDC  # ldr w1, data, after the MMU is on


def events_of(hazard: dict[str, Any]) -> list[str]:
    """A witness as events and steps, without sizes of RAM."""
    return [item.get("event") or f"({item['step']})" for item in hazard["witness"]]


@pytest.mark.parametrize("level", [1, 2])
def test_midway_flushed_is_the_race_of_the_rfc(boot: Run, level: int) -> None:
    status, document = boot(*AT_ONCE, "--strategy", "flush", "--host", "rfc", "--el", level)
    assert (status, document["verdict"]) == (HAZARD, "hazard")
    data, patched = document["hazards"]
    assert (data["kind"], data["address"], data["size"]) == ("stale-read", KERNEL + DATA, 4)
    assert data["pc"] == KERNEL + READS_DATA_AT
    assert (patched["kind"], patched["address"], patched["size"]) == ("stale-fetch", KERNEL + PATCHED, 4)
    assert patched["pc"] == KERNEL + PATCHED
    # The story of the patched instruction cannot go through level 1: a fetch does not see it.
    for hazard, fills in ((data, {"(fill 1)", "(fill 2)"}), (patched, {"(fill 2)"})):
        told = events_of(hazard)
        steps = [item for item in told if item.startswith("(")]
        assert len(steps) == 1, "one step of a cache's own is the least, and it is enough"
        assert set(steps) <= fills
        at = told.index(steps[0])
        assert told[at - 1] == "dom0 dc civac 0x40000000 0x2000"
        assert told[at + 1] == "dom0 unmap 0x40000000 0x2000"
        assert told[-1].startswith("guest fetch" if hazard is patched else "guest read")
    assert document["exception_level"] == level


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("strategy", ["uncached", "hypercall", "uncached-hypercall"])
def test_midway_is_coherent_without_an_alias_that_fills(boot: Run, strategy: str, level: int) -> None:
    status, document = boot(*MIDWAY, "--strategy", strategy, "--el", level)
    assert (status, document["verdict"], document["hazards"]) == (COHERENT, "coherent", [])
    assert {each["name"]: each["stale"] for each in document["sweep"]} == {"kernel": 0, "dtb": 0}
    assert (document["end"], document["psci"][:2]) == ("off", [a64.PSCI_SYSTEM_OFF, 0])
    assert document["console"] == "midway: data new, code new\r\n"


@pytest.mark.parametrize("level", [1, 2])
def test_midway_unmaintained_is_read_wrong_from_its_first_instruction(boot: Run, level: int) -> None:
    status, document = boot(*AT_ONCE, "--strategy", "none", "--el", level, "--hazards", 1000)
    assert status == HAZARD
    first = document["hazards"][0]
    assert (first["kind"], first["address"], first["pc"]) == ("stale-fetch", KERNEL, KERNEL)
    # It needs no step at all: the image is still in level 1, and the guest fetches from memory.
    assert not any("step" in item for item in first["witness"])


# Where midway touches its own image, by line. With the MMU off it fetches lines 0x0 to 0xc0 (at EL1 past the
# code for EL2, which shares them), reads its literals in 0x140 and 0x180 and stores to 0x800 and 0x1000. With it
# on, it fetches 0xc0 to 0x140 and 0x1000, reads 0x800, 0x140, 0x180, and its table is walked at 0x1800.
# It empties its instruction cache at 0xcc, so instruction caches matter only for line 0xc0, whatever they hold.

OFF_CODE = {0x0, 0x40, 0x80, 0xC0}
ON_CODE = {0xC0, 0x100, 0x140, 0x1000}
LITERALS = {0x140, 0x180}
TABLE = 0x1800

Found = dict[str, set[int]]


@dataclass(frozen=True)
class Cell:
    """The hazards in midway's image by one strategy on one host: line offsets by kind, and the reason."""

    found: Found
    why: str


_RACE: Found = {"stale-read": {DATA}, "stale-fetch": {PATCHED}}
_DIRTY: Found = {
    "stale-fetch": OFF_CODE | ON_CODE,
    "stale-read": LITERALS | {DATA},
    "lost-write": {DATA, PATCHED},
}
_DIRTY_WHY = (
    "dirty lines of the builder's: fetches see level 2 or memory, so all code may be old, MMU on or off, as may be "
    "what is read past the caches; evicted over the guest's two stores, they lose them"
)
_RACE_WHY = (
    "what the guest stores with its MMU off leaves clean lines old that were filled since the cleaning, by "
)
_FIRST_FETCHES: Found = {"stale-fetch": OFF_CODE}

MATRIX: dict[tuple[str, str], Cell | str] = {
    ("rfc", "none"): Cell(_DIRTY, _DIRTY_WHY),
    ("rfc", "flush"): Cell(_RACE, _RACE_WHY + "the builder's own mapping before it goes"),
    ("rfc", "uncached"): Cell({}, "no cacheable alias after the cleaning at allocation: no line, no race"),
    ("rfc", "hypercall"): Cell({}, "cleaned when no cacheable alias is live: nothing comes back"),
    ("rfc", "uncached-hypercall"): Cell({}, "as uncached, and cleaned once more"),
    ("xen-4.17-arm64", "none"): Cell(_DIRTY, _DIRTY_WHY),
    ("xen-4.17-arm64", "flush"): Cell(_RACE, _RACE_WHY + "Xen's directmap, at any time"),
    ("xen-4.17-arm64", "uncached"): Cell(
        {
            "stale-read": LITERALS | {DATA, TABLE},
            "stale-fetch": ON_CODE,
        },
        "clean lines of the directmap from before the uncached stores: old wherever the guest looks through caches; "
        "nothing is dirty, so memory is always right and nothing is lost",
    ),
    ("xen-4.17-arm64", "hypercall"): Cell(_RACE, _RACE_WHY + "the directmap after Xen's cleaning"),
    ("xen-4.17-arm64", "uncached-hypercall"): Cell(_RACE, _RACE_WHY + "the directmap after Xen's cleaning"),
    ("xen-4.22-arm64", "none"): Cell(
        _DIRTY, _DIRTY_WHY + " (the dirty scrub is under them and changes nothing)"
    ),
    ("xen-4.22-arm64", "flush"): Cell(
        _RACE,
        _RACE_WHY + "the directmap; the scrub's dirty lines were written over through caches, then cleaned",
    ),
    ("xen-4.22-arm64", "uncached"): Cell(
        {
            "lost-write": OFF_CODE | ON_CODE | LITERALS | {DATA, TABLE},
            "stale-read": LITERALS | {DATA, TABLE},
            "stale-fetch": ON_CODE,
        },
        "the scrub's dirty lines may be evicted over every uncached store, or be hit through caches before that",
    ),
    ("xen-4.22-arm64", "hypercall"): Cell(
        _RACE, _RACE_WHY + "the directmap, as on 4.17: all was cached, then cleaned"
    ),
    ("xen-4.22-arm64", "uncached-hypercall"): Cell(
        {
            "lost-write": OFF_CODE | ON_CODE | LITERALS | {TABLE},
            **_RACE,
        },
        "the cleaning itself may write the dirty scrub over the uncached stores; what the guest stores later is not "
        "lost (lines are clean by then) and races as on 4.17. Line 0x1000 has a byte of each sort",
    ),
    ("kvm-arm64", "none"): Cell(
        {"stale-fetch": OFF_CODE, "stale-read": LITERALS, "lost-write": {DATA, PATCHED}},
        "dirty lines as on Xen until KVM cleans all RAM as caches go on; that cleaning may put them over the two "
        "stores. After it every copy is memory's",
    ),
    ("kvm-arm64", "flush"): Cell(
        {"stale-fetch": {0xC0}},
        "cleaned to memory, and again as caches go on. But nobody emptied the instruction cache of the page's "
        "previous owner, and the guest runs 0xc8 and 0xcc through it before it does so itself",
    ),
    ("kvm-arm64", "uncached"): "refused",
    ("kvm-arm64", "hypercall"): Cell(
        {}, "KVM cleans and empties both caches at the start, and data caches as they go on"
    ),
    ("kvm-arm64", "uncached-hypercall"): "refused",
    ("kvm-s2fwb", "none"): Cell(
        _FIRST_FETCHES,
        "all data accesses are write-back, so data is coherent and with IDC code is, too; but fetches are cacheable "
        "from the start and the previous owner's lines are in the instruction cache until 0xcc",
    ),
    ("kvm-s2fwb", "flush"): Cell(_FIRST_FETCHES, "as none: DC CIVAC does nothing to instruction caches"),
    ("kvm-s2fwb", "uncached"): "refused",
    ("kvm-s2fwb", "hypercall"): Cell(
        {}, "KVM empties the instruction cache at the start; the rest is write-back"
    ),
    ("kvm-s2fwb", "uncached-hypercall"): "refused",
}


def midway_trial(host: str, strategy: str, **options: Any) -> Trial:
    kernel = load_kernel(sample("midway-arm64").image)
    return Trial(
        plan=make_plan(kernel, GuestOptions(memory=16 << 20)),
        strategy=strategy,
        model=HOST_MODELS[host],
        core=CORES["armv8-a"],
        until=Until(End.PSCI, 100_000),
        **options,
    )


def found_by(trial: Trial) -> Found:
    """Lines of the kernel in which an event may go wrong, as offsets into it, by kind."""

    checker = check(trial, trial.profile)
    found: Found = {}
    for entry in entries(checker.findings, trial.profile.line):
        found.setdefault(entry.kind, set()).add((entry.address - KERNEL) & ~63)
    stale = sum(each.stale for each in sweep(checker, [Region("kernel", KERNEL, 0x2000, 0x2000)]))
    assert bool(found) or not stale, "what a sweep of the image finds, the guest has met"
    return found


def test_the_matrix_is_whole() -> None:
    strategies = ["none", "flush", "uncached", "hypercall", "uncached-hypercall"]
    assert list(MATRIX) == [(host, strategy) for host in ARM64_HOSTS for strategy in strategies]


@pytest.mark.parametrize(("host", "strategy"), MATRIX)
def test_midway_on_every_host_by_every_strategy(host: str, strategy: str) -> None:
    expected = MATRIX[host, strategy]
    trial = midway_trial(host, strategy)
    if isinstance(expected, str):
        with pytest.raises(HypervisorError, match="a builder's mapping can be normal-wb, not normal-nc"):
            found_by(trial)
    else:
        assert found_by(trial) == expected.found, expected.why


def test_the_command_prints_the_same_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--sample", "midway-arm64", "--memory", "16M", "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["verdicts"]
    printed = {
        (host, strategy): cell.get("kinds") if cell["verdict"] != "refused" else "refused"
        for host, row in cells.items()
        for strategy, cell in row.items()
    }
    assert printed == {
        pair: cell if isinstance(cell, str) else sorted(cell.found) for pair, cell in MATRIX.items()
    }


@pytest.mark.parametrize("strategy", ["none", "flush", "uncached", "hypercall", "uncached-hypercall"])
def test_a_core_that_looks_into_level_1_for_code_fetches_no_old_code_there(strategy: str) -> None:
    """Neoverse N1 has IDC and DIC: no instruction cache is stale, and fetches see dirty lines."""
    kernel = load_kernel(sample("midway-arm64").image)
    trial = Trial(
        plan=make_plan(kernel, GuestOptions(memory=16 << 20)),
        strategy=strategy,
        model=HOST_MODELS["rfc"],
        core=CORES["neoverse-n1"],
        until=Until(End.PSCI, 100_000),
    )
    expected: dict[str, Found] = {
        # MMU on, level 1 serves the code: only what was fetched past the caches is old, and what was stored there.
        "none": {
            "stale-fetch": OFF_CODE | {PATCHED},
            "stale-read": LITERALS | {DATA},
            "lost-write": {DATA, PATCHED},
        },
        "flush": _RACE,
    }
    assert found_by(trial) == expected.get(strategy, {})


# -- midway: its trace -----------------------------------------------------------------------------------------

SWITCHED_ON = """\
guest mmu off
guest dcache off
guest icache off
guest read 0x4000017c 4
guest write 0x40000800 4
guest read 0x40000178 4
guest write 0x40001000 4
guest read 0x40000188 4
guest read 0x4000018c 4
guest read 0x40000184 4
guest map 0x40000000 0x1000000 normal-wb exec
guest mmu on
guest dcache on
guest icache on
guest walk 0x40001808 8 normal-wb
guest ic iallu
guest read 0x40000800 4
guest read 0x4000017c 4
guest walk 0x40001808 8 normal-wb
"""
"""From its start to its jump into the second page of its image: fetches left out.

The stores are to `data` and `patched`, the literals in the order of the source: new_data, new_instruction, mair,
tcr, sctlr_on. The table's second entry maps the gigabyte that RAM is in: all of RAM and nothing else of it."""

FETCHED = [
    *(0x00, 0x40, 0x44, 0x48, 0x4C),  # b.ne, taken at EL1
    *range(0x7C, 0xEC, 4),  # b.eq at 0xe8, taken: the data was new
    *(0xF0, 0x1000, 0x1004, 0xF4, 0xF8, 0x100, 0x104),
]


def test_the_trace_of_midway_is_its_source(boot: Run, tmp_path: Path) -> None:
    path = tmp_path / "midway.trace"
    _, document = boot(*AT_ONCE, "--strategy", "hypercall", "--trace", path)
    lines = path.read_text().splitlines()
    assert len(lines) == document["events"] < 300
    assert lines[:4] == [
        "xen map 0x40000000 0x1000000 normal-wb",
        "xen write 0x40000000 0x1000000",
        "xen unmap 0x40000000 0x1000000",
        "xen dc civac 0x40000000 0x1000000",
    ]
    guests = [line for line in lines if line.startswith("guest ")]
    assert lines[-len(guests) :] == guests, "the host has nothing to do once the guest runs"
    others = [line for line in guests if " fetch " not in line]
    expected = SWITCHED_ON.splitlines()
    assert others[: len(expected)] == expected
    assert [address - KERNEL for address in instructions(guests)][: len(FETCHED)] == FETCHED
    assert len(instructions(guests)) == document["instructions"]
    reads = [line for line in others if " read " in line or " write " in line]
    assert len(reads) == document["accesses"]


def test_kvm_acts_between_the_guests_last_look_and_its_caches(boot: Run, tmp_path: Path) -> None:
    """All RAM is maintained before the guest's first event, and its image before its caches turn on."""
    path = tmp_path / "midway.trace"
    boot(*AT_ONCE, "--strategy", "hypercall", "--host", "kvm-arm64", "--trace", path)
    lines = [line for line in path.read_text().splitlines() if " fetch " not in line]
    start, on = lines.index("guest mmu off"), lines.index("guest mmu on")
    ram = "0x40000000 0x1000000"
    assert lines[start - 2 : start] == [f"kvm dc civac {ram}", f"kvm ic ivau {ram}"]
    assert lines[on - 3 : on] == [
        "guest read 0x40000184 4",
        "kvm dc civac 0x40000000 0x2000",
        f"guest map {ram} normal-wb exec",
    ]
    assert sum(line.startswith("kvm ") for line in lines) == 3


ROUND_TRIPS = [
    ("rfc", "flush", ()),
    ("rfc", "none", ()),
    ("rfc", "uncached", ()),
    ("rfc", "uncached", ("--nc-may-hit",)),
    ("rfc", "none", ("--nc-may-hit",)),
    ("rfc", "none", ("--core", "neoverse-n1")),
    ("rfc", "flush", ("--el", "2")),
    ("xen-4.17-arm64", "uncached", ()),
    ("xen-4.22-arm64", "uncached", ()),
    ("kvm-arm64", "flush", ()),
    ("kvm-arm64", "hypercall", ()),
    ("kvm-s2fwb", "none", ()),
    ("kvm-s2fwb", "hypercall", ()),
]


@pytest.mark.parametrize(
    ("host", "strategy", "more"),
    ROUND_TRIPS,
    ids=lambda value: value if isinstance(value, str) else "".join(value),
)
def test_a_written_trace_has_the_verdict_of_the_run(
    boot: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    host: str,
    strategy: str,
    more: tuple[str, ...],
) -> None:
    path = tmp_path / "midway.trace"
    arguments = ("--host", host, "--strategy", strategy, "--hazards", 1000, "--trace", path, *more)
    status, booted = boot(*MIDWAY, *arguments)
    assert main(["check", "--json", "--stories", "3", str(path)]) == status
    checked = json.loads(capsys.readouterr().out)
    assert checked["verdict"] == booted["verdict"]
    lines = path.read_text().splitlines()
    head = [line for line in lines if line.startswith(("version ", "line ", "option ", "core "))]
    assert len(lines) - len(head) == booted["events"]

    def ways(document: dict[str, Any]) -> set[tuple[str, int]]:
        return {(each["kind"], each["address"] & ~63) for each in document["hazards"]}

    assert ways(checked) == ways(booted)
    # A line of the text is an event, so the first time that a line goes wrong is the same event.
    if booted["hazards"]:
        assert checked["hazards"][0]["line"] == booted["hazards"][0]["event"] + 1 + len(head)
        assert checked["hazards"][0]["kind"] == booted["hazards"][0]["kind"]
    options = {word for option, word in OPTION_WORDS if option in " ".join((host, *more))}
    given = {line.removeprefix("option ") for line in head if line.startswith("option ")}
    assert given == {"order", *options}


OPTION_WORDS = (("nc-may-hit", "nc-may-hit"), ("s2fwb", "idc"), ("neoverse", "idc"), ("neoverse", "dic"))


# -- the same each time ----------------------------------------------------------------------------------------


def digest(trial: Trial, *, instructions: bool = False) -> tuple[str, int, Outcome]:
    """A hash of all events, with agents by name, independent of the batches."""
    summed, count = hashlib.sha256(), 0
    numbers: dict[str, int] = {}

    def sink(batch: Batch) -> None:
        nonlocal count
        rows = batch.rows.copy()
        names = np.array(
            [numbers.setdefault(name, len(numbers)) for name in batch.agents], rows["agent"].dtype
        )
        rows["agent"] = names[rows["agent"]]
        summed.update(rows.tobytes())
        count += len(batch)
        if instructions and batch.agents[0] == "guest":
            assert batch.instructions is not None
            assert len(batch.instructions) == len(batch)

    outcome = trial.run(sink, instructions=instructions)
    return summed.hexdigest(), count, outcome


@pytest.mark.parametrize("host", ARM64_HOSTS)
def test_a_trial_is_the_same_each_time(host: str) -> None:
    trial = midway_trial(host, "flush")
    first = digest(trial)
    assert digest(trial) == first
    assert digest(trial, instructions=True) == first


@pytest.mark.parametrize("events", [1, 7])
def test_events_do_not_depend_on_how_batches_are_cut(monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    trial = midway_trial("rfc", "flush")
    first = digest(trial)
    monkeypatch.setattr(words, "HIGH_WATER", events)
    assert digest(trial) == first


def test_a_long_trial_is_the_same_each_time(
    debian_arm64_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest has many batches, changing tables and thousands of pages; program counters make no difference."""
    trial = Trial(
        plan=make_plan(load_kernel(debian_arm64_kernel), GuestOptions(memory=128 << 20)),
        strategy="uncached",
        model=HOST_MODELS["rfc"],
        core=CORES["armv8-a"],
        until=Until(End.LIMIT, 1_500_000),
    )
    first = digest(trial)
    assert first[1] > 400_000
    assert digest(trial, instructions=True) == first
    with monkeypatch.context() as small:
        small.setattr(words, "HIGH_WATER", 5000)
        assert digest(trial) == first
    shorter = dataclasses.replace(trial, until=Until(End.LIMIT, 1_400_000))
    assert digest(shorter)[0] != first[0]


# -- Debian's kernel -------------------------------------------------------------------------------------------

DEBIAN = ("--memory", "128M", "--append", "earlycon=pl011,0x22000000")

KEYS = {
    "verdict",
    "hazards",
    "image",
    "host",
    "strategy",
    "core",
    "instructions",
    "accesses",
    "events",
    "seconds",
    "sweep",
    "console",
    "psci",
    "end",
    "segments",
    "banks",
    "entry",
    "exception_level",
}


@pytest.mark.parametrize("host", ARM64_HOSTS)
def test_debian_unmaintained_is_a_hazard_everywhere(boot: Run, debian_arm64_kernel: Path, host: str) -> None:
    arguments = (debian_arm64_kernel, *DEBIAN, "--strategy", "none", "--host", host, "--until", "mmu")
    status, document = boot(*arguments, "--hazards", 3)
    assert (status, document["verdict"], document["end"]) == (HAZARD, "hazard", "mmu")
    first = document["hazards"][0]
    assert (first["kind"], first["address"], first["pc"]) == ("stale-fetch", KERNEL, KERNEL)
    assert first["witness"][-1]["event"].startswith("guest fetch 0x40000000 ")
    assert document["instructions"] < 10_000


def test_debian_uncached_on_the_rfcs_premises_is_coherent(
    debian_arm64_kernel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["boot", str(debian_arm64_kernel), *DEBIAN, "--strategy", "uncached", "--host", "rfc"])
    printed = capsys.readouterr()
    assert (status, printed.err) == (COHERENT, "")
    lines = printed.out.splitlines()
    assert any("Booting Linux on physical CPU" in line for line in lines)
    assert any(line.startswith("coherent: ") for line in lines)
    assert "the guest called PSCI's PSCI_VERSION" in printed.out
    assert [letter for letter in printed.out if not letter.isprintable() and letter != "\n"] == []


def test_debian_for_so_many_instructions(boot: Run, debian_arm64_kernel: Path) -> None:
    status, document = boot(debian_arm64_kernel, *DEBIAN, "--until", 200_000)
    assert (status, document["verdict"], document["hazards"]) == (COHERENT, "coherent", [])
    assert document.keys() >= KEYS
    assert (document["end"], document["psci"]) == ("instructions", None)
    assert 200_000 <= document["instructions"] < 201_000
    assert document["image"] == str(debian_arm64_kernel)
    assert (document["host"], document["strategy"], document["core"]) == ("rfc", "uncached", "armv8-a")
    assert document["banks"] == [{"address": 0x4000_0000, "size": 128 << 20}]
    kernel, tree = document["segments"]
    assert (kernel["name"], kernel["address"]) == ("kernel", 0x4000_0000)
    assert kernel["loaded"] == debian_arm64_kernel.stat().st_size < kernel["size"], "BSS is reserved"
    assert tree["name"] == "dtb"
    assert {each["stale"] for each in document["sweep"]} == {0}
    assert 0 < document["seconds"] < 60
    assert document["events"] > document["accesses"] > 1000


def test_debian_stopped_as_its_mmu_goes_on(boot: Run, debian_arm64_kernel: Path) -> None:
    _, document = boot(debian_arm64_kernel, *DEBIAN, "--until", "mmu", "--strategy", "hypercall")
    # measured on Unicorn alone: the MMU goes on at instruction 1651 (EL1) of Debian 12's kernel
    assert document["end"] == "mmu"
    assert 1_000 < document["instructions"] < 10_000
    assert document["console"] == ""


def test_this_file_knows_the_sample_by_heart() -> None:
    """The instruction at 0xdc reads `data`, and a return follows the patched one."""
    image = sample("midway-arm64").image.read_bytes()
    (load,) = np.frombuffer(image[READS_DATA_AT : READS_DATA_AT + 4], "<u4").tolist()
    assert load == 0x1800_0001 | (DATA - READS_DATA_AT) // 4 << 5  # ldr w1, .+offset (literal)
    assert image[PATCHED + 4 : PATCHED + 8] == a64.bytes_of([a64.RET])


@pytest.mark.parametrize("architecture", ["arm64", "arm32"])
def test_where_the_private_flag_lies_is_kept(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pc_sync.skip_sync_offset.cache_clear()
    found = pc_sync.skip_sync_offset(architecture)
    assert found == pc_sync._find(pc_sync._TESTS[architecture])
    pc_sync.skip_sync_offset.cache_clear()
    monkeypatch.setattr(pc_sync, "_find", lambda _: pytest.fail("it is kept"))
    assert pc_sync.skip_sync_offset(architecture) == found
    path = pc_sync._path(architecture)
    assert path is not None
    cache_folder.keep(path, b"[1]")  # no offset, though with the right digest
    pc_sync.skip_sync_offset.cache_clear()
    monkeypatch.setattr(pc_sync, "_find", lambda _: None)
    assert pc_sync.skip_sync_offset(architecture) is None
    pc_sync.skip_sync_offset.cache_clear()
