# SPDX-License-Identifier: GPL-2.0-or-later
"""The letters of events: by the rules where everything takes effect at once, or by those of order.

Which letter an access has is decided in `coldline.checker.state.page_classes`; here it gets the form of the rules.
"""

from collections.abc import Iterable
from typing import Protocol

from coldline.checker.state.access_letters import Letters
from coldline.checker.state.letters import (
    EFFECTIVE_SETWAY,
    MAINTENANCE_LETTERS,
)
from coldline.errors import TraceError
from coldline.events import Op
from coldline.rules.alphabet import Letter, Setting
from coldline.rules.order.cores import CoreEvent, Speculation
from coldline.rules.profile import Profile

AnyLetter = Letter | CoreEvent
"""An event as it affects a byte."""

AnySetting = Setting | Speculation
"""What speculation may do to a page's lines."""


class Vocabulary(Protocol):
    """Gives events their letters, and pages their settings.

    Attributes
    ----------
    by_alias : bool
        Whether the letter of maintenance by address depends on the issuing agent's alias.
    barriers : bool
        Whether operations complete at barriers.
    look : tuple of (AnySetting, AnyLetter)
        A setting with a live cacheable alias, and a read through it that sees no core's stores in flight.
    """

    by_alias: bool
    barriers: bool
    look: tuple[AnySetting, AnyLetter]

    def add_agent(self, name: str) -> None:
        """Note the next agent; agents are numbered as they are added."""

    def access(
        self, letters: Letters, agent: int, op: Op, *, owner: bool = False, pou: bool = False
    ) -> AnyLetter:
        """The letter of an access, which without cores would be one of `letters`.

        `owner` is as for `CoreEvent`, and `pou` as for `Event`.
        """

    def core_of(self, agent: int) -> int:
        """The number of an agent's core."""

    def core_mates(self, agent: int) -> list[int]:
        """The agents of an agent's core, the agent included."""

    def of_master(self, agent: int, op: Op, *, owner: bool) -> AnyLetter | None:
        """The letter of an access by a master; None if the agent is none."""

    def gift(self) -> AnyLetter:
        """The letter by which a page gets other owners."""

    def power_off(self) -> AnyLetter:
        """The letter by which caches lose their power."""

    def access_by_first_core(self, letter: Letter) -> AnyLetter:
        """The letter of an access by core 0."""

    def maintenance(self, op: Op, agent: int, *, cacheable: bool) -> AnyLetter | None:
        """The letter of cache maintenance or of a barrier; None for other operations.

        `cacheable` says whether it is issued through a cacheable alias.
        """

    def is_master(self, agent: int) -> bool:
        """Whether the agent is a master, which is no core."""

    def setting(
        self, data: bool, fetch: Iterable[int], fetch_past: Iterable[int], *, level2: bool = False
    ) -> AnySetting:
        """The setting of pages: whether data caches may be filled, and the agents that may fetch cacheably, and past
        the caches; and whether walks may fill level 2 alone.
        """


class AtOnce:
    """The letters of `coldline.rules.alphabet`: everything takes effect at once, and there is one instruction cache.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.
    """

    by_alias = False
    barriers = False
    look: tuple[AnySetting, AnyLetter] = (Setting(data=True, fetch=False), Letter.READ_WB)

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def add_agent(self, name: str) -> None:
        """See `Vocabulary.add_agent`."""

    def access(
        self, letters: Letters, agent: int, op: Op, *, owner: bool = False, pou: bool = False
    ) -> Letter:
        """See `Vocabulary.access`."""
        (letter,) = letters
        return letter

    def core_of(self, agent: int) -> int:
        """See `Vocabulary.core_of`."""
        return agent

    def core_mates(self, agent: int) -> list[int]:
        """See `Vocabulary.core_mates`."""
        return [agent]

    def of_master(self, agent: int, op: Op, *, owner: bool) -> None:
        """See `Vocabulary.of_master`."""
        return None

    def gift(self) -> AnyLetter:
        """See `Vocabulary.gift`."""
        raise TraceError("", "'give' in a trace without 'version 2'")

    def power_off(self) -> AnyLetter:
        """See `Vocabulary.power_off`."""
        raise TraceError("", "'power-off' in a trace without 'version 2'")

    def access_by_first_core(self, letter: Letter) -> Letter:
        """See `Vocabulary.access_by_first_core`."""
        return letter

    def maintenance(self, op: Op, agent: int, *, cacheable: bool) -> Letter | None:
        """See `Vocabulary.maintenance`.

        Maintenance acts on the physical line, whatever the attributes of the alias that it was issued through (Arm
        ARM DDI 0487 D7.5.9.14, 'Boundary conditions for cache maintenance instructions').
        """
        letter = MAINTENANCE_LETTERS.get(op)
        if letter is not None and self._profile.setway_effective:
            return EFFECTIVE_SETWAY.get(letter, letter)
        return letter

    def is_master(self, agent: int) -> bool:
        """See `Vocabulary.is_master`."""
        return False

    def setting(
        self, data: bool, fetch: Iterable[int], fetch_past: Iterable[int], *, level2: bool = False
    ) -> Setting:
        """See `Vocabulary.setting`."""
        return Setting(data, any(True for _ in fetch))
