# SPDX-License-Identifier: GPL-2.0-or-later
"""Hazards by cause: what they have in common, and how text and JSON tell them."""

import json
from pathlib import Path

import pytest

from coldline.report.causes import group
from coldline.report.identity import subject_of
from coldline.report.model import MachineRun, Report
from tests.explain.test_witness import told
from tests.helpers.command import HAZARD, MIDWAY, Cli

MAPS = "c map 0x1000 0x2000 normal-wb\nn map 0x1000 0x2000 normal-nc\n"
ONE_STORE = MAPS + "c write 0x1000 0x1000\nn read 0x1000 8\nn read 0x1040 8\n"
"""One store, and two reads of it."""
SCATTERED = MAPS + "c write 0x1000 0x1000\nc dc civac 0x1040 64\nn read 0x1000 0x1000\n"
"""One store and one read, of lines that are not adjacent."""


def test_hazards_of_one_store_and_one_read_have_one_cause() -> None:
    found = told(SCATTERED)
    (cause,) = (each for each in group(found).causes if each.kind == "stale-read")
    assert [hazard.entry.size for hazard in found.hazards] == [64, 0x1000 - 128]
    assert group(found).of_hazard == [0, 0]
    assert (cause.count, cause.ranges, cause.address, cause.end) == (63, 2, 0x1000, 0x2000)
    assert cause.event.where == 3


@pytest.mark.parametrize(
    ("command", "subject"),
    [
        (
            "qemu-system-arm -M virt -kernel 'a/b~c/vmlinuz-6' -append 'console=ttyAMA0 root=/dev/vda'",
            "vmlinuz-6",
        ),
        ("/usr/bin/qemu-system-aarch64 -bios u-boot.bin", "u-boot.bin"),
        ("/usr/bin/qemu-system-aarch64 -M virt -kernel", "qemu-system-aarch64"),
    ],
)
def test_a_watched_machine_is_called_by_its_program(command: str, subject: str) -> None:
    ran = MachineRun(
        release="QEMU 10",
        status=0,
        instructions=1,
        accesses=1,
        maintained=0,
        waits=0,
        start="cold",
        seconds=1.0,
    )
    assert subject_of(Report(subject=command, machine=ran)) == subject


def test_a_file_is_called_by_its_name() -> None:
    assert subject_of(Report(subject="folder/boot it's.trace")) == "boot it's.trace"


def test_another_reader_is_another_cause() -> None:
    grouped = group(told(ONE_STORE))
    assert grouped.of_hazard == [0, 1]
    assert [cause.event.where for cause in grouped.causes] == [3, 3]


def test_another_store_is_another_cause() -> None:
    text = MAPS + "c write 0x1000 64\nc write 0x1040 64\nn read 0x1000 128\n"
    grouped = group(told(text))
    assert [cause.event.where for cause in grouped.causes] == [3, 4]


def test_hazards_without_a_story_have_no_cause() -> None:
    grouped = group(told(ONE_STORE, most=1))
    assert grouped.of_hazard == [0]
    assert len(grouped.causes) == 1


def test_text_tells_each_cause_once(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    path.write_text(SCATTERED)
    found = cli("check", path)
    assert found.status == HAZARD
    assert found.out.count("what happened") == 1
    assert "   62 hazards more of this cause, in 0x1000 to 0x1fff\n" in found.out
    assert "c write 0x1000 0x1000  <- leaves memory old" in found.out
    assert "\nand " not in found.out


def test_the_event_that_answers_has_its_instruction(cli: Cli) -> None:
    """The guest stores to its data by the instruction at 0x84 of its image, as its listing says."""
    found = cli(*MIDWAY, "--strategy", "flush", "--no-order")
    assert "guest write 0x40000800 4  at pc 0x40000084  <- leaves level 2 old" in found.out
    assert found.out.count("  at pc ") == found.out.count("  <- leaves ")
    document = json.loads(cli(*MIDWAY, "--strategy", "flush", "--no-order", "--json").out)
    causes = [each for each in document["causes"] if each["address"] == 0x4000_0800]
    assert {each["deciding"]["pc"] for each in causes} == {0x4000_0084}


def test_json_names_the_cause_of_each_hazard(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    path.write_text(SCATTERED)
    document = json.loads(cli("check", "--json", path).out)
    assert [hazard["cause"] for hazard in document["hazards"]] == [0, 0]
    (cause,) = document["causes"]
    assert cause["deciding"] == {"event": "c write 0x1000 0x1000", "line": 3}
    assert (cause["role"], cause["copy"], cause["hazards"]) == ("left-old", "memory", 63)
    marked = [step for step in document["hazards"][0]["witness"] if "decides" in step]
    assert [(step["line"], step["decides"]) for step in marked] == [(3, "left-old")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MAPS + "c write 0x1000 8\nc dc ivac 0x1000 8\nc read 0x1000 8\n", "dc ivac 0x1000 8: discards  <- discards"),
        (
            MAPS + "c write 0x1000 8\nn write 0x1000 8\nc dc ivac 0x1000 8\nc read 0x1000 8\n",
            "dc ivac 0x1000 8: cleans first  <- writes old bytes over memory",
        ),
        (MAPS + "c write 0x1000 8\nc dc cisw 0x1000 64\nn read 0x1000 8\n", "dc cisw 0x1000 64: does not reach"),
    ],
)  # fmt: skip
def test_text_says_which_outcome_an_operation_had(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.trace"
    path.write_text(text)
    assert said in cli("check", path).out


def test_the_events_of_a_run_have_their_instructions(cli: Cli) -> None:
    document = json.loads(cli(*MIDWAY, "--strategy", "flush", "--json").out)
    (cause, _) = document["causes"]
    assert cause["deciding"]["event"].startswith("guest write")
    steps = [step for hazard in document["hazards"] for step in hazard["witness"] if "decides" in step]
    assert len(steps) == 2
    assert all(0x40000000 <= step["pc"] < 0x40002000 for step in steps)
    assert cause["deciding"]["pc"] == steps[0]["pc"]
    hosts = [step for step in document["hazards"][0]["witness"] if step.get("event", "").startswith("dom0")]
    assert hosts
    assert not any("pc" in step for step in hosts)
