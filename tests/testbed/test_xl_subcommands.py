# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of what xl's subcommands do to guests."""

from testbed.dom0.xl_subcommands import COMMANDS
from testbed.xl_subcommands import table
from tests.helpers.repository import ROOT

PAGE = (ROOT / "docs" / "reference" / "xen.md").read_text()
FAILURE = "libxl: error: libxl_mem.c:77:libxl_domain_setmaxmem: Domain ID:memory | fails\nmore"


def test_rows() -> None:
    rows = [
        {"command": "domid NAME", "xl": [0, "3"], "coldline": [0, "3"]},
        {"command": "save NAME", "xl": [1, FAILURE], "coldline": [0, ""]},
        {"command": "mem-set NAME 48", "xl": [-6, "x" * 100], "coldline": [-6, "x" * 100]},
    ]
    assert table(rows).splitlines()[2:] == [
        "| `domid NAME` | done | the same |",
        r"| `save NAME` | status 1: memory \| fails | done |",
        f"| `mem-set NAME 48` | signal 6: {'x' * 90}… | the same |",
    ]


def test_the_page_has_each_subcommand() -> None:
    block = PAGE.split("<!-- generated: xl subcommands -->")[1].split("<!-- end -->")[0]
    assert [line.split("`")[1] for line in block.splitlines()[3:] if line] == list(COMMANDS)
