# SPDX-License-Identifier: GPL-2.0-or-later
"""Many guests are built and destroyed, with kills between: memory, entries, records and ports are as before.

A guest is the smallest one, of a few instructions.
"""

import ctypes
import random
import signal
import struct
import sys
from functools import partial
from pathlib import Path

import pytest

from coldline.errors import UsageError
from coldline.hypervisor.xen.bindings.protocols import Bindings
from coldline.hypervisor.xen.domain_list import DomainList
from testbed.dom0.bad_guests import ARCHITECTURE
from testbed.dom0.domains import Xen
from testbed.dom0.failing import NAME, Failing, build
from testbed.dom0.memory import accounted
from testbed.dom0.test_xen_kills import Killing, entries, free_pages, in_child, left, remove, settled

pytestmark = [pytest.mark.one_xen, pytest.mark.long]

ROUNDS = 200
RECORDS = Path("/var/lib/xen")
TABLES = 4
"""Pages that Xen's tables of dom0 may grow by when foreign frames are mapped at new places; they stay."""

_EVENT_CHANNEL_OP, _STATUS, _SELF, _CLOSED = 32, 5, 0x7FF0, 0
_ASKED = struct.Struct(
    "<HxxIII8x"
)  # struct evtchn_status: domain, port, status, vCPU, and what depends on the status


def event_channels(xen: Xen) -> int:
    """How many of dom0's event channels are not closed."""
    place, calls = xen.bindings.calls.buffer, xen.bindings.calls
    found = 0
    for port in range(1 << 17):
        ctypes.memmove(place, _ASKED.pack(_SELF, port, 0, 0), _ASKED.size)
        try:
            calls.call("EVTCHNOP_status", _EVENT_CHANNEL_OP, _STATUS, place)
        except OSError:
            break  # there is no such port
        found += _ASKED.unpack(ctypes.string_at(place, _ASKED.size))[2] != _CLOSED
    return found


def records() -> list[str]:
    return sorted(path.name for path in RECORDS.glob("userdata-*"))


def clean(xen: Xen) -> None:
    """Destroy what a killed process left."""
    for known in left(xen):
        try:
            remove(xen, str(known.domid))
        except UsageError:
            assert not xen.exists(known.domid)


def destroy(at: int, bindings: Bindings) -> None:
    domains = DomainList(Killing(bindings, at))
    domains.destroy(domains.find(NAME))


def test_rounds(xen: Xen, tmp_path: Path) -> None:
    chance = random.Random(17)
    whole = Failing(xen.bindings, sys.maxsize)
    build(whole, "hypercall", tmp_path / "trace", ARCHITECTURE)
    calls = len(whole.made)
    remove(xen, NAME)
    before = event_channels(xen), entries(xen), records(), accounted()
    free = free_pages(xen)
    killed = 0
    for turn in range(ROUNDS):
        built = chance.randrange(calls) if turn % 3 == 1 else sys.maxsize
        ended = chance.randrange(40) if turn % 3 == 2 else sys.maxsize

        def make(bindings: Bindings, at: int = built, turn: int = turn) -> None:
            build(Killing(bindings, at), "hypercall", tmp_path / f"trace{turn}", ARCHITECTURE)

        statuses = [in_child(make)]
        if statuses == [0]:
            statuses.append(in_child(partial(destroy, ended)))
        assert set(statuses) <= {0, -signal.SIGKILL}, turn
        killed += -signal.SIGKILL in statuses
        clean(xen)
        (tmp_path / f"trace{turn}").unlink(missing_ok=True)
        assert (entries(xen), records()) == before[1:3], (turn, statuses, built, ended)
    assert killed > ROUNDS // 3
    assert (event_channels(xen), entries(xen), records(), accounted()) == before
    assert 0 <= free - settled(xen, free) <= TABLES
