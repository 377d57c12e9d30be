# SPDX-License-Identifier: GPL-2.0-or-later
"""The formats of reports: the values of ``--format``, their files, and the JSON output."""

import json
import sys
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from coldline.report.model import Report
from coldline.report.reporters import CORPUS, FORMATS, MATRIX, REPORT, Format, formats_for
from coldline.report.reporters.base import Reporter
from coldline.trace.text import TextReader
from tests.helpers.command import COHERENT, ERROR, HAZARD, MIDWAY, Cli

GOOD = "a map 0x1000 0x1000 normal-wb\na write 0x1000 8\na read 0x1000 8\n"
BAD = """\
line 16
w map 0x1000 0x1000 normal-wb
n map 0x1000 0x1000 normal-nc
n write 0x1000 8
w write 0x1008 8
w read 0x1000 8
"""
FLUSHED = (*MIDWAY, "--strategy", "flush")


@pytest.fixture
def traces(tmp_path: Path) -> dict[str, str]:
    found = {}
    for name, text in (("good", GOOD), ("bad", BAD), ("wrong", "a frobnicate\n")):
        path = tmp_path / f"{name}.trace"
        path.write_text(text)
        found[name] = str(path)
    return found


# -- where formats go ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["json", "witness"])
def test_a_short_form_is_its_format(cli: Cli, traces: dict[str, str], name: str) -> None:
    long, short = (cli("check", option, traces["bad"]) for option in (f"--format={name}", f"--{name}"))
    assert long == short
    assert long.status == HAZARD


def test_text_is_the_default(cli: Cli, traces: dict[str, str]) -> None:
    assert cli("check", traces["bad"]) == cli("check", "--format", "text", traces["bad"])


def test_files_leave_standard_output_its_text(cli: Cli, traces: dict[str, str], tmp_path: Path) -> None:
    text = cli("check", traces["bad"], traces["wrong"])
    paths = {name: tmp_path / f"report.{name}" for name in formats_for(REPORT)}
    wanted = [f"--format={name}={path}" for name, path in paths.items()]
    found = cli("check", *wanted, traces["bad"], traces["wrong"])
    assert found == text
    objects = [json.loads(line) for line in paths["json"].read_text().splitlines()]
    assert [each.get("verdict") for each in objects] == ["hazard", None]
    for name in ("text", "witness"):
        assert paths[name].read_text() == cli("check", f"--format={name}", traces["bad"]).out + text.err


def test_a_run_goes_to_every_format_at_once(cli: Cli, tmp_path: Path) -> None:
    paths = {name: tmp_path / f"report.{name}" for name in ("json", "witness", "text")}
    found = cli(*FLUSHED, *(f"--format={name}={path}" for name, path in paths.items()), "--quiet")
    verdict, coverage = found.out.splitlines()
    assert (found.status, verdict) == (HAZARD, "hazard: 2 found (stale-fetch 1, stale-read 1)")
    assert coverage.startswith("judged: ")
    assert len(json.loads(paths["json"].read_text())["hazards"]) == 2
    assert paths["text"].read_text() == found.out
    shown = cli(*FLUSHED, "--format", f"text={paths['text']}")
    assert paths["text"].read_text().splitlines()[:-1] == [
        line for line in shown.out.splitlines()[:-1] if not line.startswith("midway")
    ]


def test_each_format_lists_its_own_number_of_hazards(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "text", FORMATS["text"]._replace(hazards=1))
    path = tmp_path / "report.json"
    found = cli(*FLUSHED, f"--format=json={path}")
    assert "\nand 1 more\n" in found.out
    assert len(json.loads(path.read_text())["hazards"]) == 2
    found = cli(*FLUSHED, f"--format=json={path}", "--hazards", 0)
    assert "\nand 2 more\n" in found.out
    document = json.loads(path.read_text())
    assert (document["hazards"], document["hazards_found"]) == ([], 2)


def test_the_witness_of_a_run_is_a_trace(cli: Cli, tmp_path: Path) -> None:
    found = cli(*FLUSHED, "--format", "witness", "--hazards", 1)
    assert found.status == HAZARD
    assert "# hazard 1 of 2 in " in found.out
    assert list(TextReader(found.out.splitlines(True)))
    path = tmp_path / "witness.trace"
    path.write_text(found.out)
    original = json.loads(cli(*FLUSHED, "--json", "--hazards", 1).out)["hazards"][0]
    again = json.loads(cli("check", "--json", path).out)["hazards"][-1]
    same = ("kind", "agent", "address", "size")
    assert [again[key] for key in same] == [original[key] for key in same]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--json", "--witness"], "standard output takes one format, not json and witness: "),
        (["--format=json", "--format=text=-"], "standard output takes one format, not json and text: "),
        (["--format=json=x", "--format=text=./x"], "x takes one format, not json and text: "),
    ],
)
def test_a_place_takes_one_format(
    cli: Cli, traces: dict[str, str], options: list[str], said: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    found = cli("check", *options, traces["good"])
    assert (found.status, found.out) == (ERROR, "")
    assert said in found.err
    assert found.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.trace", "good.trace", "wrong.trace"]


def test_the_same_output_twice_is_one(cli: Cli, traces: dict[str, str]) -> None:
    assert cli("check", "--json", "--format=json", traces["good"]) == cli("check", "--json", traces["good"])


@pytest.mark.parametrize("command", [["check", "x"], list(MIDWAY), ["matrix", *MIDWAY[1:]], ["corpus"]])
@pytest.mark.parametrize(
    ("word", "said"),
    [("pdf", "unknown format 'pdf'; choose from: text, json"), ("json=", "'json=' names no file")],
)
def test_a_format_that_is_none(cli: Cli, command: list[str], word: str, said: str) -> None:
    found = cli(*command, "--format", word)
    assert (found.status, found.out) == (ERROR, "")
    assert said in found.err


def test_a_run_that_fails_leaves_no_report(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("what was here before")
    found = cli(*MIDWAY, "--host", "kvm-arm64", f"--format=json={path}")
    assert found.status == ERROR
    assert path.read_text() == "what was here before"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_is_an_error(
    cli: Cli, traces: dict[str, str], tmp_path: Path
) -> None:
    found = cli("check", f"--format=json={tmp_path}/no/report", traces["good"])
    assert (found.status, found.out) == (ERROR, "")
    assert found.err == f"coldline: {tmp_path}/no/report: cannot write a report: No such file or directory\n"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full")
def test_a_full_disk_is_an_error_of_its_file(cli: Cli, traces: dict[str, str]) -> None:
    found = cli("check", "--format=json=/dev/full", traces["good"])
    assert found.status == ERROR
    assert found.err == "coldline: /dev/full: cannot write a report: No space left on device\n"


# -- a format more ---------------------------------------------------------------------------------------------


class Telegram(Reporter):
    """A format that a test adds."""

    def report(self, report: Report) -> None:
        assert report.verdict is not None
        print(f"{report.subject} STOP {report.verdict.value.upper()} STOP", file=self.out)


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("telegram")
    module.Telegram = Telegram  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "telegram", module)
    monkeypatch.setitem(FORMATS, "telegram", Format("telegram:Telegram", "short words"))


@pytest.mark.usefixtures("telegram")
def test_a_format_is_added_in_one_place(cli: Cli, traces: dict[str, str], tmp_path: Path) -> None:
    for command in ("check", "boot"):
        assert "telegram: short words" in " ".join(cli(command, "--help").out.split())
    assert "telegram" not in cli("matrix", "--help").out
    found = cli("check", "--format", "telegram", traces["good"], traces["bad"])
    assert found.out == f"{traces['good']} STOP COHERENT STOP\n{traces['bad']} STOP HAZARD STOP\n"
    path = tmp_path / "telegram"
    assert cli(*MIDWAY, f"--format=telegram={path}").status == COHERENT
    assert path.read_text().endswith(" STOP COHERENT STOP\n")
    said = cli("check", "--format", "pdf", traces["good"]).err
    assert "choose from: text, json, witness, html, sarif, junit, github, telegram" in said


# -- JSON ------------------------------------------------------------------------------------------------------


def validated(text: str) -> list[dict[str, Any]]:
    """The objects of an output, each validated with the schema that it names."""
    found = [json.loads(line) for line in text.splitlines()]
    for document in found:
        product, name = document["schema"].split(".")
        assert product == "coldline"
        file = resources.files("coldline.report").joinpath("schema", f"{name.replace('/', '-')}.json")
        schema = json.loads(file.read_text())
        assert schema["title"] == document["schema"]
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(document)
    return found


def test_the_objects_of_check_are_as_their_schema_says(cli: Cli, traces: dict[str, str]) -> None:
    for options in ([], ["--max-hazards", 1], ["--stories", 0]):
        (good, bad, wrong) = validated(cli("check", "--json", *options, *traces.values()).out)
        assert (good["verdict"], bad["verdict"], "error" in wrong) == ("coherent", "hazard", True)
        assert good["not_covered"] == bad["not_covered"]


@pytest.mark.parametrize("options", [["--strategy", "flush"], ["--strategy", "none"], ["--until", "mmu"], []])
def test_the_object_of_boot_is_as_its_schema_says(cli: Cli, options: list[str]) -> None:
    (document,) = validated(cli(*MIDWAY, "--json", *options).out)
    assert document["schema"] == "coldline.report/1"
    (short,) = validated(cli(*MIDWAY, "--json", "--quiet", *options).out)
    del document["seconds"], short["seconds"]
    assert short == document


def test_the_object_of_matrix_is_as_its_schema_says(cli: Cli) -> None:
    (document,) = validated(cli("matrix", *MIDWAY[1:], "--json").out)
    verdicts = {cell["verdict"] for row in document["verdicts"].values() for cell in row.values()}
    assert verdicts == {"coherent", "hazard", "refused"}


@pytest.mark.parametrize("name", [[], ["sel4-481"]])
def test_the_object_of_corpus_is_as_its_schema_says(cli: Cli, name: list[str]) -> None:
    (document,) = validated(cli("corpus", "--format", "json", *name).out)
    assert document["as_told"] is True


ORDERED = """\
version 2
option order
core cpu0 a g
core cpu1 n
g mmu off
a map 0x1000 0x1000 normal-wb
g write 0x1000 8
g dc ivac 0x1000 8
g dsb
a read 0x1000 8
n map 0x1000 0x1000 normal-nc
n read 0x1000 8
"""


def test_the_object_of_a_trace_with_order_is_as_its_schema_says(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    path.write_text(ORDERED)
    (document,) = validated(cli("check", "--json", path).out)
    (hazard,) = document["hazards"]
    told = [step for step in hazard["witness"] if "core" in step]
    assert [(step["step"], step["core"]) for step in told if step["step"] == "store arrives"] == [
        ("store arrives", "cpu0")
    ]
    (step,) = (step for step in told if step["step"] == "complete")
    assert (step["operation"], step["outcome"]) in [("dc ivac", "discard"), ("dc ivac", "clean")]
    assert {"cpu0": "dc ivac, store new"} in [step.get("pending") for step in hazard["witness"]]
    step["operation"] = 3
    with pytest.raises(jsonschema.ValidationError):
        validated(json.dumps(document))


def test_the_object_of_a_descriptor_that_changes_is_as_its_schema_says(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    text = "version 2\noption order\na map 0x1000 0x1000 normal-wb\na descriptor 0x1000 0x1000 normal-nc\n"
    path.write_text(text)
    (document,) = validated(cli("check", "--json", "--repair", path).out)
    assert document["hazards_by_kind"] == {"bbm": 64}
    (hazard,) = document["hazards"]
    assert (hazard["kind"], hazard["line"], hazard["size"], hazard["lines"]) == ("bbm", 4, 4096, 64)
    assert [step["event"] for step in hazard["witness"]] == text.splitlines()[2:]
    (cause,) = document["causes"]
    assert (cause["role"], cause["copy"]) == ("changed", "")
    assert not cause["repairs"]["found"]


def test_a_schema_refuses_what_is_not_its_own(cli: Cli, traces: dict[str, str]) -> None:
    (document,) = validated(cli("check", "--json", traces["bad"]).out)
    for key in ("verdict", "hazards", "not_covered", "file"):
        with pytest.raises(jsonschema.ValidationError):
            validated(json.dumps({name: value for name, value in document.items() if name != key}))
    with pytest.raises(jsonschema.ValidationError):
        validated(json.dumps({**document, "verdict": "fine"}))


def test_every_schema_is_somebodys() -> None:
    files = {each.name for each in resources.files("coldline.report").joinpath("schema").iterdir()}
    assert files == {
        *("report-1.json", "matrix-1.json", "corpus-1.json"),
        *("baseline-1.json", "comparison-1.json"),
    }


def test_what_each_format_shows() -> None:
    assert list(formats_for(REPORT)) == ["text", "json", "witness", "html", "sarif", "junit", "github"]
    assert list(formats_for(MATRIX)) == ["text", "json", "html"]
    assert list(formats_for(CORPUS)) == ["text", "json"]


# -- one verdict -----------------------------------------------------------------------------------------------


@pytest.mark.long
def test_boot_and_matrix_agree(cli: Cli) -> None:
    """The final read counts in the exit status, in the text and in a run's object."""
    cells = json.loads(cli("matrix", *MIDWAY[1:], "--json").out)["verdicts"]
    for host, row in cells.items():
        for strategy, cell in row.items():
            where = ("--host", host, "--strategy", strategy)
            text = cli(*MIDWAY, *where, "--quiet")
            if cell["verdict"] == "refused":
                assert text.status == ERROR
                assert text.err == f"coldline: {cell['reason']}\n"
                continue
            document = json.loads(cli(*MIDWAY, *where, "--json").out)
            assert document["verdict"] == cell["verdict"]
            assert text.out.startswith(cell["verdict"])
            assert text.status == (COHERENT if cell["verdict"] == "coherent" else HAZARD)
            loaded = [each for each in document["unread"] if each["content"] == "loaded"]
            assert cell["kinds"] == sorted(
                {each["kind"] for each in document["hazards"]}
                | {kind for each in loaded for kind in each["kinds"]}
            )
