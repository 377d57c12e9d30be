# SPDX-License-Identifier: GPL-2.0-or-later
"""Map and unmap events for the aliases of a host model."""

from coldline.events import Event, Op, Recorder
from coldline.hypervisor.model import AliasLifetime, HostAlias, HostModel
from coldline.hypervisor.ranges import RangeSet


class AliasRecorder:
    """Records a map or unmap event exactly when an alias of the model begins or ends.

    Several rules can begin the same alias on overlapping ranges; a page of an alias is mapped once all the same.

    Parameters
    ----------
    model : HostModel
        The host model whose aliases these are.
    record : Recorder
        Receives the events.
    """

    def __init__(self, model: HostModel, record: Recorder) -> None:
        self._record = record
        self._live: dict[HostAlias, RangeSet] = {alias: RangeSet() for alias in model.aliases}

    def begin(self, lifetime: AliasLifetime, address: int, size: int) -> None:
        """Begin the aliases of one lifetime on a range, where they are not live yet."""
        for alias, live in self._live.items():
            if alias.lifetime is lifetime:
                for start, end in live.add(address, address + size):
                    self._record(
                        Event(alias.agent, Op.MAP, start, end - start, alias.memory_type, alias.executable)
                    )

    def end(self, lifetime: AliasLifetime, address: int, size: int) -> None:
        """End the aliases of one lifetime on a range, where they are live, in reverse order."""
        for alias, live in reversed(self._live.items()):
            if alias.lifetime is lifetime:
                for start, end in live.remove(address, address + size):
                    self._record(Event(alias.agent, Op.UNMAP, start, end - start))
