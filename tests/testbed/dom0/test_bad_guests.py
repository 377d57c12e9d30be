# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine code of guests that break the console's protocol."""

import shutil
import subprocess
from pathlib import Path

import pytest

from testbed.dom0 import bad_guests
from tests.helpers.requirements import require


@pytest.mark.parametrize(
    ("architecture", "prefix", "setup"),
    [
        ("arm64", "aarch64-linux-gnu-", ""),
        ("arm32", "arm-linux-gnueabihf-", ".arch armv7-a\n.arch_extension virt\n.arm\n"),
    ],
)
@pytest.mark.parametrize("name", sorted({name for name, _ in bad_guests.PROGRAMS}))
def test_the_bad_guests_code(name: str, architecture: str, prefix: str, setup: str, tmp_path: Path) -> None:
    """The words are the assembler's output for the source beside them."""
    require(shutil.which(f"{prefix}as"), f"no {prefix}as")
    lines = bad_guests.PROGRAMS[name, architecture].strip().splitlines()
    (tmp_path / "code.S").write_text(
        setup + "".join(line.strip().split(maxsplit=1)[1] + "\n" for line in lines)
    )
    subprocess.run([f"{prefix}as", "-o", tmp_path / "code.o", tmp_path / "code.S"], check=True)
    subprocess.run(
        [f"{prefix}objcopy", "-O", "binary", "-j", ".text", tmp_path / "code.o", tmp_path / "code"],
        check=True,
    )
    assert bad_guests.code_of(name, architecture).hex(" ", 4) == (tmp_path / "code").read_bytes().hex(" ", 4)
    assert len(bad_guests.image_of(name, architecture)) == 4096
