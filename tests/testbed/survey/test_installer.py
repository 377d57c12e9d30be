# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's installer among the images of the survey: which packages have one, and where."""

from pathlib import Path

import pytest

from testbed.packages import apt, cache, debian
from testbed.survey.images import Packages, images_of, packages_of

TEXT = "usr/lib/debian-installer/images/13/{0}/text/debian-installer/{0}"


def tree_of(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


@pytest.mark.parametrize(("architecture", "kernel"), [("arm64", "linux"), ("armhf", "vmlinuz")])
def test_a_kernel_with_its_initrd(
    architecture: str, kernel: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = TEXT.format(architecture)
    graphical = text.replace("text", "gtk")
    names = (f"{text}/{kernel}", f"{text}/initrd.gz", f"{text}/grub/linux", f"{graphical}/{kernel}")
    tree = tree_of(tmp_path, *names, f"{graphical}/initrd.gz")
    monkeypatch.setattr(debian, "packages", lambda _, names, suite: dict.fromkeys(names, tree))
    package = f"debian-installer-13-netboot-{architecture}"
    (image,) = images_of("trixie", architecture, Packages((), (package,)), tmp_path)
    assert image.name == f"{architecture} text"
    assert image.words == (f"{{tree}}/{text}/{kernel}", "--initrd", f"{{tree}}/{text}/initrd.gz")


def test_a_package_without_an_initrd_has_no_installer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree = tree_of(tmp_path, TEXT.format("arm64") + "/linux")
    monkeypatch.setattr(debian, "packages", lambda _, names, suite: dict.fromkeys(names, tree))
    assert not [*images_of("trixie", "arm64", Packages((), ("debian-installer-13-netboot-arm64",)), tmp_path)]


def test_installers_are_in_the_lists_of_every_architecture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lists = "".join(f"debian-installer-13-netboot-{name}\n" for name in ("amd64", "arm64", "armhf"))

    class Ran:
        stdout = f"debian-installer\n{lists}u-boot-rpi\n"

    monkeypatch.setattr(cache, "architecture_folder", lambda *_: tmp_path)
    monkeypatch.setattr(apt, "updated", lambda *_, **__: ())
    monkeypatch.setattr(apt, "run", lambda *_: Ran)
    assert packages_of("trixie", "armhf").others == ("u-boot-rpi", "debian-installer-13-netboot-armhf")
    assert packages_of("trixie", "arm64").others == ("u-boot-rpi", "debian-installer-13-netboot-arm64")
