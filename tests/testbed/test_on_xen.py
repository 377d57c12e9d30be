# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the tests of `testbed/dom0/` on a real Xen under QEMU.

``.ci/run`` also runs them on a later release's Xen, which takes minutes more.
"""

import json
import shutil
from pathlib import Path

import pytest

from testbed import __main__ as command
from testbed.builds import modules
from testbed.machines import qemu_command
from testbed.packages.cache import cache_folder
from testbed.packages.sources import ARCHITECTURES, BACKPORTS, Sources, sources
from testbed.watched import verdicts
from tests.helpers import machines
from tests.helpers.requirements import LATER, packages_of, require

pytestmark = pytest.mark.long
RESULTS = cache_folder().parent / "testbed" / "results"


def need(architecture: str, *tools: str, suite: str | None = None) -> Sources:
    """The packages of an architecture; without them or a tool, a test is skipped."""
    for tool in (f"{modules.CROSS_PREFIXES[architecture]}gcc", "make", "cpio", *tools):
        require(shutil.which(tool), f"no {tool}: scripts/setup --testbed installs it")
    with packages_of(suite):
        return sources(architecture, suite=suite)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dom0(architecture: str) -> None:
    need(architecture, qemu_command.PROGRAMS[architecture])
    words = ["test", architecture, "--results", str(RESULTS), "--timeout", "2700"]
    words += ["--brief"] if architecture == "armhf" else []
    assert command.main(words) == 0


def test_guests_that_a_watched_xen_builds(tmp_path: Path) -> None:
    """As docs/reference/hosts.md has it: what remains by xl is Linux's patching of its own code."""
    need("arm64")
    machines.qemu()
    words = ["watch", "arm64", "--by", "xl", "--by", "uncached", "--hazards", "0", "--results", str(tmp_path)]
    assert command.main(words) == 1
    report = json.loads((tmp_path / "report.json").read_text())
    report["builders"] = ["xl", "uncached"]
    report["built"] = [line.split(" ", 1) for line in (tmp_path / "watched").read_text().splitlines()]
    xl, uncached = verdicts.verdicts(report)
    assert (xl.ended, xl.kinds) == ("up", {"stale-fetch": 2})
    assert (uncached.ended, sorted(uncached.kinds)) == ("up", ["lost-write", "stale-fetch", "stale-read"])


@pytest.mark.parametrize(
    ("architecture", "suite"), [*((each, BACKPORTS) for each in ARCHITECTURES), ("arm64", LATER)]
)
def test_the_driver_builds_for_a_later_kernel(architecture: str, suite: str) -> None:
    used = need(architecture, suite=suite)
    assert int(used.release.split(".")[1]) >= 12
    assert modules.build(used).stat().st_size > 0
