# SPDX-License-Identifier: GPL-2.0-or-later
"""The Promela model, run by Spin on the worked examples, and compared with the other two implementations."""

import re
import shutil
from itertools import islice
from pathlib import Path

import pytest

from benchmarks import peers
from tests.helpers.checking import check_text
from tests.helpers.effort import LONG
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require
from tests.helpers.worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES
from tests.oracles import agree, every_state, promela_model
from tests.oracles.explorer import explore
from tests.oracles.promela_model import (
    MODEL,
    SearchError,
    Spin,
    hazards_of,
    in_order,
    read,
    stories_of,
    story_of,
)

PAGE = ROOT / "docs" / "explanation" / "agreement.md"
EXAMPLES = WORKED_EXAMPLES + SMALL_EXAMPLES
RANDOM_TRACES = 500 if LONG else 150
NO_SPIN = "no spin (Debian's package spin) or no gcc"

TWO_LINES = """line 16
w map 0x1000 0x1000 normal-wb
w write 0x1000 24
n map 0x1000 0x1000 normal-nc
n write 0x1008 16
n read 0x1000 32
w dc civac 0x1000 16
n read 0x1000 32
"""

# What tells each step that caches take by themselves from its absence. Random traces hardly ever do for some: whoever
# leaves one out finds the same hazards nearly always.
STEP_EXAMPLES = {
    "write back 1": """line 16
w map 0x1000 0x1000 normal-wb
n map 0x1000 0x1000 normal-nc
w write 0x1008 8
n write 0x1000 8
n read 0x1000 8  # lost under a line that was written back
""",
    "drop 1": """line 16
w map 0x1000 0x1000 normal-wb exec
n map 0x1000 0x1000 normal-nc
w read 0x1008 8  # level 1 has a copy, for certain
n write 0x1000 8
w write 0x1008 8  # into that copy, or, if it was dropped, one with the write before
w dc cvac 0x1000 16
w fetch 0x1000 8  # lost if the first; from level 2, stale beside a fresh instruction cache, if the second
""",
    "write back 2": """line 16
w map 0x1000 0x1000 normal-wb
n map 0x1000 0x1000 normal-nc
w write 0x1008 8
w dc cvau 0x1008 8
n write 0x1000 8
n read 0x1000 8  # lost under a line that was written back
""",
    "drop 2": """line 16
x dcache off
x map 0x1000 0x1000 normal-wb exec
n map 0x1000 0x1000 normal-nc
n write 0x1000 8
w map 0x1000 0x1000 normal-wb
w write 0x1008 8  # over a stale level 2; if it was dropped, a fresh instruction cache may be
n read 0x1000 8
""",
    "drop I": """line 16
x dcache off
n map 0x1000 0x1000 normal-nc
n walk 0x1008 8 normal-wb  # level 1 may have a copy, and no other cache has
n write 0x1000 8
x map 0x1000 0x1000 normal-wb exec
x fetch 0x1008 8  # the instruction cache has a copy, for certain, and a fresh one
x unmap 0x1000 0x1000
w map 0x1000 0x1000 normal-wb
w write 0x1008 8  # into a stale level 1
w read 0x1000 8  # lost only if that copy was dropped
""",
    "fill 2": """line 16
x dcache off
x map 0x1000 0x1000 normal-wb exec
n map 0x1000 0x1000 normal-nc
n write 0x1000 8
x unmap 0x1000 0x1000
w map 0x1000 0x1000 normal-wb
w read 0x1000 8  # stale in level 2
""",
    "fill 1": """line 16
w map 0x1000 0x1000 normal-wb exec
n map 0x1000 0x1000 normal-nc
n write 0x1000 8
w icache off
w write 0x1008 8  # into a stale level 1, or into a fresh one
n read 0x1000 8
""",
    "fill I": """line 16
x map 0x1000 0x1000 normal-wt exec
x write 0x1000 8
x fetch 0x1000 8  # stale in the instruction cache
""",
}


@pytest.fixture(scope="module")
def spin(tmp_path_factory: pytest.TempPathFactory) -> Spin:
    require(Spin.is_here(), NO_SPIN)
    return Spin(tmp_path_factory.mktemp("spin"))


def test_the_worked_examples_have_their_verdicts(spin: Spin) -> None:
    found = spin.explore([text for _, text, _ in EXAMPLES])
    for (name, _, kinds), hazards in zip(EXAMPLES, found, strict=True):
        assert {hazard.kind for hazard in hazards} == kinds, name


def test_every_rule_of_the_model_is_in_use_in_the_examples(spin: Spin) -> None:
    spin.explore([text for _, text, _ in EXAMPLES])
    unreached = re.findall(r'^\t(?:\S+), state \d+, "(.*)"$', spin.output, re.MULTILINE)
    assert unreached == ["-end-"]  # of the caches, who never end
    assert re.search(r"unreached in proctype caches\n.*-end-", spin.output)


@pytest.mark.parametrize(
    "step",
    [pytest.param(each, marks=pytest.mark.long if at % 3 else ()) for at, each in enumerate(STEP_EXAMPLES)],
)
def test_every_step_of_a_cache_is_missed_if_it_is_left_out(
    spin: Spin, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = STEP_EXAMPLES[step]
    whole = spin.explore([text])[0]
    assert whole == explore(text) == check_text(text) != []
    before, after = MODEL.read_text().split(f"    /* {step} */\n")
    ours = re.match(r"(    :: d_step .*\n)+", after)
    assert ours
    folder = tmp_path / "without"
    shutil.copytree(promela_model.FOLDER, folder)
    (folder / MODEL.name).write_text(before + after[ours.end() :])
    monkeypatch.setattr(promela_model, "FOLDER", folder)
    assert Spin(tmp_path, quickly=True).explore([text])[0] != whole


@pytest.mark.parametrize("number", [0, *(pytest.param(each, marks=pytest.mark.long) for each in range(1, 6))])
def test_the_three_readings_agree_on_random_traces(spin: Spin, number: int) -> None:
    tally = agree.chunk(RANDOM_TRACES, number, spin, 1.0)
    assert tally.smallest is None, tally.smallest
    assert tally.traces == tally.by_spin == RANDOM_TRACES
    assert set(tally.kinds) == {"lost-write", "stale-fetch", "stale-read"}


@pytest.mark.long
def test_random_traces_have_every_event() -> None:
    """All traces together have every event; each has few operations by set/way."""
    drawn = {
        event.what
        for number in range(6)
        for text in agree.draw(RANDOM_TRACES, number)
        for event in read(text)[2]
    }
    named = re.findall(r"what == ([A-Z_]+)", MODEL.read_text())
    assert drawn == set(named) - {"END"}


EVERY_NTH = 20


@pytest.mark.parametrize(
    "options",
    [pytest.param(each, marks=[pytest.mark.long] if each else []) for each in every_state.OPTION_SETS],
    ids=lambda options: " ".join(options) or "none",
)
def test_the_three_readings_agree_on_what_follows_from_the_states_of_a_byte(
    spin: Spin, options: tuple[str, ...]
) -> None:
    """For the states nearest to the cold line; with `dic`, which has few states, for one in `EVERY_NTH`."""
    texts = every_state.transitions(options)
    few = "dic" in options
    some = list(islice(texts, 0, None, EVERY_NTH)) if few else list(islice(texts, 250))
    tally = agree.compare(some, spin, len(some))
    assert tally.smallest is None, tally.smallest
    assert tally.by_spin == len(some) >= 250


def test_a_reading_that_is_wrong_is_found_and_its_trace_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An implementation that takes `dc cvau` as `dc cvac` differs on a trace of a few lines."""
    monkeypatch.setattr(agree, "check_text", lambda text: explore(text.replace("dc cvau", "dc cvac")))
    tally = agree.compare(agree.draw(300, 0), None, 0)
    assert tally.smallest is not None
    assert "dc cvau" in tally.smallest
    assert explore(tally.smallest) != explore(tally.smallest.replace("dc cvau", "dc cvac"))
    assert len(tally.smallest.splitlines()) <= 6


def test_the_command_tells_what_it_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert agree.main(["30", "--spin", "0", "--jobs", "1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("traces    30 by checker and explorer, 0 of them by Spin")
    assert told.endswith("disagreements: 0\n")


def test_the_command_tells_on_what_they_differ(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agree, "check_text", lambda text: [])
    monkeypatch.setattr(agree, "_run", lambda tasks, jobs: agree.compare([TWO_LINES], None, 0))
    assert agree.main(["1", "--spin", "0"]) == 1
    told = capsys.readouterr().out
    assert "disagreements: they differ on this trace:\n\nw map" in told
    assert "explorer:\n    (" in told
    assert told.endswith("checker:\n    coherent\n")


def test_what_checks_nothing_has_no_hazard(spin: Spin) -> None:
    assert spin.explore(["w map 0x1000 0x1000 normal-wb\n", "", TWO_LINES])[:2] == [[], []]
    assert spin.explore(["w map 0x1000 0x1000 normal-wb\n"]) == [[]]


def test_a_search_that_was_cut_short_is_no_verdict(spin: Spin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promela_model, "DEEPEST", 10)
    with pytest.raises(SearchError, match="depth too small"):
        spin.explore([TWO_LINES])


@pytest.mark.long
def test_a_search_for_which_there_was_no_memory_is_no_verdict(tmp_path: Path) -> None:
    require(Spin.is_here(), NO_SPIN)
    spin = Spin(tmp_path, memory=60, quickly=True)
    with pytest.raises(SearchError, match="MEMLIM bound"):
        spin.explore([peers.trace(peers.SCENARIOS["fetch"], 400)])


def test_an_event_that_cannot_happen_is_no_verdict(spin: Spin) -> None:
    with pytest.raises(SearchError, match="gets stuck"):
        spin.explore(["w write 0x1000 8\nw map 0x1000 0x1000 normal-wb\nw read 0x1000 8\n"])


def test_input_that_ends_too_soon_is_no_verdict(spin: Spin) -> None:
    story = stories_of(TWO_LINES)[0]
    with pytest.raises(SearchError, match="ends too soon"):
        spin.run([story._replace(told=story.told[: len(story.told) // 2])])


@pytest.mark.long
def test_two_lines_at_once_fare_as_each_by_itself(spin: Spin, tmp_path: Path) -> None:
    """By the rules, lines are independent. The model with two lines at once gives the same results."""
    size, options, events = read(TWO_LINES)
    both = story_of([0x1000, 0x1010], size, options, events)
    (found,) = Spin(tmp_path, lines=2).run([both])
    assert in_order(hazards_of(both, found)) == spin.explore([TWO_LINES])[0] == explore(TWO_LINES) != []


@pytest.mark.parametrize("name", peers.SCENARIOS)
def test_the_peers_get_what_is_coherent_and_would_not_be_without_its_maintenance(
    spin: Spin, name: str
) -> None:
    scenario = peers.SCENARIOS[name]
    text = peers.trace(scenario, 3)
    assert check_text(text) == spin.explore([text])[0] == []
    for left_out in scenario.prepares:
        text = peers.trace(
            scenario._replace(prepares=tuple(op for op in scenario.prepares if op != left_out)), 3
        )
        hazards = spin.explore([text])[0]
        assert hazards == check_text(text)
        assert len({hazard.address for hazard in hazards}) == (0 if left_out == "write" else 3)


@pytest.mark.parametrize("name", peers.SCENARIOS)
def test_a_litmus_test_has_a_write_an_operation_and_a_look_for_each_line(name: str) -> None:
    """herd7 checks its syntax; this test checks its content."""
    scenario = peers.SCENARIOS[name]
    text = scenario.litmus(peers.REGISTERS)
    rows = re.findall(r"^ (.*?) +\| (.*?) +;$", text, re.MULTILINE)[1:]
    addresses = {f"X{2 + number}" for number in range(peers.REGISTERS)}
    writer, reader = [row[0] for row in rows], [row[1] for row in rows]
    for op in scenario.prepares:
        word = "STR W0,[" if op == "write" else f"{op.upper()},"
        assert {row.removeprefix(word).rstrip("]") for row in writer if row.startswith(word)} >= addresses
    assert all(
        writer.index(f"STR W0,[{x}]") < writer.index(f"{scenario.prepares[1].upper()},{x}") for x in addresses
    )
    looks = {"read": r"LDR W(\d+),\[X\1\]", "fetch": r"m(\d+): B n\1"}[scenario.looks]
    assert {f"X{number}" for number in re.findall(looks, "\n".join(reader))} == addresses
    assert {f"X{number}" for number in re.findall(r"1:X(\d+)=0[ )]", text.split("exists")[1])} == addresses


def test_the_page_names_what_is_there() -> None:
    named = re.findall(r"`((?:benchmarks|coldline|docs|scripts|tests)/[\w./]+)", PAGE.read_text())
    assert len(named) > 8
    for path in named:
        assert (ROOT / path).exists(), path
