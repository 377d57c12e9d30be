# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages of each machine."""

from testbed.builds import modules
from testbed.machines import qemu_command
from testbed.packages import kernels
from testbed.packages.sources import ARCHITECTURES


def test_every_architecture_is_whole() -> None:
    for table in (
        qemu_command._MACHINES,
        qemu_command.PROGRAMS,
        modules.CROSS_PREFIXES,
        kernels.META_PACKAGES,
    ):
        assert set(table) == set(ARCHITECTURES)
