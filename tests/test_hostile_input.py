# SPDX-License-Identifier: GPL-2.0-or-later
"""Known classes of faults in readers of untrusted files, each tried on every reader: ``hostile-input.md``."""

import gc
import io
import os
import re
import struct
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Literal

import pytest

from coldline.arm import MemoryType
from coldline.checker.checker import Checker
from coldline.checker.state import memory
from coldline.errors import ColdlineError, ConfigError, ImageError, TraceError
from coldline.events import event
from coldline.events.event import Event
from coldline.events.op import Op
from coldline.guest import GuestOptions, check_device_tree, make_plan
from coldline.guest.config import config_from_text
from coldline.guest.config.syntax import MAX_CONFIG, MAX_LIST_DEPTH, MAX_VALUES
from coldline.image.content import MAX_PARTS, Allowance, Content
from coldline.image.format_detection import recognise
from coldline.rules.profile import Profile
from coldline.support.printable import MAX_MESSAGE
from coldline.trace import blocks
from coldline.trace.binary_layout import MAX_PAYLOAD
from coldline.trace.binary_reading import BinaryReader
from coldline.trace.text import MAX_LINE_LENGTH
from coldline.trace.text_batches import TextBatches
from coldline.trace.text_head import MAX_AGENT_NAME
from tests.fuzz import seeds
from tests.fuzz.bounds import LONGEST_MESSAGE, SECONDS, checked
from tests.fuzz.target import MOST_BYTES
from tests.fuzz.targets import TARGETS
from tests.helpers.images import arm64_image, zimage
from tests.helpers.peak_memory import PEAK
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require
from tests.oracles import binary_by_hand

MIB = 1 << 20
PAGE = ROOT / "docs" / "explanation" / "hostile-input.md"

NUMBERS = (0, 1, 3, (1 << 31) - 1, 1 << 31, (1 << 32) - 4, (1 << 32) - 1,
           (1 << 63) - 1, 1 << 63, (1 << 64) - 8, (1 << 64) - 1)  # fmt: skip
"""Numbers that are too large, too small, negative if read as signed, or wrap in an addition."""

BEGIN, END_NODE, PROPERTY, END = (struct.pack(">I", number) for number in (1, 2, 3, 9))
EMPTY_NODE = BEGIN + bytes(4)


def seeds_of(name: str) -> list[bytes]:
    found: list[bytes] = TARGETS[name].seeds()
    require(found, f"no tool is installed that makes seeds for {name}")
    return found


def tree(structure: bytes, strings: bytes = b"reg\0", *, names_at: int = 0) -> bytes:
    """A flattened device tree with any structure block: Devicetree Specification 0.4, 5."""
    at = 40 + 16
    strings_at = names_at or at + len(structure)
    whole = strings_at + len(strings) if not names_at else at + len(structure)
    head = struct.pack(">10I", 0xD00DFEED, whole, at, strings_at, 40, 17, 16, 0, len(strings), len(structure))
    return head + bytes(16) + structure + (b"" if names_at else strings)


# -- integers that are used as sizes, and offsets that are followed (XSA-55) -----------------------------------


ORDERS: dict[str, Literal["little", "big"]] = {
    **dict.fromkeys(("arm64-image", "zimage", "zboot", "elf", "lz4-legacy", "trace-binary"), "little"),
    **dict.fromkeys(("uimage", "fit", "lzop", "dtb", "dtb-only", "machine"), "big"),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERS)
def test_every_number_of_a_header_may_be_anything(name: str) -> None:
    """Each word of 4 or 8 bytes at a file's start may have any value."""
    run = checked(TARGETS[name].run)
    for data in seeds_of(name)[:2]:
        for size in (4, 8):
            for at in range(0, min(len(data), 128), 4):
                for number in NUMBERS:
                    if number >> 8 * size == 0:
                        run(data[:at] + number.to_bytes(size, ORDERS[name]) + data[at + size :])


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in ("check", "image", "plan")])
def test_every_file_may_end_anywhere(name: str) -> None:
    """XSA-95: no reader accesses bytes past the end of a short file."""
    run = checked(TARGETS[name].run)
    for data in seeds_of(name)[:2]:
        for end in range(min(len(data), 400)):
            run(data[:end])


@pytest.mark.parametrize("data", [arm64_image(), zimage()], ids=["Image", "zImage"])
def test_a_kernel_may_want_all_memory_there_is(data: bytes) -> None:
    """The size in its header leads to no allocation, only to an error."""
    huge = bytearray(data)
    if data[56:60] == b"ARM\x64":
        struct.pack_into("<Q", huge, 16, (1 << 64) - 1)
    else:
        struct.pack_into("<I", huge, 0x2C, 0xFFFFFFFF)
    with pytest.raises(ColdlineError, match=r"does not fit|has 4096"):
        make_plan(recognise(content(bytes(huge)), None, None), GuestOptions(memory=16 * MIB))


def content(data: bytes, allowance: int = 0) -> Content:
    return Content("file", memoryview(data), Allowance(allowance))


def test_an_elf_file_that_is_loaded_many_times_over() -> None:
    """256 segments of 1 GiB have the same bytes of the file, at addresses for which each must be copied."""
    data = bytearray(b"".join(seeds.elves()[:1]).ljust(8192, b"\0"))
    header = struct.Struct("<IIQQQQQQ")
    struct.pack_into("<H", data, 56, 100)
    for number in range(100):
        address = 0x40000000 + number * 0x4000 + 8
        header.pack_into(data, 64 + number * header.size, 1, 5, 0, address, address, 8192, 8192, 4)
    with pytest.raises(ImageError, match="819200 bytes in all, more than its 8192"):
        recognise(content(bytes(data)), None, None)


# -- recursion -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("structure", "said"),
    [
        (EMPTY_NODE * 100_000 + END_NODE * 100_000 + END, "deeper than 32 nodes"),
        (EMPTY_NODE + (BEGIN + b"a\0\0\0" + END_NODE) * 100_000 + END_NODE + END, "more than 16384 nodes"),
        (EMPTY_NODE + (PROPERTY + bytes(8)) * 100_000 + END_NODE + END, "two properties 'reg'"),
        (EMPTY_NODE + (BEGIN + b"chosen\0\0" + END_NODE) * 2 + END_NODE + END, "two nodes called 'chosen'"),
        (END, "malformed"),
        (EMPTY_NODE, "device tree"),
        (b"", "device tree"),
    ],
    ids=["deep", "wide", "properties", "twice", "no root", "no end", "nothing"],
)  # fmt: skip
def test_trees_that_lead_readers_astray(structure: bytes, said: str) -> None:
    data = memoryview(tree(structure))
    with pytest.raises(ImageError, match=said):
        check_device_tree("file", data)
    with pytest.raises(ImageError):
        recognise(content(bytes(data)), None, None)


def test_values_of_a_tree_lie_in_one_another_nowhere() -> None:
    """Names inside the structure block would make two properties of the same bytes."""
    structure = EMPTY_NODE + PROPERTY + struct.pack(">II", 4, 0) + b"reg\0" + END_NODE + END
    check_device_tree("file", memoryview(tree(structure)))
    with pytest.raises(ImageError, match="starts inside its structure block"):
        check_device_tree("file", memoryview(tree(structure, names_at=40 + 16 + 20)))


def test_what_the_planner_edits_is_there_once() -> None:
    """Otherwise the guest could use another /chosen, and another initrd, than the ones that were set."""
    start = PROPERTY + struct.pack(">II", 4, 0) + bytes(4)
    chosen = BEGIN + b"chosen\0\0" + start * 2 + END_NODE
    data = memoryview(tree(EMPTY_NODE + chosen + END_NODE + END, b"linux,initrd-start\0"))
    kernel = recognise(content(arm64_image()), None, None)
    with pytest.raises(ImageError, match="two properties 'linux,initrd-start'"):
        make_plan(kernel, GuestOptions(memory=16 * MIB, device_tree=data))


def test_a_generated_tree_has_room_for_its_end() -> None:
    """For every size: libfdt's buffer grows by a KiB, but not for the last word."""
    kernel = recognise(content(arm64_image()), None, None)
    for length in range(0, 1100, 4):
        make_plan(kernel, GuestOptions(memory=16 * MIB, bootargs="a" * length))


def test_lists_in_lists_in_a_configuration() -> None:
    with pytest.raises(ConfigError, match=f"more than {MAX_LIST_DEPTH} nested lists"):
        config_from_text("a=" + "[" * 100_000, "file")
    with pytest.raises(ConfigError, match=f"more than {MAX_VALUES} values"):
        config_from_text("a=[" + "1," * (MAX_VALUES + 1) + "]", "file")
    with pytest.raises(ConfigError, match="bytes"):
        config_from_text("#" * (MAX_CONFIG + 1), "file")


def test_containers_in_themselves() -> None:
    """Each container may occur once, so a file that contains itself is refused."""
    found = seeds.zboots()[0]
    inside = struct.pack("<4s4sII8x32s8x", b"MZ\0\0", b"zimg", 64, len(found), b"none") + found
    with pytest.raises(ImageError, match="EFI zboot inside EFI zboot"):
        recognise(content(inside, MIB), None, None)


# -- unpacking (XSA-25) ------------------------------------------------------------------------------------------


def test_streams_and_blocks_are_counted() -> None:
    packed = seeds.compressed("gzip")
    require(packed, "gzip is not installed")
    with pytest.raises(ImageError, match=f"more than {MAX_PARTS} gzip streams"):
        recognise(content(packed[0] * (MAX_PARTS + 1)), None, None)


# -- what is left behind (XSA-160) -------------------------------------------------------------------------------


def test_a_failed_load_leaves_nothing_open_and_nothing_taken(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(b"\x1f\x8b\x08" + bytes(16 * MIB))
    code = PEAK + (
        "import os, sys\n"
        "from coldline.errors import ImageError\n"
        "from coldline.image import load_kernel\n"
        "def tries(count):\n"
        "    for _ in range(count):\n"
        "        try: load_kernel(sys.argv[1])\n"
        "        except ImageError: continue\n"
        "        raise SystemExit('it was loaded')\n"
        "    return len(os.listdir('/proc/self/fd')), peak()\n"
        "first, many = tries(2), tries(30)\n"
        "assert many[0] == first[0], (first, many)\n"
        "assert many[1] < first[1] + (32 << 10), (first, many)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=dict(os.environ), timeout=60)


# -- messages ------------------------------------------------------------------------------------------------------


def test_a_message_is_one_line_however_long_what_it_quotes() -> None:
    error = ImageError("file", "a\nb\x1b[31m\u202e" + "x" * 10 * MIB + "end")
    assert len(str(error)) <= MAX_MESSAGE == LONGEST_MESSAGE
    assert str(error).startswith(r"file: a\nb\x1b[31m\u202ex")
    assert str(error).endswith("xend")
    assert str(error).isprintable()


# -- traces --------------------------------------------------------------------------------------------------------


def test_a_name_that_no_line_has_room_for() -> None:
    data = binary_by_hand.start() + binary_by_hand.name("a" * (MAX_AGENT_NAME + 1)) + binary_by_hand.done(0)
    with pytest.raises(TraceError, match="cannot be an agent's name"):
        list(BinaryReader(io.BytesIO(data)))
    for name, is_one in (("a" * MAX_AGENT_NAME, True), ("a" * (MAX_AGENT_NAME + 1), False)):
        text = io.BytesIO(f"{name} mmu on\n".encode())
        if is_one:
            assert [len(batch) for batch in TextBatches(text)] == [1]
        else:
            with pytest.raises(TraceError, match=r"^1: an agent's name of more than 4000 characters"):
                list(TextBatches(text))


def test_lines_that_are_touched_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes its own leaf of the index, of 4 KiB: 2^26 of them would be 256 GiB."""
    monkeypatch.setattr(memory, "MAX_LEAVES", 8)
    checker = Checker(Profile(line=2048))
    for number in range(8):
        checker.event(Event("a", Op.WALK, number << 26, 8, MemoryType.NORMAL_WB))
    with pytest.raises(TraceError, match="the trace touches lines in more than 8 areas of 64 MiB"):
        checker.event(Event("a", Op.WALK, 8 << 26, 8, MemoryType.NORMAL_WB))


def test_many_ranges_of_pages_that_are_touched_often() -> None:
    """A small trace whose events each befall many ranges: time is their product, so each must cost little."""
    maps = "".join(
        f"a map {page * 4096:#x} 4096 normal-{'wb' if page % 2 else 'nc'}\n" for page in range(220)
    )
    text = io.BytesIO((maps + f"a write 0 {220 * 4096}\n" * 180 + "a mmu off\na mmu on\n" * 180).encode())
    assert len(text.getvalue()) < MOST_BYTES
    start = time.process_time()
    checker = Checker(Profile())
    for batch in TextBatches(text):
        checker.feed(batch)
    assert checker.events == 220 + 3 * 180
    assert time.process_time() - start < SECONDS


def test_a_checker_is_gone_at_once() -> None:
    """Its memory is freed, too, as ``coldline check`` may get thousands of files."""
    checker = Checker(Profile())
    checker.event(Event("a", Op.WALK, 0, 8, MemoryType.NORMAL_WB))
    kept = weakref.ref(checker.state.memory)
    gc.disable()
    try:
        del checker
        assert kept() is None
    finally:
        gc.enable()


def test_an_address_that_wraps_round() -> None:
    """The base of a block's addresses, and an offset with which it passes 2^64."""
    body = struct.pack("<QHBB", 8, 0, 0, 0) + bytes([16])
    head = struct.pack("<IIBBBBIQQ", 1, 1, 0, 1, 0, 0, 0, (1 << 64) - 8, 1)
    data = binary_by_hand.start() + binary_by_hand.name("a") + binary_by_hand.block(b"EVNT", head + body)
    with pytest.raises(TraceError, match=r"count from 0xfffffffffffffff8, past 2\^52"):
        list(BinaryReader(io.BytesIO(data + binary_by_hand.done(1))))


def test_a_block_that_unpacks_to_more_than_it_says() -> None:
    import zlib

    head = struct.pack("<IIBBBBIQQ", 1, 1, 0, 0, 0, 1, 0, 0, 1)
    bomb = zlib.compress(bytes(64 * MIB))
    data = binary_by_hand.start() + binary_by_hand.name("a") + binary_by_hand.block(b"EVNT", head + bomb)
    with pytest.raises(TraceError, match="its body does not have the 12 bytes that its head says"):
        list(BinaryReader(io.BytesIO(data)))


# -- the page ------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_code_has() -> None:
    page = PAGE.read_text()
    lengths = MAX_LINE_LENGTH, MAX_AGENT_NAME, MAX_MESSAGE
    for number in (*lengths, MAX_PARTS, blocks.MAX_EVENTS, event.MAX_AGENTS, MAX_LIST_DEPTH, MAX_VALUES):
        assert re.search(rf"\b{number:,}\b", page), number
    assert f"{MAX_PAYLOAD // MIB} MiB" in page
    assert f"{MAX_CONFIG // 1024} KiB" in page
