# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs without a hazard that are not enough for *coherent*, and what is said beside a verdict."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
from coldline.report.model import (
    NOT_COVERED,
    NOT_COVERED_OF_RUN,
    NOT_COVERED_WITH_ORDER,
    not_covered,
)
from coldline.rules import Profile
from tests.helpers.command import COHERENT, HAZARD, INCONCLUSIVE, MIDWAY, Cli
from tests.helpers.tiny_guests import RAM, code, mov

NEVER_ON = "the MMU and the data cache were never both on"
NOTHING_THROUGH_CACHES = "nothing was read or executed through the caches after they were turned on"


@pytest.mark.parametrize(
    ("until", "because"),
    [
        ((), []),
        (("--until", "off"), []),
        (("--until", "psci"), []),
        (("--until", "console:never"), ["the run ended before the guest printed 'never'"]),
    ],
)
def test_what_was_given_and_not_reached_is_inconclusive_without_a_hazard(
    cli: Cli, until: Iterable[str], because: list[str]
) -> None:
    """The sample's only call is SYSTEM_OFF, which is a PSCI call, too."""
    found = cli(*MIDWAY, *until, "--json")
    document = json.loads(found.out)
    assert found.status == (INCONCLUSIVE if because else COHERENT)
    assert document["inconclusive_because"] == because
    assert document["end"] == "off"
    assert cli(*MIDWAY, *until, "--strategy", "flush").status == HAZARD


def test_a_run_that_ends_as_its_caches_go_on_has_judged_nothing_of_them(cli: Cli) -> None:
    """Its reads and fetches so far went to memory: no old line of a cache could answer them."""
    found = cli(*MIDWAY, "--until", "mmu", "--json")
    document = json.loads(found.out)
    assert (found.status, document["end"], document["verdict"]) == (INCONCLUSIVE, "mmu", "inconclusive")
    assert document["coverage"]["cacheable_reads"] == document["coverage"]["cacheable_fetches"] == 0
    assert document["inconclusive_because"] == [NOTHING_THROUGH_CACHES]
    assert cli(*MIDWAY, "--until", "mmu", "--strategy", "none").status == HAZARD


def test_a_hazard_before_a_fault_is_a_hazard(cli: Cli, tmp_path: Path) -> None:
    """Everything that was loaded by `uncached` lies beside lines of the scrub in Xen's map: the final read."""
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(mov(2, 0x1000_0000), a64.ldr(3, 2))))
    command = ("boot", path, "--memory", "16M", "--strategy", "uncached", "--host", "xen-4.17-arm64")
    found = cli(*command, "--json")
    document = json.loads(found.out)
    assert (found.status, document["verdict"], document["end"]) == (HAZARD, "hazard", "fault")
    assert document["inconclusive_because"][0] == NEVER_ON
    assert cli(*command, "--quiet").out.startswith(
        "hazard: none in this run, but a read of everything that was loaded could be wrong (stale-read) in "
    )


def test_a_store_that_the_guest_does_not_read_again_is_no_hazard(cli: Cli, tmp_path: Path) -> None:
    """A store to loaded data with the caches off, above a copy that a cache may have filled: told, with its story."""
    path = tmp_path / "Image"
    image = a64.image(code(mov(2, RAM + 0x1000), a64.store_w(3, 2), a64.off()))
    path.write_bytes(image.ljust(0x2000, b"\0"))
    command = ("boot", path, "--memory", "16M", "--strategy", "flush")
    found = cli(*command, "--json")
    document = json.loads(found.out)
    assert (found.status, document["verdict"]) == (INCONCLUSIVE, "inconclusive")
    (unread,) = document["unread"]
    story = unread.pop("witness")
    assert unread == {
        "segment": "kernel",
        "content": "written",
        "kinds": ["stale-read"],
        "address": RAM + 0x1000,
        "size": 4,
        "lines": 1,
    }
    assert document["unread_found"] == 1
    assert [step["event"] for step in story if "event" in step][-1] == f"look read {RAM + 0x1000:#x} 64"
    text = cli(*command).out
    where = f"{RAM + 0x1000:#x} to {RAM + 0x1003:#x} (kernel+0x1000), 1 line"
    assert f"final read: stale-read at {where}: the guest wrote it: a hazard only where it is read\n" in text
    assert f"look read {RAM + 0x1000:#x} 64  <- old" in text


def test_matrix_tells_the_final_read_and_what_is_inconclusive(cli: Cli, tmp_path: Path) -> None:
    """By `uncached` beside Xen's map, what was loaded can be old. On `rfc`, only what the guest stored can be."""
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(mov(2, RAM + 0x1000), a64.store_w(3, 2), a64.off())))
    found = cli("matrix", path, "--memory", "16M", "--json")
    assert found.status == 0
    verdicts = json.loads(found.out)["verdicts"]
    cells = verdicts["xen-4.17-arm64"]
    assert cells["uncached"] == {"verdict": "hazard", "kinds": ["stale-read"], "final_read_only": True}
    cells = verdicts["rfc"]
    assert (
        cells["flush"]
        == cells["uncached"]
        == {"verdict": "inconclusive", "kinds": [], "final_read_only": False}
    )
    text = cli("matrix", path, "--memory", "16M").out
    assert "stale-read (final read)" in text
    assert "inconclusive" in text
    midway = json.loads(cli("matrix", *MIDWAY[1:], "--json").out)["verdicts"]["rfc"]["flush"]
    assert midway["final_read_only"] is False


def test_the_coverage_of_a_run(cli: Cli, tmp_path: Path) -> None:
    """By hand: one load, and the fetches of the header's branch and of the code, which is one block up to HVC."""
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(mov(2, RAM + 0x1000), a64.ldr(3, 2), a64.off())))
    found = cli("boot", path, "--memory", "16M", "--json")
    assert json.loads(found.out)["coverage"] == {
        "cacheable_reads": 0,
        "other_reads": 1,
        "cacheable_fetches": 0,
        "other_fetches": 2,
        "mmu_on": None,
        "caches_on": None,
        "not_followed": 0,
        "turns": [1],
        "devices": [],
    }
    (line,) = (each for each in cli("boot", path, "--memory", "16M").out.splitlines() if "judged: " in each)
    assert line == "judged: 1 other read, 2 other fetches; MMU never on; caches never on"


@pytest.mark.parametrize(
    ("switches", "left_out"),
    [
        ([], ["(nc-may-hit)"]),
        (["nc-may-hit"], []),
        (["nc-may-hit", "setway-effective"], ["(setway-effective)"]),
        (["nc-may-hit", "idc"], ["(idc)"]),
        (["nc-may-hit", "dic"], ["(dic)"]),
        (["setway-effective", "dic"], ["(nc-may-hit)", "(setway-effective)", "(dic)"]),
    ],
)
def test_what_switches_leave_out_is_not_covered(switches: list[str], left_out: list[str]) -> None:
    profile = Profile.with_options(switches, 64)
    phrases = not_covered(profile, of_run=False)
    assert phrases[: len(NOT_COVERED)] == NOT_COVERED
    assert [phrase.rsplit(" ", 1)[1] for phrase in phrases[len(NOT_COVERED) :]] == left_out
    assert set(not_covered(profile, of_run=True)) - set(phrases) == set(NOT_COVERED_OF_RUN)


BY_DEFAULT = "non-cacheable accesses that hit in a cache (nc-may-hit)"
ORDERED = """\
version 2
{}core cpu0 a
a map 0x1000 0x1000 normal-wb
a read 0x1000 8
"""


@pytest.mark.parametrize("option", ["", "option order\n"], ids=["at once", "order"])
def test_missing_barriers_are_not_covered_unless_a_trace_says_order(
    cli: Cli, tmp_path: Path, option: str
) -> None:
    path = tmp_path / "a.trace"
    path.write_text(ORDERED.format(option))
    found = cli("check", path)
    expected = [*(NOT_COVERED_WITH_ORDER if option else NOT_COVERED), BY_DEFAULT]
    assert found.out.splitlines() == [
        f"{path}: coherent: no fill and no eviction that the architecture allows can show stale data",
        "judged: 1 cacheable read",
        f"not covered: {', '.join(expected)}",
    ]
    assert ("missing barriers" in found.out) is not option.startswith("option")
    assert json.loads(cli("check", "--json", path).out)["not_covered"] == expected
    changed = set(NOT_COVERED) ^ set(NOT_COVERED_WITH_ORDER)
    assert changed == {"missing barriers", "table entries that take effect only at a barrier"}
