# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux with KVM under watch: what is asked of the machine. QEMU and coldline are stand-ins."""

import sys
from pathlib import Path

import pytest

from testbed import __main__ as command
from testbed.machines import qemu_command
from testbed.packages.sources import Sources
from testbed.watched import kvm
from testbed.watched.running import Watching


def test_what_is_watched(made_up: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "watchable_qemu", lambda: ("qemu-system-aarch64",))
    folder = tmp_path / "host"
    folder.mkdir()
    coldline = tmp_path / "coldline"
    coldline.write_text(
        f"#!/bin/sh\necho \"$@\" >{tmp_path}/words; cd {folder}; echo 'hypercall up' >watched\n"
        "echo '{}' >report.json\n"
    )
    coldline.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(coldline))
    report = kvm.watch(made_up, tmp_path / "initrd", folder, Watching(("hypercall",)), "kvm-s2fwb", print)
    assert report["built"] == [["hypercall", "up"]]
    words = (tmp_path / "words").read_text()
    assert "--name 1=guest1 --" in words
    assert "--only" not in words
    assert "--idc" not in words, "watch reads them from CTR_EL0"
    assert "-machine virt,virtualization=on,gic-version=3 -cpu max " in words


def test_a_path_that_qemu_would_cut(made_up: Sources, tmp_path: Path) -> None:
    with pytest.raises(qemu_command.MachineError, match="a path with a comma"):
        kvm.words(made_up, tmp_path / "initrd", tmp_path / "a,b", "max")


@pytest.mark.parametrize("words", [["--by", "uncached"], ["--by", "xl"], ["guest.cfg"]])
def test_what_kvm_cannot_build(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["watch", "arm64", *words, "--host", "kvm-arm64"]) == 2
    assert (
        "on KVM the guest is a small Linux, and it is built by hypercall, flush, none"
        in capsys.readouterr().err
    )
