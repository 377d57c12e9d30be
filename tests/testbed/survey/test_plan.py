# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's images as a plan of ``coldline survey``."""

from pathlib import Path

import pytest

from coldline.survey.plan import read_plan
from testbed.packages import apt
from testbed.survey import command
from testbed.survey.images import Image, Packages
from testbed.survey.plan import plan


def test_kernels_are_run_on_every_host_by_every_strategy_and_firmware_once(tmp_path: Path) -> None:
    for name in ("vmlinuz", "qemu"):
        (tmp_path / name).write_bytes(b"")
    qemu = (str(tmp_path / "qemu"), "-L", "/usr/share/qemu")
    linux = ("{tree}/vmlinuz",)
    old, new = "linux-image-6.1.0-50-armmp_6.1.176-1_armhf", "linux-binary-6.12.1-armmp_6.12-1_armhf"
    arm64 = Image("trixie", "arm64", "linux-image-6.12.1-arm64_6.12-1_arm64", "6.12.1-arm64", linux, tmp_path)
    board = Image("trixie", "armhf", "u-boot-omap_2025.01-3_armhf", "am335x", ("{tree}/vmlinuz",), tmp_path)
    images = [
        board,
        arm64,
        Image("bookworm", "armhf", old, "6.1.0-50-armmp", linux, tmp_path),
        Image("trixie", "armhf", new, "6.12.1-armmp", linux, tmp_path),
        Image(
            "trixie",
            "arm64",
            "qemu-efi-aarch64_2025.02-8_all",
            "QEMU_EFI.fd",
            ("--bios", "{work}/x"),
            tmp_path,
        ),
    ]
    path = tmp_path / "plan.toml"
    path.write_text(plan([*images, board], tmp_path, tmp_path / "taken", qemu, timeout=7, instructions=9))
    cells = read_plan(path)
    assert not {"uncached", "syscall"} & {cell.strategy for cell in cells if cell.host == "kvm-arm64"}
    assert "uncached" in {cell.strategy for cell in cells if cell.host == "xen-4.17-arm64"}
    (watched,) = (cell for cell in cells if cell.words[0] == "watch")
    assert (watched.image, watched.version, watched.host) == ("arm64", "6.12-1", None)
    assert watched.words[:4] == ("watch", "--", "qemu", "-L")
    assert (tmp_path / watched.words[4]).resolve() == Path("/usr/share/qemu")
    assert watched.files == ("qemu", "./vmlinuz")
    assert watched.words[-2:] == ("-kernel", "./vmlinuz")
    kernels = [cell for cell in cells if cell.group == "linux, armhf"]
    firmware = [cell for cell in cells if cell.image == "QEMU_EFI.fd"]
    assert {cell.host for cell in cells if cell.image == "am335x"} == {"bootloader", "bootloader-dirty"}
    assert {(cell.image, cell.version, cell.group) for cell in kernels} == {
        ("armmp", "6.1.176-1", "linux, armhf"),
        ("armmp", "6.12-1", "linux, armhf"),
    }
    hypervisors, bare = (
        {"rfc", "xen-4.17-arm32"},
        {"bootloader", "bootloader-dirty", "warm-reset", "clean-reset"},
    )
    ways = {(cell.host, cell.strategy) for cell in kernels}
    assert {host for host, strategy in ways if strategy} == hypervisors
    assert {host for host, strategy in ways if not strategy} == bare
    assert {strategy for _, strategy in ways if strategy} >= {"none", "syscall", "uncached"}
    assert all(cell.files == ("./vmlinuz",) for cell in kernels)
    assert kernels[0].origin == f"bookworm {old}.deb"
    assert {cell.host for cell in firmware} == {"warm-reset", "clean-reset"}
    words = ("boot", "--bios", "taken/x", "--max-instructions", "9", "--host", "warm-reset")
    assert (firmware[0].image, firmware[0].words, firmware[0].timeout) == ("QEMU_EFI.fd", words, 7)


def test_a_suite_that_cannot_be_had_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def packages_of(suite: str, architecture: str) -> Packages:
        if suite == "old":
            raise apt.FetchError(f"{suite} ({architecture}): mirror sync in progress")
        return Packages((), ("u-boot-x",))

    def images_of(suite: str, architecture: str, *_: object) -> list[Image]:
        return [
            Image(suite, architecture, f"u-boot-x_1_{architecture}", architecture, ("{tree}/x",), tmp_path)
        ]

    monkeypatch.setattr(command, "packages_of", packages_of)
    monkeypatch.setattr(command, "images_of", images_of)
    monkeypatch.setattr(command, "packages_to_fetch", lambda *_: {})
    monkeypatch.setattr(command, "watchable_qemu", lambda: ("qemu",))
    path = tmp_path / "plan.toml"
    assert command.main(["--plan-only", "--plan", str(path), "--suites", "old,new"]) == 0
    assert {cell.origin.split()[0] for cell in read_plan(path)} == {"new"}
    said = capsys.readouterr().err
    assert said.count("left out: old (arm64): mirror sync in progress\n") == 1
    assert said.count("left out: ") == 2
    assert command.main(["--plan-only", "--plan", str(path), "--suites", "old"]) == 2
    assert "no suite is left" in capsys.readouterr().err
    assert {cell.origin.split()[0] for cell in read_plan(path)} == {"new"}


def test_xen_for_arm32_is_watched(tmp_path: Path) -> None:
    for name in ("xen", "qemu"):
        (tmp_path / name).write_bytes(b"")
    package = "xen-hypervisor-4.17-armhf_4.17.5-1_armhf"
    xen = Image("bookworm", "armhf", package, "xen-4.17-armhf", ("{tree}/xen", "--el", "2"), tmp_path)
    path = tmp_path / "plan.toml"
    path.write_text(
        plan([xen, xen], tmp_path, tmp_path, (str(tmp_path / "qemu"),), timeout=7, instructions=9)
    )
    (cell,) = read_plan(path)
    assert (cell.image, cell.version, cell.host) == ("xen-4.17-armhf", "4.17.5-1", None)
    assert cell.words[:3] == ("watch", "--", "qemu")
    assert cell.words[-2:] == ("-kernel", "./xen")
    assert "image" not in plan([xen], tmp_path, tmp_path, (), timeout=7, instructions=9)


def test_an_installer_is_a_kernel_and_that_of_arm64_runs_once_more_until_it_reads_its_initrd(
    tmp_path: Path,
) -> None:
    def installer(suite: str, number: str, architecture: str) -> Image:
        package = f"debian-installer-{number}-netboot-{architecture}_{number}_all"
        return Image(suite, architecture, package, f"{architecture} text", words, tmp_path)

    words = ("{tree}/linux", "--initrd", "{tree}/initrd.gz")
    for name in ("qemu", "linux", "initrd.gz"):
        (tmp_path / name).write_bytes(b"")
    images = [
        installer(suite, number, architecture)
        for suite, number in (("bookworm", "12"), ("trixie", "13"))
        for architecture in ("arm64", "armhf")
    ]
    path = tmp_path / "plan.toml"
    path.write_text(plan(images, tmp_path, tmp_path, (str(tmp_path / "qemu"),), timeout=7, instructions=9))
    cells = read_plan(path)
    assert all(cell.files == ("./linux", "./initrd.gz") for cell in cells)
    assert {cell.words[:4] for cell in cells} == {("boot", "./linux", "--initrd", "./initrd.gz")}
    groups = {
        "debian-installer, arm64": "arm64 text",
        "debian-installer with its initrd, arm64": "arm64 text, with its initrd",
        "debian-installer, armhf": "armhf text",
    }
    assert {(cell.group, cell.image, cell.version) for cell in cells} == {
        (*each, number) for each in groups.items() for number in ("12", "13")
    }
    mine = [cell for cell in cells if cell.group.endswith("arm64") and cell.version == "13"]
    short, long = (
        {(cell.host, cell.strategy) for cell in mine if cell.image == name}
        for name in ("arm64 text", "arm64 text, with its initrd")
    )
    assert {host for host, _ in short} == {host for host, _ in long}
    assert long < short
    assert {strategy for _, strategy in long} == {None, "hypercall"}
    assert {"none", "flush"} < {strategy for _, strategy in short}
    assert {cell.words[4:8] for cell in mine if cell.image != "arm64 text"} == {
        ("--until", "400000000", "--max-instructions", "500000000")
    }
