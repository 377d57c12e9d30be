# SPDX-License-Identifier: GPL-2.0-or-later
"""The survey of Debian's images: what is taken out of an image, what is to be fetched, the page."""

import struct
from pathlib import Path
from typing import Any

import pytest

from testbed.packages import debian
from testbed.survey.causes import Cause, finding_of
from testbed.survey.downloads import sizes_of
from testbed.survey.images import Packages, device_tree_in, first_section, images_of
from testbed.survey.page import page
from tests.helpers.images import dtb


def test_the_tree_at_the_end_of_a_file() -> None:
    tree = dtb("/ { };")
    code = b"\xd0\x0d\xfe\xed" + bytes(60)
    assert device_tree_in(code + tree + b"padding") == tree
    assert device_tree_in(code) is None
    assert device_tree_in(tree[:-1]) is None


def test_a_raw_file_begins_at_the_first_section_of_the_first_segment(tmp_path: Path) -> None:
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)  # System V ABI: Elf32_Ehdr, Elf32_Shdr
    header = struct.pack("<HHIIIIIHHHHHH", 3, 40, 1, 0x8000, 0, 52, 0, 52, 32, 0, 40, 5, 4)
    rows = [  # name, type, flags, address, offset, size
        (0, 0, 0, 0, 0, 0),
        (1, 1, 6, 0x8000, 0, 0x100),
        (1, 1, 6, 0x100, 0, 0x10),  # for another RAM, before the segment
        (1, 1, 0, 0x4000, 0, 0x10),  # not loaded
        (7, 3, 0, 0, 52 + 5 * 40, 17),
    ]
    sections = b"".join(struct.pack("<10I", *row, 0, 0, 0, 0) for row in rows)
    (tmp_path / "uboot.elf").write_bytes(ident + header + sections + b"\0.text\0.shstrtab\0")
    assert first_section(tmp_path / "uboot.elf", 0x1000) == 0x8000
    assert first_section(tmp_path / "uboot.elf", 0) == 0x100


def test_device_trees_of_a_kernel_are_in_its_package_or_in_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fetched = []

    def packages(architecture: str, names: list[str], *, suite: str) -> dict[str, Path]:
        fetched.append((architecture, suite, *names))
        for name in names:
            (tmp_path / name / "boot").mkdir(parents=True)
            (tmp_path / name / "boot" / f"vmlinuz-{name.split('-', 2)[-1]}").touch()
        return {name: tmp_path / name for name in names}

    monkeypatch.setattr(debian, "packages", packages)
    for kernel in ("linux-image-6.1.0-50-arm64", "linux-binary-7.2-arm64"):
        (image,) = images_of("some", "arm64", Packages((kernel,), ()), tmp_path)
        assert image.package == kernel
    assert fetched == [
        ("arm64", "some", "linux-image-6.1.0-50-arm64"),
        ("arm64", "some", "linux-binary-7.2-arm64"),
        ("arm64", "some", "linux-base-7.2-arm64"),
    ]


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


def test_verdicts_are_counted_by_host_and_version() -> None:
    fine = {"verdict": "coherent", "hazards_by_kind": {}}
    newer = {"version": "2", "origin": "trixie u-boot-x_2_arm64.deb 00"}
    text = page(
        [
            result(image="b", words=["boot", "b"], **fine),
            result(image="c", words=["boot", "c"]),
            result(words=["boot", "2"], **newer),
            result(),
            result(of_host="clean-reset", **fine),
        ]
    )
    assert (
        "| Images | Host | 1 (bookworm) | 2 (trixie) |\n"
        "| --- | --- | --- | --- |\n"
        "| u-boot-x (arm64) | bootloader | 1 coherent; 2 hazard: stale-read | 1 hazard: stale-read |\n"
        "| u-boot-x (arm64) | clean-reset | 1 coherent |  |\n"
    ) in text
    assert "| [U-Boot](#u-boot) | 5 | 2 | 3 |  |  |" in text


def test_strategies_with_the_same_verdicts_are_one_row() -> None:
    linux = {"group": "linux, arm64", "image": "rt", "of_host": "rfc"}
    fine = {"verdict": "coherent", "hazards_by_kind": {}}
    text = page(
        [
            result(**linux, of_strategy="none"),
            result(**linux, of_strategy="flush", **fine),
            result(**linux, of_strategy="hypercall", **fine),
            result(**{**linux, "of_host": None, "of_strategy": None}, words=["watch", "--", "qemu"]),
        ]
    )
    assert "| arm64 | rfc | none | 1 hazard: stale-read |" in text
    assert "| arm64 | rfc | flush, hypercall | 1 coherent |" in text
    assert "| arm64 | two cores, watched |  | 1 hazard: stale-read |" in text
    assert "| Linux, arm64, booted | 3 | 2.0 s | 2.0 s | 0 min |  | 3 MiB |" in text
    assert "| Linux, arm64, watched | 1 | 2.0 s" in text


def cause(decider: str, reader: str, kind: str) -> dict[str, Any]:
    return {"kind": kind, "words": "", "hazards": 1, "identity": {"decider": decider, "reader": reader}}


def test_the_cause_of_all_versions_is_one_row_with_its_repair() -> None:
    stack = cause("guest write at kernel+0x80b8", "guest read at kernel+0x7fbc", "lost-write")
    patched = cause("cpu0.el1 write at 0xffff80008", "cpu1.el1 fetch", "stale-fetch")
    odd = cause("guest dc ivac kernel+0x0", "final read", "stale-read")
    linux = {"group": "linux, arm64", "image": "rt", "of_host": "kvm-arm64", "of_strategy": "flush"}
    text = page(
        [
            result(**linux, words=["boot", "1"], causes=[stack, odd]),
            result(**linux, words=["boot", "2"], version="2", causes=[{**stack, "hazards": 2}]),
            result(**{**linux, "of_host": "rfc"}, words=["boot", "3"], version="2", causes=[stack]),
            result(
                **{**linux, "of_host": None, "of_strategy": None},
                words=["watch", "--", "qemu"],
                causes=[patched],
            ),
        ]
    )
    rows = [
        line for line in text.partition("## Causes")[2].splitlines() if line.startswith("| Linux, arm64 |")
    ]
    assert [row.split(" | ")[2:6] for row in rows] == [
        ["lost-write", "1, 2", "kvm-arm64 by flush; rfc by flush", "3"],
        ["stale-read", "1", "kvm-arm64 by flush", "1"],
        ["stale-fetch", "1", "two cores, watched", "1"],
    ]
    assert "(../findings/linux-arm64-early-stack.md)" in rows[0]
    assert rows[0].endswith("| the boot ends | invalidate the stack before its first use; a patch is built |")
    assert rows[1].startswith(
        "| Linux, arm64 | not looked into: guest dc ivac, final read | stale-read | 1 |"
    )
    assert rows[1].endswith("| kvm-arm64 by flush | 1 |  |  |")
    assert "(../reference/watch.md#linux)" in rows[2]


def test_an_installer_has_the_causes_of_linux() -> None:
    installer = {"group": "debian-installer, arm64", "image": "arm64 text", "of_host": "warm-reset"}
    stack = cause("guest write at kernel+0x80b8", "guest read", "lost-write")
    text = page([result(**installer, causes=[stack])])
    assert "| [Installer](#installer) | 1 |  | 1 |  |  |" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| Installer, arm64 |"))
    assert "(../findings/linux-arm64-early-stack.md)" in row


def test_a_finding_is_of_its_project_and_of_who_decides() -> None:
    def page_of(project: str, kind: str, decider: str) -> str | None:
        found = finding_of(project, Cause(kind, decider, "guest fetch"))
        return found and found.page

    assert page_of("U-Boot", "stale-fetch", "guest write") == "../findings/u-boot-relocation.md"
    assert page_of("Xen", "stale-read", "el2 write") == "../findings/xen-first-tables.md#arm32"
    assert page_of("Linux, armhf", "stale-fetch", "dom0 write") == "../explanation/verdicts.md"
    assert page_of("Linux, arm64", "lost-write", "xen dc civac") != page_of(
        "Linux, arm64", "lost-write", "dom0 write"
    )
    for writer in ("el1 write", "guest write"):  # watched, booted
        assert page_of("Linux, arm64", "stale-fetch", writer) == "../reference/watch.md#linux"
    assert page_of("U-Boot", "stale-fetch", "dom0 write") is None
    assert page_of("other", "stale-fetch", "guest write") is None


def test_what_stops_without_a_verdict_is_told_once_for_all_versions() -> None:
    open_ = {"verdict": "inconclusive", "hazards_by_kind": {}}
    text = page(
        [
            result(**open_, poll="it reads 0x0 at 0x10 at pc 0x80"),
            result(**open_, version="2", words=["boot", "2"], poll="it reads 0x0 at 0x10 at pc 0x90"),
            result(image="fine", words=["boot", "fine"]),
        ]
    )
    row = "| u-boot-x (arm64) | board | 1, 2 | loop: it reads 0x0 at 0x10 | `DRAM: \\|` |"
    assert text.count(row) == 1
    assert "| u-boot-x (arm64) | fine | 1 |" not in text


def test_projects_and_suites_have_their_order_and_an_error_is_a_verdict() -> None:
    late = result(
        processor_seconds=1.5,
        words=["boot", "2"], origin="unstable u-boot-x_2_arm64.deb 01", version="2",
        error="not done after 3 s", verdict=None, console=[],
        pc=None, poll=None, hazards_by_kind={}, date="2026-01-03",
    )  # fmt: skip
    text = page([late, result(group="arm-trusted-firmware, arm64"), result()])
    assert "3 runs of 3 images" in text
    assert "from 2026-01-02 to 2026-01-03" in text
    assert text.index("## U-Boot") < text.index("## Trusted Firmware-A") < text.index("## What changed")
    assert "1 (bookworm) | 2 (unstable)" in text
    assert "| u-boot-x (arm64) | board | 2 | not done after 3 s |  |" in text
    changed = "1 (bookworm): hazard, stale-read | 2 (unstable): error | board on bootloader |"
    assert f"| u-boot-x (arm64) | {changed}" in text
    assert "| U-Boot | 2 | 2.0 s | 2.0 s | 0 min | 1.5 s of 1 runs | 3 MiB |" in text


def test_images_and_runs_of_each_suite() -> None:
    text = page(
        [
            result(origin="unstable x", words=["boot", "1"], date="2026-01-01"),
            result(origin="unstable x", words=["boot", "2"]),
            result(origin="unstable x", words=["boot", "3"], group="linux, armhf"),
            result(
                origin="unstable x", words=["boot", "4"], group="qemu-efi-arm, arm64"
            ),  # for all, of armhf
            result(origin="later x", words=["boot", "5"]),
            result(origin="bookworm-backports x", words=["boot", "6"], version="2"),
        ]
    )
    assert (
        "| Suite | Images for arm64 | Images for armhf | Runs | Run |\n| --- | --- | --- | --- | --- |\n"
        "| bookworm-backports | 1 | 0 | 1 | on 2026-01-02 |\n"
        "| unstable | 1 | 2 | 4 | from 2026-01-01 to 2026-01-02 |\n"
        "| later | 1 | 0 | 1 | on 2026-01-02 |\n\n"
    ) in text


def test_of_the_same_run_the_last_result_counts() -> None:
    text = page([result(verdict="coherent", hazards_by_kind={}), result()])
    assert "1 runs of 1 images" in text
    assert "| [U-Boot](#u-boot) | 1 |  | 1 |  |  |" in text


def test_no_results() -> None:
    assert "0 runs of 0 images" in page([])
