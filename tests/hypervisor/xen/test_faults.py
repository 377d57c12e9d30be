# SPDX-License-Identifier: GPL-2.0-or-later
"""Each call of a build on the fake Xen fails in turn, and nothing is left. In dom0 a real Xen is tested so."""

import errno
import signal
from pathlib import Path
from typing import Any

import pytest

from coldline.arm import MemoryType
from coldline.builder import STRATEGIES
from coldline.errors import HypervisorError
from coldline.hypervisor.xen import XenDomainState, XenHost
from testbed.dom0.failing import NAME, a_few_of, every_failure, told_to_have_failed
from tests.helpers.fake_xen import FakeXen

# Strategies hardly differ by the architecture, nor ways to fail by the strategy: a default run tries some of each.
FEW = {("arm32", "syscall"), ("arm64", "uncached-hypercall")}
CASES = [
    pytest.param(
        architecture,
        name,
        with_driver,
        marks=() if (architecture, name) in FEW else pytest.mark.long,
    )
    for name, strategy in STRATEGIES.items()
    for architecture in strategy.architectures
    for with_driver in (True, False)
    if with_driver or strategy.mapping_type is MemoryType.NORMAL_WB
]


MODES = {
    "fails": {},
    "acts, then is told to have failed": {"acts": True, "chosen": told_to_have_failed},
    "is interrupted": {"how": signal.SIGINT, "chosen": a_few_of},
    "acts, then is interrupted": {"how": signal.SIGTERM, "acts": True},
    "is interrupted at once": {"how": KeyboardInterrupt(), "chosen": a_few_of},
}


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
@pytest.mark.parametrize(("architecture", "strategy", "with_driver"), CASES)
def test_nothing_is_left(
    tmp_path: Path, architecture: str, strategy: str, with_driver: bool, mode: dict[str, Any]
) -> None:
    xen = FakeXen(with_driver=with_driver)
    free = xen.free_frames
    seen = []

    def check(call: str) -> None:
        seen.append(call)
        assert xen.domains == {}, call
        assert xen.mappings == {}, call
        assert xen.free_frames == free, call
        assert not [path for path in xen.store_is.entries if path.count("/") > 2], call
        assert xen.store_is.before is None, call
        assert list(tmp_path.iterdir()) == [], call

    made, chosen, domain = every_failure(xen, strategy, tmp_path / "trace", architecture, check, **mode)
    assert seen == chosen
    assert (chosen == made) == ("chosen" not in mode)
    assert {
        "XEN_DOMCTL_createdomain",
        "XENMEM_populate_physmap",
        "XEN_DOMCTL_setvcpucontext",
        "XEN_DOMCTL_unpausedomain",
        "XEN_DOMCTL_vuart_op",
        "HVMOP_set_param",
        "EVTCHNOP_alloc_unbound",
        "foreign memory: map_grant_table",
        "memory: copy",
        "store: write",
        "store: commit",
        "store: introduce",
    } <= set(made)
    assert ("driver: map" in made, "foreign memory: map" in made) == (with_driver, not with_driver)
    assert ("XEN_DOMCTL_cacheflush" in made) == strategy.endswith("hypercall")
    assert domain.state is XenDomainState.RUNNING
    assert xen.store_is.entries[f"/local/domain/{domain.domid}/name"] == NAME.encode()
    XenHost(xen).destroy(domain)
    (tmp_path / "trace").unlink()
    check("destroy")


def test_a_domain_that_cannot_be_destroyed_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xen = FakeXen()

    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "XEN_DOMCTL_destroydomain")

    monkeypatch.setattr(xen.calls, "set_address_size", refuse)
    host = XenHost(xen)
    monkeypatch.setattr(xen.calls, "destroydomain", refuse)
    with pytest.raises(
        HypervisorError, match=r"^domain 1: destroy: XEN_DOMCTL_destroydomain: Operation not permitted$"
    ):
        host.create_domain("arm64", 1 << 20, 1)
    assert [*xen.domains] == [1]
