# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline convert --version 2``: the same trace, and its verdict, in version 2."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from coldline.corpus import CORPUS_FOLDER, read_corpus
from tests.helpers.command import COHERENT, ERROR, HAZARD, Cli
from tests.helpers.effort import examples
from tests.helpers.trace_strategies import traces

TEXT = "line 32\noption idc\na map 0x1000 0x1000 normal-wb\nb map 0x1000 0x1000 normal-nc\na write 0x1000 8\n"


def converted(cli: Cli, folder: Path, text: str, *options: str) -> str:
    """A trace in text, converted and read as text."""
    source, target = folder / "in.trace", folder / "out.trace"
    source.write_text(text)
    found = cli("convert", source, target, *options)
    assert (found.status, found.out, found.err) == (0, "", "")
    return target.read_text()


def hazards(cli: Cli, folder: Path, text: str) -> list[dict[str, Any]]:
    """What a check finds; lines are those of events alone."""
    path = folder / "check.trace"
    path.write_text(text)
    found = cli("check", "--json", "--stories", 0, path)
    head = re.compile(r"(version|line|option|core)\s")
    document = json.loads(found.out)
    lines = enumerate(text.splitlines(), 1)
    numbers = [number for number, line in lines if line.partition("#")[0].strip()]
    heads = sum(bool(head.match(line.lstrip())) for line in text.splitlines())
    return [{**each, "line": numbers.index(each["line"]) - heads} for each in document["hazards"]]


def agents(text: str) -> list[str]:
    words = [line.split()[0] for line in text.splitlines() if line.partition("#")[0].strip()]
    return sorted(set(words) - {"line", "option"})


def test_the_head_says_what_it_said(cli: Cli, tmp_path: Path) -> None:
    """No core is named unless that was asked for."""
    assert converted(cli, tmp_path, TEXT, "--version", "2") == f"version 2\n{TEXT}"


def test_cores_are_those_asked_for(cli: Cli, tmp_path: Path) -> None:
    text = converted(cli, tmp_path, TEXT, "--version", "2", "--core", "x a", "--core", "y b c")
    head, events = TEXT[:19], TEXT[19:]
    assert text == f"version 2\n{head}core x a\ncore y b c\n{events}"
    again = converted(cli, tmp_path, text, "--core", "z d")
    assert again == f"version 2\n{head}core x a\ncore y b c\ncore z d\n{events}"


@pytest.mark.parametrize("form", ["text", "binary"])
def test_either_form_is_upgraded_and_stays_what_it_is(cli: Cli, tmp_path: Path, form: str) -> None:
    source, first, second = tmp_path / "a.trace", tmp_path / "b", tmp_path / "c"
    source.write_text(TEXT)
    assert cli("convert", "--to", form, source, first).status == 0
    assert cli("convert", "--version", "2", first, second).status == 0
    assert first.read_bytes().startswith(b"\x89CLT") == second.read_bytes().startswith(b"\x89CLT")
    assert cli("convert", "--to", "text", second, source).status == 0
    assert source.read_text() == f"version 2\n{TEXT}"
    assert cli("convert", "--version", "2", "--to", "binary", second, first).status == 0
    assert first.read_bytes()[8] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--core", "x a"], "--core needs a trace of version 2, which {path} is not: give --version 2"),
        (["--version", "2", "--core", "x"], "--core: 'core' takes its name and the agents that run on it"),
        (
            ["--version", "2", "--core", "x a", "--core", "y a"],
            "--core: agent 'a' is on core 'x' already",
        ),
        (["--version", "2", "--core", "x a", "--core", "x b"], "--core: core 'x' is there already"),
    ],
)
def test_cores_that_cannot_be(cli: Cli, tmp_path: Path, options: list[str], said: str) -> None:
    path, target = tmp_path / "a.trace", tmp_path / "out"
    path.write_text(TEXT)
    found = cli("convert", path, target, *options)
    assert (found.status, found.err) == (ERROR, f"coldline: {said.format(path=path)}\n")
    assert not target.exists()


@pytest.mark.parametrize("form", ["text", "binary"])
def test_an_agent_whose_name_version_2_uses_is_an_error(cli: Cli, tmp_path: Path, form: str) -> None:
    path, target = tmp_path / "a.trace", tmp_path / "out"
    path.write_text("core map 0x1000 0x1000 normal-wb\n")
    assert cli("check", path).status != ERROR
    found = cli("convert", "--version", "2", "--to", form, path, target)
    assert (found.status, found.err) == (
        ERROR,
        f"coldline: {path}: 'core' is an agent, and cannot be one in version 2\n",
    )
    assert not target.exists()


def test_instruction_caches_of_several_cores_are_what_can_differ(cli: Cli, tmp_path: Path) -> None:
    """In version 1 all agents have one; in version 2, those on no core or on several may have their own."""
    text = (
        "b map 0x1000 0x1000 normal-wb exec\nb fetch 0x1000 4\na map 0x1000 0x1000 normal-wb\n"
        "a write 0x1000 4\na dc cvau 0x1000 4\na ic iallu\nb fetch 0x1000 4\n"
    )
    path = tmp_path / "out.trace"
    for options, status in (
        ((), COHERENT),
        (("--version", "2"), HAZARD),
        (("--version", "2", "--core", "x a b"), COHERENT),
        (("--version", "2", "--core", "x a", "--core", "y b"), HAZARD),
    ):
        path.write_text(converted(cli, tmp_path, text, *options, "--to", "text"))
        assert cli("check", "--quiet", path).status == status


@settings(
    max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(traces())
def test_on_one_core_the_verdict_is_what_it_was(cli: Cli, tmp_path: Path, text: str) -> None:
    names = agents(text)
    options = ["--core", f"x {' '.join(names)}"] if names else []
    upgraded = converted(cli, tmp_path, text, "--version", "2", *options)
    assert hazards(cli, tmp_path, upgraded) == hazards(cli, tmp_path, text)


def test_the_corpus_has_the_verdicts_that_it_had(cli: Cli, tmp_path: Path) -> None:
    """Version 1 traces of bugs that no instruction cache has a part in."""
    seen = 0
    for bug in read_corpus(CORPUS_FOLDER):
        for case in bug.cases:
            text = case.path.read_text()
            if re.search(r"^version|^[^#]*\b(ic|exec|fetch)\b", text, re.MULTILINE):
                continue
            upgraded = converted(cli, tmp_path, text, "--version", "2")
            assert hazards(cli, tmp_path, upgraded) == hazards(cli, tmp_path, text), bug.name
            seen += 1
    assert seen > 5
