# SPDX-License-Identifier: GPL-2.0-or-later
"""The aliases that a host model claims are those in the tables of a running Xen and its dom0, seen from outside."""

import re
from pathlib import Path

import pytest

from coldline.arm import MemoryType
from coldline.hypervisor import HOST_MODELS
from testbed.builds import modules
from testbed.machines import image, live_tables, machine, qemu_command
from tests.helpers.requirements import LATER
from tests.testbed.test_on_xen import need

pytestmark = pytest.mark.long

COMMAND = "insmod /opt/coldline/xen-coldline.ko; python3 -m testbed.dom0.hold_frames"
NORMAL_WB_OF_STAGE_2 = 0xF
INNER_SHAREABLE = 3


@pytest.mark.parametrize("suite", [None, LATER])
def test_tables(tmp_path: Path, suite: str | None) -> None:
    used = need("arm64", qemu_command.PROGRAMS["arm64"], suite=suite)
    folder = tmp_path / "host"
    folder.mkdir()
    image.fill(used, modules.build(used), folder, modules.build_preloaded(used, tmp_path))
    found: list[live_tables.Tables] = []

    def watch(folder: Path, socket: Path, end: float) -> None:
        found.append(live_tables.look(folder, socket, end))

    outcome = machine.run(used, image.initrd(used), folder, COMMAND, timeout_s=900, watcher=watch)
    assert outcome.status == 0, (folder / "output").read_text()
    (tables,) = found
    assert [len(frames) for frames in tables.held] == [8, 8]

    # what the guest's own tables say decides its types
    assert {(leaf.attributes, leaf.shareability) for leaf in tables.guest_stage2} == {
        (NORMAL_WB_OF_STAGE_2, INNER_SHAREABLE)
    }
    # dom0's stage 2 does not force the builder's mappings, either
    model = HOST_MODELS["xen-4.17-arm64"]
    assert used.xen_version == "4.17" or f"xen-{used.xen_version}-arm64" in model.covers
    claimed = {alias.agent: {alias.memory_type} for alias in model.aliases}
    for frame in (frame for frames in tables.held for frame in frames):
        physical = tables.machine_address(frame)
        of_dom0 = [leaf for leaf in tables.dom0_stage2 if leaf.covers(physical)]
        assert {(leaf.attributes, leaf.shift) for leaf in of_dom0} == {(NORMAL_WB_OF_STAGE_2, 12)}, hex(frame)
        aliases = tables.aliases(physical)
        assert {agent: {leaf.memory_type for leaf in leaves} for agent, leaves in aliases.items()} == claimed
        (directmap,) = aliases["xen"]
        assert (directmap.shift, directmap.attributes, directmap.shareability) == (30, 0xFF, INNER_SHAREABLE)
        assert len(aliases["dom0-linear"]) == 1
    # all RAM is in Xen's directmap, so pages that are allocated later have that alias, too
    ends = [(leaf.physical, leaf.physical + (1 << leaf.shift)) for leaf in tables.xen if leaf.shift == 30]
    assert (min(ends)[0], max(ends)[1]) == (0x40000000, 0xC0000000)


def test_a_machine_without_a_stub(tmp_path: Path) -> None:
    from testbed.machines.gdb import Gdb, GdbError

    with pytest.raises(GdbError, match=re.escape("QEMU's gdb stub does not answer")):
        Gdb(tmp_path / "none")
    assert MemoryType.NORMAL_WB is live_tables.Leaf(0, 0, 12, 0xFF, 3).memory_type
