# SPDX-License-Identifier: GPL-2.0-or-later
"""The aliases of a host model, as they come and go."""

from coldline.events import Event, Op, Recorder
from coldline.hypervisor.models import AliasLifetime, HostAlias, HostModel
from coldline.hypervisor.ranges import RangeSet


class AliasRecorder:
    """Records a map or unmap exactly where an alias of the model becomes live or ends.

    Parameters
    ----------
    model : HostModel
        Whose aliases.
    record : Recorder
        Takes the events.
    """

    def __init__(self, model: HostModel, record: Recorder) -> None:
        self._record = record
        self._live: dict[HostAlias, RangeSet] = {alias: RangeSet() for alias in model.aliases}

    def begin(self, lifetime: AliasLifetime, address: int, size: int) -> None:
        """Make the aliases of one lifetime live on a range, where they are not yet."""
        for alias, live in self._live.items():
            if alias.lifetime is lifetime:
                for start, end in live.add(address, address + size):
                    self._record(
                        Event(alias.agent, Op.MAP, start, end - start, alias.memory_type, alias.executable)
                    )

    def end(self, lifetime: AliasLifetime, address: int, size: int) -> None:
        """End the aliases of one lifetime on a range, where they are live, the last to come first."""
        for alias, live in reversed(self._live.items()):
            if alias.lifetime is lifetime:
                for start, end in live.remove(address, address + size):
                    self._record(Event(alias.agent, Op.UNMAP, start, end - start))
