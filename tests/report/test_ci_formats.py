# SPDX-License-Identifier: GPL-2.0-or-later
"""The formats for CI: SARIF, JUnit's XML and GitHub's annotations.

SARIF is checked here by the rules that its specification states for what coldline writes, and by Microsoft's
Sarif.Multitool, which has the official schema, if this machine has it.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from tests.helpers.command import COHERENT, ERROR, HAZARD, MIDWAY, Cli
from tests.report.test_causes import MAPS, SCATTERED
from tests.report.test_formats import GOOD, ORDERED

DISCARDED = MAPS + "c write 0x1000 8\nc dc ivac 0x1000 8\nc read 0x1000 8\n"
HOSTILE = "evil & <name>,50%\x1b[31m.trace"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Traces with hazards, without one, without an access, with order, and what is no trace, in this folder."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "a.trace": SCATTERED, "b.trace": DISCARDED, "good.trace": GOOD, "empty.trace": "", "order.trace": ORDERED,
        "wrong.trace": "a frobnicate\n", HOSTILE: SCATTERED,
    }  # fmt: skip
    for name, text in texts.items():
        Path(name).write_text(text)
    return list(texts)


def sarif(cli: Cli, *words: object) -> dict[str, Any]:
    found = cli(*words, "--format", "sarif")
    document: dict[str, Any] = json.loads(found.out)
    return document


# -- SARIF -----------------------------------------------------------------------------------------------------

ALLOWED = {
    "log": {"$schema", "version", "runs"},
    "run": {"tool", "automationDetails", "columnKind", "invocations", "results"},
    "result": {
        "ruleId", "ruleIndex", "kind", "level", "message", "locations", "relatedLocations", "partialFingerprints",
        "occurrenceCount", "codeFlows", "baselineState", "suppressions", "properties",
    },
    "location": {"id", "physicalLocation", "logicalLocations", "message"},
    "physical": {"artifactLocation", "region", "address"},
    "step": {"location", "kinds", "state", "executionOrder", "importance"},
}  # fmt: skip
"""The keys that SARIF 2.1.0 knows (3.13, 3.14, 3.27, 3.28, 3.29, 3.38), as far as coldline writes them."""


def check_location(location: dict[str, Any]) -> None:
    assert location.keys() <= ALLOWED["location"]
    physical = location.get("physicalLocation")
    if physical is None:
        return
    assert physical.keys() <= ALLOWED["physical"]
    uri = physical["artifactLocation"]["uri"]
    assert re.fullmatch(r"(?:file://)?[A-Za-z0-9._~/%-]+", uri), uri
    if "region" in physical:
        assert physical["region"]["startLine"] >= 1
    if "address" in physical:
        assert physical["address"]["absoluteAddress"] >= 0


def check_log(log: dict[str, Any]) -> None:
    """Check a log by what the specification says of each object."""
    assert log.keys() == ALLOWED["log"]
    assert log["version"] == "2.1.0"
    for run in log["runs"]:
        assert run.keys() <= ALLOWED["run"]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(set(rules)) == len(rules)
        for result in run["results"]:
            assert result.keys() <= ALLOWED["result"]
            assert rules[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in ("error", "note")
            assert result["message"]["text"].endswith(".")
            for location in (*result["locations"], *result["relatedLocations"]):
                check_location(location)
            (flow,) = result["codeFlows"]
            names = [thread["id"] for thread in flow["threadFlows"]]
            assert len(set(names)) == len(names)
            orders = []
            for thread in flow["threadFlows"]:
                own = [step["executionOrder"] for step in thread["locations"]]
                assert own == sorted(own)
                orders += own
                for step in thread["locations"]:
                    assert step.keys() <= ALLOWED["step"]
                    assert len(set(step["kinds"])) == len(step["kinds"])
                    check_location(step["location"])
            assert sorted(orders) == list(range(1, len(orders) + 1))


def test_a_log_is_as_the_specification_says(cli: Cli, files: list[str]) -> None:
    log = sarif(cli, "check", *files)
    check_log(log)
    (run,) = log["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    levels = {
        each["message"]["text"].partition(": ")[0]: each["level"]
        for each in invocation["toolExecutionNotifications"]
    }
    assert levels == {name: "error" if name == "wrong.trace" else "note" for name in files}
    uris = [
        unquote(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
        for run in log["runs"]
        for result in run["results"]
    ]
    assert {"a.trace", "b.trace", "order.trace", HOSTILE} == set(uris)
    check_log(sarif(cli, *MIDWAY, "--strategy", "none"))


def test_github_takes_the_log_of_many_traces_and_of_a_guest_beside_it(cli: Cli, tmp_path: Path) -> None:
    """At most 20 runs of a file, and one of each category, which is what comes before the last slash of the id."""
    paths = [tmp_path / f"{number}.trace" for number in range(21)]
    for path in paths:
        path.write_text(DISCARDED)
    traces, guest = sarif(cli, "check", *paths), sarif(cli, *MIDWAY, "--strategy", "flush")
    runs = [*traces["runs"], *guest["runs"]]
    ids = [run["automationDetails"]["id"].rpartition("/") for run in runs]
    assert ids == [("coldline/check", "/", ""), ("coldline/guest.Image", "/", "")]
    assert [len(run["results"]) for run in runs] == [21, 2]
    assert sarif(cli, "check", paths[0])["runs"][0]["invocations"][0]["executionSuccessful"] is True


BROKEN = """\
version 2
option order
core c0 a
a map 0x1000 0x1000 normal-wb
a write 0x1000 8
a dc civac 0x1000 8
a dsb
a descriptor 0x1000 0x1000 normal-nc
give 0x1000 0x1000 b
b mmu off
b read 0x1000 8
"""


def test_a_result_for_each_kind_has_its_rule(cli: Cli, files: list[str]) -> None:
    Path("broken.trace").write_text(BROKEN)
    log = sarif(cli, "check", "broken.trace")
    check_log(log)
    (run,) = log["runs"]
    bbm, leak = run["results"]
    assert (bbm["ruleId"], bbm["occurrenceCount"]) == ("bbm", 64)
    assert bbm["message"]["text"] == (
        "A changes the memory type of a live mapping at 0x1000, 4,096 bytes: "
        "a descriptor 0x1000 0x1000 normal-nc (line 8) changes the type without break-before-make."
    )
    assert leak["ruleId"] == "leak"
    assert leak["message"]["text"] == (
        "B may get another owner's bytes at 0x1000, 8 bytes (from before line 9, which gave the page to b; "
        "a wrote it last, line 5): give 0x1000 0x1000 b (line 9) gives the page with old bytes in it."
    )


def test_a_result_is_a_cause_and_its_story_is_told_by_agents(cli: Cli, files: list[str]) -> None:
    (run,) = sarif(cli, "check", "b.trace")["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["occurrenceCount"]) == ("lost-write", 1)
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 5}
    assert result["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 4}
    flows = {each["id"]: each["locations"] for each in result["codeFlows"][0]["threadFlows"]}
    (decides,) = (step for steps in flows.values() for step in steps if "decides" in step["kinds"])
    assert decides["location"]["message"]["text"] == "c dc ivac 0x1000 8: discards, discards the new bytes"
    assert decides["state"]["memory"] == {"text": "OLD"}
    assert set(flows) == {"c", "n"}


def test_sarif_says_that_a_cache_wrote_old_bytes(cli: Cli, tmp_path: Path) -> None:
    """The store answers for it, but wrote new bytes."""
    path = tmp_path / "a.trace"
    scrub = "xen map 0x40000000 0x1000 normal-wb\nxen write 0x40000000 0x1000\nxen unmap 0x40000000 0x1000\n"
    store = "dom0 map 0x40000000 0x1000 normal-nc\ndom0 write 0x40000000 8\n"
    path.write_text(f"{scrub}{store}guest mmu off\nguest read 0x40000000 8\n")
    (result,) = sarif(cli, "check", path)["runs"][0]["results"]
    (related,) = result["relatedLocations"]
    said = "A cache, after dom0 write 0x40000000 8 (line 5), writes old bytes over memory"
    assert related["message"]["text"] == said


def test_steps_of_caches_are_a_thread_flow_of_their_own(cli: Cli) -> None:
    (run,) = sarif(cli, *MIDWAY, "--strategy", "flush")["runs"]
    flows = {each["id"]: each["locations"] for each in run["results"][0]["codeFlows"][0]["threadFlows"]}
    (fill,) = flows["caches"]
    assert fill["kinds"] == ["cache"]
    assert fill["location"] == {"message": {"text": "level 2 fills from memory by speculation"}}
    assert {"dom0", "guest", "xen"} < set(flows)
    addresses = [step["location"]["physicalLocation"].get("address") for step in flows["guest"]]
    assert any(each is not None and each["kind"] == "instruction" for each in addresses)


@pytest.mark.parametrize("of_run", [False, True])
def test_the_official_validator_finds_no_error(cli: Cli, files: list[str], of_run: bool) -> None:
    tool = os.environ.get("SARIF_MULTITOOL") or shutil.which("Sarif.Multitool")
    if not tool:
        pytest.skip("SARIF_MULTITOOL names no Sarif.Multitool, of npm's @microsoft/sarif-multitool-linux")
    words = [*MIDWAY, "--strategy", "none"] if of_run else ["check", *files]
    Path("log.sarif").write_text(cli(*words, "--format", "sarif").out)
    environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    done = subprocess.run(
        [str(tool), "validate", "log.sarif"], capture_output=True, text=True, timeout=120, env=environment
    )
    assert "Analysis completed successfully" in done.stdout
    assert not re.findall(r": error .*", done.stdout)


# -- JUnit -----------------------------------------------------------------------------------------------------


def test_junit_has_a_test_for_each_cause(cli: Cli, files: list[str]) -> None:
    found = cli("check", *files, "--format", "junit")
    assert found.status == ERROR
    root = ElementTree.fromstring(found.out)
    ends = {
        suite.get("name"): [[child.tag for child in test] for test in suite.iter("testcase")]
        for suite in root
    }
    assert ends == {
        "a.trace": [["failure"]],
        "b.trace": [["failure"]],
        "good.trace": [[]],
        "empty.trace": [["skipped"]],
        "order.trace": [["failure"]],
        "wrong.trace": [["error"]],
        HOSTILE.replace("\x1b", "\\x1b"): [["failure"]],
    }
    counts = {
        name: sum(int(suite.get(name, 0)) for suite in root) for name in ("tests", "failures", "errors")
    }
    assert (
        counts
        == {name: int(root.get(name, -1)) for name in counts}
        == {"tests": 7, "failures": 4, "errors": 1}
    )
    failure = root.find(".//failure")
    assert failure is not None
    assert "what happened" in (failure.text or "")


SCHEMA = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package", "file"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": ({"name", "classname", "time", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}  # fmt: skip
"""For each element its attributes and its children (jenkins xunit-plugin junit-10.xsd)."""
NEEDED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "failure": {"type"},
    "error": {"type"},
}
"""The attributes without which an element is not valid, there or by Ant's schema."""


def test_junit_is_as_its_schema_says(cli: Cli, files: list[str]) -> None:
    root = ElementTree.fromstring(cli("check", *files, "--format", "junit").out)
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        assert NEEDED.get(element.tag, set()) <= set(element.keys()) <= attributes
        assert {child.tag for child in element} <= children


def test_the_text_of_a_test_is_enough(cli: Cli, files: list[str]) -> None:
    """GitLab shows the text of the element alone."""
    root = ElementTree.fromstring(cli("check", *files, "--format", "junit").out)
    told = [each for tag in ("failure", "skipped") for each in root.iter(tag)]
    assert len(told) == 5
    for each in told:
        assert (each.text or "").startswith(each.get("message", "?"))


def test_characters_that_xml_has_not_are_escaped(cli: Cli, tmp_path: Path) -> None:
    """An agent's name, from the trace, is in the name of the test, in its message and in its text."""
    evil = "]]>\x07\ufffe\u202e<&\"'"
    path = tmp_path / "a.trace"
    path.write_text((MAPS + "c write 0x1000 8\nn read 0x1000 8\n").replace("n ", f"{evil} "))
    root = ElementTree.fromstring(cli("check", path, "--format", "junit").out)
    (failure,) = root.iter("failure")
    shown = "]]>\\x07\\ufffe\\u202e<&\"'"
    assert f"{shown} may get old bytes" in failure.get("message", "")
    assert f"{shown} read 0x1000 8" in (failure.text or "")


def test_each_test_has_a_name_of_its_own(cli: Cli, tmp_path: Path) -> None:
    """Two stores of one kind are two causes with one identity."""
    path = tmp_path / "a.trace"
    path.write_text(MAPS + "c write 0x1000 64\nc write 0x1040 64\nn read 0x1000 128\n")
    root = ElementTree.fromstring(cli("check", path, "--format", "junit").out)
    names = [test.get("name") for test in root.iter("testcase")]
    assert len(set(names)) == len(names) == 2


# -- GitHub ----------------------------------------------------------------------------------------------------

ANNOTATION = re.compile(r"::(error|warning|notice)(?: ((?:[a-z]+=[^,:]+,?)+))?::(.*)")


def test_each_line_is_an_annotation(cli: Cli, files: list[str]) -> None:
    found = cli("check", *files, "--format", "github")
    seen = [ANNOTATION.fullmatch(line) for line in found.out.splitlines()]
    assert all(seen)
    levels = [each[1] for each in seen if each is not None]
    assert levels.count("error") == 5
    assert levels.count("warning") == 1  # inconclusive
    assert "::error file=b.trace,line=5,title=lost-write::" in found.out
    assert "\x1b" not in found.out
    assert "evil & <name>%2C50%25\\x1b[31m.trace" in found.out


def test_the_formats_for_ci_have_the_status_of_text(cli: Cli, files: list[str]) -> None:
    for name in ("sarif", "junit", "github"):
        assert cli("check", "a.trace", "--format", name).status == HAZARD
        assert cli("check", "good.trace", "--format", name).status == COHERENT
