# SPDX-License-Identifier: GPL-2.0-or-later
"""Baselines, suppressions and comparisons: causes that are the same although lines and addresses differ."""

import datetime
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.helpers.command import COHERENT, ERROR, HAZARD, INCONCLUSIVE, MIDWAY, Cli
from tests.report.test_causes import MAPS
from tests.report.test_formats import validated

STAYS = MAPS + "c write 0x1000 64\nn read 0x1000 8\n"
MOVED = "# a line more\n\n" + STAYS.replace("0x1", "0x7")
"""The same at another address, and on other lines."""
TWO = STAYS + "n write 0x1040 8\nc read 0x1048 8\nn write 0x1048 8\nc read 0x1048 8\n"
"""And a second cause."""
FIXED = MAPS + "c write 0x1000 64\nc dc cvac 0x1000 64\nn read 0x1000 8\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(cli: Cli, text: str, name: str = "a.trace", to: str = "report.json") -> str:
    Path(name).write_text(text)
    Path(to).write_text(cli("check", "--json", name).out)
    return to


def baseline(cli: Cli, text: str) -> str:
    found = cli("baseline", report(cli, text), "-o", "base.json")
    assert found == (COHERENT, "", "")
    return "base.json"


@pytest.mark.usefixtures("folder")
def test_a_known_cause_does_not_fail_wherever_it_has_moved(cli: Cli) -> None:
    base = baseline(cli, STAYS)
    for text in (STAYS, MOVED):
        Path("a.trace").write_text(text)
        found = cli("check", "--baseline", base, "a.trace")
        assert (found.status, found.err) == (COHERENT, "")
        assert "1. stale-read (known): " in found.out
        assert "hazard: 1 found" in found.out
        assert "\ncauses: 1 known\n" in found.out


@pytest.mark.usefixtures("folder")
def test_a_cause_more_fails(cli: Cli) -> None:
    base = baseline(cli, STAYS)
    Path("a.trace").write_text(TWO)
    found = cli("check", "--baseline", base, "--json", "a.trace")
    assert found.status == HAZARD
    (document,) = validated(found.out)
    assert [cause["state"] for cause in document["causes"]] == ["known", "new"]


@pytest.mark.usefixtures("folder")
def test_one_entry_stands_for_one_cause(cli: Cli) -> None:
    """Two stores of one kind are two causes, of which the baseline may have one or both."""
    twice = MAPS + "c write 0x1000 64\nc write 0x1040 64\nn read 0x1000 128\n"
    base = baseline(cli, STAYS)
    Path("a.trace").write_text(twice)
    assert cli("check", "--baseline", base, "a.trace").status == HAZARD
    assert cli("check", "--baseline", baseline(cli, twice), "a.trace").status == COHERENT


@pytest.mark.usefixtures("folder")
def test_what_is_no_longer_found_is_said(cli: Cli) -> None:
    base = baseline(cli, STAYS)
    Path("a.trace").write_text(FIXED)
    found = cli("check", "--baseline", base, "--quiet", "a.trace")
    assert found.status == COHERENT
    said = "coldline: no longer found: a.trace: stale-read at +0x0: c write (left-old memory), n read\n"
    assert found.err == said


@pytest.mark.usefixtures("folder")
def test_hazards_without_a_story_fail(cli: Cli) -> None:
    base = baseline(cli, TWO)
    found = cli("check", "--baseline", base, "--stories", 1, "a.trace")
    assert found.status == HAZARD
    assert "hazards without a story" in found.out


@pytest.mark.usefixtures("folder")
def test_a_baseline_is_not_made_of_hazards_without_a_story(cli: Cli) -> None:
    report(cli, TWO)
    Path("report.json").write_text(cli("check", "--json", "--stories", 0, "a.trace").out)
    found = cli("baseline", "report.json")
    assert (found.status, found.out) == (ERROR, "")
    assert "have no story" in found.err


@pytest.mark.usefixtures("folder")
def test_the_baseline_of_a_run(cli: Cli) -> None:
    words = (*MIDWAY, "--strategy", "flush")
    Path("report.json").write_text(cli(*words, "--json").out)
    assert cli("baseline", "report.json", "-o", "base.json").status == COHERENT
    identities = validated(Path("base.json").read_text().replace("\n", ""))[0]["causes"]
    assert {each["offset"] for each in identities} == {"kernel+0x800", "kernel+0x1000"}
    assert all(each["decider"].startswith("guest write at kernel+0x") for each in identities)
    assert cli(*words, "--baseline", "base.json", "--quiet").status == COHERENT
    assert cli(*MIDWAY, "--strategy", "none", "--baseline", "base.json", "--quiet").status == HAZARD


# -- suppressions ----------------------------------------------------------------------------------------------

SUPPRESSION = '[[suppress]]\ndecider = "c wri*"\nkind = "stale-read"\nreason = "{}"\nuntil = {}\n'
TODAY = datetime.datetime.now(datetime.UTC).date()
DAY = datetime.timedelta(days=1)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("until", "status", "state"), [(0, COHERENT, "suppressed"), (-1, HAZARD, "expired")])
def test_a_suppression_counts_up_to_its_day(cli: Cli, until: int, status: int, state: str) -> None:
    day = TODAY + until * DAY
    Path("s.toml").write_text(SUPPRESSION.format("known", day))
    Path("a.trace").write_text(STAYS)
    found = cli("check", "--suppressions", "s.toml", "a.trace")
    assert (found.status, found.err) == (status, "")
    assert f"1. stale-read ({state}): " in found.out
    assert f"   {state}: known (until {day})\n" in found.out
    suite = ElementTree.fromstring(
        cli("check", "--suppressions", "s.toml", "a.trace", "--format", "junit").out
    )
    assert len(list(suite.iter("skipped"))) == (status == COHERENT)
    log = json.loads(cli("check", "--suppressions", "s.toml", "a.trace", "--format", "sarif").out)
    assert ("suppressions" in log["runs"][0]["results"][0]) == (status == COHERENT)


@pytest.mark.usefixtures("folder")
def test_an_unused_suppression_is_said(cli: Cli) -> None:
    Path("s.toml").write_text(SUPPRESSION.format("known", TODAY))
    Path("a.trace").write_text(FIXED)
    found = cli("check", "--suppressions", "s.toml", "--quiet", "a.trace")
    assert found.status == COHERENT
    assert found.err == f"coldline: s.toml: suppression 1: unused suppression: known (until {TODAY})\n"


@pytest.mark.usefixtures("folder")
def test_what_is_inconclusive_stays_so(cli: Cli) -> None:
    Path("s.toml").write_text(SUPPRESSION.format("known", TODAY))
    Path("a.trace").write_text(STAYS + "c read 0x10")  # cut off
    assert cli("check", "--suppressions", "s.toml", "--quiet", "a.trace").status == INCONCLUSIVE


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[suppress]\n", "s.toml: is not TOML: "),
        ("\xff", "s.toml: is not TOML: "),
        ("x = 1\n", "s.toml: unknown key 'x'; expected [[suppress]]"),
        ("suppress = 3\n", "s.toml: 'suppress' must be a list of tables"),
        ('[[suppress]]\ndecider = "x"\nuntil = 2026-01-01\n', "s.toml: suppression 1: lacks its reason"),
        ('[[suppress]]\ndecider = "x"\nreason = "y"\n', "s.toml: suppression 1: lacks its last day"),
        (
            '[[suppress]]\ndecider = "x"\nreason = "y"\nuntil = "2026-01-01"\n',
            "suppression 1: lacks its last day",
        ),
        ('[[suppress]]\nreason = "y"\nuntil = 2026-01-01\n', "suppression 1: needs at least one of subject"),
        ('[[suppress]]\nsubjct = "x"\nreason = "y"\nuntil = 2026-01-01\n', "unknown key 'subjct'"),
        ('[[suppress]]\nsubject = 1\nreason = "y"\nuntil = 2026-01-01\n', "'subject' must be a text"),
    ],
)
def test_a_wrong_file_of_suppressions(cli: Cli, text: str, said: str) -> None:
    Path("s.toml").write_bytes(text.encode("latin-1"))
    Path("a.trace").write_text(STAYS)
    found = cli("check", "--suppressions", "s.toml", "a.trace")
    assert (found.status, found.out) == (ERROR, "")
    assert said in found.err
    assert found.err.count("\n") == 1


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "base.json: is not JSON: "),
        ("[" * 100_000, "base.json: is not JSON: "),
        ("[]", "base.json: is no JSON object"),
        ("{}", "base.json: is no baseline: its schema is not coldline.baseline/1"),
        ('{"schema": "coldline.baseline/1"}', "base.json: lacks its list 'causes'"),
        ('{"schema": "coldline.baseline/1", "causes": [{"kind": 3}]}', "base.json: cause 0 has no identity"),
    ],
)
def test_a_wrong_baseline(cli: Cli, text: str, said: str) -> None:
    Path("base.json").write_text(text)
    Path("a.trace").write_text(STAYS)
    found = cli("check", "--baseline", "base.json", "a.trace")
    assert (found.status, found.out) == (ERROR, "")
    assert said in found.err
    assert found.err.count("\n") == 1


# -- comparisons -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_a_comparison_says_what_is_fixed_new_and_the_same(cli: Cli) -> None:
    stays, two = report(cli, MOVED, "x.trace", "old.json"), report(cli, TWO, "y.trace", "new.json")
    found = cli("compare", stays, two)
    assert found.status == HAZARD
    lines = found.out.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["new", "same"]
    assert lines[-1] == "0 fixed, 1 new, 1 same"
    back = cli("compare", two, stays)
    assert (back.status, back.out.splitlines()[-1]) == (COHERENT, "1 fixed, 0 new, 1 same")
    (document,) = validated(cli("compare", "--json", stays, two).out)
    assert (len(document["fixed"]), len(document["new"]), len(document["same"])) == (0, 1, 1)


@pytest.mark.usefixtures("folder")
def test_causes_of_one_identity_are_one_line_with_their_counts(cli: Cli) -> None:
    """Stores of one kind; of three where there were two, one is new."""
    stores = [f"c write {0x1000 + 64 * line:#x} 64\n" for line in range(3)]
    two = report(cli, f"{MAPS}{''.join(stores[:2])}n read 0x1000 192\n", to="old.json")
    three = report(cli, f"{MAPS}{''.join(stores)}n read 0x1000 192\n", to="new.json")
    cause = "stale-read at +0x0: c write (left-old memory), n read"
    assert cli("compare", two, three).out == (
        f"new: {cause} (1: the old report has 2 such causes, the new one 3)\n"
        f"same: {cause} (2: the old report has 2 such causes, the new one 3)\n"
        "0 fixed, 1 new, 2 same\n"
    )
    assert cli("compare", three, three).out == (
        f"same: {cause} (3: the old report has 3 such causes, the new one 3)\n0 fixed, 0 new, 3 same\n"
    )
    found = cli("compare", three, two)
    assert (found.status, found.out.splitlines()[0]) == (
        COHERENT, f"fixed: {cause} (1: the old report has 3 such causes, the new one 2)",
    )  # fmt: skip


@pytest.mark.usefixtures("folder")
def test_a_comparison_says_which_verdicts_changed(cli: Cli) -> None:
    found = cli("compare", report(cli, STAYS, to="old.json"), report(cli, FIXED, to="new.json"))
    assert found.status == COHERENT
    assert "verdict of a.trace: hazard, now coherent\n" in found.out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "text", ["", "{}", "x", '{"schema": "coldline.report/1", "verdict": "hazard"}', "[]"]
)
def test_what_is_no_report_is_an_error(cli: Cli, text: str) -> None:
    Path("old.json").write_text(text)
    found = cli("compare", "old.json", report(cli, STAYS))
    assert (found.status, found.out) == (ERROR, "")
    assert found.err.startswith("coldline: old.json")
