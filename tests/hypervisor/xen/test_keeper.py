# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a guest that shuts down, on the fake Xen, with each action of xl.cfg(5)."""

import re
from collections.abc import Callable
from functools import partial

import pytest

from coldline.cli.create import create
from coldline.cli.main import parser
from coldline.errors import HypervisorError, UsageError
from coldline.hypervisor.xen.domain_setup import ShutdownActions
from coldline.hypervisor.xen.keeper import Keeper, Kept
from tests.helpers.fake_xen import FakeXen

POWEROFF, REBOOT, SUSPEND, CRASH, WATCHDOG, SOFT_RESET = range(6)


class House:
    """A fake Xen with a guest, and what its keeper did."""

    def __init__(self, actions: ShutdownActions, *, dump: Callable[[int, str], None] | None = None) -> None:
        self.xen = FakeXen()
        self.log: list[str] = []
        self.dumped: list[tuple[int, str]] = []
        self.first = self.build("guest", b"u" * 16)
        self.keeper = Keeper(
            self.xen,
            actions,
            self.build,
            self.log.append,
            dump=dump or (lambda domid, name: self.dumped.append((domid, name))),
            pause_s=0,
        )

    def build(self, name: str, handle: bytes) -> Kept:
        from uuid import UUID

        words = ["create", "--sample", "midway-arm64", "--memory", "16", "--name", name, "-e"]
        options = parser().parse_args(words)
        options.uuid = UUID(bytes=handle)
        made, _ = create(options, self.xen)
        return Kept(made.domid, made.handle)

    def happens(self, *reasons: int) -> None:
        """Let the guests shut down, one after the other; then let the last one be destroyed by somebody else."""
        for domid, reason in enumerate(reasons, self.first.domid):
            self.xen.store_is.happens.append(partial(self.xen.shut_down, self.numbers()[domid], reason))

    def numbers(self) -> dict[int, int]:
        # each build takes two numbers: the first is that of the domain that tells of the platform
        return {self.first.domid + turn: self.first.domid + 2 * turn for turn in range(8)}

    def names(self) -> list[str]:
        entries = self.xen.store_is.entries.items()
        return [value.decode() for path, value in entries if re.fullmatch("/local/domain/[0-9]+/name", path)]


REASONS = {"poweroff": POWEROFF, "reboot": REBOOT, "crash": CRASH, "watchdog": WATCHDOG}


@pytest.mark.parametrize("reason", REASONS)
def test_destroy(reason: str) -> None:
    house = House(ShutdownActions(**{reason: "destroy"}))
    house.happens(REASONS[reason])
    house.keeper.keep(house.first)
    assert (house.xen.domains, house.xen.records.texts, house.names()) == ({}, {}, [])
    assert house.log[-1] == f"domain 2: shut down ({reason}): destroy"


@pytest.mark.parametrize("reason", REASONS)
def test_restart_under_a_new_number(reason: str) -> None:
    others = {other: "preserve" for other in REASONS if other != reason}
    house = House(ShutdownActions(**{reason: "restart"}, **others))
    last = POWEROFF if reason != "poweroff" else CRASH
    house.happens(REASONS[reason], REASONS[reason], last)
    house.keeper.keep(house.first)
    ((domid, domain),) = house.xen.domains.items()
    assert (domid, domain.handle, domain.paused) == (6, b"u" * 16, False)
    assert house.names() == ["guest"]
    assert list(house.xen.records.texts) == [(6, "75757575-7575-7575-7575-757575757575")]


def test_preserve() -> None:
    house = House(ShutdownActions(poweroff="preserve"))
    house.happens(POWEROFF)
    house.keeper.keep(house.first)
    assert list(house.xen.domains) == [2]
    assert house.names() == ["guest"]


@pytest.mark.parametrize("action", ["coredump-destroy", "coredump-restart"])
def test_cores(action: str) -> None:
    house = House(ShutdownActions(crash=action))
    house.happens(CRASH, POWEROFF)
    house.keeper.keep(house.first)
    assert house.dumped == [(2, "guest")]
    assert house.xen.next == (3 if action == "coredump-destroy" else 5)
    assert house.xen.domains == {}


def test_without_a_core_the_rest_is_done() -> None:
    def fails(domid: int, name: str) -> None:
        raise FileNotFoundError(2, "No such file or directory", "xl")

    house = House(ShutdownActions(crash="coredump-destroy"), dump=fails)
    house.happens(CRASH)
    house.keeper.keep(house.first)
    assert house.log[-1] == "domain 2: no core: [Errno 2] No such file or directory: 'xl'"
    assert house.xen.domains == {}


def test_rename_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form, when: "-20261129T2045Z")
    house = House(ShutdownActions(crash="rename-restart"))
    house.happens(CRASH, POWEROFF)
    house.keeper.keep(house.first)
    ((domid, stays),) = house.xen.domains.items()
    assert (domid, stays.shutdown) == (2, CRASH)
    assert stays.handle != b"u" * 16
    assert house.names() == ["guest-20261129T2045Z"]
    ((recorded, _),) = house.xen.records.texts
    assert recorded == 2
    assert (
        len([path for path in house.xen.store_is.entries if path.startswith("/vm/") and path.count("/") == 2])
        == 1
    )


def test_a_renamed_guest_keeps_its_name() -> None:
    house = House(ShutdownActions())
    house.happens(REBOOT, POWEROFF)
    house.xen.store_is.happens.insert(0, lambda: house.xen.store_is.write("/local/domain/2/name", "other"))
    names: list[str] = []
    house.xen.store_is.happens.insert(2, lambda: names.extend(house.names()))
    house.keeper.keep(house.first)
    assert names == ["other"]


@pytest.mark.parametrize(("reason", "left"), [(SUSPEND, 1), (SOFT_RESET, 0), (77, 0)])
def test_other_reasons(reason: int, left: int) -> None:
    house = House(ShutdownActions())
    house.happens(reason)
    house.keeper.keep(house.first)
    assert len(house.xen.domains) == left


def test_somebody_else_destroys_it() -> None:
    house = House(ShutdownActions())
    house.xen.store_is.happens += [lambda: None, partial(house.xen.domains.clear)]
    house.keeper.keep(house.first)
    assert house.log == ["domain 2: waiting for its end", "domain 2: destroyed"]


def test_its_number_is_another_domains_now() -> None:
    house = House(ShutdownActions())

    def reuse() -> None:
        house.xen.domains[2].handle = b"o" * 16
        house.xen.shut_down(2, POWEROFF)

    house.xen.store_is.happens.append(reuse)
    house.keeper.keep(house.first)
    assert list(house.xen.domains) == [2], "the other domain is left alone"


def test_a_rebuild_that_fails() -> None:
    house = House(ShutdownActions())
    house.happens(REBOOT)
    house.xen.free_frames = 0
    with pytest.raises(HypervisorError, match="MiB free"):
        house.keeper.keep(house.first)
    assert house.xen.domains == {}


def test_the_new_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second crash in the same minute: the domain stays as it is, as with xl."""
    monkeypatch.setattr("time.strftime", lambda form, when: "-20261129T2045Z")
    house = House(ShutdownActions(crash="rename-restart"))
    house.happens(CRASH, CRASH)
    with pytest.raises(
        UsageError, match="domain 4 cannot be renamed: a domain 'guest-20261129T2045Z' exists"
    ):
        house.keeper.keep(house.first)
    assert sorted(house.names()) == ["guest", "guest-20261129T2045Z"]
    assert house.xen.domains[4].handle == b"u" * 16
