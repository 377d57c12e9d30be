# SPDX-License-Identifier: GPL-2.0-or-later
"""The corpus of real bugs: its form, its verdicts, its page, and the command that runs it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coldline.cli import main
from coldline.corpus import CORPUS_FOLDER, Case, read_corpus
from coldline.errors import CorpusError
from coldline.events import Op
from coldline.trace.text import TextReader
from tests.helpers.checking import check_text
from tests.helpers.command import unknown_operation
from tests.helpers.repository import ROOT
from tests.oracles.order_explorer import explore

PAGE = (ROOT / "docs" / "reference" / "corpus.md").read_text()
BUGS = read_corpus(CORPUS_FOLDER)
CASES = [pytest.param(case, id=f"{bug.name}/{case.name}") for bug in BUGS for case in bug.cases]
LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"

LIST = [
    ("a0035ecc0d82",),
    ("ed250c269831",),
    ("CVE-2023-34321", "CVE-2023-46837"),
    ("9d218a1fcf4c",),
    ("363ef89f8e9b",),
    ("2a8dfab26677",),
    ("7ae2f3db6167",),
    ("d0488597a1b7",),
    ("8ec41987436d", "f32c7a8e4510"),
    ("f7daa9c8fd19",),
    ("bc9f3d7788a8",),
    ("pull request 448",),
    ("pull request 12509", "pull request 26763"),
    ("pull request 42546",),
    ("issue 481",),
    ("d702b0811df5",),
    ("276f9de6b1b1",),
    ("9d2d75ede59b",),
    ("da9c177de86d",),
    ("pull request 392",),
    ("pull request 593",),
    ("pull request 113839",),
    ("XSA-364",),
    ("pull request 19506",),
    ("issue 9812",),
    ("pull request 511",),
    ("issue 76182",),
    ("pull request 613",),
    ("pull request 351",),
    ("pull request 1710",),
    ("01dc9262ff57",),
    ("issue 1194",),
    ("pull request 289",),
]
"""The stories of the corpus, by what fixed them: the eighteen that it began with, and those of version 2."""

# -- the files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixes", LIST, ids=lambda fixes: fixes[0])
def test_every_bug_of_the_list_is_there(fixes: tuple[str, ...]) -> None:
    for fix in fixes:
        assert sum(fix in bug.fix for bug in BUGS) == 1, fix


def test_no_bug_is_of_no_list() -> None:
    assert all(any(fix in bug.fix for fixes in LIST for fix in fixes) for bug in BUGS)


@pytest.mark.parametrize("case", CASES)
def test_every_trace_ends_with_what_its_story_is_about(case: Case) -> None:
    *_, last = TextReader(case.path.read_text().splitlines(True))
    assert last.event.op in (Op.READ, Op.WALK, Op.FETCH)


@pytest.mark.parametrize("case", CASES)
def test_every_verdict_is_as_told(case: Case) -> None:
    text = case.path.read_text()
    *_, last = TextReader(text.splitlines(True))
    found = check_text(text)
    assert {hazard.kind for hazard in found} == case.by_the_rules
    assert {hazard.line for hazard in found} <= {last.where}


@pytest.mark.parametrize("case", CASES)
def test_the_explorer_finds_the_same(case: Case) -> None:
    text = case.path.read_text()
    assert [tuple(hazard) for hazard in explore(text)] == [tuple(hazard) for hazard in check_text(text)]


def test_a_story_that_is_beyond_the_rules_is_a_bug_before_its_fix() -> None:
    beyond = [case for bug in BUGS for case in bug.cases if not case.within_rules]
    assert beyond
    for case in beyond:
        assert (case.stage, case.by_the_rules) == ("before", frozenset()), case.path
        assert case.verdict, case.path


def test_every_fix_but_of_what_was_no_bug_makes_a_difference() -> None:
    for bug in BUGS:
        plain = {case.stage: case.verdict for case in bug.cases if case.variant in ("", "a", "b")}
        assert plain["after"] == frozenset(), bug.name
        assert bool(plain["before"]) == (bug.name != "linux-9d2d75ede59b"), bug.name


def test_what_a_table_shows_is_short() -> None:
    assert all(len(case.beyond) <= 60 for bug in BUGS for case in bug.cases)
    assert all(len(bug.title) <= 100 for bug in BUGS)


# -- the form --------------------------------------------------------------------------------------------------

STORY = f"{LICENCE}\ntitle: a\nproject: b\nfix: c\nsource: d\nstory: e\n  f\n"
BEFORE = f"""# {LICENCE}
# case: it is dirty, and a read
#   goes past it
# verdict: stale-read

a map 0x1000 0x1000 normal-wb
a write 0x1000 64
b mmu off
b read 0x1000 64
"""
AFTER = BEFORE.replace("# verdict: stale-read", "# verdict: coherent").replace(
    "b mmu", "a dc cvac 0x1000 64\nb mmu"
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A corpus of one bug, whose verdicts are right."""
    bug = tmp_path / "corpus" / "x-1"
    bug.mkdir(parents=True)
    (bug / "story.txt").write_text(STORY)
    (bug / "before.trace").write_text(BEFORE)
    (bug / "after.trace").write_text(AFTER)
    return bug.parent


def test_fields_are_read_over_lines(corpus: Path) -> None:
    (bug,) = read_corpus(corpus)
    assert (bug.name, bug.title, bug.project, bug.fix, bug.source, bug.story) == ("x-1", *"abcd", "e f")
    before, after = bug.cases
    assert before.text == "it is dirty, and a read goes past it"
    assert (before.stage, before.variant, before.verdict) == ("before", "", {"stale-read"})
    assert (after.stage, after.variant, after.verdict) == ("after", "", frozenset())


WRONG_FILES = [
    ("story.txt", "title: a", "titel: a", 2, "unknown field 'titel'"),
    ("story.txt", "title: a\n", "", 6, "'title' is missing"),
    ("story.txt", "title: a", "title:", 2, "'title' is empty"),
    ("story.txt", "fix: c", "title: c", 4, "'title' is repeated"),
    ("story.txt", "fix: c", "fix it", 4, "expected 'field: text' or an indented line: 'fix it'"),
    ("story.txt", f"{LICENCE}\n", f"  {LICENCE}\n", 1, "an indented line before the first field"),
    ("story.txt", f"{LICENCE}\n", "", 6, "'SPDX-License-Identifier' is missing"),
    ("before.trace", "verdict: stale-read", "verdict: bad", 4, "invalid verdict 'bad'"),
    (
        "before.trace",
        "verdict: stale-read",
        "verdict: coherent, stale-read",
        4,
        "invalid verdict 'coherent, stale-read'",
    ),
    ("before.trace", "verdict: stale-read", "verdict: stale-read, stale-read", 4, "each once"),
    ("before.trace", "verdict: stale-read", "kind: stale-read", 4, "unknown field 'kind'"),
    ("before.trace", "# verdict: stale-read\n", "", 3, "'verdict' is missing"),
    ("before.trace", "# verdict", "#\n# verdict", 3, "'verdict' is missing"),
    ("before.trace", "stale-read\n", "stale-read\n# by the rules: coherent\n", 5, "needs a field 'beyond'"),
    (
        "before.trace",
        "stale-read\n",
        "stale-read\n# by the rules: stale-read\n# beyond: x\n",
        5,
        "'by the rules' is the same as 'verdict': remove it",
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "line", "reason"), WRONG_FILES)
def test_a_file_that_is_not_of_the_form_is_an_error(
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    old: str,
    new: str,
    line: int,
    reason: str,
) -> None:
    path = corpus / "x-1" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(CorpusError) as caught:
        read_corpus(corpus)
    assert caught.value.where == f"{path}:{line}"
    assert reason in caught.value.reason
    assert main(["corpus", "--from", str(corpus)]) == 2
    assert capsys.readouterr().err == f"coldline: {path}:{line}: {caught.value.reason}\n"


def test_a_folder_that_is_not_of_the_form_is_an_error(corpus: Path) -> None:
    bug = corpus / "x-1"

    def error() -> str:
        with pytest.raises(CorpusError) as caught:
            read_corpus(corpus)
        return f"{Path(caught.value.where).name}: {caught.value.reason}"

    (bug / "notes").touch()
    assert error() == "notes: is neither a trace nor story.txt"
    (bug / "notes").rename(bug / "later.trace")
    assert error().startswith("later.trace: a trace's name must be 'before' or 'after'")
    (bug / "later.trace").unlink()
    (bug / "after.trace").rename(bug / "before-x.trace")
    assert error() == "x-1: has no trace 'after.trace' or 'after-….trace'"
    (bug / "before-x.trace").rename(bug / "after-x.trace")
    (bug / "story.txt").unlink()
    assert error() == "story.txt: No such file or directory"
    shutil.rmtree(bug)
    assert error() == "corpus: contains no bug"
    (corpus / "file").touch()
    assert error() == "file: Not a directory"
    shutil.rmtree(corpus)
    assert error() == "corpus: No such file or directory"


def test_a_trace_that_is_none_is_an_error(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus / "x-1" / "after.trace"
    path.write_text(AFTER + "b raed 0x1000 64\n")
    assert main(["corpus", "--from", str(corpus)]) == 2
    assert capsys.readouterr().err == f"coldline: {path}:11: {unknown_operation('raed', 'read')}\n"


# -- the command -----------------------------------------------------------------------------------------------


def test_the_table_is_that_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus"]) == 0
    printed = capsys.readouterr().out
    (shown,) = re.findall(r"<!-- generated: corpus -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    *rows, last = printed.splitlines(True)
    assert "".join(rows) == shown
    assert "WRONG" not in shown
    traces = sum(len(bug.cases) for bug in BUGS)
    assert last.startswith(f"{len(BUGS)} bugs, {traces} traces: every verdict as expected; ")


def test_the_page_counts_the_bugs() -> None:
    assert len(BUGS) == 35
    assert "checks thirty-five of them" in PAGE


def test_the_keys_of_the_object_are_those_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"schema", "as_told", "bugs"}
    assert document["as_told"] is True
    assert [bug["name"] for bug in document["bugs"]] == [bug.name for bug in BUGS]
    (command,) = re.findall(r"^## The command\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^\| (`[a-z_`, ]+`) \|", command, re.MULTILINE)
    said = {key for head in heads for key in re.findall(r"`(\w+)`", head)}
    assert said == {key for bug in document["bugs"] for part in (bug, *bug["traces"]) for key in part}
    for bug, told in zip(BUGS, document["bugs"], strict=True):
        for case, trace in zip(bug.cases, told["traces"], strict=True):
            assert trace["found"] == trace["expected"] == sorted(case.by_the_rules)
            assert trace["story"] == sorted(case.verdict)


def test_the_fields_are_those_of_the_page(corpus: Path) -> None:
    (form,) = re.findall(r"^## The form\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    said = {
        tuple(re.findall(r"^\| `([^`]+)` \| .* \| (yes|no) \|$", block, re.MULTILINE))
        for block in re.findall(r"(?:^\|.*\|\n)+", form, re.MULTILINE)
    }
    known = set()
    for name in ("before.trace", "story.txt"):
        path = corpus / "x-1" / name
        head = "# " if name.endswith("trace") else ""
        path.write_text(f"{head}x: y\n{path.read_text()}")
        with pytest.raises(CorpusError) as caught:
            read_corpus(corpus)
        fields = caught.value.reason.partition("choose from: ")[2].split(", ")
        free = ("by the rules", "beyond")
        known.add(tuple((field, "no" if field in free else "yes") for field in fields))
        path.write_text(path.read_text().partition("\n")[2])
    assert said == known


def test_one_bug_is_told_with_a_witness(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "uboot-d702b0811df5"]) == 0
    told = capsys.readouterr().out
    (bug,) = (bug for bug in BUGS if bug.name == "uboot-d702b0811df5")
    assert " ".join(told.split()).count(bug.story) == 1
    assert "== before: lost-write\n" in told
    assert "== after: coherent\n" in told
    events = [line for line in bug.cases[0].path.read_text().splitlines() if line.startswith("uboot")]
    assert all(line in told for line in events)
    assert "1. lost-write: uboot may get old bytes at 0x9ff00f08, 8 bytes\n" in told
    assert told.endswith("1 bug, 2 traces: every verdict as expected\n")


def test_a_name_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "xen"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("coldline: no bug 'xen'; choose from: ")
    assert all(bug.name in error for bug in BUGS)


def test_names_and_titles_are_listed(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split(None, 1) for line in listed] == [[bug.name, bug.title] for bug in BUGS]
    assert main(["corpus", "--list", "--json", "--from", str(corpus)]) == 0
    assert [bug["name"] for bug in json.loads(capsys.readouterr().out)] == ["x-1"]


@pytest.mark.long
def test_what_is_written_is_the_same_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    assert main(["corpus", "--write", str(copy)]) == 0
    assert main(["corpus"]) == 0
    shown = capsys.readouterr().out
    assert main(["corpus", "--from", str(copy)]) == 0
    assert capsys.readouterr().out == shown
    assert main(["check", "--quiet", str(copy / "sel4-481" / "before.trace")]) == 1
    capsys.readouterr()
    assert main(["corpus", "--write", str(copy)]) == 2
    assert capsys.readouterr().err == f"coldline: {copy}: cannot write a corpus: File exists\n"


@pytest.mark.parametrize(
    ("name", "old", "new", "cell"),
    [
        ("before.trace", "verdict: stale-read", "verdict: coherent", "WRONG: stale-read; expected: coherent"),
        (
            "before.trace",
            "verdict: stale-read",
            "verdict: lost-write, stale-read",
            "WRONG: stale-read; expected: lost-write, stale-read",
        ),
        (
            "after.trace",
            "verdict: coherent",
            "verdict: stale-fetch",
            "WRONG: coherent; expected: stale-fetch",
        ),
        (
            "before.trace",
            "b read 0x1000 64\n",
            "b read 0x1000 64\nb read 0x1000 64\n",
            "WRONG: stale-read, early (line 9); expected: stale-read",
        ),
    ],
)
def test_a_verdict_that_is_not_as_told_is_status_1(
    corpus: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, cell: str
) -> None:
    where = ["--from", str(corpus)]
    assert main(["corpus", *where]) == 0
    assert "WRONG" not in capsys.readouterr().out
    path = corpus / "x-1" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert main(["corpus", *where]) == 1
    printed = capsys.readouterr().out
    assert f"| {cell} " in printed
    assert printed.endswith("1 bug, 2 traces: 1 verdict not as expected\n")
    assert main(["corpus", *where, "x-1"]) == 1
    assert f"== {path.stem}: {cell}\n" in capsys.readouterr().out
    assert main(["corpus", *where, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["as_told"] is False
    (bug,) = document["bugs"]
    assert [trace["trace"] for trace in bug["traces"] if not trace["as_told"]] == [path.stem]


def test_what_is_beyond_the_rules_is_shown_with_both_verdicts(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = corpus / "x-1" / "after.trace"
    path.write_text(
        AFTER.replace("verdict: coherent", "verdict: stale-read\n# by the rules: coherent\n# beyond: a TLB")
    )
    assert main(["corpus", "--from", str(corpus)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"\| coherent \(story: stale-read\) +\| a TLB +\|\n", printed)
    assert printed.endswith(": every verdict as expected; 1 verdict of a story beyond the rules\n")


def test_a_file_cannot_drive_a_terminal(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus / "x-1" / "story.txt"
    path.write_text(STORY.replace("project: b", "project: \x1b[2J").replace("title: a", "title: \x1b[2J"))
    for words in ([], ["x-1"], ["--list"]):
        assert main(["corpus", "--from", str(corpus), *words]) == 0
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "\\x1b[2J" in shown


@pytest.mark.long
def test_nothing_is_compiled() -> None:
    """Neither the compiler nor the loader of its code is imported."""
    program = (
        "import sys; from coldline.cli import main; status = main(['corpus']);"
        "sys.exit(status or any(name in sys.modules for name in ('numba', 'llvmlite', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL).returncode == 0
