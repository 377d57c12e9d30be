# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that go with reports: suppressions, baselines, JSON reports, and files of symbols."""

import json
import os
import struct
import tempfile
from collections.abc import Callable
from typing import TypeVar

from coldline.report.baseline import baseline_text, read_baseline, read_reports
from coldline.report.identity import Identity
from coldline.report.suppressions import read_suppressions
from coldline.symbols.symbols import LoadedRange, read_symbols
from tests.fuzz.target import Target

_T = TypeVar("_T")

_IDENTITY = Identity("a.trace", "stale-read", "left-old", "memory", "c write", "n read", "+0x0")
_CODE = bytes(range(64))
_LOADED_AT = 0x40000000


def _from_file(read: Callable[[str], _T], data: bytes) -> _T:
    """What a reader makes of a file."""
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(data)
        file.flush()
        return read(file.name)


def _suppressions(data: bytes) -> None:
    for each in _from_file(read_suppressions, data):
        assert each.reason
        each.matches(_IDENTITY)


def _baseline(data: bytes) -> None:
    for each in _from_file(read_baseline, data):
        assert str(each)


def _reports(data: bytes) -> None:
    reports = _from_file(read_reports, data)
    assert all(report.untold >= 0 for report in reports)
    json.loads(baseline_text(reports))


def _symbols(data: bytes) -> None:
    loaded = [LoadedRange(_LOADED_AT, _CODE, 4096)]
    symbols = _from_file(lambda path: read_symbols(path, loaded, packed=False), data)
    for offset in range(0, 128, 4):
        symbols.code(_LOADED_AT + offset, _LOADED_AT + offset)
        symbols.data(_LOADED_AT + offset)


def _suppression_seeds() -> list[bytes]:
    entry = '[[suppress]]\nsubject = "*.trace"\ndecider = "c *"\nreason = "why"\nuntil = 2027-01-31\n'
    return [entry.encode(), (entry * 2).encode(), b"", b"suppress = []\n"]


def _baseline_seeds() -> list[bytes]:
    causes = {"schema": "coldline.baseline/1", "causes": [_IDENTITY._asdict()] * 2}
    return [json.dumps(causes).encode()]


def _report_seeds() -> list[bytes]:
    cause = {"identity": _IDENTITY._asdict(), "hazards": 3, "reader": "n"}
    report = {
        "schema": "coldline.report/1", "file": "a.trace", "verdict": "hazard", "causes": [cause],
        "hazards_by_kind": {"stale-read": 5},
    }  # fmt: skip
    error = {"schema": "coldline.report/1", "file": "b.trace", "error": "why"}
    return ["\n".join(map(json.dumps, (report, error))).encode()]


def _elf() -> bytes:
    """A linked program for arm64 with 64 bytes of code, a function and an object."""
    names = b"\0start\0counter\0"
    sections = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    symbols = (
        bytes(24)
        + struct.pack("<IBBHQQ", 1, 2, 0, 1, 0x1000, 32)
        + struct.pack("<IBBHQQ", 7, 1, 0, 1, 0x1020, 8)
    )
    at = [64 + 56]  # after the header and one program header
    for part in (_CODE, symbols, names, sections):
        at.append(at[-1] + len(part))
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x1000, 64, at[-1], 0, 64, 56, 1, 64, 5, 4)
    program = struct.pack("<IIQQQQQQ", 1, 5, at[0], 0x1000, 0x1000, len(_CODE), 128, 4)

    def section(*fields: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", *fields)

    table = [
        bytes(64),
        section(1, 1, 6, 0x1000, at[0], len(_CODE), 0, 0, 4, 0),
        section(7, 2, 0, 0, at[1], len(symbols), 3, 1, 8, 24),
        section(15, 3, 0, 0, at[2], len(names), 0, 0, 1, 0),
        section(23, 3, 0, 0, at[3], len(sections), 0, 0, 1, 0),
    ]
    return header + program + _CODE + symbols + names + sections + b"".join(table)


def _symbol_seeds() -> list[bytes]:
    lines = [f"{0x1000 + 4 * number:016x} t f{number}" for number in range(20)]
    return [_elf(), "\n".join(["0000000000001000 T _text", *lines]).encode()]


TARGETS = {
    "suppressions": Target(
        _suppressions, _suppression_seeds, words=(b"[[suppress]]\n", b"until = 2027-01-31\n")
    ),
    "baseline": Target(_baseline, _baseline_seeds),
    "report": Target(_reports, _report_seeds),
    "symbols": Target(_symbols, _symbol_seeds, words=(b"\x7fELF",)),
}
