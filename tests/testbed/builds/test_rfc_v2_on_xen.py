# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what ``driver/rfc-v2`` changes, from Debian's sources, and runs it on a real Xen under QEMU."""

import pytest

from testbed import __main__ as command
from testbed.builds import rfc_v2
from testbed.machines import qemu_command
from testbed.packages.sources import BACKPORTS
from tests.helpers.requirements import LATER, packages_of
from tests.testbed.test_on_xen import RESULTS, need

pytestmark = pytest.mark.long


@pytest.mark.parametrize("suite", [None, BACKPORTS, LATER])
def test_privcmd_builds(suite: str | None) -> None:
    used = need("arm64", "patch", suite=suite)
    with packages_of(suite):
        assert rfc_v2.module(used, suite=suite).stat().st_size > 0


def test_xl_builds_guests_by_uncached_mappings() -> None:
    used = need("arm64", qemu_command.PROGRAMS["arm64"], "patch", "pkg-config")
    with packages_of(None):
        rfc_v2.tools(used)
    words = ["test", "arm64", "--rfc-v2", "--results", str(RESULTS / "rfc-v2"), "--timeout", "1800"]
    assert command.main(words) == 0
