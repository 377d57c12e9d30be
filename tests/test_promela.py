# SPDX-License-Identifier: GPL-2.0-or-later
"""The Promela model, checked by Spin: the worked examples, the other two readings of the rules, and itself."""

import re
from pathlib import Path

import agree
import promela_model
import pytest
from explorer import explore
from promela_model import MODEL, SearchError, Spin, hazards_of, in_order, read, stories_of, story_of
from requirements_helper import require
from worked_examples import SMALL_EXAMPLES, WORKED_EXAMPLES

EXAMPLES = WORKED_EXAMPLES + SMALL_EXAMPLES
RANDOM_TRACES = 500

TWO_LINES = """line 16
w map 0x1000 0x1000 normal-wb
w write 0x1000 24
n map 0x1000 0x1000 normal-nc
n write 0x1008 16
n read 0x1000 32
w dc civac 0x1000 16
n read 0x1000 32
"""


@pytest.fixture(scope="module")
def spin(tmp_path_factory: pytest.TempPathFactory) -> Spin:
    require(Spin.is_here(), "no spin (Debian's package spin) or no gcc")
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


@pytest.mark.parametrize("number", range(6))
def test_the_three_readings_agree_on_random_traces(spin: Spin, number: int) -> None:
    tally = agree.chunk(RANDOM_TRACES, number, spin, 1.0)
    assert tally.smallest is None, tally.smallest
    assert tally.traces == tally.by_spin == RANDOM_TRACES
    assert set(tally.kinds) == {"lost-write", "stale-fetch", "stale-read"}
    named = re.findall(r"what == ([A-Z_]+)", MODEL.read_text())
    assert set(tally.events_by_name) == set(named) - {"END"}


def test_a_reading_that_is_wrong_is_found_and_its_trace_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes `dc cvau` for `dc cvac`: two lines of a trace tell them apart, and who reads needs a map."""
    monkeypatch.setattr(agree, "check_text", lambda text: explore(text.replace("dc cvau", "dc cvac")))
    tally = agree.compare(agree.draw(300, 0), None, 0)
    assert tally.smallest is not None
    assert "dc cvau" in tally.smallest
    assert explore(tally.smallest) != agree.check_text(tally.smallest)
    assert len(tally.smallest.splitlines()) <= 6


def test_a_search_that_was_cut_short_is_no_verdict(spin: Spin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promela_model, "DEEPEST", 10)
    with pytest.raises(SearchError, match="depth too small"):
        spin.explore([TWO_LINES])


def test_input_that_ends_too_soon_is_no_verdict(spin: Spin) -> None:
    story = stories_of(TWO_LINES)[0]
    with pytest.raises(SearchError, match="ends too soon"):
        spin.run([story._replace(told=story.told[: len(story.told) // 2])])


def test_two_lines_at_once_fare_as_each_by_itself(spin: Spin, tmp_path: Path) -> None:
    """Lines are independent: so say the rules. This is the model without that belief."""
    size, options, events = read(TWO_LINES)
    both = story_of([0x1000, 0x1010], size, options, events)
    (found,) = Spin(tmp_path, lines=2).run([both])
    assert in_order(hazards_of(both, found)) == spin.explore([TWO_LINES])[0] == explore(TWO_LINES) != []
