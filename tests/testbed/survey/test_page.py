# SPDX-License-Identifier: GPL-2.0-or-later
"""The survey of Debian's images: what is taken out of an image, what is to be fetched, the page."""

from typing import Any

from testbed.survey.downloads import sizes_of
from testbed.survey.images import device_tree_in
from testbed.survey.page import page
from tests.helpers.images import dtb


def test_the_tree_at_the_end_of_a_file() -> None:
    tree = dtb("/ { };")
    code = b"\xd0\x0d\xfe\xed" + bytes(60)
    assert device_tree_in(code + tree + b"padding") == tree
    assert device_tree_in(code) is None
    assert device_tree_in(tree[:-1]) is None


def test_what_packages_take() -> None:
    shown = "Package: a\nVersion: 1\nSize: 1000\nDescription: b\n Size: 5\n\nPackage: b\nSize: 20\n"
    assert sizes_of(shown) == {"a": 1000, "b": 20}


def result(**parts: Any) -> dict[str, Any]:
    return {
        "image": "board", "version": "1", "group": "u-boot-x, arm64", "origin": "bookworm u-boot-x_1_arm64.deb 00",
        "of_host": "bootloader", "of_strategy": None, "vcpus": 1, "words": ["boot"], "date": "2026-01-02",
        "seconds": 2.0, "peak_bytes": 3 << 20, "error": "", "verdict": "hazard", "end": "loop", "pc": 0x80,
        "poll": "it reads 0x0", "hazards_by_kind": {"stale-read": 1200}, "console": ["U-Boot", "DRAM: |"],
        **parts,
    }  # fmt: skip


def test_a_board_is_a_row_with_the_verdict_of_each_host() -> None:
    other = result(of_host="clean-reset", verdict="coherent", hazards_by_kind={})
    assert (
        "| u-boot-x 1 (arm64) | board | hazard: stale-read (bootloader); coherent (clean-reset) "
        "| loop at 0x80: it reads 0x0 | `DRAM: \\|` |"
    ) in page([other, result()])
    assert "| board | hazard: stale-read | loop" in page([result(), result(of_host="clean-reset")])


def test_suites_have_their_order_and_an_error_is_a_verdict() -> None:
    late = result(
        words=["boot", "2"], origin="unstable u-boot-x_2_arm64.deb 01", version="2",
        error="not done after 3 s", verdict=None, console=[],
        pc=None, poll=None, hazards_by_kind={}, date="2026-01-03",
    )  # fmt: skip
    text = page([late, result()])
    assert "2 runs of 2 images" in text
    assert "from 2026-01-02 to 2026-01-03" in text
    assert text.index("### bookworm") < text.index("### unstable")
    assert "| u-boot-x 2 (arm64) | board | error | not done after 3 s |  |" in text
    assert "1 (bookworm) is hazard: stale-read, 2 (unstable) is error" in text
    assert "| u-boot | 2 | 2.0 s | 2.0 s | 0 min | 3 MiB |" in text


def test_kernels_are_counted_by_host_and_strategy() -> None:
    linux = {"group": "linux, arm64", "of_host": "rfc", "of_strategy": "none", "console": []}
    coherent = {"verdict": "coherent", "hazards_by_kind": {}}
    text = page(
        [
            result(**linux, image="rt"),
            result(**linux, **coherent, words=["boot", "2"]),
            result(**linux, **coherent, image="x", words=["boot", "3"]),
        ]
    )
    assert "| arm64 | rfc | none | 2 | 1 |  |  | stale-read |" in text


def test_of_the_same_run_the_last_result_counts() -> None:
    text = page([result(verdict="coherent", hazards_by_kind={}), result()])
    assert "1 runs of 1 images" in text
    assert "| hazard | 1 |" in text


def test_no_results() -> None:
    assert "0 runs of 0 images" in page([])
