# SPDX-License-Identifier: GPL-2.0-or-later
"""Every call of a build on a real Xen fails in turn, and nothing is left: no domain, mapping, page, file or entry.

For one strategy, every call fails. For the others, only the calls fail in which strategies differ: those that load.
"""

import signal
from pathlib import Path
from typing import TypedDict

import pytest

from coldline.builder import STRATEGIES
from coldline.hypervisor.xen.domain_list import DomainList
from testbed.dom0 import domains
from testbed.dom0.domains import Xen
from testbed.dom0.failing import (
    Choice,
    a_few_of,
    all_of,
    build,
    every_failure,
    of_loading,
    told_to_have_failed,
)
from testbed.dom0.memory import accounted

pytestmark = pytest.mark.one_xen

WHOLE = "uncached-hypercall"
NAMES = [name for name, each in STRATEGIES.items() if domains.ARCHITECTURE in each.architectures]


class Mode(TypedDict, total=False):
    """How a call fails, in the words of `every_failure`."""

    acts: bool
    how: signal.Signals


MODES: dict[str, Mode] = {
    "fails": {},
    "acts, then is told to have failed": {"acts": True},
    "acts, then is interrupted": {"acts": True, "how": signal.SIGINT},
}
CASES = [
    (WHOLE, "fails", all_of),
    (WHOLE, "acts, then is told to have failed", told_to_have_failed),
    (WHOLE, "acts, then is interrupted", a_few_of),
    *((name, mode, of_loading) for name in NAMES if name != WHOLE for mode in MODES if "told" not in mode),
]


def mapped() -> list[str]:
    """This process's mappings of other domains' memory, without hypercall buffers."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if line.endswith(("/dev/xen/privcmd", "/dev/xen/coldline"))]


@pytest.mark.parametrize(
    ("strategy", "mode", "chosen"), CASES, ids=lambda each: getattr(each, "__name__", each)
)
def test_nothing_is_left(xen: Xen, tmp_path: Path, strategy: str, mode: str, chosen: Choice) -> None:
    known = DomainList(xen.bindings)
    counts: dict[str, int] = {}
    # the balloon grows, once, and so does the address space for foreign frames
    xen.host.destroy(build(xen.bindings, strategy, tmp_path / "trace", domains.ARCHITECTURE))
    (tmp_path / "trace").unlink()
    before = accounted()

    def check(call: str) -> None:
        counts[call] = counts.get(call, 0) + 1
        assert [each.domid for each in known.all()] == [0], call
        assert mapped() == [], call
        for path in ("/local/domain", "/vm", "/libxl"):
            assert not set(xen.bindings.store.list(path)) - {"0", ZERO}, call
        assert list(tmp_path.iterdir()) == [], call
        assert accounted() == before, call

    ZERO = (xen.bindings.store.read("/local/domain/0/vm") or b"").decode().removeprefix("/vm/")  # noqa: N806
    made, wanted, domain = every_failure(
        xen.bindings,
        strategy,
        tmp_path / "trace",
        domains.ARCHITECTURE,
        check,
        chosen=chosen,
        **MODES[mode],
    )
    assert sum(counts.values()) == len(wanted)
    assert (wanted == made) == (chosen is all_of)
    xen.host.destroy(domain)
    assert xen.gone(domain.domid)
