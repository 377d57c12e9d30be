# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's Linux, built by every strategy on a real Xen, boots to its user space, and says so on its console.

At each write, the hardware's translation is asked for the type of the mapping.
"""

import time
from pathlib import Path
from typing import Any, Self

import pytest

from coldline.builder import STRATEGIES
from coldline.cli.create import create
from coldline.cli.main import parser
from coldline.hypervisor.protocol import Buffer
from coldline.hypervisor.xen import SystemBindings
from coldline.hypervisor.xen.domain_list import DomainList
from testbed.dom0 import domains
from testbed.dom0.domains import Xen
from testbed.dom0.driver_device import ATTR_NORMAL_NC, ATTR_NORMAL_WB, QUERY_WRITE

GUEST = Path("/host/guest")
NAMES = [name for name, each in STRATEGIES.items() if domains.ARCHITECTURE in each.architectures]
LOG = Path("/var/log/xen/console/guest-linux.log")
SAYS = {"arm64": "guest: in user space on aarch64", "arm32": "guest: in user space on armv7l"}
WITHIN_S = 300
"""Seconds by the wall clock: emulated Xen gets as little of a busy machine as it gives."""


class Proving:
    """The system's bindings, which ask the driver for the memory type of each written range.

    Attributes
    ----------
    types : dict of int to int
        The number of bytes written through mappings with each attribute byte.
    """

    def __init__(self, bindings: SystemBindings) -> None:
        self._bindings = bindings
        self.types: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bindings, name)

    @property
    def memory(self) -> Self:
        return self

    def copy(self, address: int, data: Buffer) -> None:
        self._bindings.memory.copy(address, data)
        self._note(address, len(data))

    def view(self, address: int, size: int) -> memoryview:
        view = self._bindings.memory.view(address, size)
        view[0] = view[-1] = 0  # a page of privcmd's is writable once it is written to
        self._note(address, size)
        return view

    def _note(self, address: int, size: int) -> None:
        for place in (address, address + size - 1):
            query = self._bindings.driver.query(place, QUERY_WRITE)
            assert query.translated
            self.types[query.attr] = self.types.get(query.attr, 0) + size // 2

    def clean_invalidate(self, address: int, size: int) -> None:
        self._bindings.memory.clean_invalidate(address, size)

    def cacheflush(self, address: int, size: int) -> None:
        self._bindings.memory.cacheflush(address, size)


def says(text: str) -> bool:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if LOG.exists() and text in LOG.read_text(errors="replace"):
            return True
        time.sleep(0.2)
    return False


@pytest.mark.parametrize("strategy", NAMES)
def test_linux(xen: Xen, strategy: str) -> None:
    LOG.unlink(missing_ok=True)
    bindings = Proving(xen.bindings)
    words = [
        "create",
        str(GUEST / "kernel"),
        "--initrd",
        str(GUEST / "initrd"),
        "--memory",
        "128",
        "--name",
        "linux",
    ]
    options = parser().parse_args([*words, "--append", "console=hvc0 rdinit=/init", "--strategy", strategy])
    domain, _ = create(options, bindings)
    try:
        assert says(SAYS[domains.ARCHITECTURE]), (
            LOG.read_text(errors="replace")[-2000:] if LOG.exists() else "no log"
        )
        (known,) = (known for known in DomainList(xen.bindings).all() if known.domid == domain.domid)
        assert known.name == "linux"
        assert known.state in ("running", "blocked", "ready")
    finally:
        xen.host.destroy(domain)
    assert xen.gone(domain.domid)
    rings = bindings.types.pop(ATTR_NORMAL_WB, 0) if strategy.startswith("uncached") else 0
    assert rings < 5 * 4096
    (attribute,) = bindings.types
    assert attribute == (ATTR_NORMAL_NC if strategy.startswith("uncached") else ATTR_NORMAL_WB)
    assert bindings.types[attribute] >= (GUEST / "kernel").stat().st_size
