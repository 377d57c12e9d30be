# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbols and source lines of a guest, compared with what binutils' addr2line says of the same file."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from coldline.errors import ImageError
from coldline.samples import sample
from coldline.symbols.copies import find_copies
from coldline.symbols.program import read_program
from coldline.symbols.symbols import LoadedRange, SourcePlace, Symbols, read_symbols
from coldline.symbols.table import FARTHEST, Symbol, SymbolTable
from tests.helpers.command import COHERENT, ERROR, HAZARD, MIDWAY, Cli
from tests.helpers.requirements import require
from tests.report.test_formats import validated

TOOLS = "aarch64-linux-gnu-"
LINKED_AT = 0xFFFF_8000_0800_0000
LOADED_AT = 0x4000_0000
SHT_HASH = 5


class Built(NamedTuple):
    """A sample guest that was linked: its ELF file with DWARF, the image of it, and its source."""

    elf: Path
    image: Path
    source: Path

    @property
    def loaded(self) -> list[LoadedRange]:
        data = self.image.read_bytes()
        return [LoadedRange(LOADED_AT, data, len(data) + 4096)]


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    require(shutil.which(f"{TOOLS}gcc"), "no aarch64-linux-gnu-gcc, of Debian's gcc-aarch64-linux-gnu")
    folder = tmp_path_factory.mktemp("symbols")
    elf, image, source = folder / "guest.elf", folder / "guest.Image", folder / "guest.S"
    shutil.copy(sample("midway-arm64").source, source)
    run(
        f"{TOOLS}gcc",
        "-g",
        "-nostdlib",
        "-static",
        f"-Wl,-Ttext={LINKED_AT:#x},--build-id=sha1",
        "-o",
        elf,
        source,
    )
    run(f"{TOOLS}objcopy", "-O", "binary", "-j", ".text", elf, image)
    return Built(elf, image, source)


def stripped(built: Built, folder: Path) -> Path:
    path = folder / "stripped.elf"
    run(f"{TOOLS}strip", "-o", path, built.elf)
    return path


# -- against addr2line -----------------------------------------------------------------------------------------


def addr2line(elf: Path, addresses: list[int]) -> list[tuple[str, str, int]]:
    """The function, the file and the line of each address, by binutils."""
    lines = run(f"{TOOLS}addr2line", "-f", "-e", elf, *map(hex, addresses)).splitlines()
    places = [line.split(" (")[0].rpartition(":") for line in lines[1::2]]
    return [
        (name, path, int(line) if line.isdigit() else 0)
        for name, (path, _, line) in zip(lines[::2], places, strict=True)
    ]


def test_each_instruction_is_where_binutils_says(built: Built) -> None:
    program = read_program(str(built.elf), built.elf.read_bytes())
    addresses = list(range(LINKED_AT, LINKED_AT + 0x1A0, 4))
    compared = 0
    for address, (name, path, line) in zip(addresses, addr2line(built.elf, addresses), strict=True):
        found = program.source_line(address)
        assert (found.line if found else 0) == line, hex(address)
        if found is None:
            continue
        assert Path(found.path).resolve() == Path(path).resolve()
        place = program.functions.at(address)
        assert place is not None
        assert place.name == name
        compared += 1
    assert compared > 30


def test_a_file_that_keeps_its_relocations_is_linked_already(tmp_path: Path) -> None:
    """Those of EDK2 do, as GenFw needs them. Their DWARF has its addresses, and what relocations add is in it."""
    tools = "arm-linux-gnueabihf-"
    require(shutil.which(f"{tools}as"), "no arm-linux-gnueabihf-as, of Debian's binutils-arm-linux-gnueabihf")
    unlinked, elf = tmp_path / "guest.o", tmp_path / "guest.elf"
    run(f"{tools}as", "-g", "-march=armv7-a+virt", "-o", unlinked, sample("midway-arm32").source)
    run(f"{tools}ld", "--emit-relocs", "-Ttext=0x40000000", "-e", "0x40000000", "-o", elf, unlinked)
    assert "R_ARM_ABS32" in run(f"{tools}readelf", "--relocs", elf)
    program = read_program(str(elf), elf.read_bytes())
    addresses = list(range(0x4000_0000, 0x4000_0080, 4))
    places = run(f"{tools}addr2line", "-e", elf, *map(hex, addresses)).split()
    lines = [place.rpartition(":")[2] for place in places]
    found = [program.source_line(address) for address in addresses]
    assert [str(each.line) if each else "?" for each in found] == lines
    assert sum(each is not None for each in found) > 10


@pytest.mark.parametrize("runs_at", [LOADED_AT, LINKED_AT, 0xFFFF_8000_7770_0000])
def test_an_instruction_is_found_wherever_it_runs(built: Built, runs_at: int) -> None:
    """By its physical address: with the MMU off, as linked, and moved by KASLR."""
    symbols = read_symbols(str(built.elf), built.loaded, packed=False)
    found = symbols.code(runs_at + 0x84, LOADED_AT + 0x84)
    ((name, path, line),) = addr2line(built.elf, [LINKED_AT + 0x84])
    assert found is not None
    assert found.function.partition("+")[0] == name
    assert (Path(found.path), found.line) == (Path(path), line)
    assert str(found) == f"{found.function} (guest.S:{line})"


def test_code_elsewhere_is_found_by_its_virtual_address(built: Built) -> None:
    symbols = read_symbols(str(built.elf), built.loaded, packed=True)
    assert symbols.code(LINKED_AT + 0x84, 0x7000_0084) is not None
    assert symbols.code(LOADED_AT + 0x84, LOADED_AT + 0x84) is None
    assert symbols.data(LOADED_AT + 0x800) is None


def test_a_prefix_is_removed(built: Built) -> None:
    symbols = read_symbols(str(built.elf), built.loaded, packed=False, source_prefix=str(built.source.parent))
    found = symbols.code(LOADED_AT + 0x84, LOADED_AT + 0x84)
    assert found is not None
    assert found.path == "guest.S"


# -- what is refused -------------------------------------------------------------------------------------------


def refusal(path: Path, loaded: list[LoadedRange]) -> str:
    with pytest.raises(ImageError) as caught:
        read_symbols(str(path), loaded, packed=False)
    return caught.value.reason


def test_a_stripped_file_is_refused(built: Built, tmp_path: Path) -> None:
    assert refusal(stripped(built, tmp_path), built.loaded) == "has no symbols: it was stripped"


def test_another_build_id_is_refused(built: Built) -> None:
    own = read_program(str(built.elf), built.elf.read_bytes()).build_id
    assert own.hex() in run(f"{TOOLS}readelf", "-n", built.elf)
    note = bytes.fromhex("040000001400000003000000") + b"GNU\0"
    (loaded,) = built.loaded
    others = [loaded._replace(data=bytes(loaded.data) + note + build_id) for build_id in (own, bytes(20))]
    assert isinstance(read_symbols(str(built.elf), others[:1], packed=False), Symbols)
    said = refusal(built.elf, others[1:])
    assert said.startswith(f"has build-id {own.hex()}, and what was loaded has {'00' * 20}")


def test_another_program_is_refused(built: Built) -> None:
    (loaded,) = built.loaded
    changed = bytes(each ^ 0x5A for each in bytes(loaded.data))
    said = refusal(built.elf, [loaded._replace(data=changed)])
    assert said == "is another program than what was loaded: its code is not there"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is neither an ELF file nor a System.map"),
        (b"\x7fELF", "has a broken ELF file: "),
        (b"\x7fELF" + bytes(100), "has a broken ELF file: "),
        (b"00000000 T only\n", "is no complete System.map: it has 1 functions"),
    ],
)
def test_what_has_no_symbols_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "symbols"
    path.write_bytes(data)
    assert refusal(path, []).startswith(said)


def test_a_broken_file_is_an_error_and_no_traceback(built: Built, tmp_path: Path) -> None:
    data, draw, path = built.elf.read_bytes(), random.Random(1), tmp_path / "broken.elf"
    refused = 0
    for number in range(60):
        broken = bytearray(data[: draw.randrange(len(data))] if number % 3 == 0 else data)
        for _ in range(0 if number % 3 == 0 else 1 << number % 12):
            broken[draw.randrange(len(broken) if number % 2 else min(len(broken), 4096))] = draw.randrange(
                256
            )
        path.write_bytes(broken)
        try:
            symbols = read_symbols(str(path), built.loaded, packed=False)
            for address in range(LOADED_AT, LOADED_AT + 0x200, 16):
                symbols.code(address, address)
        except ImageError:
            refused += 1
    assert refused > 20


def test_a_hash_table_of_no_symbol_table(built: Built, tmp_path: Path) -> None:
    """U-Boot's link to section 0: its dynamic symbols are discarded, its hash table is kept."""
    path = tmp_path / "u-boot"
    shared = ("-shared", "-nostdlib", "-Wl,--hash-style=sysv", f"-Wl,-Ttext={LINKED_AT:#x}")
    run(f"{TOOLS}gcc", *shared, "-o", path, built.source)
    content = bytearray(path.read_bytes())
    headers = int.from_bytes(content[0x28:0x30], "little")
    number = int.from_bytes(content[0x3C:0x3E], "little")
    tables = [
        at
        for at in range(headers, headers + 64 * number, 64)
        if int.from_bytes(content[at + 4 : at + 8], "little") == SHT_HASH
    ]
    for at in tables:
        content[at + 40 : at + 44] = bytes(4)  # sh_link
    path.write_bytes(content)
    program = read_program(str(path), bytes(content))
    assert len(tables) == 1
    assert str(program.functions.at(LINKED_AT)) == str(
        read_program(str(built.elf), built.elf.read_bytes()).functions.at(LINKED_AT)
    )


def test_without_pyelftools_the_error_says_what_to_install(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    path = tmp_path / "vmlinux"
    path.write_bytes(b"\x7fELF")
    found = cli(*MIDWAY, "--symbols", path)
    assert (found.status, found.out) == (ERROR, "")
    assert found.err == f"coldline: {path}: symbols need elftools: install coldline[symbols]\n"


# -- tables ----------------------------------------------------------------------------------------------------


def test_an_address_is_in_the_symbol_before_it() -> None:
    table = SymbolTable([Symbol(0x100, 0x10, "a"), Symbol(0x200, 0, "b"), Symbol(0x200, 8, "c", ".bss")])
    assert [str(table.at(each)) for each in (0xFF, 0x100, 0x10F, 0x110, 0x207)] == [
        "None", "a+0x0", "a+0xf", "None", "c+0x7",
    ]  # fmt: skip
    open_ended = SymbolTable([Symbol(0x100, 0, "a")])
    assert str(open_ended.at(0x100 + FARTHEST - 1)) == "a+0xfffff"
    assert open_ended.at(0x100 + FARTHEST) is None


def test_a_system_map_has_functions_and_objects(tmp_path: Path) -> None:
    lines = [f"{LINKED_AT:016x} T _text", f"{LINKED_AT + 0x800:016x} d counter"]
    lines += [f"{LINKED_AT + 4 * number:016x} t f{number}" for number in range(1, 40)]
    path = tmp_path / "System.map"
    path.write_text("\n".join(lines) + "\n")
    symbols = read_symbols(str(path), [LoadedRange(LOADED_AT, b"", 0x2000)], packed=False)
    assert str(symbols.code(LOADED_AT, LOADED_AT + 5)) == "f1+0x1"
    assert str(symbols.data(LOADED_AT + 0x802)) == "counter+0x2"
    path.write_text("\n".join([*lines, "xyz"]))
    assert refusal(path, []).startswith("line 42 is not 'ADDRESS TYPE NAME'")


# -- the command -----------------------------------------------------------------------------------------------


def test_text_and_json_name_functions_and_lines(built: Built, cli: Cli) -> None:
    words = ("boot", built.image, "--strategy", "flush", "--symbols", built.elf, "--memory", "16M")
    found = cli(*words)
    assert found.status == HAZARD
    ((name, _, line),) = addr2line(built.elf, [LINKED_AT + 0xDC])
    assert f"by pc 0x400000dc {name}+0x" in found.out
    assert f" (guest.S:{line}): ldr w1, #0x40000800\n" in found.out
    assert "kernel+0x800 (.text data+0x0)" in found.out
    (document,) = validated(cli(*words, "--json").out)
    (hazard, _) = document["hazards"]
    assert hazard["source"] == f"{built.source}:{line}"
    deciding = document["causes"][0]["deciding"]
    ((name, path, line),) = addr2line(built.elf, [LINKED_AT + deciding["pc"] - LOADED_AT])
    assert deciding["source"] == f"{path}:{line}"
    assert deciding["function"].startswith(f"{name}+0x")
    assert document["causes"][0]["identity"]["decider"] == f"guest write at {deciding['function']}"
    short = cli(*words, "--source-prefix", built.source.parent, "--format", "github")
    assert "::error file=guest.S,line=" in short.out


def test_an_elf_image_names_itself(built: Built, tmp_path: Path, cli: Cli) -> None:
    elf = tmp_path / "program.elf"
    linking = "-Wl,-N,-Ttext=0x40000000,--build-id=none"
    run(f"{TOOLS}gcc", "-g", "-nostdlib", "-static", linking, "-o", elf, built.source)
    words = ("boot", elf, "--host", "bootloader-dirty", "--memory", "16M", "--json")
    document = json.loads(cli(*words).out)
    assert document["hazards"]
    assert all("function" in hazard for hazard in document["hazards"])
    run(f"{TOOLS}strip", elf)
    document = json.loads(cli(*words).out)
    assert document["hazards"]
    assert not any("function" in hazard for hazard in document["hazards"])


def test_a_file_that_is_refused_is_an_error_of_the_command(built: Built, tmp_path: Path, cli: Cli) -> None:
    path = stripped(built, tmp_path)
    found = cli("boot", built.image, "--symbols", path)
    assert (found.status, found.out) == (ERROR, "")
    assert found.err == f"coldline: {path}: has no symbols: it was stripped\n"
    assert cli("boot", built.image, "--symbols", built.elf, "--quiet").status == COHERENT


# -- inlined functions, and code that moves itself -------------------------------------------------------------

INLINED = """
#define INLINE static inline __attribute__((always_inline))
INLINE int innermost(volatile int *p) { return *p + 3; }
INLINE int inner(volatile int *p) { int a = innermost(p); return a * innermost(p + 1); }
static __attribute__((noinline)) int plain(volatile int *p) { return p[7]; }
int _start(volatile int *p) {
  if (p[2]) return inner(p + 4);
  for (int i = 0; i < 9; i++) p[i] = inner(p);
  return plain(p);
}
"""


@pytest.mark.parametrize("version", [4, 5])
def test_inlined_functions_are_those_that_binutils_says(tmp_path: Path, version: int) -> None:
    require(shutil.which(f"{TOOLS}gcc"), "no aarch64-linux-gnu-gcc, of Debian's gcc-aarch64-linux-gnu")
    source, elf = tmp_path / "inlined.c", tmp_path / "inlined.elf"
    source.write_text(INLINED)
    options = ("-O2", f"-gdwarf-{version}", "-nostdlib", "-static", f"-Wl,-Ttext={LINKED_AT:#x}")
    run(f"{TOOLS}gcc", *options, "-o", elf, source)
    program = read_program(str(elf), elf.read_bytes())
    depths = set()
    for address in range(LINKED_AT, LINKED_AT + 0x200, 4):
        if program.functions.at(address) is None:
            continue
        names = run(f"{TOOLS}addr2line", "-f", "-i", "-e", elf, hex(address)).splitlines()[::2]
        assert program.inlined(address) == names[:-1], hex(address)
        depths.add(len(names))
    assert depths == {1, 2, 3}


DROPPED = """
static inline __attribute__((always_inline)) int add(volatile int *p) { return p[0] + p[1]; }
int dropped(volatile int *p) {
  int sum = add(p);
  for (int i = 0; i < 9; i++) p[i] = sum + p[i + 3];
  return sum;
}
"""

FIRST = {
    "first.c": "int _start(int a, int b) {\n  while (a < b)\n    a += b * b + 3;\n  return a;\n}\n",
    "first.S": ".globl _start\n_start:\n mov x0, x1\n mov x1, x2\n mov x2, x3\n ret\n",
}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("name", FIRST)
def test_a_function_that_the_linker_dropped_is_nowhere(name: str, order: int, tmp_path: Path) -> None:
    """Its debugging information is left at address 0, where a program such as U-Boot has its first function."""
    require(shutil.which(f"{TOOLS}gcc"), "no aarch64-linux-gnu-gcc, of Debian's gcc-aarch64-linux-gnu")
    first, dropped, elf = tmp_path / name, tmp_path / "dropped.c", tmp_path / "first.elf"
    sources = [first, dropped][::order]
    first.write_text(FIRST[name])
    dropped.write_text(DROPPED)
    options = ("-O2", "-g", "-ffunction-sections", "-nostdlib", "-static", "-Wl,--gc-sections,-Ttext=0")
    run(f"{TOOLS}gcc", *options, "-o", elf, *sources)
    program = read_program(str(elf), elf.read_bytes())
    assert program.functions.address_of("dropped") is None
    for address in range(0, 16, 4):
        source = program.source_line(address)
        assert source is not None
        assert Path(source.path).name == name
        assert program.inlined(address) == []
        assert 1 <= source.line <= 6


def test_an_inlined_function_is_named_with_its_line() -> None:
    place = SourcePlace("outer+0x1c", "/src/cache.c", 12, ("innermost", "inner"))
    assert str(place) == "outer+0x1c, inlined inner, inlined innermost (cache.c:12)"


@pytest.mark.parametrize("moved_by", [0x3F00_0000, -0x1_0000])
def test_code_that_moves_itself_has_names_there(built: Built, moved_by: int) -> None:
    symbols = read_symbols(str(built.elf), built.loaded, packed=False, moved_by=moved_by)
    there = LINKED_AT + moved_by + 0x84
    found, before = symbols.code(there, 0x4F00_0084), symbols.code(LOADED_AT + 0x84, LOADED_AT + 0x84)
    assert found is not None
    assert found == before
    assert symbols.addresses_of("start") == (LINKED_AT + 0x40, LOADED_AT + 0x40, LINKED_AT + 0x40 + moved_by)
    assert read_symbols(str(built.elf), built.loaded, packed=False).code(there, 0x4F00_0084) is None


def test_the_offset_is_after_the_file(built: Built, cli: Cli, tmp_path: Path) -> None:
    command = ("boot", built.image, "--memory", "16M", "--strategy", "flush", "--quiet")
    assert cli(*command, "--symbols", f"{built.elf}@0x1000").status == HAZARD
    wrong = cli(*command, "--symbols", f"{built.elf}@x")
    assert (wrong.status, wrong.out) == (ERROR, "")
    assert f"{built.elf}@x" in wrong.err
    named = tmp_path / "guest@0x1000"
    shutil.copy(built.elf, named)
    assert cli(*command, "--symbols", named).status == HAZARD


# -- copies in memory ------------------------------------------------------------------------------------------


def in_memory(built: Built, offset: int) -> list[tuple[int, bytes]]:
    """Two ranges of memory, with a copy of the guest in the second one."""
    return [(0x4000_0000, bytes(0x1000)), (0x4800_0000, bytes(offset) + built.image.read_bytes() + bytes(64))]


@pytest.mark.parametrize("offset", [0, 0x340])
def test_a_copy_is_found_in_memory(built: Built, offset: int) -> None:
    """It has the names and the lines that binutils gives for the code as linked, at whatever virtual address."""
    symbols = read_symbols(str(built.elf), built.loaded, packed=False, in_memory=True)
    copy = 0x4800_0000 + offset
    assert symbols.code(LINKED_AT + 0x84, copy + 0x84) is None
    symbols.find_copies(in_memory(built, offset))
    found = symbols.code(0x1234_0084, copy + 0x84)
    ((name, path, line),) = addr2line(built.elf, [LINKED_AT + 0x84])
    assert found is not None
    assert (found.function.partition("+")[0], Path(found.path), found.line) == (name, Path(path), line)
    assert str(symbols.data(copy + 0x800)) == "data+0x0"
    assert symbols.code(LINKED_AT + 0x84, 0x7000_0084) is None


def test_a_copy_may_have_been_patched_but_not_be_another_program(built: Built) -> None:
    patched, other = bytearray(built.image.read_bytes()), bytearray(built.image.read_bytes())
    patched[0x84:0x88] = bytes(4)
    other[0xC0:0x1A0] = b"\xff" * 0xE0  # its first part is the same
    program = read_program(str(built.elf), built.elf.read_bytes())
    assert find_copies(program, [(0x4800_0000, bytes(patched))]) == [0x4800_0000 - LINKED_AT]
    assert find_copies(program, [(0x4800_0000, bytes(other))]) == []
    assert find_copies(program, [(0x4800_0000, bytes(patched[:-0x200]))]) == []


def test_what_is_not_in_memory_is_said(built: Built, cli: Cli, tmp_path: Path) -> None:
    another, source = tmp_path / "another.elf", tmp_path / "another.S"
    source.write_text(".globl start\nstart:\n" + "".join(f"mov x0, #{number}\n" for number in range(200)))
    run(f"{TOOLS}gcc", "-nostdlib", "-static", f"-Wl,-Ttext={LINKED_AT:#x}", "-o", another, source)
    command = ("boot", built.image, "--memory", "16M", "--strategy", "flush")
    found = cli(*command, "--symbols", f"{another}@memory")
    assert found.status == HAZARD
    assert f"{another}: its code is not in the guest's memory at the end of the run" in found.err
    assert "start+" not in found.out
    found = cli(*command, "--symbols", f"{built.elf}@memory")
    assert (found.status, "by pc 0x400000dc start+0x9c (guest.S:" in found.out) == (HAZARD, True)
