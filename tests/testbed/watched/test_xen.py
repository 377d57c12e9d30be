# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen under watch: what is asked of the machine, and what is said of its guests. The machine itself is a stand-in."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import ColdlineError
from testbed.machines import qemu_command
from testbed.packages.sources import Sources
from testbed.watched import guest, verdicts, xen
from testbed.watched.running import Watching

CONSOLE = """\
(XEN) Allocating 1:1 mappings totalling 256MB for dom0:
(XEN) BANK[0] 0x00000050000000-0x00000058000000 (128MB)
(XEN) BANK[1] 0x00000060000000-0x00000068000000 (128MB)
(XEN) Loading zImage from 0000000050000000 to 0000000060000000-0000000061f6dfc0
"""

REPORT: dict[str, Any] = {
    "verdict": "hazard",
    "machine": {"guests": ["dom0", "dom1", "dom1.2", "dom1.3"]},
    "hazards_by_agent": {
        "cpu0.dom1.2": {"stale-read": 1000, "stale-fetch": 2},
        "cpu0.dom1.2-nc": {"stale-read": 1},
        "cpu0.el2": {"lost-write": 3},
        "cpu0.dom1.3-s2": {"stale-read": 4},
    },
    "inconclusive_because": [],
    "builders": ["xl", "flush", "uncached", "none", "xl", "hypercall"],
    "built": [
        ["xl", "up"],
        ["flush", "failed"],
        ["uncached", "up"],
        ["none", "silent: panic"],
        ["xl", "failed"],
    ],
}
"""Four guests, dom0 with them: the second builder's never began."""


TWO = Watching(("xl", "uncached"))


def test_what_is_checked_is_all_but_dom0s_memory() -> None:
    banks = xen.banks_of(CONSOLE)
    assert banks == [(0x5000_0000, 0x5800_0000), (0x6000_0000, 0x6800_0000)]
    assert xen.interest(banks) == [
        (0x4000_0000, 0x1000_0000),
        (0x5800_0000, 0x0800_0000),
        (0x6800_0000, 0x1800_0000),
    ]
    assert xen.interest([(0x4000_0000, 0x8000_0000)]) == []


def test_each_builders_guest_has_its_verdict() -> None:
    assert [(each.builder, each.guest, each.verdict, each.kinds) for each in verdicts.verdicts(REPORT)] == [
        ("xl", "dom1", "coherent", {}),
        ("flush", "", "inconclusive", {}),
        ("uncached", "dom1.2", "hazard", {"stale-read": 1001, "stale-fetch": 2}),
        ("none", "dom1.3", "hazard", {"stale-read": 4}),
        ("xl", "", "inconclusive", {}),
        ("hypercall", "", "inconclusive", {}),
    ]
    assert verdicts.others(REPORT) == {"cpu0.el2": {"lost-write": 3}}
    assert verdicts.table(REPORT).splitlines()[2:] == [
        "| `xl` | up | coherent | 0 | 0 | 0 |",
        "| `flush` | failed | inconclusive | 0 | 0 | 0 |",
        "| `uncached` | up | hazard | 1,001 | 2 | 0 |",
        "| `none` | silent: panic | hazard | 4 | 0 | 0 |",
        "| `xl` | failed | inconclusive | 0 | 0 | 0 |",
        "| `hypercall` | not built | inconclusive | 0 | 0 | 0 |",
        "cpu0.el2: lost-write 3",
    ]


def test_a_guests_files_are_those_that_dom0_has(tmp_path: Path) -> None:
    folder = tmp_path / "guest"
    folder.mkdir()
    (folder / "kernel").write_text("default")
    (folder / "initrd").write_text("default")
    guest.write_guest(folder, None)
    assert (
        'kernel = "/host/guest/kernel"\nramdisk = "/host/guest/initrd"' in (folder / "guest.cfg").read_text()
    )

    (tmp_path / "image").write_text("mine")
    configuration = tmp_path / "mine.cfg"
    configuration.write_text('kernel = "image"\nmemory = 32')
    guest.write_guest(folder, configuration)
    assert (folder / "kernel").read_text() == "mine"
    assert not (folder / "initrd").exists()
    lines = (folder / "guest.cfg").read_text().splitlines()
    assert lines == ['kernel = "image"', "memory = 32", 'name = "watched"', 'kernel = "/host/guest/kernel"']


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("memory = 32", "a guest to watch needs a kernel"),
        ('kernel = "missing"', "missing: No such file or directory"),
        ("kernel = ", "expected"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, text: str, complaint: str) -> None:
    configuration = tmp_path / "mine.cfg"
    configuration.write_text(text)
    with pytest.raises(ColdlineError, match=complaint):
        guest.write_guest(tmp_path, configuration)


@pytest.mark.parametrize(
    ("architecture", "parts"),
    [
        ("arm64", ("virt,virtualization=on,gic-version=3", "cortex-a57")),
        ("armhf", ("virt,virtualization=on,gic-version=2,highmem=off", "cortex-a15")),
    ],
)
def test_the_machine_of_an_architecture(
    made_up: Sources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    parts: tuple[str, ...],
) -> None:
    monkeypatch.setattr(xen, "watchable_qemu", lambda program: (program,))
    words = xen.words(replace(made_up, architecture=architecture), tmp_path / "initrd", tmp_path)
    assert words[0] == qemu_command.PROGRAMS[architecture]
    assert set(parts) < set(words)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(name="run")
def fixture_run(made_up: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Watch with stand-ins for QEMU and for coldline, which say and leave what they are given."""
    said = tmp_path / "said"
    said.write_text(CONSOLE)
    qemu = script(tmp_path / "qemu-system-aarch64", f"cat {said}; exec sleep 60")
    monkeypatch.setattr(xen, "watchable_qemu", lambda _program: (str(qemu),))

    def run(watched: str, wanted: Watching = TWO) -> tuple[dict[str, Any], list[str]]:
        folder = tmp_path / "host"
        folder.mkdir(exist_ok=True)
        program = script(tmp_path / "coldline", f'echo "$@" >{tmp_path}/words; cd {folder}; {watched}')
        monkeypatch.setattr(sys, "executable", str(program))
        lines: list[str] = []
        return xen.watch(made_up, tmp_path / "initrd", folder, wanted, lines.append), lines

    return run


def test_a_watched_run(run: Any, tmp_path: Path) -> None:
    found = {key: value for key, value in REPORT.items() if key not in ("built", "builders")}
    (tmp_path / "found").write_text(json.dumps(found))
    report, lines = run(
        f"cat {tmp_path}/said; echo 'watch: xl builds'; echo no driver >watched; echo xl up >>watched; "
        "cp ../found report.json; sleep 0.5"
    )
    console = CONSOLE + "watch: xl builds\n"
    assert report == found | {"builders": ["xl", "uncached"], "built": [["xl", "up"]], "console": console}
    assert lines[0] == "dom0 has 0x50000000-0x58000000, 0x60000000-0x68000000; the rest is checked"
    assert "xl builds" in lines
    words = (tmp_path / "words").read_text()
    assert words.startswith(
        "-m coldline watch --start cold --hazards 0 --only 0x40000000,262144K --only 0x58000000,131072K"
    )
    assert "--name 1=dom0 --name 2=dom1" in words
    assert (tmp_path / "host/builders").read_text() == "xl uncached"


def test_a_run_that_leaves_no_report_is_an_error(run: Any) -> None:
    with pytest.raises(qemu_command.MachineError, match=r"no report \(exit status 2\).*no plugin"):
        run("echo no plugin; exit 2")


def test_a_run_with_other_memory_is_an_error(run: Any) -> None:
    with pytest.raises(qemu_command.MachineError, match="has given dom0 other memory"):
        run("echo '(XEN) BANK[0] 0x00000050000000-0x00000060000000 (256MB)'; echo '{}' >report.json")


def test_a_run_that_takes_too_long_is_interrupted(run: Any, tmp_path: Path) -> None:
    (tmp_path / "found").write_text(json.dumps({"machine": {"guests": []}}))
    report, lines = run(
        f"trap 'cp ../found report.json; exit 130' INT; cat {tmp_path}/said; while :; do sleep 0.1; done",
        Watching(("xl",), timeout_s=0.5),
    )
    assert report["built"] == []
    assert "not done after 0 s: it is interrupted" in lines


def test_a_xen_that_does_not_start(run: Any, tmp_path: Path) -> None:
    script(tmp_path / "qemu-system-aarch64", "echo qemu: no")
    with pytest.raises(qemu_command.MachineError, match=r"does not say which memory is dom0.s.*qemu: no"):
        run("")
