# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of dom0 (`testbed/dom0/`), on a real Xen under QEMU. Their own results are kept: see docs/testbed.md."""

import shutil

import pytest
from requirements_helper import require

from testbed import __main__ as command
from testbed import debian, machine, modules
from testbed.sources import ARCHITECTURES, sources

RESULTS = debian.cache_folder().parent / "testbed" / "results"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dom0(architecture):
    for tool in (
        machine.PROGRAMS[architecture],
        f"{modules.CROSS_PREFIXES[architecture]}gcc",
        "make",
        "cpio",
    ):
        require(shutil.which(tool), f"no {tool}: scripts/setup --testbed installs it")
    try:
        sources(architecture)
    except debian.FetchError as error:
        require(False, f"no packages for a dom0: {error}")
    assert command.main(["test", architecture, "--results", str(RESULTS), "--timeout", "900"]) == 0
