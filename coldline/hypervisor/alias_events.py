# SPDX-License-Identifier: GPL-2.0-or-later
"""Map and unmap events for the aliases of a host model."""

from dataclasses import replace

from coldline.events import Event, Op, Recorder
from coldline.hypervisor.model import AliasLifetime, HostAlias, HostModel
from coldline.hypervisor.ranges import RangeSet


def on_cores(alias: HostAlias, cores: int) -> tuple[HostAlias, ...]:
    """The alias as each of some cores has it: an executable one by an agent each, any other by one agent of all."""
    if not alias.executable:
        return (alias,)
    return tuple(replace(alias, agent=f"{alias.agent}{number or ''}") for number in range(cores))


class AliasRecorder:
    """Records a map or unmap event exactly when an alias of the model begins or ends.

    Several rules can begin the same alias on overlapping ranges; a page of an alias is mapped once all the same.

    Parameters
    ----------
    model : HostModel
        The host model whose aliases these are.
    record : Recorder
        Receives the events.
    cores : int
        The number of cores whose instruction caches an executable alias may fill: on each of them it has an agent.
    """

    def __init__(self, model: HostModel, record: Recorder, cores: int = 1) -> None:
        self._record = record
        aliases = [each for alias in model.aliases for each in on_cores(alias, cores)]
        self._live: dict[HostAlias, RangeSet] = {alias: RangeSet() for alias in aliases}

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
