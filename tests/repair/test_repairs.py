# SPDX-License-Identifier: GPL-2.0-or-later
"""Repairs: what is found is what trying every single operation at every place finds, and what was shipped."""

import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from coldline.checker.checker import Checker
from coldline.checker.state.findings import entries
from coldline.cli.progress import Progress
from coldline.cli.repairing import Repairing
from coldline.corpus import CORPUS_FOLDER, Bug, Case, read_corpus
from coldline.events import Op
from coldline.events.batch import Batch
from coldline.events.inserting import Insertion
from coldline.events.source import Batches, Sink
from coldline.explain import ordered_cost
from coldline.first_pass import check
from coldline.repair import reachable, search
from coldline.repair.proof import Proof, checked
from coldline.repair.repairs import find_repairs
from coldline.repair.result import Place, Repairs, Target
from coldline.report.causes import group
from coldline.rules.profile import Profile
from coldline.trace.text import TextReader, parse_event
from coldline.trace_check import check_trace
from coldline.verdict import judge
from tests.helpers.checking import Found, check_text
from tests.helpers.command import COHERENT, ERROR, HAZARD, Cli
from tests.helpers.effort import examples
from tests.helpers.repository import ROOT

OPERATIONS = ("dc cvau", "dc cvac", "dc civac", "dc ivac", "ic ivau")


def repairs_of(text: str) -> list[tuple[Target, Repairs]]:
    """The hazards of each cause of a trace, and the repairs."""
    reader = TextReader(io.StringIO(text))
    numbered = list(reader)
    source = Batches([Batch.of([each.event for each in numbered], [each.where for each in numbered])])
    judgement = judge(check(source, reader.profile), source, most=None, stories=1000)
    grouped = group(judgement)
    checker = checked(source, reader.profile)
    found = []
    for number in range(len(grouped.causes)):
        pairs = zip(judgement.hazards, grouped.of_hazard, strict=True)
        target = Target(tuple(hazard.entry for hazard, cause in pairs if cause == number))
        found.append((target, find_repairs(source, reader.profile, checker, target)))
    return found


# -- against trying everything ---------------------------------------------------------------------------------


def put_in(text: str, line: int, event: str) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[: line - 1], event, *lines[line - 1 :]]) + "\n"


def keys(found: list[Found], since: int = 1 << 60) -> set[tuple[int, str, int]]:
    """Each byte that may be wrong, at which line without the one that was put in at `since`, and how."""
    return {
        (each.line - (each.line > since), each.kind, byte)
        for each in found
        for byte in range(each.address, each.address + each.size)
    }


def by_trying(text: str, target: Target, line: int) -> dict[str, list[int]]:
    """For each operation the lines before which it makes the target's reads right, and none wrong."""
    start, end = target.lines(line)
    agent = target.entries[0].event.agent
    before = keys(check_text(text))
    bad = {
        (entry.where, byte)
        for entry in target.entries
        for byte in range(entry.address, entry.address + entry.size)
    }
    found: dict[str, list[int]] = {}
    first = min(number for number, each in enumerate(text.splitlines(), 1) if each and each[0] not in "#vol")
    for operation in OPERATIONS:
        for place in range(first + 1, target.entries[0].where + 1):
            event = f"{agent} {operation} {start:#x} {end - start}"
            after = keys(check_text(put_in(text, place, event)), place)
            if after <= before and not bad & {(where, byte) for where, _, byte in after}:
                found.setdefault(operation, []).append(place)
    return found


def without_comments(case: Case) -> str:
    lines = (line.split("#")[0].strip() for line in case.path.read_text().splitlines())
    return "\n".join(line for line in lines if line) + "\n"


def bad_cases() -> list[tuple[str, Case]]:
    return [
        (f"{bug.name}/{case.name}", case)
        for bug in read_corpus(CORPUS_FOLDER)
        for case in bug.cases
        if case.by_the_rules
    ]


def assert_as_by_trying(text: str) -> int:
    count = 0
    for target, repairs in repairs_of(text):
        tried = by_trying(text, target, 64)
        if not tried:
            assert all(len(repair.events) > 1 for repair in repairs.found), text
            continue
        assert {repair.events[0].op.words for repair in repairs.found} == set(tried), text
        for operation, places in tried.items():
            # One for each agent that can do it.
            own = [repair for repair in repairs.found if repair.events[0].op.words == operation]
            earliest = [repair.earliest[0].where for repair in own]
            latest = [repair.latest[0].where for repair in own]
            assert {*earliest, *latest} <= set(places), text
            # A place is before an event that concerns the line, so the earliest one may be said later, and stand
            # for the lines up to it.
            assert set(range(places[0], min(earliest))) <= set(places), text
            # Events that the line has had, and that change nothing, are left out: they are no places.
            lines = text.splitlines()
            assert all(lines[at] in lines[:at] for at in range(max(latest), places[-1])), text
            assert len({repair.events[0].agent for repair in own}) == len(own), text
            count += 1
    return count


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name)
        for name, case in bad_cases()
        if "version 2" not in case.path.read_text() and "0x10000" not in case.path.read_text()
    ],
)
def test_the_repairs_of_a_bug_are_those_that_trying_finds(case: Case) -> None:
    assert assert_as_by_trying(without_comments(case)) > 0


def random_trace(seed: int) -> str:
    """A short trace of two agents with mappings of one page that differ, and accesses of one line."""
    draw = random.Random(seed)
    lines = ["a map 0x1000 0x1000 normal-wb exec", "n map 0x1000 0x1000 normal-nc"]
    access = (
        "a read 0x1000 8",
        "a write 0x1000 8",
        "n write 0x1000 8",
        "n read 0x1000 8",
        "a fetch 0x1000 4",
    )
    other = (
        "a write 0x1020 8",
        "a dc cvac 0x1000 8",
        "a dc ivac 0x1000 8",
        "a dc cvau 0x1000 8",
        "a ic iallu",
    )
    lines += [draw.choice(access + other) for _ in range(draw.randint(3, 5))]
    return "\n".join([*lines, draw.choice(access)]) + "\n"


def test_the_repairs_of_random_traces_are_those_that_trying_finds() -> None:
    seen = sum(assert_as_by_trying(random_trace(seed)) for seed in range(5, 5 + examples(40)))
    assert seen > 5


# -- against what was shipped ----------------------------------------------------------------------------------

FAMILY = {
    "dc cisw": "dc civac", "dc csw": "dc cvac", "dc isw": "dc ivac", "ic iallu": "ic ivau", "ic ialluis": "ic ivau",
}  # fmt: skip
"""Operations by set and way or on all lines, and the operation by address that does as much."""

OTHERWISE = {
    "kvm-2a8dfab26677": "the fix maps the memory non-cacheable",
    "linux-bc9f3d7788a8": "the fix reads with the MMU on",
    "uboot-d702b0811df5": "the fix moves an operation",
    "xen-xsa-364": "the fix moves an operation",
    "zephyr-9812": "the fix gives the descriptors lines of their own",
    "zephyr-113839": "the fix puts two operations into the other order",
}
"""Bugs whose fix puts in no operation."""

NOT_FOUND = {
    "linux-8ec41987436d": "the rules do not have what its story needs",
    "linux-9d2d75ede59b": "it was a cost and no bug",
    "linux-f32c7a8e4510": "the rules do not have what its story needs",
}
"""Bugs whose trace has no hazard by the rules."""


def shipped(bug: Bug) -> set[str]:
    """The operations that the fixed trace has more than the broken one."""
    before, after = (
        [line.split(maxsplit=1)[1] for line in without_comments(case).splitlines() if " " in line]
        for case in (bug.cases[0], next(each for each in bug.cases if each.stage == "after"))
    )
    for event in before:
        if event in after:
            after.remove(event)
    words = {
        " ".join(event.split()[:2]) if event[:2] in ("dc", "ic") else event.split()[0] for event in after
    }
    return {
        FAMILY.get(each, each) for each in words if each[:2] in ("dc", "ic") or each in ("dsb", "dmb", "isb")
    }


@pytest.mark.parametrize(
    "bug",
    [
        pytest.param(bug, id=bug.name, marks=pytest.mark.long if number % 3 else ())
        for number, bug in enumerate(read_corpus(CORPUS_FOLDER))
    ],
)
def test_the_repair_of_a_bug_is_of_the_kind_that_was_shipped(bug: Bug) -> None:
    results = repairs_of(without_comments(bug.cases[0]))
    assert (not results) == (bug.name in NOT_FOUND)
    for _, repairs in results:
        assert repairs.found
        kinds = [{event.op.words for event in repair.events} for repair in repairs.found]
        if bug.name in OTHERWISE:
            assert not shipped(bug)
        else:
            assert any(shipped(bug) & each for each in kinds), (shipped(bug), kinds)


def test_the_page_says_why_a_repair_is_of_another_kind() -> None:
    page = (ROOT / "docs" / "reference" / "corpus.md").read_text()
    section = page.partition("## What repairs them")[2].partition("\n## ")[0]
    told = dict(
        line.strip("| ").split(" | ") for line in section.splitlines() if re.match(r"\| \S+-\S+ \|", line)
    )
    assert told == OTHERWISE | NOT_FOUND


@pytest.mark.long
def test_a_pair_is_found_where_one_operation_is_not_enough() -> None:
    (bug,) = (each for each in read_corpus(CORPUS_FOLDER) if each.name == "zephyr-113839")
    ((_, repairs),) = repairs_of(without_comments(bug.cases[0]))
    kinds = [[event.op for event in repair.events] for repair in repairs.found]
    assert [Op.IC_IVAU, Op.DSB] in kinds  # what the fix comes to, after the clean
    assert all(len(each) == 2 for each in kinds)


# -- what is said ----------------------------------------------------------------------------------------------

RACE = """\
dom0 map 0x40000000 0x1000 normal-wb
dom0 write 0x40000000 64
dom0 dc civac 0x40000000 64
dom0 unmap 0x40000000 0x1000
guest mmu off
guest write 0x40000000 8
guest map 0x40000000 0x1000 normal-wb
guest mmu on
guest read 0x40000000 8
"""


def failures(text: str) -> dict[Op, tuple[int, str]]:
    ((_, repairs),) = repairs_of(text)
    return {each.event.op: (each.place.where, each.why) for each in repairs.failed}


def test_a_clean_before_the_mapping_goes_is_undone_by_a_fill() -> None:
    where, why = failures(RACE)[Op.DC_CIVAC]
    assert where == 4
    assert why == "level 2 is filled again, and afterwards guest write 0x40000000 8 leaves level 2 old"


def test_an_invalidate_in_place_of_a_clean_discards() -> None:
    text = "a map 0x1000 0x1000 normal-wb\nn map 0x1000 0x1000 normal-nc\na write 0x1000 8\nn read 0x1000 8\n"
    found = failures(text)
    assert found[Op.DC_IVAC] == (4, "it discards the new bytes")
    assert found[Op.DC_CVAU] == (4, "it does not change that a write 0x1000 8 leaves memory old")
    assert found[Op.DC_CVAC] == (3, "afterwards a write 0x1000 8 leaves memory old")


def test_the_range_of_a_repair_has_all_lines_of_its_cause() -> None:
    text = "a map 0x1000 0x1000 normal-wb\nn map 0x1000 0x1000 normal-nc\na write 0x1000 0x1000\nn read 0x1008 200\n"
    ((_, repairs),) = repairs_of(text)
    assert {(str(each.events[0]), each.lines) for each in repairs.found} == {
        ("a dc cvac 0x1000 256", 4), ("a dc civac 0x1000 256", 4),
    }  # fmt: skip
    assert repairs.found[0].earliest == (Place(3, 4),)


def test_what_no_operation_repairs_is_said() -> None:
    """Each of three stores is discarded before the next one, so that each needs a clean of its own."""
    text = "a map 0x1000 0x1000 normal-wb\n"
    text += "".join(
        f"a write {address} 8\na dc ivac {address} 8\n" for address in ("0x1000", "0x1010", "0x1020")
    )
    ((_, repairs),) = repairs_of(text + "a read 0x1000 64\n")
    assert repairs.found == []
    assert repairs.remark == "no operation, and no pair of operations, is enough"


# -- by whom ---------------------------------------------------------------------------------------------------

HOST = """\
version 2
option order
core cpu0 guest
core host dom0 xen
dom0 map 0x40000000 0x1000 normal-wb
dom0 write 0x40000000 64
"""

CLEANED_TOO_EARLY = f"""{HOST}\
dom0 dc civac 0x40000000 64
dom0 dsb
dom0 unmap 0x40000000 0x1000
dom0 dsb
guest mmu off
guest write 0x40000000 8
guest dsb
guest map 0x40000000 0x1000 normal-wb
guest mmu on
guest isb
guest read 0x40000000 8
"""

NOT_CLEANED = f"""{HOST}\
dom0 dsb
dom0 unmap 0x40000000 0x1000
dom0 dsb
guest mmu off
guest read 0x40000000 8
"""


def by_agent(text: str) -> dict[str, tuple[int, int]]:
    """Each single operation that repairs a trace, with the lines that it comes before: the first and the last."""
    ((_, repairs),) = repairs_of(text)
    return {
        f"{repair.events[0].agent} {repair.events[0].op.words}": (
            repair.earliest[0].where,
            repair.latest[0].where,
        )
        for repair in repairs.found
    }


def test_the_hypervisor_cleans_what_the_builder_has_unmapped() -> None:
    """After dom0's mapping has gone, before the DSB of their core, as Xen does since ed250c269831. Or the guest."""
    assert by_agent(CLEANED_TOO_EARLY) == {
        "guest dc civac": (12, 17),
        "guest dc ivac": (12, 17),
        "xen dc civac": (10, 10),
        "xen dc ivac": (10, 10),
    }


def test_the_builder_cleans_before_it_unmaps_and_the_hypervisor_also_afterwards() -> None:
    """Before the last DSB of their core. The guest has none, so what it does need not be complete at its read."""
    assert by_agent(NOT_CLEANED) == {
        "dom0 dc cvac": (7, 8),
        "dom0 dc civac": (7, 8),
        "xen dc cvac": (7, 9),
        "xen dc civac": (7, 9),
    }


def test_a_builder_without_a_hypervisor_is_the_agent_until_the_guest_begins() -> None:
    assert by_agent(RACE) == {
        "guest dc civac": (6, 9),
        "guest dc ivac": (6, 9),
        "dom0 dc civac": (5, 5),
        "dom0 dc ivac": (5, 5),
    }


XSA_364 = """\
version 2
xen map 0x40000000 0x1000 normal-wb
old map 0x40000000 0x1000 normal-wb
old write 0x40000000 0x1000
old unmap 0x40000000 0x1000
give 0x40000000 0x1000 new
xen dc civac 0x40000000 0x1000
xen write 0x40000000 0x1000
new mmu off
new read 0x40000000 64
"""


def test_a_leak_is_repaired_by_neither_owner() -> None:
    """XSA-364: the old one has gone, and the new one would read on; only Xen can clean after its scrub."""
    (target, leak), (_, stale) = repairs_of(XSA_364)
    assert target.entries[0].kind == "leak"
    assert {(each.events[0].agent, each.events[0].op) for each in leak.found} == {
        ("xen", Op.DC_CVAC),
        ("xen", Op.DC_CIVAC),
    }
    assert {each.event.agent for each in leak.failed} == {"xen"}
    assert {each.events[0].agent for each in stale.found} == {"new", "xen"}


def test_a_second_alias_of_the_new_owner_does_not_repair_a_leak() -> None:
    text = XSA_364.replace("new read", "new+vmap map 0x40000000 0x1000 normal-nc\nnew+vmap read")
    (_, leak), _ = repairs_of(text)
    assert {each.events[0].agent for each in leak.found} == {"xen"}


def test_what_fails_at_the_guests_read_is_the_guests() -> None:
    """Its tables no longer map the page; a host's operation there would say nothing of what the guest lacks."""
    text = CLEANED_TOO_EARLY.replace(
        "guest read 0x40000000 8\n",
        "guest unmap 0x40000000 0x1000\nguest walk 0x40000000 8 normal-wb\n",
    )
    ((_, repairs),) = repairs_of(text)
    last = max(each.place.where for each in repairs.failed)
    assert last == len(text.splitlines())
    assert {each.event.agent for each in repairs.failed if each.place.where == last} == {"guest"}


# -- memory ----------------------------------------------------------------------------------------------------

HEAD = """\
a map 0x1000 0x2000 normal-wb
n map 0x1000 0x2000 normal-nc
a write 0x1000 8
a write 0x2000 8
n read 0x1000 8
"""
"""The last read is stale, and so is each read of 0x2000 by `n`."""

BATCH = 10


class Counted:
    """Events in batches of `BATCH`, of which it counts those that it hands over."""

    repeatable = True

    def __init__(self, text: str) -> None:
        self.events = [each.event for each in TextReader(io.StringIO(text))]
        self.handed = 0

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        self.handed = 0
        for first in range(0, len(self.events), BATCH):
            self.handed += BATCH
            sink(Batch.of(self.events[first : first + BATCH]))


def proof_of(source: Counted) -> tuple[Proof, Target]:
    checker = checked(source, Profile())
    first = next(entries(checker.findings, 64))
    return Proof(source, Profile(), checker), Target((first,))


def put_before(number: int, event: str) -> list[Insertion]:
    return [Insertion(parse_event(event.split(), frozenset(Op)), number)]


def test_a_proof_keeps_no_more_hazards_than_a_batch_has() -> None:
    source = Counted(HEAD + "n read 0x2000 8\n" * 1000)
    proof, target = proof_of(source)
    assert proof.holds(put_before(4, "a dc cvac 0x1000 8"), target)
    assert source.handed >= len(source.events)
    assert proof.kept <= BATCH


def test_a_proof_ends_at_the_first_hazard_that_the_operation_makes() -> None:
    source = Counted(HEAD + "a read 0x1000 8\n" * 1000)
    proof, target = proof_of(source)
    assert not proof.holds(put_before(3, "a dc ivac 0x1000 8"), target)
    assert source.handed == BATCH
    assert proof.kept <= BATCH


def test_a_search_that_forgets_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where little is remembered, what is known of places is forgotten, too: its costs would be kept for it alone."""
    found = repairs_of(CLEANED_TOO_EARLY)
    monkeypatch.setattr(reachable, "MOST_REMEMBERED", 1)
    monkeypatch.setattr(reachable, "_MOST_SETS", 1)
    monkeypatch.setattr(search, "MOST_KNOWN", 1)
    monkeypatch.setattr(ordered_cost, "_MOST_REMEMBERED", 1)
    assert repairs_of(CLEANED_TOO_EARLY) == found


def test_a_long_trace_has_each_kind_of_hazard_of_a_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Counted(HEAD + "n read 0x2000 8\n" * 100)
    judgement = judge(check(source, Profile()), source, most=1, stories=1)
    kept: list[int] = []

    def counted(*arguments: Any, **options: Any) -> Checker:
        checker = checked(*arguments, **options)
        kept.append(len(checker.findings))
        return checker

    monkeypatch.setattr("coldline.repair.proof.checked", counted)
    for long in (1000, 100):
        monkeypatch.setattr("coldline.repair.repairs.MANY_EVENTS", long)
        repairing = Repairing(Progress(False), "")
        repairing(source, Profile(), judgement)
        (repair, *_) = repairing.found[0].found
        assert (str(repair.events[0]), repair.earliest) == ("a dc cvac 0x1000 64", (Place(4, 0),))
    assert kept == [101, 2]


# -- the command -----------------------------------------------------------------------------------------------


@pytest.fixture
def race(tmp_path: Path) -> Path:
    path = tmp_path / "race.trace"
    path.write_text(RACE)
    return path


def test_text_and_json_say_the_repairs(cli: Cli, race: Path) -> None:
    found = cli("check", "--repair", race)
    assert found.status == HAZARD
    assert "   repaired by one operation, as the checker proves on the whole trace:\n" in found.out
    assert (
        "     guest dc civac 0x40000000 64 before line 6 at the earliest, line 9 at the latest\n" in found.out
    )
    (cause,) = json.loads(cli("check", "--repair", "--json", race).out)["causes"]
    assert cause["repairs"]["found"][0] == {
        "operations": ["guest dc civac 0x40000000 64"],
        "earliest": [{"before_line": 6}],
        "latest": [{"before_line": 9}],
        "cache_lines": 1,
    }
    assert "repairs" not in json.loads(cli("check", "--json", race).out)["causes"][0]


def test_a_trace_is_judged_with_an_operation_put_in(cli: Cli, race: Path) -> None:
    event = "guest dc civac 0x40000000 64"
    assert cli("check", "--with", event, "--before", 9, race).status == COHERENT
    assert cli("check", "--with", event, "--before", 4, race).status == HAZARD
    two = ("--with", "dom0 dc civac 0x40000000 64", "--before", 3, "--with", event, "--before", 7)
    assert cli("check", *two, race).status == COHERENT


def test_a_pipe_is_repaired_too(race: Path) -> None:
    from tests.helpers.command import command

    done = command("check", "--repair", "-", input=RACE.encode())
    assert b"repaired by one operation" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--with", "guest dc civac 0x40000000 64"], "each --with takes a --before LINE"),
        (["--before", 3], "each --with takes a --before LINE"),
        (
            ["--with", "guest dc cviac 0x0 1", "--before", 3],
            "--with 'guest dc cviac 0x0 1': unknown operation",
        ),
        (["--with", "", "--before", 3], "--with takes an event"),
        (["--with", "guest dc civac 0x0 64", "--before", 30], "no event at line 30 or later"),
        (["--with", "guest dsb", "--before", 3], "a barrier in a trace without 'option order'"),
        (["--with", "guest read 0x0 8", "--before", 3], "guest has no mapping"),
    ],
)
def test_what_cannot_be_put_in_is_an_error(cli: Cli, race: Path, words: list[object], said: str) -> None:
    found = cli("check", *words, race)
    assert (found.status, found.out) == (ERROR, "")
    assert said in found.err
    assert found.err.count("\n") == 1


def test_a_repair_is_what_the_command_then_calls_coherent(tmp_path: Path, cli: Cli) -> None:
    for name, case in bad_cases():
        if not name.endswith("/before") or "edk2" not in name:
            continue
        path = tmp_path / "a.trace"
        path.write_text(case.path.read_text())
        (cause,) = json.loads(cli("check", "--repair", "--json", path).out)["causes"]
        for repair in cause["repairs"]["found"]:
            words: list[object] = []
            for event, place in zip(repair["operations"], repair["latest"], strict=True):
                words += ["--with", event, "--before", place["before_line"]]
            assert cli("check", *words, path).status == COHERENT, name


def test_each_bug_is_judged_as_before() -> None:
    """The search changes nothing of the trace's judgement."""
    for _, case in bad_cases()[:3]:
        assert check_trace(str(case.path)).kinds
