# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of docs/ and the README, compared with the code."""

import json
import re
import shlex
import shutil
import subprocess
from argparse import ArgumentParser
from itertools import pairwise, product
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from coldline.arm import MemoryType
from coldline.arm.cores import CORES
from coldline.builder import STRATEGIES
from coldline.checker.state.findings import kind_of
from coldline.cli import main, status
from coldline.cli.arguments.judging import add_boot
from coldline.cli.arguments.showing import add_plan
from coldline.cli.arguments.values import DEFAULT_RAM
from coldline.cli.inputs.guest_config import _DEFAULTS
from coldline.errors import TraceError
from coldline.events import Op
from coldline.guest.config import LAUNCH_KEYS, PLAN_KEYS
from coldline.guest.reasons import Reason
from coldline.hypervisor.model import AliasLifetime
from coldline.hypervisor.models import HOST_MODELS
from coldline.report.baseline import BASELINE_SCHEMA
from coldline.report.comparison import COMPARISON_SCHEMA
from coldline.report.reporters import CORPUS, DEFAULT, FORMATS, MATRIX, REPORT, default_hazards
from coldline.report.reporters import json as json_format
from coldline.rules.alphabet import OTHER, Letter
from coldline.rules.automaton import build_automaton
from coldline.rules.line_rules import COPIES_READ, EFFECTS, STEPS, Hazard, microstates
from coldline.rules.profile import SWITCHES, Profile
from coldline.samples import SAMPLES, sample
from coldline.trace.text import TextReader
from testbed.verdict_tables import GUESTS, WIDE
from tests.helpers.checking import check_text
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require

PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
RULES = (ROOT / "docs" / "reference" / "rules.md").read_text()
FORMAT = (ROOT / "docs" / "reference" / "trace-format.md").read_text()
BOOT = (ROOT / "docs" / "reference" / "boot.md").read_text()
FINDINGS = (ROOT / "docs" / "explanation" / "findings.md").read_text()
HOSTS = (ROOT / "docs" / "reference" / "hosts.md").read_text()
VERDICTS = (ROOT / "docs" / "explanation" / "verdicts.md").read_text()
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
COMMANDS = (ROOT / "docs" / "reference" / "commands.md").read_text()
FORMATS_PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text()
PLAN = (ROOT / "docs" / "reference" / "plan.md").read_text()
CONFIG = (ROOT / "docs" / "reference" / "config.md").read_text()
DASH = "–"

# -- examples ------------------------------------------------------------------------------------------------

TRACE = re.compile(
    r"^```trace(?: title=\"(?P<name>[a-z.]+)\")?\n(?P<text>(?:(?!```).*\n)*)```\n"
    r"(?:\n*verdict: (?P<verdict>.*)$)?",
    re.MULTILINE,
)


def examples() -> list[ParameterSet]:
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


def console_sessions() -> list[ParameterSet]:
    found = []
    for page in PAGES:
        text = page.read_text()
        for number, session in enumerate(
            re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        ):
            found.append(pytest.param(text, session, id=f"{page.name}-{number}"))
    return found


def same_seconds(text: str) -> str:
    return re.sub(r"\d+\.\d s$", "0.0 s", re.sub(r" +$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)


@pytest.mark.parametrize(("page", "session"), console_sessions())
def test_a_session_prints_what_the_page_shows(
    page: str,
    session: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for trace in TRACE.finditer(page):
        if trace["name"]:
            Path(trace["name"]).write_text(trace["text"])
    for text in re.findall(r"^```cfg\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        Path("guest.cfg").write_text(text)
    shutil.copy(sample("midway-arm64").image, tmp_path)
    prompt, shown = session.split("\n", 1)
    program, *words = shlex.split(prompt.removeprefix("$ "))
    assert program == "coldline"
    assert main(words) in (0, 1)
    assert same_seconds(capsys.readouterr().out) == same_seconds(shown)


def library_examples() -> list[ParameterSet]:
    found = []
    for page in PAGES:
        shown = re.findall(
            r"^```python\n(.*?)^```\n\n```output\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL
        )
        assert page.read_text().count("\n```python") == len(shown), page
        found += [pytest.param(*each, id=f"{page.name}-{number}") for number, each in enumerate(shown)]
    return found


@pytest.mark.parametrize(("code", "shown"), library_examples())
def test_a_library_example_prints_what_the_page_shows(
    code: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("race.trace").write_text(next(TRACE.finditer(README))["text"])
    exec(compile(code, "example", "exec"), {})
    assert capsys.readouterr().out == shown


HEADER_OPTIONS = """\
option nc-may-hit
cpu1 map 0x04060000 0x1000 normal-wb
cpu1 read 0x04060f80 16
cpu1 mmu off
cpu1 write 0x04060f80 16
cpu1 read 0x04060f80 16
"""


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/library.md"])
def test_the_library_examples_obey_the_header_of_a_trace(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trace has a hazard only by its option."""
    codes = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("race.trace").write_text(HEADER_OPTIONS)
    exec(compile(next(code for code in codes if "race.trace" in code), "example", "exec"), {})
    assert "stale-read" in capsys.readouterr().out


def test_the_scripts_and_folders_of_the_pages_exist() -> None:
    """`test_page_names.py` checks other paths; a script must also be executable."""
    scripts = {
        (page.name, script) for page in PAGES for script in re.findall(r"scripts/[a-z-]+", page.read_text())
    }
    assert len(scripts) > 10
    for page, script in sorted(scripts):
        assert (ROOT / script).stat().st_mode & 0o111, f"{page}: {script}"
    folders = re.findall(r"^\| `(coldline/[a-z_./]+)`", ARCHITECTURE, re.MULTILINE)
    assert len(folders) > 10
    for folder in folders:
        assert (ROOT / folder).exists(), folder


def test_examples_are_found() -> None:
    """There are commands to test; a test of none would always pass."""
    pages = [page.read_text() for page in PAGES]
    assert len(console_sessions()) == sum(page.count("\n```console\n") for page in pages) > 5
    assert len(library_examples()) == sum(page.count("\n```python\n") for page in pages) > 2
    assert len(examples()) > 20


def test_the_modules_of_the_pages_exist() -> None:
    ours = [
        f"/{path.relative_to(ROOT)}"
        for top in ("benchmarks", "coldline", "testbed", "tests")
        for path in (ROOT / top).rglob("*.py")
    ]
    named = 0
    for page in PAGES:
        for module in re.findall(r"`([a-z0-9_/]+\.py)`", page.read_text()):
            named += 1
            assert any(path.endswith(f"/{module}") for path in ours), f"{page.name}: {module}"
    assert named > 10


def test_every_fence_of_a_trace_is_an_example() -> None:
    fences = sum(page.read_text().count("```trace") for page in PAGES)
    verdicts = sum(len(re.findall(r"^verdict: ", page.read_text(), re.MULTILINE)) for page in PAGES)
    given = examples()
    assert fences == len(given)
    assert verdicts == sum(example.values[1] is not None for example in given)


def test_the_rules_have_an_example_of_every_verdict() -> None:
    order = (ROOT / "docs" / "reference" / "order.md").read_text()
    examples = [match["verdict"] for match in TRACE.finditer(RULES + order)]
    verdicts = {verdict for example in examples for verdict in example.split(", ")}
    assert verdicts >= {"coherent", *KINDS}


# -- tables --------------------------------------------------------------------------------------------------


def section(page: str, heading: str) -> str:
    """The text under a heading of the second level."""
    found: str
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


KINDS = {kind_of(hazard, op) for hazard in Hazard if hazard for op in (Op.READ, Op.FETCH)}


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
    assert [row[0] for row in rows if row[3] != DASH] == [words(letter) for letter in COPIES_READ]


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
    assert [name.strip("`") for name in column(rows)] == ["line", *SWITCHES]
    assert column(rows, 1) == [str(Profile().line), *["off"] * len(SWITCHES)]


def test_the_counts_in_the_prose_are_those_of_the_code() -> None:
    assert f"There are {len(microstates())} microstates." in RULES
    assert f"within\n{len(microstates())} microstates" in RULES
    assert f"each of {len(Letter)} letters" in RULES


# -- the generated tables ------------------------------------------------------------------------------------


def generated(page: str, name: str) -> str:
    """The text of a page between the markers of a generated table."""
    table: str
    (table,) = re.findall(rf"<!-- generated: {name} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    return table


def automaton_sizes() -> str:
    """The table of automaton sizes, in the page's form."""
    lines = ["| switches | reachable states | minimal states |", "|---|---|---|"]
    for dic, idc, hits in product((False, True), repeat=3):
        names = [name for name, on in (("nc-may-hit", hits), ("idc", idc), ("dic", dic)) if on]
        machine = build_automaton(Profile(nc_may_hit=hits, idc=idc, dic=dic))
        lines.append(f"| {', '.join(names) or 'none'} | {machine.reachable} | {len(machine.step)} |")
    return "\n".join(lines)


def test_the_table_of_automaton_sizes_is_what_is_built() -> None:
    assert generated(RULES, "automaton-sizes") == automaton_sizes() + "\n"


def markdown(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows, ""])


def test_the_aliases_are_those_of_the_host_models() -> None:
    rows = [
        f"| `{model.name}` | `{alias.agent}` | {alias.memory_type.word}{', executable' * alias.executable} "
        f"| {alias.lifetime.value} | {alias.source} |"
        for model in HOST_MODELS.values()
        for alias in model.aliases
    ]
    assert generated(HOSTS, "aliases") == markdown("| host | agent | type | lives | source |", rows)
    assert all(f"*{each.value}*" in HOSTS.lower() for each in AliasLifetime)


def test_the_rules_of_hosts_are_those_of_the_host_models() -> None:
    rows = [
        f"| `{model.name}` | {when} | `{rule.agent}` | {', '.join(op.words for op in rule.steps)} | {rule.source} |"
        for model in HOST_MODELS.values()
        for when, rule in (
            ("at allocation", model.allocation),
            ("after each write of the loader", model.load),
            ("when asked to", model.flush),
            ("before the guest runs, when asked to", model.first_run),
            ("as its caches go on, and " * model.watches_caches + "for set/way", model.set_way),
        )
        if rule is not None and rule.steps
    ]
    assert generated(HOSTS, "rules") == markdown("| host | when | agent | does | source |", rows)


def matrix(capsys: pytest.CaptureFixture[str], *guest: str) -> str:
    """The page has the table that ``coldline matrix`` prints; with little memory, whose size changes no verdict."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", WIDE)
        assert main(["matrix", *guest, "--memory", "128M"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", SAMPLES)
def test_the_verdicts_for_midway_are_those_of_a_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert generated(VERDICTS, f"matrix {name}") == matrix(capsys, "--sample", name)


def test_the_table_with_every_permission_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    name = "midway-arm64-architecture"
    assert generated(HOSTS, f"matrix {name}") == matrix(capsys, *GUESTS[name].arguments)


@pytest.mark.long
def test_the_verdicts_for_debians_kernel_are_those_of_a_run(
    capsys: pytest.CaptureFixture[str], debian_arm64_kernel: Path
) -> None:
    assert generated(VERDICTS, "matrix debian-arm64") == matrix(capsys, str(debian_arm64_kernel))


@pytest.mark.long
def test_the_verdicts_for_debians_newest_kernel_are_those_of_a_run(
    capsys: pytest.CaptureFixture[str], debian_unstable_arm64_kernel: Path
) -> None:
    printed = matrix(capsys, str(debian_unstable_arm64_kernel))
    assert generated(VERDICTS, "matrix debian-arm64-unstable") == printed


@pytest.mark.long
def test_the_verdicts_for_edk2_are_those_of_a_run(
    capsys: pytest.CaptureFixture[str], debian_edk2_arm64: Path
) -> None:
    """The page's other findings take minutes: scripts/findings prints them all."""
    guest = (*GUESTS["edk2-arm64"].arguments, str(debian_edk2_arm64))
    assert generated(FINDINGS, "matrix edk2-arm64") == matrix(capsys, *guest)


def test_the_tables_of_findings_are_those_that_the_script_prints() -> None:
    shown = re.findall(r"<!-- generated: matrix (.*) -->", FINDINGS)
    (default,) = re.findall(r"set -- (.*)$", (ROOT / "scripts" / "findings").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(default.split())
    assert set(shown) <= set(GUESTS)


@pytest.mark.parametrize("name", [*SAMPLES, "debian-arm64", "debian-arm64-unstable"])
def test_every_pair_that_is_not_refused_has_its_reason(name: str) -> None:
    """Each host has a paragraph, with an item for each strategy."""
    rows = tables(generated(VERDICTS, f"matrix {name}"))[0]
    (head,) = re.findall(r"^\| host (.*)\|$", generated(VERDICTS, f"matrix {name}"), re.MULTILINE)
    strategies = [word.strip() for word in head.split("|") if word.strip()]
    reasons = VERDICTS.split(f"<!-- generated: matrix {name} -->")[1].split("\n## ")[0]
    for host, *verdicts in rows:
        (block,) = re.findall(rf"^\*\*{re.escape(host)}\*\*\n\n((?:[- ].*\n)+)", reasons, re.MULTILINE)
        heads = re.findall(r"^- (.*?): ", block, re.MULTILINE)
        given = [strategy for item in heads for strategy in re.findall(r"`([a-z-]+)`", item)]
        wanted = [each for each, verdict in zip(strategies, verdicts, strict=True) if verdict != "refused"]
        assert sorted(given) == sorted(wanted), host


def test_what_a_better_core_saves_is_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    printed = matrix(capsys, "--sample", "midway-arm64", "--core", "neoverse-n1")
    (fwb,) = (row for row in tables(printed)[0] if row[0] == "kvm-s2fwb")
    assert fwb[1:3] == ["coherent", "coherent"]


# -- the format ----------------------------------------------------------------------------------------------


def test_every_operation_has_a_row() -> None:
    (rows,) = tables(section(FORMAT, "Operations"))
    said = [name.strip("`") for name in column(rows)]

    more = {Op.GIVE: " AGENT…"}

    def usage(op: Op, word: str = " TYPE") -> str:
        return op.words + " ADDRESS SIZE" * op.has_range + word * op.has_type + more.get(op, "")

    without = [usage(op, " invalid") for op in Op if op.traits.may_be_invalid]
    assert sorted(said) == sorted([*(usage(op) for op in Op), *without])


def test_every_type_and_switch_is_named() -> None:
    (rows,) = tables(section(FORMAT, "Switches"))
    assert column(rows) == ["`line N`", *(f"`option {name}`" for name in SWITCHES)]
    assert all(f"`{kind.word}`" in section(FORMAT, "Operations") for kind in MemoryType)


@pytest.mark.parametrize(("text", "reason"), tables(section(FORMAT, "Errors"))[0])
def test_every_error_is_as_it_says(text: str, reason: str) -> None:
    lines = text.strip("`").replace("; ", "\n")
    with pytest.raises(TraceError) as caught:
        check_text(lines)
    assert caught.value.reason == reason
    assert caught.value.where == str(lines.count("\n") + 1)


def test_every_error_of_the_reader_has_a_row() -> None:
    """Every message in the source of the reader and the checker is on the page, apart from its values."""
    reasons = [reason for _, reason in tables(section(FORMAT, "Errors"))[0]]
    reasons += [
        "the line has more than 4096 characters",
        "an agent's name of more than 4000 characters",
        "'x' is one agent more than the 256 that can be followed",
        "pages are mapped in more than 65,536 different ways",
        "the trace touches more than 268,435,456 lines one by one",
        "the trace touches lines in more than 131,072 areas of 64 MiB",
        "too many lines, up to 4,096, have bytes in different states, each line in its own way",
        "more than 256 cores",
        "more than 256 masters",
        "'give' in a trace without 'version 2'",
        "'power-off' in a trace without 'version 2'",
        "two memory types in a trace without 'version 2'",
        "a barrier in a trace without 'option order'",
        "a byte of memory may be in more than 3,072 different states",
        "too many cores, or too many ways in which pages are mapped, to follow order",
        "too many cores have something pending on one line at the same time",
    ]
    sources = [
        *(ROOT / "coldline" / "trace").glob("text*.py"),
        *(ROOT / "coldline" / "checker").rglob("*.py"),
    ]
    messages = 0
    for source in sources:
        for message in re.findall(
            r'(?:TraceError\("", |Refusal\()f?"((?:[^"\\]|\\.)*)"\)', source.read_text()
        ):
            messages += 1
            parts = re.split(r"\{[^}]*\}", message)
            shape = re.compile(".*".join(re.escape(part) for part in parts))
            whole = any(shape.fullmatch(reason) or shape.search(reason) for reason in reasons)
            assert whole or message.startswith("'{op.words}' needs"), message
    assert messages > 20


def test_links_between_pages_lead_somewhere() -> None:
    links = 0
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", page.read_text()):
            links += 1
            other = page.parent / target if target else page
            assert other.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-") for name in headings}
                assert anchor in anchors, f"{page.name}: #{anchor}"
    assert links > 100


# -- the command ---------------------------------------------------------------------------------------------


def boot_parser() -> ArgumentParser:
    commands = ArgumentParser().add_subparsers()
    add_boot(commands)
    return commands.choices["boot"]


def test_every_option_of_boot_has_a_row() -> None:
    said = {
        word
        for name in column(tables(section(BOOT, "Options"))[0])
        for word in re.findall(r"--[a-z-]+", name)
    }
    known = {word for action in boot_parser()._actions for word in action.option_strings} - {"-h", "--help"}
    assert said == known


def test_the_defaults_of_boot_are_those_of_the_code() -> None:
    open_ = vars(boot_parser().parse_args([]))
    filled_in = {**_DEFAULTS, "memory": DEFAULT_RAM}
    defaults = {name: filled_in.get(name) if value is None else value for name, value in open_.items()}
    for names, default, _ in tables(section(BOOT, "Options"))[0]:
        option = re.search(r"--([a-z-]+)", names)
        value = defaults.get(option[1].replace("-", "_")) if option else None
        shown = default.strip("`").replace(",", "")
        if option and option[1] == "hazards":
            assert shown == default_hazards(REPORT)
        elif option and option[1] == "order":
            assert (shown, value) == ("--order", True)
        elif option and option[1] == "format":
            assert shown == DEFAULT
        elif shown not in (
            "",
            "none",
            "empty",
            "off",
            "written",
            "by guest",
            "by machine",
            "by host",
            "by name",
        ):
            assert shown == str(value), names
        else:
            assert not value, names


def test_the_formats_of_the_page_are_those_of_the_code() -> None:
    rows = {name.strip("`"): shows for name, _, *shows in tables(section(FORMATS_PAGE, "The formats"))[0]}
    yes = {True: "yes", False: "no"}
    assert rows == {
        name: [yes[what in each.shows] for what in (REPORT, MATRIX, CORPUS)] for name, each in FORMATS.items()
    }
    schemas = {row[0].strip("`") for row in tables(FORMATS_PAGE.partition("## JSON")[2])[0]}
    assert schemas == {
        *(json_format.REPORT_SCHEMA, json_format.MATRIX_SCHEMA, json_format.CORPUS_SCHEMA),
        *(BASELINE_SCHEMA, COMPARISON_SCHEMA),
    }


def test_the_exit_statuses_of_the_page_are_those_of_the_code() -> None:
    (rows,) = tables(section(COMMANDS, "Exit status"))
    assert [int(each) for each in column(rows)] == [
        status.COHERENT,
        status.HAZARD,
        status.ERROR,
        status.INCONCLUSIVE,
        status.INTERRUPTED,
    ]


def test_every_key_of_matrixs_object_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--sample", "midway-arm64", "--memory", "16M", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (rows,) = tables(FORMATS_PAGE.partition("### The object of matrix")[2])
    assert [key.strip("`") for key in column(rows)] == list(document)
    cells = {key for row in document["verdicts"].values() for cell in row.values() for key in cell}
    assert cells == {"verdict", "kinds", "final_read_only", "reason"}
    assert all(f"`{key}`" in rows[-1][1] for key in cells)


def test_the_names_of_the_code_are_on_the_pages() -> None:
    assert [name.strip("`") for name in column(tables(section(HOSTS, "Strategies"))[0])] == list(STRATEGIES)
    assert [name.strip("`") for name in column(tables(section(HOSTS, "Host models"))[0])] == list(HOST_MODELS)
    assert all(f"`{core}`" in section(BOOT, "Options") for core in CORES)


def test_every_key_of_boots_object_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    added = ["--with", "dsb at pc 0x40000040", "--repair"]
    assert main(["boot", "--sample", "midway-arm64", "--strategy", "flush", *added, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    keys, of_hazards = tables(section(BOOT, "The JSON object"))
    assert {key for cell in column(keys) for key in re.findall(r"`(\w+)`", cell)} == set(document)
    of_traces = {"kind", "agent", "address", "size", "lines", "cause", "witness"}
    of_symbols = {"function", "source", "data"}  # this image has none
    said_keys = {key for cell in column(of_hazards) for key in re.findall(r"`(\w+)`", cell)}
    assert said_keys | of_traces == set(document["hazards"][0]) | of_symbols
    meaning = " ".join(column(keys, 1))
    parts = [*document["sweep"], *document["segments"], *document["banks"]]
    assert {key for part in parts for key in part} <= set(re.findall(r"`(\w+)`", meaning))
    steps = tables(section(FORMAT, "What `coldline check` answers"))[
        1:
    ]  # those of all traces, and those of order
    said = {key for rows in steps for cell in column(rows) for key in re.findall(r"`(\w+)`", cell)}
    told = {key for hazard in document["hazards"] for step in hazard["witness"] for key in step}
    assert told - {"state", "step", "event"} <= said


@pytest.mark.parametrize(("text", "reason"), tables(section(FORMAT, "Errors"))[0])
def test_check_says_every_error_as_the_page_does(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = text.strip("`").replace("; ", "\n")
    path = tmp_path / "a.trace"
    path.write_text(lines + "\n")
    assert main(["check", str(path)]) == 2
    assert capsys.readouterr().err == f"coldline: {path}:{lines.count(chr(10)) + 1}: {reason}\n"


def test_the_options_of_plan_are_those_of_the_code() -> None:
    commands = ArgumentParser().add_subparsers()
    add_plan(commands)
    known = {word for action in commands.choices["plan"]._actions for word in action.option_strings}
    of_a_guest = {word for action in boot_parser()._actions for word in action.option_strings}
    said = {name.split()[0].strip("`") for name in column(tables(PLAN.partition("```console")[0])[0])}
    assert said - {"--core", "--json"} == known - of_a_guest
    assert {"--core", "--json"} <= said & known


def test_the_reasons_of_plan_are_those_of_the_code() -> None:
    (rows,) = tables(section(PLAN, "The reasons"))
    assert rows == [[f"`{reason.rule}`", reason.value] for reason in Reason if reason is not Reason.UNSAID]


def test_every_key_of_plans_object_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--sample", "midway-arm64", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (keys,) = tables(section(PLAN, "The JSON object"))
    assert {key for cell in column(keys) for key in re.findall(r"`(\w+)`", cell)} == set(document)
    meaning = {key.split("`")[1]: set(re.findall(r"`(\w+)`", said)) for key, said in keys}
    for name in ("banks", "segments", "free", "devices"):
        assert all(set(each) <= meaning[name] for each in document[name])
    assert set(document["registers"]) <= meaning["registers"]


def test_the_drawing_of_plan_is_what_its_command_draws(tmp_path: Path) -> None:
    (line,) = re.findall(r"`coldline (plan .*--svg) plan.svg`", PLAN)
    drawn = tmp_path / "plan.svg"
    assert main([*line.split(), str(drawn)]) == 0
    assert drawn.read_text() == (ROOT / "docs" / "reference" / "plan.svg").read_text()


def test_the_keys_that_are_honoured_are_those_of_the_code() -> None:
    (rows,) = tables(section(CONFIG, "What is honoured"))
    assert {key for cell in column(rows) for key in re.findall(r"`(\w+)`", cell)} == PLAN_KEYS
    (rows,) = tables(section(CONFIG, "What only create honours"))
    assert {key for cell in column(rows) for key in re.findall(r"`(\w+)`", cell)} == LAUNCH_KEYS - PLAN_KEYS


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
        assert headings, page.name
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
