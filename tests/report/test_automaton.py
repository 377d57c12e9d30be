# SPDX-License-Identifier: GPL-2.0-or-later
"""The automaton's presentation: states in words, tables, drawings, sources of the rules, and the check by hand."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from coldline.cli import main
from coldline.report import automaton_drawing as drawing
from coldline.report.automaton import (
    ByteState,
    letter_words,
    letters_words,
    microstate_words,
    portrait,
    sources_table,
    states_table,
    steps_table,
)
from coldline.rules import citations
from coldline.rules.alphabet import Letter
from coldline.rules.automaton import LETTERS, READS, build_automaton
from coldline.rules.line_rules import COPIES_READ, EFFECTS, STEPS, Hazard
from coldline.rules.profile import Profile
from tests.helpers.profiles import profile_with
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require
from tests.oracles import byte_machine
from tests.oracles.byte_machine import SETTINGS, Sets
from tests.oracles.explorer import CLEAN, DIRTY, INVALID, Microstate, Rules, _spontaneous

DOCS = ROOT / "docs"
PAGE = (DOCS / "explanation" / "automaton.md").read_text()
RULES = (DOCS / "reference" / "rules.md").read_text()
DRAWN = {"dic": {"dic": True}, "idc-dic": {"idc": True, "dic": True}}
SWITCHES = [{"idc": idc, "dic": dic} for idc, dic in product((False, True), repeat=2)]


def cells(text: str) -> list[list[list[str]]]:
    """The rows of each table of a text, including its head."""
    return [
        [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in block.splitlines()
            if "---" not in line
        ]
        for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    ]


def generated(page: str, name: str) -> str:
    found: str
    (found,) = re.findall(rf"<!-- generated: {name} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    return found


# -- states in words -----------------------------------------------------------------------------------------


def parsed(words: str) -> Microstate:
    """The explorer's microstate of words such as ``L1 dirty new, memory OLD``."""
    copies = dict(part.split(" ", 1) for part in words.split(", "))
    levels = {"clean": CLEAN, "dirty": DIRTY}

    def level(name: str) -> tuple[int, int]:
        state, _, fresh = copies.get(name, "").partition(" ")
        return levels.get(state, INVALID), int(fresh == "new")

    assert set(copies) <= {"L1", "L2", "I", "memory"}
    assert copies["memory"] in ("new", "OLD")
    held = copies.get("I")
    assert held in (None, "valid new", "valid OLD")
    memory = int(copies["memory"] == "new")
    return Microstate(*level("L1"), *level("L2"), held is not None, int(held == "valid new"), memory)


@pytest.mark.parametrize(
    "switches",
    [pytest.param(each, marks=() if each["idc"] else pytest.mark.long) for each in SWITCHES],
    ids=str,
)
def test_the_seeds_and_the_caches_make_the_state(switches: dict[str, bool]) -> None:
    """From a state's seeds alone, the explorer finds the automaton's hazards for every read after any letters."""
    sets = Sets(byte_machine.profile_of(**switches))
    states = portrait(profile_with(**switches))
    of: dict[tuple[int, tuple[bool, bool]], ByteState] = {}
    for state in states:
        setting = (state.settings[0].data, state.settings[0].fetch)
        seeds = [parsed(microstate_words(m)) for m in state.seeds]
        of[sets.mask(each for seed in seeds for each in sets.closed(seed, setting)), setting] = state
    assert len(of) == len(states)
    todo = list(of)
    for mask, setting in todo:
        state = of[mask, setting]
        assert sets.output(mask) == tuple((Hazard.STALE in bad, Hazard.LOST in bad) for bad in state.bad)
        for letter, target in zip(byte_machine.LETTERS, state.step, strict=True):
            after = SETTINGS.get(letter, setting)
            key = (sets.step(mask, letter, after), after)
            if key not in of:
                of[key] = states[target]
                todo.append(key)
            assert of[key].number == target


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_no_seed_is_led_to_by_another(switches: dict[str, bool]) -> None:
    sets = Sets(byte_machine.profile_of(**switches))
    for state in portrait(profile_with(**switches)):
        seeds = [parsed(microstate_words(m)) for m in state.seeds]
        for seed in seeds:
            reach = sets.closed(seed, (state.settings[0][0], state.settings[0][1]))
            assert not reach & {other for other in seeds if other != seed}
        assert 1 <= len(seeds) <= 4


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_the_word_of_a_state_leads_to_it_and_none_is_shorter(switches: dict[str, bool]) -> None:
    machine = build_automaton(profile_with(**switches))
    distance = {machine.start: 0}
    todo = [machine.start]
    for number in todo:
        for target in machine.step[number]:
            if target not in distance:
                distance[target] = distance[number] + 1
                todo.append(target)
    for state in portrait(profile_with(**switches)):
        at = machine.start
        for letter in state.word:
            at = machine.step[at][letter]
        assert at == state.number
        assert len(state.word) == distance[at]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_the_settings_of_a_state_are_those_under_which_the_byte_is_in_it(switches: dict[str, bool]) -> None:
    machine = build_automaton(profile_with(**switches))
    for state in portrait(profile_with(**switches)):
        at = {setting: machine.step[state.number][Letter.of_setting(setting)] for setting in state.settings}
        # To say the setting once more changes nothing, and to say another of the same state's neither.
        assert set(at.values()) == {state.number}
        others = {letter.setting for letter in LETTERS if letter.setting} - set(state.settings)
        assert all(machine.step[state.number][Letter.of_setting(other)] != state.number for other in others)


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        ([Letter.READ_WB], "read wb"),
        ([Letter.READ_WB_OTHER, Letter.READ_WB, Letter.WRITE_WT], "read wb (own or other), write wt"),
        ([Letter.WRITE_WB_OTHER], "write wb other"),
        ([Letter.DC_CIVAC, Letter.DC_CVAC, Letter.IC, Letter.DC_ISW], "dc cvac, civac, ic, dc isw"),
        ([Letter.SET_DATA, Letter.SET_BOTH], "set data, both"),
    ],
)
def test_letters_in_few_words(letters: list[Letter], words: str) -> None:
    assert letters_words(letters) == words


# -- tables --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWN)
def test_the_page_has_the_tables_of_the_automaton(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", *(f"--{switch}" for switch in name.split("-"))]) == 0
    assert generated(PAGE, name) == capsys.readouterr().out


@pytest.mark.parametrize("name", DRAWN)
def test_the_tables_say_the_whole_automaton(name: str) -> None:
    """Read back, with the letters that change nothing, the tables are the automaton that was built."""
    machine = build_automaton(profile_with(**DRAWN[name]))
    of_states, of_steps = cells(generated(PAGE, name))
    assert [int(row[0]) for row in of_states[1:]] == list(range(len(machine.step)))
    for row in of_states[1:]:
        said = [
            sum(Hazard[kind.upper()] for kind in cell.split(" or ") if kind != "right") for cell in row[3:7]
        ]
        assert said == list(machine.bad[int(row[0])])
    head = [list(unworded(cell)) for cell in of_steps[0][1:]]
    (idle,) = re.findall(r"^Nowhere a change: (.*)\.$", generated(PAGE, name), re.MULTILINE)
    assert sorted([*unworded(idle), *(letter for some in head for letter in some)]) == sorted(LETTERS)
    for row in of_steps[1:]:
        state = int(row[0])
        step = dict.fromkeys(unworded(idle), state)
        for letters, cell in zip(head, row[1:], strict=True):
            step |= dict.fromkeys(letters, state if cell == "–" else int(cell))
        assert tuple(step[letter] for letter in LETTERS) == machine.step[state]


def unworded(cell: str) -> Iterator[Letter]:
    """The letters in words from `letters_words`."""
    prefix = ""
    for part in cell.split(", "):
        both = part.endswith(" (own or other)")
        name = part.removesuffix(" (own or other)")
        first, _, rest = name.partition(" ")
        if first in ("dc", "set"):
            prefix = first
        elif not rest and name != "ic":
            name = f"{prefix} {name}"
        letter = Letter[name.upper().replace(" ", "_")]
        yield letter
        if both:
            yield Letter[f"{letter.name}_OTHER"]


@pytest.mark.parametrize("hits", [False, pytest.param(True, marks=pytest.mark.long)])
def test_every_profile_has_its_tables(capsys: pytest.CaptureFixture[str], hits: bool) -> None:
    for idc, dic in product((False, True), repeat=2):
        on = [name for name, is_on in (("--nc-may-hit", hits), ("--idc", idc), ("--dic", dic)) if is_on]
        assert main(["rules", *on]) == 0
        states = portrait(Profile(nc_may_hit=hits, idc=idc, dic=dic))
        assert capsys.readouterr().out == f"{states_table(states)}\n{steps_table(states)}"


def test_an_argument_that_is_none_is_an_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rules", "--dot", "--sources"])
    assert ended.value.code == 2


# -- drawings ------------------------------------------------------------------------------------------------


def drawn(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["rules", "--dot", *(f"--{switch}" for switch in name.split("-"))]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", DRAWN)
def test_the_drawing_in_docs_is_of_this_automaton(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    svg = (DOCS / "explanation" / f"automaton-{name}.svg").read_text()
    digest = hashlib.sha256(drawn(name, capsys).encode()).hexdigest()
    assert svg.endswith(f"</svg>\n<!-- SHA-256 of its DOT: {digest} -->\n"), (
        "please run scripts/draw-automaton"
    )
    assert f"](automaton-{name}.svg)" in PAGE


@pytest.mark.parametrize("name", DRAWN)
def test_the_drawing_in_docs_has_every_arrow_that_graphviz_draws(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    require(shutil.which("dot"), "Graphviz's dot is not installed")
    fresh = subprocess.run(
        ["dot", "-Tsvg"], input=drawn(name, capsys), capture_output=True, text=True, check=True
    ).stdout
    kept = (DOCS / "explanation" / f"automaton-{name}.svg").read_text()
    title = re.compile(r"<title>([^<]*)</title>")
    assert sorted(title.findall(kept)) == sorted(title.findall(fresh))
    text = re.compile(r"<text [^>]*>([^<]*)</text>")
    assert sorted(text.findall(kept)) == sorted(text.findall(fresh))


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_says_where_every_letter_leads(name: str) -> None:
    """The boxes, the arrows and the words determine the box of every letter's target."""
    states = portrait(profile_with(**DRAWN[name]))
    boxes = drawing.boxes(states)
    arrows = drawing.arrows(boxes)
    said = drawing.everywhere(boxes, arrows)
    box_of = {state.number: box.name for box in boxes for state in box.states}
    assert sorted(box_of) == [state.number for state in states]
    for state in states:
        for letter in LETTERS:
            ends = {
                arrow.end
                for arrow in arrows
                if arrow.start == box_of[state.number]
                and letter in arrow.letters
                and (not arrow.of or state.number in arrow.of)
            }
            assert (ends or {box_of[state.number]}) == {box_of[state.step[letter]]}
            if letter in said:
                assert box_of[state.step[letter]] == said[letter]


# -- where each rule comes from ------------------------------------------------------------------------------


def test_every_rule_has_a_source_and_every_source_a_rule() -> None:
    assert list(citations.STEPS_FROM) == list(STEPS)
    assert list(citations.EFFECTS_FROM) == list(EFFECTS)
    assert list(citations.COPIES_READ_FROM) == list(COPIES_READ)


def cited() -> list[citations.Citation]:
    return [
        *citations.STEPS_FROM.values(),
        *citations.EFFECTS_FROM.values(),
        *citations.COPIES_READ_FROM.values(),
    ]


def test_a_source_is_a_section_with_a_number_and_a_title() -> None:
    titles: dict[str, str] = {}
    for citation in cited():
        assert citation.sections
        assert citation.says
        for section in citation.sections:
            assert re.fullmatch(r"[A-K]\d+(\.\d+){1,4}", section.number)
            assert titles.setdefault(section.number, section.title) == section.title
    assert len(set(titles.values())) == len(titles)


def test_a_source_names_the_heading_that_has_the_rule() -> None:
    for name, citation in citations.STEPS_FROM.items():
        assert f"\n| {name} |" in heading(citation.heading)
    for letter, citation in (*citations.EFFECTS_FROM.items(), *citations.COPIES_READ_FROM.items()):
        assert f"\n| {letter_words(letter).removesuffix(' other')} |" in heading(citation.heading)


def heading(name: str) -> str:
    return RULES.split(f"\n## {name}\n")[1].split("\n## ")[0]


def test_the_page_has_the_sources_of_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--sources"]) == 0
    assert generated(RULES, "sources") == capsys.readouterr().out == sources_table()


# -- the check by hand ---------------------------------------------------------------------------------------

BY_HAND = PAGE.split("\n## How to check this by hand\n")[1]
IDC_DIC = {"idc": True, "dic": True}


@pytest.mark.parametrize("which", [0, 1])
def test_the_way_through_the_table_is_that_of_the_automaton(which: int) -> None:
    machine, states = build_automaton(profile_with(**IDC_DIC)), portrait(profile_with(**IDC_DIC))
    table = cells(BY_HAND)[which]
    at = machine.start
    for _, letter, state, words in table[1:]:
        if letter != "–":
            before, at = at, machine.step[at][Letter[letter.upper().replace(" ", "_")]]
        assert int(state) == at
        if words.startswith("**"):
            assert Letter[letter.upper().replace(" ", "_")] == Letter.READ_WB
            bad = Hazard(machine.bad[before][READS.index(Letter.READ_WB)])
            assert words.startswith({Hazard.NONE: "**right**", Hazard.STALE: "**stale**"}[bad])
        elif "alias" not in words:
            assert words.removesuffix(", and caches may fill") == " ".join(
                map(microstate_words, states[at].seeds)
            )
            assert words.endswith(" fill") == (len(states[at].settings) == 3 and words.startswith("memory"))


def test_the_state_in_full_is_what_the_explorer_makes_of_its_seed() -> None:
    table = cells(BY_HAND)[2][1:]
    rules = Rules(alias_live=False, fetch_possible=False, idc=True, dic=True)
    seed = parsed(table[0][0])
    assert table[0][1:] == ["the seed", "–"]
    sets = Sets(byte_machine.profile_of(**IDC_DIC))
    assert {parsed(row[0]) for row in table} == sets.closed(seed, (False, False))
    for after, before, by in table[1:]:
        assert parsed(after) in set(_spontaneous(parsed(before), rules))
        assert by in STEPS
        assert parsed(after) in set(one_step(by)(parsed(before)))


def one_step(name: str) -> Callable[[Microstate], list[Microstate]]:
    """A write-back by its name, as in the page's table of steps."""

    def write_back(s: Microstate) -> list[Microstate]:
        if name == "write back 1":
            moved = s._replace(l2=DIRTY, f2=s.f1)
            return [moved._replace(l1=CLEAN), moved._replace(l1=INVALID, f1=0)] if s.l1 == DIRTY else []
        moved = s._replace(fm=s.f2)
        return [moved._replace(l2=CLEAN), moved._replace(l2=INVALID, f2=0)] if s.l2 == DIRTY else []

    return write_back
