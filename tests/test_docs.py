# SPDX-License-Identifier: GPL-2.0-or-later
"""The repository tests itself: what its pages say is what its code does."""

import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from checking import check_text
from requirements_helper import require

from coldline.arm import MemoryType
from coldline.coherence.automaton import build
from coldline.coherence.findings import kind_of
from coldline.coherence.rules import EFFECTS, OTHER, SOURCES, STEPS, Hazard, Letter, Profile, microstates
from coldline.errors import TraceError
from coldline.trace import Op
from coldline.trace.text import OPTIONS, TextReader

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
RULES = (ROOT / "docs" / "rules.md").read_text()
FORMAT = (ROOT / "docs" / "trace-format.md").read_text()
DASH = "–"

# -- examples ------------------------------------------------------------------------------------------------

TRACE = re.compile(
    r"^```trace\n(?P<text>(?:(?!```).*\n)*)```\n(?:\n*verdict: (?P<verdict>.*)$)?", re.MULTILINE
)


def examples() -> list:
    found = []
    for page in PAGES:
        content = page.read_text()
        for match in TRACE.finditer(content):
            line = content.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match["text"], match["verdict"], id=f"{page.name}:{line}"))
    return found


@pytest.mark.parametrize(("text", "verdict"), examples())
def test_examples_are_traces_and_have_the_verdict_they_claim(text: str, verdict: str | None) -> None:
    assert list(TextReader(text.splitlines(True)))
    if verdict is not None:
        kinds = {found.kind for found in check_text(text)}
        assert kinds == set(verdict.split(", ")) - {"coherent"}


def test_every_fence_of_a_trace_is_an_example() -> None:
    fences = sum(page.read_text().count("```trace") for page in PAGES)
    verdicts = sum(len(re.findall(r"^verdict: ", page.read_text(), re.MULTILINE)) for page in PAGES)
    given = examples()
    assert fences == len(given)
    assert verdicts == sum(example.values[1] is not None for example in given)


def test_the_rules_have_an_example_of_every_verdict() -> None:
    verdicts = {match["verdict"] for match in TRACE.finditer(RULES)}
    assert verdicts >= {"coherent", *KINDS}


# -- tables --------------------------------------------------------------------------------------------------


def section(page: str, heading: str) -> str:
    """The text under a heading of the second level."""
    (found,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return found


def tables(text: str) -> list[list[list[str]]]:
    """The rows of each table of a text, without its head, each cell stripped."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}, rows[0]
        found.append(rows[2:])
    return found


def column(rows: list[list[str]], number: int = 0) -> list[str]:
    return [row[number] for row in rows]


def words(letter: Letter) -> str:
    return letter.name.lower().replace("_", " ")


KINDS = {kind_of(hazard, op) for hazard in (Hazard.LOST, Hazard.STALE) for op in (Op.READ, Op.FETCH)}


def test_the_steps_are_those_of_the_code() -> None:
    (rows,) = tables(section(RULES, "Steps"))
    assert column(rows) == list(STEPS)


def test_the_events_are_those_of_the_code() -> None:
    rows = tables(section(RULES, "Events"))[0]
    own = [letter for letter in EFFECTS if letter.setting is None and letter not in OTHER.values()]
    assert column(rows) == [words(letter) for letter in own]


def test_the_events_with_a_letter_of_their_own_for_other_bytes_say_what_it_does() -> None:
    for event, own, others, _ in tables(section(RULES, "Events"))[0]:
        letter = next(letter for letter in Letter if words(letter) == event)
        whole_line = letter >= Letter.DC_CVAC
        assert (others != DASH) == (letter in OTHER or whole_line), event
        assert not whole_line or others == "the same", event
        assert (own == DASH) == (letter in (Letter.READ_NC, Letter.FETCH_NC)), event


def test_the_events_that_are_checked_are_those_of_the_code() -> None:
    rows = tables(section(RULES, "Events"))[0]
    assert [row[0] for row in rows if row[3] != DASH] == [words(letter) for letter in SOURCES]


def test_every_operation_that_is_an_event_is_in_the_table_of_words() -> None:
    rows = tables(section(RULES, "Events"))[1]
    named = set(re.findall(r"`([a-z ]+)`", " ".join(column(rows))))
    accesses = {op.words for op in Op if op <= Op.DC_ZVA}
    assert accesses | {op.words for op in Op if op.words.startswith("ic ")} == named - {
        kind.word for kind in MemoryType
    }


def test_the_settings_are_those_of_the_code() -> None:
    (rows,) = tables(section(RULES, "Settings"))
    said = {row[0]: tuple(cell == "yes" for cell in row[1:]) for row in rows}
    assert said == {words(letter): letter.setting for letter in EFFECTS if letter.setting is not None}


def test_the_kinds_are_those_of_the_code() -> None:
    (rows,) = tables(section(RULES, "Hazards"))
    assert set(column(rows)) == KINDS


def test_the_switches_are_those_of_the_code() -> None:
    (rows,) = tables(section(RULES, "Profile switches"))
    assert [name.strip("`") for name in column(rows)] == ["line", *OPTIONS]
    assert column(rows, 1) == [str(Profile().line), *["off"] * len(OPTIONS)]


def test_the_counts_in_the_prose_are_those_of_the_code() -> None:
    assert f"There are {len(microstates())} microstates." in RULES
    assert f"within\n{len(microstates())} microstates" in RULES
    assert f"each of {len(Letter)} letters" in RULES


# -- the generated table -------------------------------------------------------------------------------------


def automaton_sizes() -> str:
    """The table of automaton sizes as the page has it."""
    lines = ["| switches | reachable states | minimal states |", "|---|---|---|"]
    for names in ((), ("nc-may-hit",), ("idc",), ("dic",), ("idc", "dic")):
        machine = build(Profile(**{name.replace("-", "_"): True for name in names}))
        lines.append(f"| {', '.join(names) or 'none'} | {machine.reachable} | {len(machine.step)} |")
    return "\n".join(lines)


def test_the_table_of_automaton_sizes_is_what_is_built() -> None:
    (table,) = re.findall(r"<!-- generated: automaton-sizes -->\n(.*?)\n<!-- end -->", RULES, re.DOTALL)
    assert table == automaton_sizes()


# -- the format ----------------------------------------------------------------------------------------------


def test_every_operation_has_a_row() -> None:
    (rows,) = tables(section(FORMAT, "Operations"))
    said = [name.strip("`") for name in column(rows)]

    def usage(op: Op) -> str:
        return op.words + " ADDRESS SIZE" * op.has_range + " TYPE" * op.has_type

    assert sorted(said) == sorted(usage(op) for op in Op)


def test_every_type_and_switch_is_named() -> None:
    (rows,) = tables(section(FORMAT, "Switches"))
    assert column(rows) == ["`line N`", *(f"`option {name}`" for name in OPTIONS)]
    assert all(f"`{kind.word}`" in section(FORMAT, "Operations") for kind in MemoryType)


@pytest.mark.parametrize(("text", "reason"), tables(section(FORMAT, "Errors"))[0])
def test_every_error_is_as_it_says(text: str, reason: str) -> None:
    lines = text.strip("`").replace("; ", "\n")
    with pytest.raises(TraceError) as caught:
        check_text(lines)
    assert caught.value.reason == reason
    assert caught.value.where == str(lines.count("\n") + 1)


def test_every_error_of_the_reader_has_a_row() -> None:
    """Every message in the source of the reader and the checker is one of the page's, its values left out."""
    reasons = [reason for _, reason in tables(section(FORMAT, "Errors"))[0]]
    reasons += [
        "a line of more than 4096 characters",
        "'x' is one agent more than the 256 that can be followed",
    ]
    sources = [ROOT / "coldline" / "trace" / "text.py"]
    sources += [ROOT / "coldline" / "coherence" / f"{name}.py" for name in ("checker", "pages")]
    for source in sources:
        for message in re.findall(
            r'(?:TraceError\("", |Refusal\()f?"((?:[^"\\]|\\.)*)"\)', source.read_text()
        ):
            parts = re.split(r"\{[^}]*\}", message)
            shape = re.compile(".*".join(re.escape(part) for part in parts))
            whole = any(shape.fullmatch(reason) or shape.search(reason) for reason in reasons)
            assert whole or message.startswith("'{op.words}' needs"), message


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", page.read_text()):
            other = page.parent / target if target else page
            assert other.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-") for name in headings}
                assert anchor in anchors, f"{page.name}: #{anchor}"


# -- every file ----------------------------------------------------------------------------------------------

# In halves, as this file is looked at too.
UNWANTED = [
    "/" + "work/",
    "/" + "root/",
    "deb." + "debian.org",
    "security." + "debian.org",
    "snapshot." + "debian.org",
    "archive." + "ubuntu.com",
    "pypi" + ".org",
    "pypi" + ".python.org",
    "files." + "pythonhosted.org",
]


def test_no_file_names_a_machine_or_a_registry() -> None:
    require(shutil.which("git") and (ROOT / ".git").exists(), "no git, or no repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    looked_at = 0
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        if name == "LICENSE" or not path.is_file() or b"\0" in (content := path.read_bytes()):
            continue
        text = content.decode()
        looked_at += 1
        assert [word for word in UNWANTED if word in text] == [], name
    assert looked_at > 20


def test_no_heading_is_said_twice() -> None:
    for page in PAGES:
        headings = sorted(re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE))
        assert all(first != second for first, second in pairwise(headings)), page.name


def test_the_steps_and_states_of_the_json_example_are_the_codes_own() -> None:
    (example,) = (
        json.loads(block)
        for block in re.findall(r"^```json\n(.*?)^```", FORMAT, re.MULTILINE | re.DOTALL)
        if "verdict" in block
    )
    (hazard,) = example["hazards"]
    assert hazard["kind"] in KINDS
    states = {str(state) for state in microstates()}
    for item in hazard["witness"]:
        assert item["state"] in states
        assert item["step"] in STEPS if "step" in item else list(TextReader([item["event"]]))
