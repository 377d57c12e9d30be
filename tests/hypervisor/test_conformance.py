# SPDX-License-Identifier: GPL-2.0-or-later
"""Every hypervisor on this machine keeps the protocol; a real Xen is tested in its dom0."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from coldline.arm import MemoryType
from coldline.errors import ConformanceError
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.conformance import CHECKS, mappings
from coldline.hypervisor.protocol import Hypervisor
from coldline.hypervisor.recording import RecordedHost
from coldline.hypervisor.simulated import SimulatedDomain, SimulatedHost
from coldline.hypervisor.xen import XenDomain, XenHost
from tests.helpers.fake_xen import FakeXen


class Simulated:
    def __init__(self, model: str) -> None:
        self.inner = SimulatedHost(HOST_MODELS[model], lambda event: None)
        self.host: Hypervisor[SimulatedDomain] = self.inner
        self.architecture = self.inner.model.architectures[0]
        self.types = self.inner.model.mapping_types

    def read(self, domain: SimulatedDomain, address: int, size: int) -> bytes:
        (bank,) = (bank for bank in domain.banks if bank.base <= address < bank.end)
        return bytes(bank.buffer[address - bank.base : address - bank.base + size])

    def gone(self, domain: SimulatedDomain) -> bool:
        return domain not in self.inner.domains


class Recorded(Simulated):
    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.host = RecordedHost(self.inner, self.inner.model, lambda event: None)


class Fake:
    with_driver = True
    types: tuple[MemoryType, ...] = (MemoryType.NORMAL_WB, MemoryType.NORMAL_NC)

    def __init__(self, architecture: str) -> None:
        self.xen = FakeXen(with_driver=self.with_driver)
        self.host = XenHost(self.xen)
        self.architecture = architecture

    def read(self, domain: XenDomain, address: int, size: int) -> bytes:
        return self.xen.read(domain.domid, address, size)

    def gone(self, domain: XenDomain) -> bool:
        return domain.domid not in self.xen.domains


class FakeWithoutDriver(Fake):
    with_driver = False
    types = (MemoryType.NORMAL_WB,)


WITH_STRATEGIES = [name for name, model in HOST_MODELS.items() if model.has_strategies]
"""The others have no hypervisor, and so no call that maintains; `test_bare_hosts` has their tests."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *itertools.product((Simulated, Recorded), WITH_STRATEGIES),
        *itertools.product((Fake, FakeWithoutDriver), ("arm64", "arm32")),
    ],
)
def test_conformance(
    kind: type[FakeWithoutDriver] | type[Fake] | type[Recorded] | type[Simulated],
    name: str,
    check: Callable[[Any], None],
) -> None:
    check(kind(name))


class Forgetful(Simulated):
    """Loses written bytes."""

    def read(self, domain: Any, address: Any, size: Any) -> Any:
        return bytes(size)


class Careless(Simulated):
    """Allows mappings that the protocol forbids."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.types = (MemoryType.NORMAL_WB,)


class Lingering(Simulated):
    """Keeps domains that were destroyed."""

    def gone(self, domain: Any) -> bool:
        return False


BROKEN = [
    (Forgetful, mappings.bytes_arrive, "guest memory does not have the bytes that were written"),
    (
        Careless,
        mappings.types_are_honoured_or_refused,
        "no error, where one that starts with 'domain 1: map ",
    ),
    (Lingering, mappings.mappings_have_bounds, "domain 1 is not gone after it was destroyed"),
]


@pytest.mark.parametrize(
    ("kind", "check", "message"), BROKEN, ids=lambda each: getattr(each, "__name__", None)
)
def test_a_host_that_breaks_the_protocol_is_found(kind: Any, check: Any, message: Any) -> None:
    with pytest.raises(ConformanceError, match=message):
        check(kind("rfc"))


def test_a_broken_host_is_found_without_assertions() -> None:
    code = (
        f"import {__name__} as tests\n"
        "assert False, 'assertions are on'\n"
        "for kind, check, _ in tests.BROKEN:\n"
        "    try:\n"
        "        check(kind('rfc'))\n"
        "    except tests.ConformanceError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == len(BROKEN)
