# SPDX-License-Identifier: GPL-2.0-or-later
"""The symbols of a guest of many linked files: each names the code where it is found."""

import shutil
import subprocess
from pathlib import Path

import pytest

from coldline.errors import ImageError
from coldline.samples import sample
from coldline.symbols.modules import read_modules
from coldline.symbols.symbols import LoadedRange
from tests.helpers.command import ERROR, HAZARD, MIDWAY, Cli
from tests.helpers.requirements import require

TOOLS = "aarch64-linux-gnu-"
FIRST, SECOND, LATER = 0x1200, 0x2480, 0x4000_0100
"""Where the modules are: two run where they were loaded, one is unpacked into RAM."""


def module(folder: Path, name: str, start: int) -> bytes:
    """Link a module, of code that no other has, and return its code. It is linked at 0x220, as those of EDK2."""
    require(shutil.which(f"{TOOLS}as"), "no aarch64-linux-gnu-as, of Debian's binutils-aarch64-linux-gnu")
    body = "".join(f" movz x{n % 8}, #{start + 3 * n}\n" for n in range(40))
    shared = "".join(f" add x{n % 8}, x{n % 8}, #{n}\n" for n in range(30))
    source = folder / f"{name}.s"
    source.write_text(f".globl {name}\n.type {name}, %function\n{name}:\n{body}shared:\n{shared} ret\n")
    linked = folder / f"{name}.dll"
    for words in (
        ("as", "-g", "-o", folder / f"{name}.obj", source),
        ("ld", "--emit-relocs", "-Ttext=0x220", "-e", name, "-o", linked, folder / f"{name}.obj"),
        ("objcopy", "-O", "binary", "-j", ".text", linked, folder / "text"),
    ):
        subprocess.run([f"{TOOLS}{words[0]}", *map(str, words[1:])], check=True, timeout=60)
    return (folder / "text").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "DEBUG").mkdir()
    return tmp_path


def test_each_module_names_its_code_where_it_is(folder: Path) -> None:
    codes = [
        module(folder / "DEBUG", name, start) for name, start in (("one", 0), ("two", 500), ("three", 1000))
    ]
    flash = bytearray(0x4000)
    for at, code in zip((FIRST, SECOND), codes, strict=False):
        flash[at : at + len(code)] = code
    shutil.copy(folder / "DEBUG/one.dll", folder / "one.debug")  # EDK2 has each twice
    (folder / "notes.txt").write_text("no ELF file")
    symbols = read_modules(str(folder), [LoadedRange(0, bytes(flash), len(flash))])
    assert symbols.has_places
    for at, name in ((FIRST, "one"), (SECOND, "two")):
        found = symbols.code(at + 8, at + 8)
        assert found is not None
        assert (found.function, found.line) == (f"{name}+0x8", 6)
        assert found.path == str(folder / f"DEBUG/{name}.s")
        shared = symbols.code(at + 160, at + 160)
        assert shared is not None
        assert (shared.function, shared.path) == ("shared+0x0", str(folder / f"DEBUG/{name}.s"))
    assert symbols.code(0x228, 0x228) is None  # nothing runs where it is linked
    assert symbols.code(LATER, LATER) is None
    symbols.find_copies([(0x4000_0000, bytes(0x100) + codes[2] + bytes(64))])
    unpacked = symbols.code(LATER, LATER)
    assert unpacked is not None
    assert unpacked.function == "three+0x0"
    assert set(symbols.addresses_of("shared")) == {FIRST + 160, SECOND + 160, LATER + 160}


def test_a_folder_without_modules_is_an_error(folder: Path) -> None:
    module(folder, "one", 0)
    (folder / "one.dll").unlink()  # the unlinked file is left
    with pytest.raises(ImageError, match="has no linked ELF file for Arm with symbols"):
        read_modules(str(folder), [])


def test_boot_takes_a_folder(cli: Cli, folder: Path) -> None:
    elf = folder / "DEBUG/guest.dll"
    require(shutil.which(f"{TOOLS}gcc"), "no aarch64-linux-gnu-gcc, of Debian's gcc-aarch64-linux-gnu")
    linked = (
        "-g",
        "-nostdlib",
        "-static",
        "-Wl,-Ttext=0x220",
        "-o",
        str(elf),
        str(sample("midway-arm64").source),
    )
    subprocess.run([f"{TOOLS}gcc", *linked], check=True, timeout=60)
    words = (*MIDWAY, "--strategy", "flush", "--symbols")
    found = cli(*words, folder)
    assert found.status == HAZARD, found.err
    assert "by pc 0x400000dc start+0x9c (guest.S:" in found.out
    elf.unlink()
    found = cli(*words, folder)
    assert (found.status, found.out) == (ERROR, "")
    assert found.err == f"coldline: {folder}: has no linked ELF file for Arm with symbols\n"
    module(folder, "other", 0)
    found = cli(*words, folder)
    assert (
        f"{folder}: the code of none of its programs is in the guest's memory at the end of the run\n"
        in found.err
    )
