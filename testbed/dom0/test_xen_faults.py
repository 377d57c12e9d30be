# SPDX-License-Identifier: GPL-2.0-or-later
"""Every call of a build on a real Xen fails in turn, and nothing is left: no domain, mapping, page, file or entry."""

from pathlib import Path

import domains
import pytest
from failing import every_failure
from memory import accounted

from coldline.hypervisor.xen.known import Domains

STRATEGIES = {"arm64": ["uncached-hypercall", "flush"], "arm32": ["uncached-hypercall", "syscall"]}


def mapped():
    """This process's mappings of other domains' memory, hypercall buffers left out."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if line.endswith(("/dev/xen/privcmd", "/dev/xen/coldline"))]


@pytest.mark.parametrize("strategy", STRATEGIES[domains.ARCHITECTURE])
def test_nothing_is_left(xen, tmp_path, strategy):
    known = Domains(xen.world)
    before = None
    counts = {}

    def check(call):
        nonlocal before
        counts[call] = counts.get(call, 0) + 1
        assert [each.domid for each in known.all()] == [0], call
        assert mapped() == [], call
        for path in ("/local/domain", "/vm", "/libxl"):
            assert not set(xen.world.store.list(path)) - {"0", ZERO}, call
        assert list(tmp_path.iterdir()) == [], call
        if len(counts) > 20:  # once the balloon has grown
            now = accounted()
            assert now == (before or now), call
            before = now

    ZERO = (xen.world.store.read("/local/domain/0/vm") or b"").decode().removeprefix("/vm/")  # noqa: N806
    made, domain = every_failure(xen.world, strategy, tmp_path / "trace", domains.ARCHITECTURE, check)
    assert sum(counts.values()) == len(made)
    print(len(made), counts)
    xen.host.destroy(domain)
    assert xen.gone(domain.domid)
