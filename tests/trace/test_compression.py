# SPDX-License-Identifier: GPL-2.0-or-later
"""Compressed traces: by the name where they are written, by their first bytes where they are read."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coldline.trace.compression import form_by_name
from tests.helpers.command import ERROR, HAZARD, INCONCLUSIVE, Cli
from tests.helpers.peak_memory import PEAK

TEXT = """\
a map 0x1000 0x1000 normal-wb
a write 0x1000 64
b mmu off
b read 0x1000 64
"""


def packed(tool: str, data: bytes, tmp_path: Path) -> bytes:
    """`data` as the command of the format compresses it."""
    pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    return subprocess.run([tool, "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def judged(cli: Cli, path: Path, status: int = HAZARD) -> dict[str, Any]:
    found = cli("check", "--json", path)
    assert found.status == status
    document: dict[str, Any] = json.loads(found.out)
    return document


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("boot.trace", "text"),
        ("boot.txt", "text"),
        ("-", "text"),
        ("boot.trace.gz", "text"),
        ("a.txt.zst", "text"),
        ("boot.bin", "binary"),
        ("boot", "binary"),
        ("boot.gz", "binary"),
        ("trace", "binary"),
        ("boot.trace.xz", "binary"),
    ],
)
def test_the_form_by_the_name(name: str, form: str) -> None:
    assert form_by_name(name) == form


@pytest.mark.parametrize("tool", ["gzip", "zstd"])
@pytest.mark.parametrize("form", ["text", "binary"])
def test_what_a_tool_has_compressed_is_judged_as_before(
    cli: Cli, tmp_path: Path, tool: str, form: str
) -> None:
    plain, other = tmp_path / "plain", tmp_path / "other"
    plain.write_text(TEXT)
    assert cli("convert", plain, other, "--to", form).status == 0
    compressed = tmp_path / "compressed"
    compressed.write_bytes(packed(tool, other.read_bytes(), tmp_path))
    found, want = judged(cli, compressed), judged(cli, other)
    assert found["hazards"] == want["hazards"]
    assert found["hazards"][0]["witness"]  # told by a second reading


@pytest.mark.parametrize(("suffix", "tool"), [(".gz", "gzip"), (".zst", "zstd")])
def test_what_is_written_can_be_read_by_the_tool(cli: Cli, tmp_path: Path, suffix: str, tool: str) -> None:
    pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    plain, written = tmp_path / "plain", tmp_path / f"written.trace{suffix}"
    plain.write_text(TEXT)
    assert cli("convert", plain, written, "--to", "text").status == 0
    read = subprocess.run([tool, "-dc", str(written)], stdout=subprocess.PIPE, check=True).stdout
    assert b"a write 0x1000 64\n" in read


def test_a_pipe_may_be_compressed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "coldline", "check", "-"]
    found = subprocess.run(command, input=gzip.compress(TEXT.encode()), stdout=subprocess.PIPE)
    assert found.returncode == HAZARD


@pytest.mark.parametrize("tool", ["gzip", "zstd"])
def test_a_damaged_file_is_an_error(cli: Cli, tmp_path: Path, tool: str) -> None:
    data = bytearray(packed(tool, TEXT.encode() * 300, tmp_path))
    data[-2] ^= 0xFF  # gzip: the length; zstd: the checksum
    path = tmp_path / "damaged"
    path.write_bytes(data)
    found = cli("check", path)
    assert (found.status, found.err.count("\n")) == (ERROR, 1)
    assert f"{path}" in found.err
    assert f"its {tool} data is damaged" in found.err


@pytest.mark.parametrize("tool", ["gzip", "zstd"])
def test_a_file_that_is_cut_off_is_inconclusive_or_a_hazard(cli: Cli, tmp_path: Path, tool: str) -> None:
    lines = "".join(f"a write {0x1000 + 64 * (line % 64):#x} 64\n" for line in range(200_000))
    data = packed(tool, f"a map 0x1000 0x1000 normal-wb\n{lines}a read 0x1000 64\n".encode(), tmp_path)
    path = tmp_path / "cut"
    path.write_bytes(data[: len(data) * 2 // 3])
    assert cli("check", path).status == INCONCLUSIVE


def test_an_end_of_a_bomb_is_not_kept_in_memory(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(b"#" * (300 << 20)))
    code = (
        PEAK + "import sys; from coldline.cli import main; print(main(['check', sys.argv[1]]), peak() >> 10)"
    )
    found = subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    status, peak = map(int, found.stdout.split()[-2:])
    assert status == ERROR
    assert peak < 300


def test_without_its_library_nothing_is_left(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    plain.write_text(TEXT)
    monkeypatch.setattr("coldline.trace.compression._ZSTD", "no.such.library")
    found = cli("convert", plain, tmp_path / "written.zst")
    assert (found.status, found.err.count("\n")) == (ERROR, 1)
    assert "install coldline[images]" in found.err
    assert [each.name for each in tmp_path.iterdir()] == ["plain"]
