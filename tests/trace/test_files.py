# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces as files in either form: read twice, read from pipes, converted, saved and loaded."""

import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import tests.oracles.binary_by_hand as by_hand
from coldline.errors import TraceError
from coldline.events import Event
from coldline.events.batch import Batch
from coldline.trace import files
from coldline.trace.binary_reading import BinaryReader
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
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
from tests.helpers.effort import examples
from tests.helpers.reports import without_names
from tests.helpers.trace_strategies import broken_traces, traces

RACE = """\
# The builder flushes by address, and its mapping lets the line be filled again.
builder map 0x40000000 0x1000 normal-wb
builder write 0x40000000 64

builder dc civac 0x40000000 64
builder unmap 0x40000000 0x1000
guest mmu off
guest write 0x40000008 8
guest map 0x40000000 0x1000 normal-wb   # remark
guest mmu on
guest read 0x40000000 64
"""
GOOD = "a map 0x1000 0x1000 normal-wb\na write 0x1000 8\na read 0x1000 8\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _collector(events: list[Event]) -> Callable[[Batch], None]:
    """A sink that collects each event."""
    return lambda batch: events.extend(map(batch.event, range(len(batch))))


def judged(told: Result) -> list[dict[str, Any]]:
    """The objects that ``check --json`` printed, without the names of the files."""
    found = [json.loads(line) for line in told.out.splitlines()]
    for each in found:
        assert each.pop("schema") == "coldline.report/1"
        name = each.pop("file")
        for cause in each.get("causes", []):
            assert cause["identity"].pop("subject") in (name, Path(name).name)
        if "error" in each:
            each["error"] = each["error"].replace(name, "FILE")
    return found


@pytest.fixture
def race(tmp_path: Path, cli: Cli) -> dict[str, Path]:
    """The same trace in both forms."""
    text = write(tmp_path / "race.trace", RACE)
    assert cli("convert", text, tmp_path / "race.bin").status == 0
    return {"text": text, "binary": tmp_path / "race.bin"}


# -- both forms are one trace ----------------------------------------------------------------------------------


def test_a_report_is_the_same_from_either_form(cli: Cli, race: dict[str, Path]) -> None:
    found = cli("check", "--json", race["text"], race["binary"])
    first, second = judged(found)
    assert found.status == HAZARD
    assert first == second
    assert first["hazards"][0]["line"] == 11
    assert [item["line"] for item in first["hazards"][0]["witness"] if "line" in item] == [
        2,
        3,
        *range(5, 12),
    ]


def test_the_name_says_nothing(cli: Cli, race: dict[str, Path], tmp_path: Path) -> None:
    text, binary = tmp_path / "text.bin", tmp_path / "binary.trace"
    os.rename(race["text"], text)
    os.rename(race["binary"], binary)
    assert [each["verdict"] for each in judged(cli("check", "--json", text, binary))] == ["hazard", "hazard"]


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(traces())
def test_any_trace_has_the_same_report_from_either_form(cli: Cli, tmp_path: Path, text: str) -> None:
    path, binary, again = write(tmp_path / "a", text), tmp_path / "b", tmp_path / "c"
    assert cli("convert", path, binary).status == 0
    assert cli("convert", binary, again).status == 0
    first, second, third = judged(cli("check", "--json", path, binary, again))
    assert first == second

    # Lines of the second text are those of events alone; all else is the same.
    def without_lines(value: object) -> object:
        if isinstance(value, dict):
            return {
                key: without_lines(each) for key, each in value.items() if key not in ("line", "reader_line")
            }
        return [without_lines(each) for each in value] if isinstance(value, list) else value

    assert without_lines(third) == without_lines(first)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(broken_traces())
def test_what_is_no_trace_is_the_same_error_from_either_form(
    cli: Cli, tmp_path: Path, broken: tuple[str, int]
) -> None:
    """If the trace can be converted, the first impossible event is the same in both forms."""
    path, binary = write(tmp_path / "a", broken[0]), tmp_path / "b"
    converted = cli("convert", path, binary)
    text = judged(cli("check", "--json", path))
    if converted.status == 0:
        assert judged(cli("check", "--json", binary)) == text
        binary.unlink()
    else:
        said = converted.err.removeprefix("coldline: ").rstrip("\n").replace(str(path), "FILE")
        assert text[0]["error"].split(": ", 1) == said.split(": ", 1)
        assert not binary.exists()


def test_a_second_program_reads_what_convert_writes(race: dict[str, Path]) -> None:
    found = by_hand.read(race["binary"].read_bytes())
    lines = RACE.splitlines()
    assert [event.line for event in found.events] == [2, 3, *range(5, 12)]
    for event in found.events:
        words = lines[event.line - 1].split("#")[0].replace("0x1000", "4096").split()
        assert event.text().split() == words


# -- a run saved and loaded ------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["flush", "none", "uncached"])
def test_a_boot_saved_and_loaded_gives_the_same_report(cli: Cli, tmp_path: Path, strategy: str) -> None:
    saved = {form: tmp_path / form for form in files.FORMS}
    runs = [
        cli(*MIDWAY, "--no-order", "--strategy", strategy, "--json", "--trace", path, "--trace-format", form)
        for form, path in saved.items()
    ]
    assert saved["text"].stat().st_size > 2 * saved["binary"].stat().st_size
    text, binary = judged(cli("check", "--json", *saved.values()))
    assert text == binary
    # A boot tells of the first time that a line goes wrong; a check of every time.
    keys = ("kind", "agent", "address", "size")
    told = {(each["line"] - 1, *(each[key] for key in keys)) for each in binary["hazards"]}
    for run in runs:
        hazards = json.loads(run.out)["hazards"]
        assert {(each["event"], *(each[key] for key in keys)) for each in hazards} <= told
        assert bool(hazards) == bool(told) == (strategy != "uncached")


def test_a_binary_trace_of_a_boot_is_there_whole(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "boot.bin"
    found = cli(*MIDWAY, "--json", "--trace", path, "--trace-format", "binary")
    assert found.status == COHERENT
    events = by_hand.read(path.read_bytes()).events
    assert len(events) == json.loads(found.out)["events"]
    assert [event.line for event in events] == list(range(1, len(events) + 1))
    assert cli(*MIDWAY, "--host", "atari", "--trace", path, "--trace-format", "binary").status == ERROR
    assert by_hand.read(path.read_bytes()).events == events
    assert [each.name for each in tmp_path.iterdir()] == ["boot.bin"]


# -- pipes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("form", files.FORMS)
def test_a_pipe_tells_as_much_as_a_file(race: dict[str, Path], name: str, form: str) -> None:
    whole = command("check", "--json", race[form])
    piped = command("check", "--json", name, input=race[form].read_bytes())
    assert (piped.returncode, piped.stderr) == (HAZARD, b"")
    assert without_names(json.loads(piped.stdout)) == without_names(json.loads(whole.stdout))
    assert json.loads(piped.stdout)["file"] == name


@pytest.mark.parametrize("form", files.FORMS)
def test_standard_input_that_is_a_file_is_read_from_where_it_is(race: dict[str, Path], form: str) -> None:
    data = b"#!skipped\n" + race[form].read_bytes()
    race[form].write_bytes(data)
    with race[form].open("rb", buffering=0) as file:
        file.seek(10)
        found = command("check", "--json", "-", stdin=file)
    assert found.returncode == HAZARD
    assert json.loads(found.stdout)["hazards"][0]["witness"]


@pytest.mark.parametrize("form", files.FORMS)
def test_a_pipe_that_comes_byte_by_byte(race: dict[str, Path], tmp_path: Path, form: str) -> None:
    """The bytes that identify a form may come in pieces."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb", buffering=0) as file:
            for byte in race[form].read_bytes():
                file.write(bytes([byte]))
                if byte == 10:
                    time.sleep(0.001)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with TraceFile(str(fifo)) as trace, Spool(trace) as spool:
        assert not trace.repeatable
        seen: list[list[Event]] = [[], []]
        assert trace.form == form
        for events in seen:
            spool.run(_collector(events))
    feeder.join()
    assert len(seen[0]) == 9
    assert seen[0] == seen[1]


def test_a_pipe_is_kept_nowhere_to_be_seen(race: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    found = command("check", "-", input=race["text"].read_bytes(), env={**os.environ, "TMPDIR": str(folder)})
    assert found.returncode == HAZARD
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a frob\n", f":1: {unknown_operation('frob')}"),
        (GOOD + "a read 0x1000 0\n", ":4: the size of 'read' is 0"),
        (GOOD + "a read 0x1000 0\na raed 0x1000 8\n", f":5: {unknown_operation('raed', 'read')}"),
        (GOOD + "a read 0x2000 8\n", ":4: read at 0x2000: a has no mapping there"),
        (
            GOOD + "a map 0x3000 64 device\n" + "a read 0x9000 8\n",
            ":4: 'map' of a partial page: 0x3000 + 0x40",
        ),
    ],
)
def test_errors_through_a_pipe(text: str, said: str) -> None:
    found = command("check", "-", input=text.encode())
    assert (found.returncode, found.stdout) == (ERROR, b"")
    assert found.stderr.decode() == f"coldline: -{said}\n"


def read_twice(path: Path, *, between: Callable[[], None] = lambda: None) -> None:
    with TraceFile(str(path)) as trace:
        trace.run(lambda batch: None)
        between()
        trace.run(lambda batch: None)


def test_what_comes_once_and_is_not_kept_is_not_read_again(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    feeder = threading.Thread(target=lambda: fifo.write_text(GOOD))
    feeder.start()
    with pytest.raises(TraceError, match=f"{fifo}: it can be read only once"):
        read_twice(fifo)
    feeder.join()


def test_a_file_that_changes_meanwhile_is_an_error(race: dict[str, Path]) -> None:
    def change() -> None:
        with race["text"].open("a") as file:
            file.write("guest mmu off\n")

    read_twice(race["text"])
    with pytest.raises(TraceError, match=f"{race['text']}: it was changed while it was read"):
        read_twice(race["text"], between=change)


# -- the order of errors ---------------------------------------------------------------------------------------

FILLER = "a read 0x1000 8\n" * 200_000


@pytest.mark.parametrize("form", files.FORMS)
def test_an_event_that_cannot_be_is_told_of_after_what_is_no_trace(
    cli: Cli, tmp_path: Path, form: str
) -> None:
    """At any distance: the rest of the file is read to find such an error."""
    path = write(tmp_path / "a.trace", GOOD + "a read 0x2000 8\n" + FILLER)
    if form == "binary":
        assert cli("convert", path, path).status == 0
    (found,) = judged(cli("check", "--json", path))
    assert found == {"error": "FILE:4: read at 0x2000: a has no mapping there"}
    if form == "binary":
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        path.write_text(path.read_text() + "a raed 0x1000 8\n")
    (found,) = judged(cli("check", "--json", path))
    assert found["error"].endswith(
        ": its checksum is wrong" if form == "binary" else f":200005: {unknown_operation('raed', 'read')}"
    )


def test_an_error_of_the_binary_form_names_file_block_and_byte(cli: Cli, race: dict[str, Path]) -> None:
    data = bytearray(race["binary"].read_bytes())
    data[-1] ^= 1
    race["binary"].write_bytes(data)
    found = cli("check", race["binary"])
    said = f"coldline: {race['binary']}: block 4 at byte {len(data) - 20}: its checksum is wrong\n"
    assert (found.status, found.out, found.err) == (ERROR, "", said)


@pytest.mark.parametrize("length", range(1, 8))
def test_a_signature_that_is_cut_off_is_no_trace(cli: Cli, race: dict[str, Path], length: int) -> None:
    """Up to its first line end it could be a text's only line, cut off."""
    data = race["binary"].read_bytes()[:length]
    race["binary"].write_bytes(data)
    assert cli("check", race["binary"]).status == (ERROR if b"\r" in data else INCONCLUSIVE)
    assert cli("convert", race["binary"], race["text"]).status == ERROR


def test_a_signature_with_a_byte_that_is_another_is_no_trace(cli: Cli, race: dict[str, Path]) -> None:
    data = race["binary"].read_bytes()
    for at in range(8):
        for change in (1, 2, 4, 8, 16, 32, 64, 128, data[at] ^ ord("#"), data[at] ^ ord("\n")):
            race["binary"].write_bytes(data[:at] + bytes([data[at] ^ change]) + data[at + 1 :])
            if change:
                assert cli("check", race["binary"]).status == ERROR


# -- convert ---------------------------------------------------------------------------------------------------


def test_convert_gives_the_other_form_unless_it_is_told(
    cli: Cli, race: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for form, path in race.items():
        for asked in (None, *files.FORMS):
            assert cli("convert", path, out, *(["--to", asked] if asked else [])).status == 0
            with TraceFile(str(out)) as trace:
                assert trace.form == (asked or ("binary" if form == "text" else "text"))


def test_text_that_is_converted_twice_is_the_same(cli: Cli, race: dict[str, Path], tmp_path: Path) -> None:
    events = "".join(line.split("   #")[0] + "\n" for line in RACE.splitlines() if line and line[0] != "#")
    assert cli("convert", race["binary"], tmp_path / "again").status == 0
    assert (tmp_path / "again").read_text() == events
    header = write(tmp_path / "header", "line 128\noption dic\noption nc-may-hit\na mmu on\n")
    assert cli("convert", header, tmp_path / "b").status == 0
    assert cli("convert", tmp_path / "b", tmp_path / "t").status == 0
    assert (tmp_path / "t").read_text() == "line 128\noption nc-may-hit\noption dic\na mmu on\n"


def test_convert_leaves_the_whole_file_or_none(cli: Cli, tmp_path: Path) -> None:
    good, bad, out = write(tmp_path / "g", GOOD), write(tmp_path / "b", GOOD + "a frob\n"), tmp_path / "out"
    assert cli("convert", bad, out).err == f"coldline: {bad}:4: {unknown_operation('frob')}\n"
    assert not out.exists()
    assert cli("convert", good, out).status == 0
    data = out.read_bytes()
    write(bad, GOOD + "a read 0x1000 0\n")
    assert cli("convert", bad, out).err == f"coldline: {bad}:4: the size of 'read' is 0\n"
    assert out.read_bytes() == data
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b", "g", "out"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~mask


def test_convert_of_a_file_into_itself(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "a", GOOD * 1 + FILLER)
    for _ in range(2):
        assert cli("convert", path, path).status == 0
    assert path.read_text() == GOOD + FILLER


def test_convert_through_pipes(race: dict[str, Path]) -> None:
    binary = command("convert", "-", "-", input=RACE.encode())
    assert (binary.returncode, binary.stderr, binary.stdout) == (0, b"", race["binary"].read_bytes())
    text = command("convert", "-", "-", input=binary.stdout)
    assert text.returncode == 0
    assert text.stdout.decode().splitlines() == [
        event.text().replace(" 4096", " 0x1000") for event in by_hand.read(binary.stdout).events
    ]


@pytest.mark.parametrize(
    "arguments", [["in"], ["/no/such", "out"], ["{race}", "/no/such/out"], ["{race}", "{folder}"]]
)
def test_what_cannot_be_converted(
    cli: Cli, race: dict[str, Path], tmp_path: Path, arguments: list[str]
) -> None:
    found = cli("convert", *(word.format(race=race["text"], folder=tmp_path) for word in arguments))
    assert found.status == ERROR
    assert "Traceback" not in found.err
    assert not Path("out").exists()


def test_a_reader_of_convert_that_goes_away(race: dict[str, Path], tmp_path: Path) -> None:
    long = write(tmp_path / "long", GOOD + FILLER * 3)
    line = [sys.executable, "-c", DRIVER, "convert", str(long), "-", "--to", "text"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == ERROR


# -- small things ----------------------------------------------------------------------------------------------


def test_a_small_trace_is_judged_without_a_compiler(race: dict[str, Path]) -> None:
    script = (
        "import sys\nfrom coldline.cli import main\nassert main(['check', '--quiet', *sys.argv[1:]]) == 1\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, *race.values()], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in found.stderr.split()}
    assert loaded.isdisjoint({"numba", "llvmlite", "unicorn", "capstone", "libfdt"})


def test_what_a_library_reads() -> None:
    with pytest.raises(TraceError, match="not a trace in the binary form"):
        BinaryReader(io.BytesIO(b"a mmu on\n"))
