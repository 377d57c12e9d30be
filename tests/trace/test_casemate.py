# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline convert --to casemate`` writes what is of the grammar of casemate's traces, and what the trace does.

The grammar is that of casemate's doc/asciidoc/sections/trace-format.adoc (3.0). As in its examples, numbers are
hexadecimal, but for ``id`` and ``tid``, which are decimal.
"""

import re
from pathlib import Path

import pytest

from tests.helpers.command import ERROR, Cli

HEX, DECIMAL, WORD = r"[0-9a-f]+", r"[0-9]+", r"[a-z0-9_]+"
FIELDS = {
    "mem-write": rf"\(mem-order (?:plain|release)\) \(address {HEX}\) \(value {HEX}\)",
    "mem-init": rf"\(address {HEX}\) \(size {HEX}\)",
    "barrier": r"(?:isb|dsb \(kind (?:ish|ishst|nsh|sy)\))",
    "tlbi": rf"(?:vae2is \(value {HEX}\)|alle2is)",
    "sysreg-write": rf"\(sysreg (?:vttbr|ttbr0|vtcr|tcr|mair|hcr|sctlr)_el2\) \(value {HEX}\)",
    "hint": rf"\(kind (?:set_root_lock|set_owner_root)\) \(location {HEX}\) \(value {HEX}\)",
    "lock": rf"\(address {HEX}\)",
    "unlock": rf"\(address {HEX}\)",
}
"""The transitions, each with what stands between its thread and its source."""

RECORD = re.compile(
    rf"\((?P<name>[a-z-]+) \(id (?P<id>{DECIMAL})\) \(tid (?P<tid>{DECIMAL})\) (?P<rest>.*) "
    rf'\(src "(?P<src>[^"]*)"\)\)'
)
HEAD = "version 2\noption order\ncore cpu0 kernel\ncore cpu1 other\n"
CHANGE = (
    "kernel map 0x1000 0x1000 normal-wb\nkernel map 0x2000 0x1000 normal-wb\n"
    "kernel descriptor 0x1000 0x1000 invalid\nkernel dsb\nother tlbi 0x0 0x3000\nother dsb\n"
    "kernel dmb\nkernel isb\nkernel dsb nsh\nkernel descriptor 0x1000 0x1000 normal-nc exec\nkernel tlbi all\n"
)


def records(cli: Cli, folder: Path, text: str) -> list[tuple[str, int, str, str]]:
    """The records of a trace: name, thread, what follows, and source; each is of the grammar, in order."""
    source, target = folder / "in.trace", folder / "out.casemate"
    source.write_text(text)
    found = cli("convert", "--to", "casemate", source, target)
    assert (found.status, found.out, found.err) == (0, "", "")
    read = []
    for number, line in enumerate(target.read_text().splitlines()):
        match = RECORD.fullmatch(line)
        assert match, line
        assert re.fullmatch(FIELDS[match["name"]], match["rest"]), line
        assert int(match["id"]) == number
        read.append((match["name"], int(match["tid"]), match["rest"], match["src"]))
    return read


def of_events(found: list[tuple[str, int, str, str]]) -> list[tuple[str, int, str, str]]:
    return [each for each in found if each[3] != "trace:0"]


def test_a_change_by_break_before_make(cli: Cli, tmp_path: Path) -> None:
    """The page is mapped at 0 of the tables: descriptor 0 of the first table of level 3, the fourth table."""
    entry = "(mem-order release) (address f00000003000)"
    lock = "(address ffff00000000)"
    assert of_events(records(cli, tmp_path, HEAD + CHANGE)) == [
        ("lock", 0, lock, "trace:5"),
        ("mem-write", 0, f"{entry} (value 40000000001703)", "trace:5"),
        ("mem-write", 0, f"{entry} (value 0)", "trace:7"),
        ("barrier", 0, "dsb (kind ish)", "trace:8"),
        ("tlbi", 1, "vae2is (value 700000000000)", "trace:9"),
        ("barrier", 1, "dsb (kind ish)", "trace:10"),
        ("barrier", 0, "isb", "trace:12"),
        ("barrier", 0, "dsb (kind nsh)", "trace:13"),
        ("mem-write", 0, f"{entry} (value 1707)", "trace:14"),
        ("tlbi", 0, "alle2is", "trace:15"),
    ]


def test_the_tables_are_made_and_each_core_uses_them(cli: Cli, tmp_path: Path) -> None:
    text = HEAD + CHANGE + "other map 0x9000 0x1000 device\nother descriptor 0x9000 0x1000 invalid\n"
    found = [each for each in records(cli, tmp_path, text) if each[3] == "trace:0"]
    root = "f00000000000"
    assert [(name, tid) for name, tid, rest, _ in found if "ttbr0" in rest] == [
        ("sysreg-write", 0),
        ("sysreg-write", 1),
    ]
    assert [rest for name, _, rest, _ in found if name == "mem-init"] == [f"(address {root}) (size 4000)"]
    assert [rest for name, _, rest, _ in found if name == "mem-write"] == [
        f"(mem-order release) (address f0000000{number}000) (value f0000000{number + 1}003)"
        for number in range(3)
    ]
    assert {rest for name, _, rest, _ in found if "mair" in rest} == {"(sysreg mair_el2) (value 44ff)"}, (
        "Device-nGnRnE is 0, and so is what follows it"
    )


def test_another_core_takes_the_lock_and_an_unmap_is_invalidated(cli: Cli, tmp_path: Path) -> None:
    text = (
        HEAD
        + CHANGE
        + "other map 0x9000 0x1000 device\nother descriptor 0x9000 0x1000 invalid\nother unmap 0x9000 0x1000\n"
    )
    names = [
        (name, tid)
        for name, tid, _, src in of_events(records(cli, tmp_path, text))
        if src in ("trace:16", "trace:18")
    ]
    assert names == [
        *(("unlock", 0), ("lock", 1), ("mem-write", 1)),
        *(("mem-write", 1), ("barrier", 1), ("tlbi", 1), ("barrier", 1)),
    ]


def test_a_trace_without_descriptors_has_barriers_alone(cli: Cli, tmp_path: Path) -> None:
    text = "version 2\noption order\na map 0x1000 0x8000000000 normal-wb\na write 0x1000 8\na dsb\nb isb\n"
    assert records(cli, tmp_path, text) == [
        ("barrier", 0, "dsb (kind ish)", "trace:5"),
        ("barrier", 1, "isb", "trace:6"),
    ]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            HEAD + "kernel descriptor 0x0 0x8001000 invalid\n",
            (),
            "in.trace:5: descriptors of more than 32,768 pages change",
        ),
        (HEAD + "kernel descriptor 0x1000000000000 0x1000 invalid\n", (), "has more than 48 bits"),
        (HEAD, ("--core", "cpu2 x"), "--to casemate takes no --version and no --core"),
    ],
)
def test_what_casemate_cannot_have_is_an_error(
    cli: Cli, tmp_path: Path, text: str, options: tuple[str, ...], message: str
) -> None:
    source, target = tmp_path / "in.trace", tmp_path / "out.casemate"
    source.write_text(text)
    found = cli("convert", "--to", "casemate", *options, source, target)
    assert found.status == ERROR
    assert message in found.err
    assert not target.exists()
