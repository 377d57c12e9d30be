# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's firmware with two cores, watched to its prompt; then a command turns the machine off."""

import json
import os
import threading
from pathlib import Path

import pytest

pytest.importorskip("numba")

from tests.helpers import machines
from tests.helpers.command import COHERENT, Cli


class Console(threading.Thread):
    """A serial console in two pipes, ``console.in`` and ``console.out``: answers the first prompt with a command."""

    def __init__(self, folder: Path, prompt: str, answer: str) -> None:
        super().__init__(daemon=True)
        self.prompt, self._answer = prompt.encode(), answer.encode()
        self.said = b""
        self.path = folder / "console"
        pipes = []
        for end in ("in", "out"):
            os.mkfifo(f"{self.path}.{end}")
            pipes.append(os.open(f"{self.path}.{end}", os.O_RDWR))
        self._writing, self._reading = pipes

    def run(self) -> None:
        """Read until the prompt, answer, and go on reading."""
        answered = False
        while piece := os.read(self._reading, 1 << 16):
            self.said += piece
            if not answered and self.prompt in self.said:
                os.write(self._writing, self._answer)
                answered = True


def watched(cli: Cli, tmp_path: Path, image: Path, prompt: str, answer: str) -> dict[str, object]:
    console = Console(tmp_path, prompt, answer)
    console.start()
    done = cli(
        "watch", "--json", "--start", "cold", "--", *machines.qemu(), "-M", "virt", "-cpu", "cortex-a57", "-smp", "2",
        "-m", "512", "-display", "none", "-nic", "none", "-no-reboot", "-serial", f"pipe:{console.path}",
        "-bios", str(image),
    )  # fmt: skip
    assert console.prompt in console.said
    assert done.status == COHERENT, done
    document: dict[str, object] = json.loads(done.out)
    assert document["machine"]["status"] == 0  # type: ignore[index]
    return document


@pytest.mark.long
def test_u_boot(cli: Cli, tmp_path: Path, debian_u_boot: Path) -> None:
    watched(cli, tmp_path, debian_u_boot / "qemu_arm64" / "u-boot.bin", "=> ", "poweroff\r")


@pytest.mark.long
def test_edk2(cli: Cli, tmp_path: Path, debian_edk2_arm64: Path) -> None:
    watched(cli, tmp_path, debian_edk2_arm64, "Shell> ", "reset -s\r")
