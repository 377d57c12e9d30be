# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands as a user runs them: arguments, output and exit status."""

import gzip
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
from coldline.arm.cores import CORES
from coldline.hypervisor import HOST_MODELS
from coldline.report.model import NOT_COVERED
from coldline.rules.profile import SWITCHES
from coldline.samples import sample
from tests.helpers.command import (
    COHERENT,
    DRIVER,
    ERROR,
    HAZARD,
    INCONCLUSIVE,
    MIDWAY,
    Cli,
    Result,
    command,
    unknown_operation,
)
from tests.helpers.images import dtb
from tests.helpers.requirements import require
from tests.helpers.tiny_guests import RAM, code, mov

SCHEMA = "coldline.report/1"
BORDER = [*NOT_COVERED, "non-cacheable accesses that hit in a cache (nc-may-hit)"]
"""What the default profile does not cover."""


def no_hazard(because: Sequence[str] = (), *, reads: int) -> dict[str, object]:
    """The JSON object of a trace without a hazard, as to its verdict."""
    counts = {"cacheable_reads": reads, "other_reads": 0, "cacheable_fetches": 0, "other_fetches": 0}
    return {
        "verdict": "inconclusive" if because else "coherent",
        "hazards": [],
        "hazards_by_kind": {},
        "causes": [],
        "inconclusive_because": list(because),
        "warnings": [],
        "coverage": counts,
        "not_covered": BORDER,
    }


def error_of(result: Result) -> str:
    """An error's only line, without its start."""
    assert result.status == ERROR
    assert result.err.startswith("coldline: ")
    assert result.err.count("\n") == 1
    assert result.err.endswith("\n")
    return result.err.removeprefix("coldline: ").rstrip("\n")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# -- traces ----------------------------------------------------------------------------------------------------

GOOD = "a map 0x1000 0x1000 normal-wb\na write 0x1000 8\na read 0x1000 8\n"

# A cache is refilled between dc civac and unmap. The guest wrote 8 bytes at 0x40000008, so those of its read of
# the line can be old.
RACE = """\
builder map 0x40000000 0x1000 normal-wb
builder write 0x40000000 64
builder dc civac 0x40000000 64
builder unmap 0x40000000 0x1000
guest mmu off
guest write 0x40000008 8
guest map 0x40000000 0x1000 normal-wb
guest mmu on
guest read 0x40000000 64
"""

# Two lines; in each a cacheable write into a line that may be old makes its neighbour old, and lost once the line
# is written back.
TWO_LINES = """\
line 16
w map 0x1000 0x1000 normal-wb
n map 0x1000 0x1000 normal-nc
n write 0x1000 8
n write 0x1010 8
w write 0x1008 8
w write 0x1018 8
w read 0x1000 32
w read 0x1010 8
"""
TWO_LINES_HAZARDS = [
    (8, 0x1000, "lost-write"),
    (8, 0x1000, "stale-read"),
    (8, 0x1010, "lost-write"),
    (8, 0x1010, "stale-read"),
    (9, 0x1010, "lost-write"),
    (9, 0x1010, "stale-read"),
]

# What is no trace, and what is said of it (behind the name of the file).
BROKEN = {
    "an unknown word": (b"a map 0x1000 0x1000 normal-wb\na frobnicate 0x1000 8\n", r":2: .*'frobnicate'"),
    "a word too many": (b"# remark\n\na map 0x1000 0x1000 normal-wb xyzzy\n", r":3: .*'xyzzy'"),
    "an unknown type": (b"a map 0x1000 0x1000 wb\n", r":1: .*'wb'"),
    "an unknown option": (b"option fast\n", r":1: .*'fast'"),
    "a line of no power of two": (b"line 24\n", r":1: .*'24'"),
    "an agent alone": (b"a\n", r":1: .*'a'"),
    "what cannot be": (b"a map 0x1000 0x1000 normal-wb\na read 0x2000 8\n", r":2: .*0x2000.* no mapping"),
    "a second map": (GOOD.encode() + b"a map 0x1000 0x1000 normal-nc\n", r":4: .*0x1000 mapped already"),
    "binary garbage": (bytes(range(256)) * 64, r":\d+: \S.*"),
    "a line of 10 MB": (b"a" * 10_000_000 + b"\n", r":1: the line has more than 4096 characters"),
    "10 MB and no line": (b"\0" * 10_000_000, r":1: the line has more than 4096 characters"),
    "a word of invalid UTF-8": (
        b"a map 0x1000 0x1000 normal-wb\na \xff\xfe 0x1000 8\n",
        ":2: .*'\ufffd\ufffd'",
    ),
    "a number of a million digits": (
        b"a read 0x1000 " + b"9" * 4000 + b"\n",
        r":1: '9+' is not a number",
    ),
}


@pytest.fixture
def traces(tmp_path: Path) -> dict[str, Path]:
    """Trace files, by a description of each."""
    texts = {"good": GOOD, "race": RACE, "two-lines": TWO_LINES, "empty": "", "wrong": "a frobnicate\n"}
    return {name: write(tmp_path / f"{name}.trace", text) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ("good", COHERENT),
        ("empty", INCONCLUSIVE),
        ("good empty good", INCONCLUSIVE),
        ("race", HAZARD),
        ("race good", HAZARD),
        ("good race empty", HAZARD),
        ("wrong", ERROR),
        ("wrong good", ERROR),
        ("good race wrong race", ERROR),
        ("empty wrong", ERROR),
        ("wrong empty", ERROR),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"], ["--quiet"]], ids=["text", "json", "quiet"])
def test_the_worst_verdict_is_the_status(
    cli: Cli, traces: dict[str, Path], names: str, status: int, form: list[str]
) -> None:
    assert cli("check", *form, *(traces[name] for name in names.split())).status == status


def test_an_error_in_a_file_does_not_keep_the_others_from_being_checked(
    cli: Cli, traces: dict[str, Path]
) -> None:
    found = cli("check", *(traces[name] for name in ("race", "wrong", "good")))
    assert error_of(found) == f"{traces['wrong']}:1: {unknown_operation('frobnicate')}"
    verdicts = [line for line in found.out.splitlines() if line.startswith(str(traces["good"].parent))]
    assert [line.split(": ")[:2] for line in verdicts] == [
        [str(traces["race"]), "hazard"],
        [str(traces["good"]), "coherent"],
    ]


def test_json_is_an_object_a_line_in_the_order_given(
    cli: Cli, traces: dict[str, Path], tmp_path: Path
) -> None:
    order = [traces["race"], tmp_path / "no-such", traces["good"], traces["wrong"], tmp_path, traces["empty"]]
    found = cli("check", "--json", *order)
    assert (found.status, found.err) == (ERROR, "")
    objects = [json.loads(line) for line in found.out.splitlines()]
    assert [each["file"] for each in objects] == [str(path) for path in order]
    assert objects[1:] == [
        {"schema": SCHEMA, "file": str(order[1]), "error": f"{order[1]}: No such file or directory"},
        {"schema": SCHEMA, "file": str(order[2]), **no_hazard(reads=1)},
        {
            "schema": SCHEMA,
            "file": str(order[3]),
            "error": f"{order[3]}:1: {unknown_operation('frobnicate')}",
        },
        {"schema": SCHEMA, "file": str(order[4]), "error": f"{order[4]}: Is a directory"},
        {
            "schema": SCHEMA,
            "file": str(order[5]),
            **no_hazard(["no read, fetch or walk was judged"], reads=0),
        },
    ]
    assert (objects[0]["verdict"], len(objects[0]["hazards"])) == ("hazard", 1)


def test_json_of_a_hazard_is_as_the_format_says(cli: Cli, traces: dict[str, Path]) -> None:
    found = cli("check", "--json", traces["race"])
    document = json.loads(found.out)
    keys = [
        "schema",
        "file",
        "verdict",
        "hazards",
        "hazards_by_kind",
        "causes",
        "inconclusive_because",
        "warnings",
        "coverage",
        "not_covered",
    ]
    assert list(document) == keys
    assert document["hazards_by_kind"] == {"stale-read": 1}
    (hazard,) = document["hazards"]
    witness = hazard.pop("witness")
    assert hazard == {
        "line": 9,
        "kind": "stale-read",
        "agent": "guest",
        "address": 0x40000008,
        "size": 8,
        "lines": 1,
        "cause": 0,
    }
    # One step of a cache's own is the least there can be, and this is the only place where it does harm.
    told = [item.get("line", item.get("step")) for item in witness]
    assert told[3] in ("fill 1", "fill 2")
    assert told[:3] + told[4:] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    lines = RACE.splitlines()
    assert all(item["event"] == lines[item["line"] - 1] for item in witness if "line" in item)
    assert all(item.keys() == {"step", "state"} for item in witness if "step" in item)
    keys_of_events = [item.keys() - {"decides"} for item in witness if "line" in item]
    assert all(each == {"event", "line", "state"} for each in keys_of_events)
    assert [item["line"] for item in witness if "decides" in item] == [6]  # the write that misses the copy


def test_json_lists_hazards_by_event_then_address_then_kind(cli: Cli, traces: dict[str, Path]) -> None:
    document = json.loads(cli("check", "--json", traces["two-lines"]).out)
    hazards = document["hazards"]
    assert [(each["line"], each["address"], each["kind"]) for each in hazards] == TWO_LINES_HAZARDS
    assert {each["size"] for each in hazards} == {8}
    assert {each["agent"] for each in hazards} == {"w"}
    assert all(each["witness"] for each in hazards)


@pytest.mark.parametrize("most", [0, 1, 4, 6, 1000])
@pytest.mark.parametrize("option", ["--hazards", "--max-hazards"])
def test_json_says_how_many_hazards_it_does_not_list(
    cli: Cli, traces: dict[str, Path], option: str, most: int
) -> None:
    found = cli("check", "--json", option, most, traces["two-lines"])
    document = json.loads(found.out)
    assert found.status == HAZARD
    assert document["verdict"] == "hazard"
    assert len(document["hazards"]) == min(most, 6)
    assert document.get("hazards_found") == (6 if most < 6 else None)


@pytest.mark.parametrize("stories", [0, 2, 6])
def test_the_first_hazards_have_stories(cli: Cli, traces: dict[str, Path], stories: int) -> None:
    document = json.loads(cli("check", "--json", "--stories", stories, traces["two-lines"]).out)
    assert [bool(each["witness"]) for each in document["hazards"]] == [n < stories for n in range(6)]


def test_a_witness_is_a_trace_that_ends_in_the_hazard(
    cli: Cli, traces: dict[str, Path], tmp_path: Path
) -> None:
    found = cli("check", "--witness", traces["race"])
    assert found.status == HAZARD
    path = tmp_path / "witness.trace"
    path.write_text(found.out)
    (hazard,) = json.loads(cli("check", "--json", path).out)["hazards"]
    lines = found.out.splitlines()
    assert lines[hazard["line"] - 1].startswith("guest read 0x40000000 ")
    assert sum(line.startswith("#! fill ") for line in lines) == 1
    (original,) = json.loads(cli("check", "--json", traces["race"]).out)["hazards"]
    same = ("kind", "agent", "address", "size")
    assert [hazard[key] for key in same] == [original[key] for key in same]


def test_witnesses_are_one_for_each_hazard_that_is_told(cli: Cli, traces: dict[str, Path]) -> None:
    def heads(*options: object) -> list[str]:
        lines = cli("check", "--witness", *options, traces["two-lines"]).out.splitlines()
        return [
            line
            for line in lines
            if line.startswith(("# hazard ", "#! stale", "#! lost", "# this hazard has"))
        ]

    assert [head.split()[:5] for head in heads()[::2]] == [f"# hazard {n} of 6".split() for n in range(1, 7)]
    assert len(heads("--max-hazards", 2)) == 4
    assert [head.startswith("#!") for head in heads("--stories", 1)[1::2]] == [True, *[False] * 5]
    assert heads("--quiet") == []


def test_a_witness_of_a_coherent_trace_is_its_verdict(cli: Cli, traces: dict[str, Path]) -> None:
    found = cli("check", "--witness", traces["good"])
    assert found.status == 0
    assert found.out.startswith(f"# {traces['good']}: coherent")
    assert all(line.startswith("# ") for line in found.out.splitlines())


def test_text_tells_of_a_hazard_and_where_it_is(cli: Cli, traces: dict[str, Path]) -> None:
    found = cli("check", traces["race"])
    assert (found.status, found.err) == (HAZARD, "")
    assert "stale-read" in found.out
    assert "0x40000008" in found.out
    assert "line 9" in found.out
    assert "guest read 0x40000000 64" in found.out
    assert f"{traces['race']}: hazard: 1 found" in found.out


def test_coherent_says_what_it_does_not_cover(cli: Cli, traces: dict[str, Path]) -> None:
    found = cli("check", traces["good"])
    assert f"{traces['good']}: coherent" in found.out
    assert all(word in found.out for word in ("barriers", "reordering", "TLB"))


def test_quiet_is_the_verdict_and_its_coverage(cli: Cli, traces: dict[str, Path]) -> None:
    found = cli("check", "--quiet", traces["race"])
    verdict = f"{traces['race']}: hazard: 1 found (stale-read 1)\n"
    assert found.out == f"{verdict}judged: 1 cacheable read\n"


# What each switch changes: a trace, and its verdict without and with the switch.
SWITCHED = {
    "nc-may-hit": (
        "w map 0x1000 0x1000 normal-wb\nn map 0x1000 0x1000 normal-nc\nn write 0x1000 8\nn read 0x1000 8\n",
        COHERENT,
        HAZARD,
    ),
    "setway-effective": (
        "w map 0x1000 0x1000 normal-wb\nw write 0x1000 8\nw dc csw 0x1000 64\nw mmu off\nw read 0x1000 8\n",
        HAZARD,
        COHERENT,
    ),
    "idc": (
        "w map 0x1000 0x1000 normal-wb exec\nw write 0x1000 8\nw ic ivau 0x1000 64\nw fetch 0x1000 4\n",
        HAZARD,
        COHERENT,
    ),
    "dic": (
        "w map 0x1000 0x1000 normal-wb exec\nw write 0x1000 8\nw dc cvau 0x1000 64\nw fetch 0x1000 4\n",
        HAZARD,
        COHERENT,
    ),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_an_option_of_check(cli: Cli, tmp_path: Path, name: str) -> None:
    text, without, with_it = SWITCHED[name]
    path = write(tmp_path / "a.trace", text)
    assert (cli("check", path).status, cli("check", f"--{name}", path).status) == (without, with_it)
    said = write(tmp_path / "said.trace", f"option {name}\n{text}")
    assert cli("check", said).status == with_it
    head = cli("check", "--witness", f"--{name}", path).out.splitlines()
    assert with_it == COHERENT or f"option {name}" in head


@pytest.mark.parametrize("command", ["boot", "matrix", "check", "rules"])
def test_every_switch_is_an_option_of_every_command_with_a_profile(cli: Cli, command: str) -> None:
    said = cli(command, "--help").out
    assert all(f"--{name} " in said for name in SWITCHES)


@pytest.mark.parametrize("command", ["boot", "matrix", "plan"])
def test_help_names_every_core_and_every_host(cli: Cli, command: str) -> None:
    said = re.split(r"[\s,;()]+", cli(command, "--help").out)
    assert CORES.keys() <= set(said)
    assert command != "boot" or HOST_MODELS.keys() <= set(said)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_what_is_no_trace_names_its_line_and_its_word(
    cli: Cli, tmp_path: Path, name: str, form: list[str]
) -> None:
    content, said = BROKEN[name]
    path = tmp_path / "some.trace"
    path.write_bytes(content)
    found = cli("check", *form, path)
    if form:
        document = json.loads(found.out)
        assert (found.status, found.err, document["file"]) == (ERROR, "", str(path))
        assert list(document) == ["schema", "file", "error"]
        message = document["error"]
    else:
        assert found.out == ""
        message = error_of(found)
    assert re.match(re.escape(str(path)) + said, message)


def test_what_is_not_utf8_in_a_remark_harms_nobody(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "remark.trace"
    path.write_bytes(GOOD.replace("\n", " # \xff\xfe\n").encode("latin-1"))
    assert cli("check", path).status == COHERENT


def test_line_ends_of_any_system_will_do(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "dos.trace"
    path.write_bytes(RACE.replace("\n", "\r\n").encode())
    (hazard,) = json.loads(cli("check", "--json", path).out)["hazards"]
    assert (hazard["line"], hazard["address"], hazard["size"]) == (9, 0x40000008, 8)


def test_a_trace_from_a_pipe(tmp_path: Path) -> None:
    found = command("check", "--json", "/dev/stdin", input=RACE.encode())
    assert found.returncode == HAZARD
    assert json.loads(found.stdout)["hazards"][0]["line"] == 9


def test_a_trace_whose_name_is_no_text(tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"\xff.trace")
    with open(name, "w") as file:
        file.write(RACE)
    for form in ([], ["--json"]):
        found = command("check", *form, name)
        assert (found.returncode, b"Traceback" in found.stderr) == (HAZARD, False)


@pytest.mark.parametrize("option", ["--hazards", "--max-hazards", "--stories"])
@pytest.mark.parametrize("value", ["-1", "some", "1.5", ""])
def test_numbers_of_check_that_are_none(cli: Cli, traces: dict[str, Path], option: str, value: str) -> None:
    found = cli("check", option, value, traces["race"])
    assert found.status == ERROR
    assert option in found.err


# -- what is asked for ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["boot"], "give one of IMAGE, --sample NAME and --bios FILE"),
        (["create", "--dry-run"], "give one of IMAGE and --sample NAME"),
        (
            ["create", "--sample", "midway-arm64", "-c", "-F"],
            "-c cannot be used with -F: this process is the guest's keeper, not its terminal",
        ),
        (
            ["boot", "vmlinuz", "--sample", "midway-arm64"],
            "give one of IMAGE, --sample NAME and --bios FILE, not more",
        ),
        (
            ["boot", "--sample", "sideway"],
            "no sample is called 'sideway'; choose from: midway-arm32, midway-arm64",
        ),
        (
            [*MIDWAY, "--strategy", "magic"],
            "no strategy 'magic'; choose from: none, flush, syscall, uncached, hypercall, uncached-hypercall",
        ),
        (
            [*MIDWAY, "--strategy", "syscall"],
            "no strategy 'syscall' on arm64: it is Armv7 Linux's cacheflush; "
            "use flush, as arm64 user space has DC CIVAC",
        ),
        (
            [*MIDWAY, "--host", "xen-5"],
            "no host model 'xen-5'; "
            "choose from: rfc, xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64, kvm-s2fwb, "
            "bootloader, bootloader-dirty, warm-reset, clean-reset",
        ),
        *(
            (
                [*MIDWAY, "--host", f"xen-4.{minor}-arm64"],
                f"no host model 'xen-4.{minor}-arm64'; xen-4.17-arm64 is the model of Xen 4.17 to 4.21 on arm64",
            )
            for minor in (18, 20, 21)
        ),
        (
            [*MIDWAY, "--host", "kvm-s2fbw"],
            "no host model 'kvm-s2fbw'; did you mean 'kvm-s2fwb'? "
            "choose from: rfc, xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64, kvm-s2fwb, "
            "bootloader, bootloader-dirty, warm-reset, clean-reset",
        ),
        (
            [*MIDWAY, "--strategy", "Flsh"],
            "no strategy 'Flsh'; did you mean 'flush'? "
            "choose from: none, flush, syscall, uncached, hypercall, uncached-hypercall",
        ),
        (
            [*MIDWAY, "--core", "cortexa53"],
            "no core profile 'cortexa53'; did you mean 'cortex-a53'? "
            "choose from: armv8-a, architecture, cortex-a53, cortex-a57, cortex-a72, xgene1, neoverse-n1, "
            "armv7-a, architecture-v7, cortex-a7, cortex-a15",
        ),
        (
            [*MIDWAY, "--host", "xen-4.17-arm32"],
            "host xen-4.17-arm32 runs arm32 guests, not arm64",
        ),
        (
            [*MIDWAY, "--core", "6502"],
            "no core profile '6502'; "
            "choose from: armv8-a, architecture, cortex-a53, cortex-a57, cortex-a72, xgene1, neoverse-n1, "
            "armv7-a, architecture-v7, cortex-a7, cortex-a15",
        ),
        *(
            (
                [*MIDWAY, "--until", word],
                f"--until takes mmu, psci, off, console:TEXT or a number of instructions, not '{word}'",
            )
            for word in ("mmuu", "offf", "", "0", "-5", "1.5", "0x10", "1e6", "\u0663", "9" * 25)
        ),
        *(
            ([*MIDWAY, option, "lots"], "invalid size 'lots': expected a number such as 512M or 1G")
            for option in ("--memory", "--max-image", "--max-unpacked")
        ),
        ([*MIDWAY, "--memory", "0"], "memory of 0 bytes is not between 2 MiB and 1019 GiB"),
        ([*MIDWAY, "--memory", "2T"], "memory of 2048 GiB is not between 2 MiB and 1019 GiB"),
        ([*MIDWAY, "--vcpus", "0"], "0 vCPUs: a GICv3 supports 1 to 128"),
        ([*MIDWAY, "--vcpus", "9", "--gic", "2"], "9 vCPUs: a GICv2 supports 1 to 8"),
        ([*MIDWAY, "--append", "x" * 2048], "bootargs are 2048 bytes; arm64 Linux accepts 2047"),
    ],
)
def test_what_does_not_exist_or_go_together(cli: Cli, arguments: list[str], message: str) -> None:
    found = cli(*arguments)
    assert error_of(found) == message
    assert found.out == ""


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "COMMAND"),
        (["frobnicate"], "frobnicate"),
        (["check"], "FILE"),
        (["boot", "--frobnicate"], "--frobnicate"),
        ([*MIDWAY, "--el", "7"], "invalid choice: 7"),
        ([*MIDWAY, "--gic", "1"], "--gic"),
        ([*MIDWAY, "--vcpus", "many"], "--vcpus"),
        ([*MIDWAY, "--max-instructions", "many"], "--max-instructions"),
        ([*MIDWAY, "--hazards", "many"], "--hazards"),
    ],
)
def test_what_the_grammar_does_not_take(cli: Cli, arguments: list[str], word: str) -> None:
    found = cli(*arguments)
    assert (found.status, found.out) == (ERROR, "")
    (line,) = found.err.splitlines()
    name = " ".join(["coldline", *(each for each in arguments[:1] if each in ("boot", "check"))])
    assert line.startswith(f"{name}: error: ")
    assert line.endswith(f"; try '{name} --help'")
    assert word in line


def test_an_error_of_the_grammar_is_one_line_whatever_it_quotes(cli: Cli) -> None:
    (line,) = cli(*MIDWAY, "--gic", "4\n\033[31m").err.splitlines()
    assert "\033" not in line


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--hazards", "-1"),
        ("--max-instructions", "-1"),
        ("--max-instructions", str(1 << 64)),
    ],
)
def test_numbers_of_boot_that_are_none(cli: Cli, option: str, value: str) -> None:
    found = cli(*MIDWAY, "--strategy", "flush", option, value)
    assert found.status == ERROR
    assert option in found.err


@pytest.mark.parametrize("host", ["kvm-arm64", "kvm-s2fwb"])
@pytest.mark.parametrize("strategy", ["uncached", "uncached-hypercall"])
def test_what_a_host_refuses(cli: Cli, host: str, strategy: str) -> None:
    found = cli(*MIDWAY, "--host", host, "--strategy", strategy)
    assert error_of(found) == (
        "load kernel at 0x40000000: domain 1: map 0x40000000: "
        f"on {host} a builder's mapping can be normal-wb, not normal-nc"
    )


# -- images ----------------------------------------------------------------------------------------------------

ENDS_WELL = a64.image(a64.off())
X86 = bytearray(2048)
X86[0:2], X86[0x202:0x206] = b"MZ", b"HdrS"
ELF = bytearray(64)
ELF[0:6], ELF[18:20] = b"\x7fELF\x02\x01", (183).to_bytes(2, "little")

# What is no image of ours: its bytes, and what is said of it behind the name of the file.
BAD_IMAGES = {
    "empty": (b"", "the kernel is empty"),
    "truncated": (ENDS_WELL[:40], "has 40 bytes and no known format; an arm64 Image has a header of 64"),
    "no magic": (bytes(4096), "if it is raw, say where it goes with --load, --entry and --arch"),
    "x86": (bytes(X86), "is an x86 bzImage, not a kernel for arm"),
    "ELF": (bytes(ELF), "is an ELF file of type ET_NONE (at byte 16), not a program"),
    "big-endian": (
        a64.image(a64.off(), flags=0xB),
        "is a big-endian kernel (flags 0xb, bit 0): coldline supports little-endian only",
    ),
    "reserved flags": (
        a64.image(a64.off(), flags=0x1A),
        "flags (at byte 24) are 0x1a: bits 4-63 are reserved and must be 0",
    ),
    "says it is smaller than it is": (
        a64.image(a64.off(), image_size=0x1000),
        "image_size (at byte 16) is 0x1000 (4096 bytes), but the Image has 8192 bytes",
    ),
    "wants to be 2 MiB up": (
        a64.image(a64.off(), text_offset=2 << 20),
        "text_offset (at byte 8) is 0x200000; it must be below 2 MiB",
    ),
    "gzip cut off": (
        gzip.compress(ENDS_WELL)[:-12],
        f"truncated gzip data: the file ends at byte {len(gzip.compress(ENDS_WELL)) - 12}",
    ),
    "gzip of nothing known": (
        gzip.compress(bytes(4096)),
        "if it is raw, say where it goes with --load, --entry and --arch",
    ),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_images_that_are_none(cli: Cli, tmp_path: Path, name: str) -> None:
    content, said = BAD_IMAGES[name]
    path = tmp_path / "vmlinuz"
    path.write_bytes(content)
    found = cli("boot", path, "--memory", "16M")
    assert found.out == ""
    assert error_of(found).startswith(f"{path}: ")
    assert error_of(found).endswith(said)


def test_an_image_that_claims_more_than_there_is(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(a64.image(a64.off(), image_size=1 << 62))
    assert "does not fit" in error_of(cli("boot", path, "--memory", "16M"))


def test_an_image_for_pages_that_the_core_lacks(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(a64.image(a64.off(), flags=0xC))  # 16 KiB
    said = error_of(cli("boot", path, "--memory", "16M", "--core", "cortex-a72"))
    assert said == f"{path} is built for pages of 16 KiB, which cortex-a72 does not have"


def test_a_huge_image_is_refused_by_its_size(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.touch()
    os.truncate(path, 1 << 40)
    began = time.monotonic()
    said = error_of(cli("boot", path))
    assert said == f"{path}: the kernel has {1 << 40} bytes, more than the limit of {1 << 30} (--max-image)"
    assert time.monotonic() - began < 1
    assert "--max-image" in error_of(cli("boot", "--sample", "midway-arm64", "--max-image", "4K"))


def test_a_gzip_bomb_stops_at_the_limit(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(256):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 19
    said = error_of(cli("boot", path, "--max-unpacked", "3M"))
    assert said == f"{path}: unpacks to more than the limit of {3 << 20} bytes (--max-unpacked)"


def test_a_gzipped_image_runs(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz.gz"
    path.write_bytes(gzip.compress(ENDS_WELL))
    found = cli("boot", path, "--memory", "16M")
    assert (found.status, found.err) == (INCONCLUSIVE, "")
    assert "gzip" in found.out


def test_json_tells_what_was_found_and_what_was_assumed(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "Image.gz"
    path.write_bytes(gzip.compress(a64.image(a64.off(), image_size=0, text_offset=0x80000)))
    told = json.loads(cli("boot", path, "--memory", "16M", "--json").out)
    assert (told["architecture"], told["format"], told["layers"]) == ("arm64", "Image", ["gzip"])
    assert told["notes"] == [
        "its header has no size, as before Linux 3.17: text_offset is assumed to be 0x80000, with no known BSS"
    ]


@pytest.mark.parametrize(
    ("option", "what"),
    [(None, "kernel"), ("--initrd", "initrd"), ("--dtb", "device tree"), ("--dtb-only", "device tree")],
)
def test_files_that_are_not_there_or_no_files(
    cli: Cli, tmp_path: Path, option: str | None, what: str
) -> None:
    def boot(path: Path) -> str:
        return error_of(cli("boot", path) if option is None else cli(*MIDWAY, option, path))

    missing, empty = tmp_path / "missing", write(tmp_path / "empty", "")
    assert boot(missing) == f"{missing}: cannot open the {what}: No such file or directory"
    assert boot(tmp_path) == f"{tmp_path}: the {what} is a directory, not a file"
    assert boot(empty) == f"{empty}: the {what} is empty"
    assert boot(Path("/dev/zero")) == f"/dev/zero: the {what} is a character device, not a file"


def test_an_initrd_that_does_not_fit(cli: Cli, tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.touch()
    os.truncate(initrd, 16 << 20)
    said = error_of(cli(*MIDWAY, "--initrd", initrd))
    assert re.match(
        r"initrd \(16 MiB\) with dtb \(\d+ bytes\) does not fit: free RAM beside the kernel: \d+ .iB at 0x40",
        said,
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xd0\x0d\xfe\xed", "not a flattened device tree"),
        (b"/dts-v1/;\n/ { };\n" * 8, "not a flattened device tree"),
        (ENDS_WELL, "not a flattened device tree"),
    ],
    ids=["magic alone", "source", "image"],
)
@pytest.mark.parametrize("option", ["--dtb", "--dtb-only"])
def test_a_device_tree_that_is_none(cli: Cli, tmp_path: Path, content: bytes, said: str, option: str) -> None:
    tree = tmp_path / "board.dtb"
    tree.write_bytes(content)
    assert error_of(cli(*MIDWAY, option, tree)).startswith(f"{tree}: {said}")


def test_a_device_tree_to_merge_and_a_whole_one(cli: Cli, tmp_path: Path) -> None:
    tree = tmp_path / "board.dtb"
    tree.write_bytes(dtb('/ { compatible = "example,board"; };'))
    assert error_of(cli(*MIDWAY, "--dtb", tree)) == (
        f"{tree}: has no /passthrough: only /passthrough and /aliases of a partial device tree are used; "
        "use --dtb-only for a complete one"
    )
    assert error_of(cli(*MIDWAY, "--dtb", tree, "--dtb-only", tree)) == (
        "--dtb merges into the generated device tree, --dtb-only replaces it: give one of them"
    )
    assert cli(*MIDWAY, "--dtb-only", tree).status == COHERENT
    tree.write_bytes(dtb("/ { passthrough { }; };"))
    assert cli(*MIDWAY, "--dtb", tree).status == COHERENT


# -- guests that go wrong --------------------------------------------------------------------------------------

NOWHERE = 0x1000_0000  # neither RAM nor a device
AT = a64.ENTRY


def _untaken(what: str, at: int) -> str:
    """The vectors are at 0 after a reset here, where there is no RAM."""
    return f"the guest took {what} at {at:#x}, and its vector at 0x200 cannot be executed"


def _nothing(address: int, at: int) -> str:
    return f"the guest used {address:#x} at {at:#x}: no RAM and no device is there"


# A guest, and what is said of its end.
FAULTS: dict[str, tuple[a64.Code, str]] = {
    "undefined instruction": (code(a64.NOP, a64.UDF), _untaken("an undefined instruction", AT + 4)),
    "BRK": (code(a64.BRK), _untaken("BRK", AT)),
    "SVC": (code(a64.NOP, a64.SVC), _untaken("SVC", AT + 4)),
    "load from nothing": (code(mov(2, NOWHERE), a64.ldr(3, 2)), _nothing(NOWHERE, AT + 4)),
    "store to nothing": (code(mov(2, NOWHERE), a64.store(3, 2)), _nothing(NOWHERE, AT + 4)),
    "jump to nothing": (code(mov(2, NOWHERE), a64.blr(2)), _nothing(NOWHERE, NOWHERE)),
    "past its RAM": (
        code(mov(2, RAM + (16 << 20)), a64.ldr(3, 2)),
        _nothing(RAM + (16 << 20), AT + 4),
    ),
}

NEVER_ON = "the MMU and the data cache were never both on"
NOT_ENDED = "the run had not ended after 1,000 instructions"


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("form", [[], ["--json"], ["--quiet"]], ids=["text", "json", "quiet"])
def test_a_guest_that_faults_is_inconclusive_and_says_why(
    cli: Cli, tmp_path: Path, name: str, form: list[str]
) -> None:
    program, fault = FAULTS[name]
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(program, a64.off())))
    found = cli("boot", path, "--memory", "16M", "--max-instructions", 1_000_000, *form)
    assert (found.status, found.err) == (INCONCLUSIVE, "")
    because = [NEVER_ON, f"the run could not continue: {fault}"]
    if form == ["--json"]:
        document = json.loads(found.out)
        assert document["inconclusive_because"] == because
        assert (document["end"], document["fault"]) == ("fault", fault)
    else:
        said = f"inconclusive: no hazard was found, but {'; '.join(because)}"
        assert said in found.out.splitlines()
        assert len(found.out.splitlines()) == 2 or not form


def test_dc_zva_with_the_mmu_off_is_an_error(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(mov(2, RAM + 0x1000), a64.sys("dc zva", 2), a64.off())))
    said = error_of(cli("boot", path, "--memory", "16M"))
    assert "dc zva" in said
    assert "0x40001000" in said


@pytest.mark.parametrize(
    ("options", "end", "because"),
    [
        ([], "loop", [NEVER_ON]),
        (["--until", "psci"], "loop", [NEVER_ON, "the run ended before the guest made a PSCI call"]),
        (["--until", "mmu"], "loop", [NEVER_ON, "the run ended before the guest turned its MMU on"]),
        (["--until", "off"], "loop", [NEVER_ON, "the run ended before the guest called SYSTEM_OFF"]),
        (["--until", "console:=> "], "loop", [NEVER_ON, "the run ended before the guest printed '=> '"]),
        (["--until", 1000], "instructions", [NEVER_ON]),
        (["--max-instructions", 1000], "instructions", [NEVER_ON, NOT_ENDED]),
        (
            ["--max-instructions", 1000, "--until", "off"],
            "instructions",
            [NEVER_ON, "the run ended before the guest called SYSTEM_OFF"],
        ),
    ],
)
def test_a_guest_that_loops(
    cli: Cli, tmp_path: Path, options: list[object], end: str, because: list[str]
) -> None:
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(a64.b(0))))
    found = cli("boot", path, "--memory", "16M", "--json", *options)
    assert (found.status, found.err) == (INCONCLUSIVE, "")
    document = json.loads(found.out)
    assert (document["end"], document["pc"], document["fault"]) == (end, AT, "")
    assert document["inconclusive_because"] == because


def test_an_ended_guest_says_with_what(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "Image"
    path.write_bytes(a64.image(a64.off(7)))
    assert "SYSTEM_OFF with x1 = 0x7" in cli("boot", path, "--memory", "16M").out
    path.write_bytes(a64.image(code(mov(0, a64.PSCI_VERSION), a64.HVC, a64.off(9))))
    assert "PSCI_VERSION" in cli("boot", path, "--memory", "16M").out
    # Where the call is not the end, it returns; 9 instructions then the end that nobody asked for.
    document = json.loads(cli("boot", path, "--memory", "16M", "--until", 1000, "--json").out)
    assert (document["end"], document["psci"][:2]) == ("off", [a64.PSCI_SYSTEM_OFF, 9])


HOSTILE = b"\x1b[31mred\x07\x08\x00 \x9b2J \xc2\x9b1A \x1b]0;title\x07\r\x0b\x0c\x7f\xfffine\n"


def test_a_guests_console_cannot_drive_the_terminal(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "Image"
    path.write_bytes(a64.image(code(a64.say(HOSTILE), a64.off())))
    found = cli("boot", path, "--memory", "16M")
    assert found.status == INCONCLUSIVE
    assert "fine\n" in found.out
    assert [letter for letter in found.out + found.err if not letter.isprintable() and letter != "\n"] == []
    found = cli("boot", path, "--memory", "16M", "--json")
    assert found.out.isascii()
    assert found.out.rstrip("\n").isprintable()
    assert json.loads(found.out)["console"] == HOSTILE.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "text",
    ["a \x1b[31mfrob 0x1000 8\n", RACE.replace("builder", "\x1b[31mbuilder").replace("guest", "\x9bguest")],
    ids=["error", "hazard"],
)
def test_a_trace_cannot_drive_the_terminal(cli: Cli, tmp_path: Path, text: str) -> None:
    found = cli("check", write(tmp_path / "hostile.trace", text))
    assert found.status in (HAZARD, ERROR)
    assert [letter for letter in found.out + found.err if not letter.isprintable() and letter != "\n"] == []


# -- files that are written -------------------------------------------------------------------------------------


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def events_in(path: Path) -> list[str]:
    """The lines of a trace after its head."""
    head = ("version ", "option ", "core ")
    return [line for line in path.read_text().splitlines() if not line.startswith(head)]


def test_a_trace_is_there_whole(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "boot.trace", "what was here before\n")
    found = cli(*MIDWAY, "--trace", path, "--json")
    assert found.status == COHERENT
    assert listing(tmp_path) == ["boot.trace"]
    assert len(events_in(path)) == json.loads(found.out)["events"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_trace_into_no_folder(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "boot.trace"
    said = error_of(cli(*MIDWAY, "--trace", path))
    assert said == f"{path}: cannot write a trace: No such file or directory"
    assert listing(tmp_path) == []


def test_a_trace_that_is_a_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    said = error_of(cli(*MIDWAY, "--trace", tmp_path / "folder"))
    assert said == f"{tmp_path / 'folder'}: cannot write a trace: Is a directory"
    assert listing(tmp_path) == ["folder"]


@pytest.mark.parametrize(
    "arguments",
    [
        [*MIDWAY, "--host", "kvm-arm64"],
        [*MIDWAY, "--host", "atari"],
        [*MIDWAY, "--memory", "1M"],
    ],
    ids=["host", "usage", "plan"],
)
def test_a_run_that_fails_leaves_no_trace(cli: Cli, tmp_path: Path, arguments: list[str]) -> None:
    assert cli(*arguments, "--trace", tmp_path / "new.trace").status == ERROR
    assert listing(tmp_path) == []
    old = write(tmp_path / "old.trace", GOOD)
    assert cli(*arguments, "--trace", old).status == ERROR
    assert (listing(tmp_path), old.read_text()) == (["old.trace"], GOOD)


def test_a_run_that_is_inconclusive_leaves_its_trace(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "new.trace"
    found = cli(*MIDWAY, "--max-instructions", "100", "--trace", path, "--json")
    assert found.status == INCONCLUSIVE
    assert len(events_in(path)) == json.loads(found.out)["events"]
    assert cli("check", path).status == COHERENT


def test_what_is_no_file_is_not_replaced_by_one(cli: Cli, tmp_path: Path) -> None:
    """--trace /dev/stdout, as root, must not replace /dev/stdout: it is refused, or written to."""
    pipe, target, link = tmp_path / "pipe", tmp_path / "target", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(target)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        cli(*MIDWAY, "--quiet", "--trace", pipe)
    finally:
        os.close(reader)
    cli(*MIDWAY, "--quiet", "--trace", link)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert link.is_symlink()


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    image = tmp_path / "Image"
    busy = code(
        a64.mov(2, a64.RAM + 0x10_0000), [a64.store(2, 2), a64.b(-1)]
    )  # a loop that stores does not end
    image.write_bytes(a64.image(busy))
    folder = tmp_path / "traces"
    folder.mkdir()
    arguments = ["boot", str(image), "--memory", "16M", "--trace", str(folder / "boot.trace")]
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Tests that a shell runs in the background are started with interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            deadline = time.monotonic() + 240  # the first run of all compiles
            while not any(path.stat().st_size for path in folder.iterdir()):
                assert time.monotonic() < deadline, "no trace was begun"
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (130, b"coldline: interrupted\n")
    assert listing(folder) == []


# -- a process of its own --------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["boot", "--help"], ["check", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom coldline.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in found.stderr.split()}
    assert loaded.isdisjoint({"numpy", "numba", "llvmlite", "unicorn", "rich", "capstone", "libfdt"})
    assert found.stdout


def test_building_needs_neither_numpy_nor_the_emulator() -> None:
    script = (
        "import sys\nfrom coldline.builder import build_domain\nfrom coldline.image import load_kernel\n"
        "from coldline.guest import GuestOptions, make_plan\n"
        "from coldline.hypervisor import host_model\n"
        "from coldline.hypervisor.simulated import SimulatedHost\n"
        "plan = make_plan(load_kernel(sys.argv[1]), GuestOptions(memory=16 << 20))\n"
        "build_domain(plan, 'uncached', SimulatedHost(host_model('rfc'), lambda event: None))\n"
        "print(*sys.modules)\n"
    )
    line = [sys.executable, "-c", script, str(sample("midway-arm64").image)]
    found = subprocess.run(line, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in found.stdout.split()}
    assert loaded.isdisjoint({"numpy", "numba", "llvmlite", "unicorn", "rich", "capstone"})


def test_create_starts_quickly() -> None:
    """Each of these takes millions of instructions in dom0, a hundredth of a build and more."""
    script = (
        f"import sys\nsys.path[:] = {sys.path!r}\n"
        "from coldline.cli import main\nfrom coldline.hypervisor.xen.bindings import records\n"
        "from coldline.cli import create, keeper_process\n"
        "main(['create', '--dry-run', sys.argv[1]])\nprint(*sys.modules)\n"
    )
    line = [sys.executable, "-I", "-S", "-c", script, str(sample("midway-arm64").image)]
    found = subprocess.run(line, capture_output=True, text=True, check=True)
    loaded = set(found.stdout.splitlines()[-1].split())
    assert "coldline.hypervisor.xen.creation" in loaded
    assert loaded.isdisjoint({"copy", "dataclasses", "glob", "inspect", "pathlib", "subprocess", "tempfile"})


def test_help_tells_of_the_statuses(cli: Cli) -> None:
    found = cli("--help")
    assert (found.status, found.err) == (0, "")
    assert "0 coherent, 1 hazard, 2 error, 3 inconclusive" in found.out
    assert all(name in found.out for name in ("boot", "check", "matrix"))


def test_the_installed_command() -> None:
    script = Path(sys.executable).with_name("coldline")
    require(script.exists(), "coldline is not installed beside this Python")
    found = subprocess.run([script, "check", "/no/such"], capture_output=True, text=True)
    said = "coldline: /no/such: No such file or directory\n"
    assert (found.returncode, found.stdout, found.stderr) == (ERROR, "", said)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "{race}"],
        ["check", "--json", "{race}", "{good}"],
        [*MIDWAY, "--strategy", "none"],
        [*MIDWAY, "--json"],
        ["boot", "--help"],
    ],
    ids=["check", "check-json", "boot", "boot-json", "help"],
)
def test_a_reader_that_goes_away_is_no_traceback(arguments: list[str], traces: dict[str, Path]) -> None:
    named = {name.replace("-", "_"): str(path) for name, path in traces.items()}
    line = [sys.executable, "-c", DRIVER, *(argument.format(**named) for argument in arguments)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, ERROR)


@pytest.mark.parametrize("arguments", [["check", "{race}"], ["check", "--json", "{race}"], [*MIDWAY]])
def test_a_full_disk_is_an_error_in_a_line(arguments: list[str], traces: dict[str, Path]) -> None:
    full = Path("/dev/full")
    require(full.is_char_device(), "no /dev/full")
    with full.open("wb") as out:
        found = subprocess.run(
            [sys.executable, "-c", DRIVER, *(a.format(race=traces["race"]) for a in arguments)],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert b"Traceback" not in found.stderr.encode()
    assert found.returncode == ERROR
    assert found.stderr.count("\n") == 1
