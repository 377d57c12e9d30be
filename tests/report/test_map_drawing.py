# SPDX-License-Identifier: GPL-2.0-or-later
"""The drawn memory map: to scale, complete, and readable for any plan."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from coldline.errors import PlanError
from coldline.guest import GuestOptions, Plan, make_plan
from coldline.image import Kernel, KernelPiece
from coldline.report.map_drawing import drawing
from coldline.report.map_windows import Window, columns, windows
from tests.helpers.command import COHERENT, Cli, command
from tests.helpers.effort import examples

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SVG = "{http://www.w3.org/2000/svg}"
RAM = 0x40000000


def kernel(*pieces: tuple[int, int, int], path: str = "Image") -> Kernel:
    return Kernel(
        path=path,
        architecture="arm64",
        format="ELF",
        pieces=tuple(
            KernelPiece(address, memoryview(bytes(loaded)), size) for address, loaded, size in pieces
        ),
        entry=pieces[0][0],
        fixed=True,
    )


IMAGE = kernel((RAM, 30000, 33 * MIB))


def plan(memory: int, initrd: int | None = None, of: Kernel = IMAGE) -> Plan:
    data = None if initrd is None else memoryview(bytes(initrd))
    return make_plan(of, GuestOptions(memory=memory, initrd=data))


def drawn(of: Plan, *, path: str = "Image") -> ElementTree.Element:
    return ElementTree.fromstring(drawing(kernel((RAM, 1, 1), path=path), of))


def rectangles(of: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The rectangles with that name in their title."""
    return [
        each
        for each in of.iter(f"{SVG}rect")
        if (each.findtext(f"{SVG}title") or "").startswith(f"{name}: ") and "url(" not in each.attrib["fill"]
    ]


def words(of: ElementTree.Element) -> Iterator[tuple[float, float, str, str]]:
    for each in of.iter(f"{SVG}text"):
        yield (
            float(each.attrib["x"]),
            float(each.attrib["y"]),
            each.attrib.get("text-anchor", "start"),
            each.text or "",
        )


def test_a_guest_of_the_usual_kind() -> None:
    of = drawn(plan(512 * MIB, 30 * MIB))
    assert [text for _, _, anchor, text in words(of) if "×" in text and anchor == "middle"] == [
        "512 MiB, ×3",
        "6 KiB, ×262,144",
    ]
    said = [text for *_, text in words(of)]
    for text in (
        "kernel",
        "initrd",
        "dtb",
        "starts at 0x40000000",
        "right behind the initrd",
        "0x49e00000 - 0x49e01000",
    ):
        assert text in said
    # To scale: the bar of RAM is 560 pixels high.
    assert float(rectangles(of, "initrd")[0].attrib["height"]) == pytest.approx(30 / 512 * 560, abs=0.1)
    assert float(rectangles(of, "kernel")[0].attrib["height"]) == pytest.approx(33 / 512 * 560, abs=0.1)
    # The overview, from 0 to the end of RAM.
    assert float(rectangles(of, "RAM")[0].attrib["height"]) == pytest.approx(560 / 3, abs=0.1)
    # The device tree, in a bar of 6 KiB.
    assert float(rectangles(of, "dtb")[-1].attrib["height"]) == pytest.approx(4 / 6 * 560, abs=0.1)


def every(top: Window) -> list[Window]:
    return list(itertools.chain.from_iterable(columns(top)))


@pytest.mark.parametrize("memory", [64 * MIB, 3 * GIB, 1019 * GIB])
def test_windows_are_in_their_parents_and_go_on_until_all_can_be_seen(memory: int) -> None:
    of = plan(memory, 100 * KIB)
    found = every(windows(of, 560))
    for window in found:
        assert [each.base for each in window.regions] == sorted(each.base for each in window.regions)
        for child in window.children:
            assert window.base <= child.base < child.end <= window.end
    for segment in of.segments:
        assert any(
            window.pixels(segment.size, 560 / 4) > 18
            for window in found
            if window.base <= segment.address and segment.end <= window.end
        )


PIECES = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(1, 12000), st.integers(0, 4 * MIB)), min_size=1, max_size=40
)


@settings(max_examples=examples(200), deadline=None)
@given(PIECES, st.integers(16, 6000), st.none() | st.integers(1, 40 * MIB))
def test_every_drawing_can_be_read(
    pieces: list[tuple[int, int, int]], memory: int, initrd: int | None
) -> None:
    at, placed = RAM, []
    for gap, loaded, more in pieces:
        placed.append((at, loaded, loaded + more))
        at += (loaded + more + gap * 4096) & -4096
    try:
        of = plan(memory * MIB, initrd, kernel(*placed))
    except PlanError:
        reject()
    whole = drawn(of)
    width, height = float(whole.attrib["width"]), float(whole.attrib["height"])
    for each in whole.iter(f"{SVG}rect"):
        if "x" in each.attrib:
            x, y, wide = (float(each.attrib[name]) for name in ("x", "y", "width"))
            assert -1 <= x <= x + wide <= width
            assert 0 <= y <= height
    # No label is over another.
    beside = sorted((x, anchor, y) for x, y, anchor, _ in words(whole) if anchor != "middle")
    for (x, anchor, y), (next_x, next_anchor, next_y) in itertools.pairwise(beside):
        assert 0 < y < height
        if (x, anchor) == (next_x, next_anchor):
            assert next_y - y > 10
    # Everything is told of once, but for what there is no room for.
    beside_bars = [text for x, y, anchor, text in words(whole) if anchor == "start" and 80 < y < height - 60]
    told = [
        match[1] for text in beside_bars if (match := re.match(r"(kernel(?:-\d+)?|initrd|dtb)(?:$|, )", text))
    ]
    left_out = [int(match[1]) for text in beside_bars if (match := re.fullmatch(r"and (\d+) more", text))]
    assert len(set(told)) == len(told)
    assert set(told) <= {segment.name for segment in of.segments}
    assert len(told) + sum(left_out) == len(of.segments)


def test_names_of_strangers_are_escaped() -> None:
    of = drawn(plan(64 * MIB), path='a<b>&"\x1b[2J\udcff\n.elf')
    assert next(text for *_, text in words(of)) == 'a<b>&"\\x1b[2J\\udcff\\n.elf: arm64 ELF'


def test_the_same_guest_is_the_same_drawing() -> None:
    assert drawing(IMAGE, plan(64 * MIB)) == drawing(IMAGE, plan(64 * MIB))


def test_every_region_has_a_colour_of_its_own() -> None:
    of = drawn(plan(256 * MIB, 8 * MIB))
    colours = {
        name: rectangles(of, name)[0].attrib["fill"] for name in ("kernel", "initrd", "dtb", "RAM", "serial")
    }
    assert len(set(colours.values())) == len(colours)


def test_the_command_writes_it(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "map.svg"
    result = cli("plan", "--sample", "midway-arm64", "--svg", path)
    assert (result.status, result.err) == (COHERENT, "")
    assert "dtb" in result.out
    assert ElementTree.parse(path).getroot().tag == f"{SVG}svg"
    done = command("plan", "--sample", "midway-arm64", "--svg", "-")
    assert done.stdout == path.read_bytes()
