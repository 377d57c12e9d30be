# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of a later Debian release."""

import shutil
import subprocess
import sys
from pathlib import Path

from testbed.packages import foreign_libc
from tests.helpers.requirements import require

LATER_LIBRARY = ["-shared", "-nostdlib", "-Wl,--version-script=map", "-Wl,-soname,libc.so.6"]


def test_programs_that_need_a_later_c_library(tmp_path: Path) -> None:
    assert foreign_libc.can_run(Path(sys.executable))
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert foreign_libc.can_run(script)
    require(shutil.which("gcc"), "no gcc")
    # a program that wants a version of a symbol that no C library has yet
    for name, source, words in (
        ("later.so", "int later(void) { return 0; }", LATER_LIBRARY),
        (
            "program",
            "int later(void); int main(void) { return later(); }",
            ["-nostdlib", "-Wl,-emain", "later.so"],
        ),
    ):
        (tmp_path / "map").write_text("GLIBC_9.99 { later; };\n")
        (tmp_path / "source.c").write_text(source)
        subprocess.run(["gcc", "-o", name, "source.c", *words], cwd=tmp_path, check=True)
    assert not foreign_libc.can_run(tmp_path / "program")
