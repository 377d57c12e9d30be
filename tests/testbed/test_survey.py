# SPDX-License-Identifier: GPL-2.0-or-later
"""The survey: what is taken out of an image, what is kept of a run, what a second survey leaves out, the page."""

import json
from pathlib import Path
from typing import Any

import tests.helpers.tiny_guests as a64
from testbed.survey.images import Image, device_tree_in
from testbed.survey.runs import key_of, read_results, run_all
from testbed.survey.table import page
from tests.helpers.images import dtb
from tests.helpers.tiny_guests import code


def image(tree: Path, name: str = "board") -> Image:
    words = ("{tree}/u-boot.bin", "--load", "0x80000", "--entry", "0x80000", "--arch", "arm64")
    return Image("bookworm", "arm64", "u-boot-x_1_arm64", name, (*words, "--machine", "raspi3b"), tree)


def survey(images: list[Image], results: Path) -> list[str]:
    said: list[str] = []
    run_all(images, results, results.parent, jobs=2, timeout=300, instructions=1000, said=said.append)
    return said


def test_the_tree_at_the_end_of_a_file() -> None:
    tree = dtb("/ { };")
    code = b"\xd0\x0d\xfe\xed" + bytes(60)
    assert device_tree_in(code + tree + b"padding") == tree
    assert device_tree_in(code) is None
    assert device_tree_in(tree[:-1]) is None


def test_a_result_is_kept_and_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "u-boot.bin").write_bytes(a64.bytes_of(code(a64.say(b"one\ntwo\n", 0x3F20_1000), a64.off())))
    results = tmp_path / "results.jsonl"
    assert survey([image(tmp_path)], results) == ["bookworm u-boot-x_1_arm64 board: inconclusive"]
    with results.open("a") as file:
        file.write('{"suite": "cut')
    ((key, result),) = read_results(results).items()
    assert key == key_of(result)
    assert (result["end"], result["console"], result["host"]) == ("off", ["one", "two"], "bootloader")
    with results.open("a") as file:
        file.write(" off\n")
    said = survey([image(tmp_path), image(tmp_path, "other")], results)
    assert said == ["bookworm u-boot-x_1_arm64 other: inconclusive"]


def test_an_image_that_cannot_be_run_is_a_result(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    survey([image(tmp_path)], results)
    (result,) = (json.loads(line) for line in results.read_text().splitlines())
    assert result["error"].endswith("u-boot.bin: cannot open the kernel: No such file or directory")


def result(**parts: Any) -> dict[str, Any]:
    return {
        "suite": "bookworm", "architecture": "arm64", "package": "u-boot-x_1_arm64", "image": "board", "words": [],
        "error": "", "verdict": "hazard", "host": "bootloader", "strategy": None, "end": "loop", "pc": 0x80,
        "fault": "", "poll": "it reads 0x0", "hazards_by_kind": {"stale-read": 1200},
        "console": ["U-Boot", "DRAM: |"],
        **parts,
    }  # fmt: skip


def test_the_page_counts_boards_and_escapes() -> None:
    text = page(
        [
            result(
                suite="unstable", image="b", error="not done after 3 s", verdict=None, console=[], host=None
            ),
            result(),
        ],
        date="2026-01-02",
        instructions=5000,
    )
    assert "on 2026-01-02" in text
    assert "5,000 instructions" in text
    assert "1 of 2 boards' U-Boots print something." in text
    assert text.index("## bookworm") < text.index("## unstable")
    assert (
        "| u-boot-x 1 (arm64) | board | hazard: stale-read 1,200 | loop at 0x80: it reads 0x0 | `DRAM: \\|` |"
        in text
    )
    assert "| u-boot-x 1 (arm64) | b | error | not done after 3 s |  |" in text
