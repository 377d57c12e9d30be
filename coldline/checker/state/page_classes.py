# SPDX-License-Identifier: GPL-2.0-or-later
"""Classes of pages, by which agents have a page mapped and how.

Pages that every agent sees alike are in one *class*; a trace has few classes. A class determines what speculation may
do to the page's lines (its `Setting`) and the `Letter` of an agent's access to it.
"""

from collections.abc import Callable, Iterable

from coldline.checker.state.access_letters import (
    Letters,
    Refusal,
    access_letter,
    distinct_letters,
    walk_letters,
)
from coldline.checker.state.agents import Agent
from coldline.checker.state.alias import Alias
from coldline.checker.state.vocabulary import AnyLetter, AnySetting, Vocabulary
from coldline.errors import TraceError
from coldline.events import Event, Op
from coldline.events.event import MAX_AGENTS
from coldline.events.op import Kind
from coldline.rules.alphabet import Letter

MAX_CLASSES = 1 << 16
"""The most classes, which is more than a trace of a real system has."""

UNMAPPED = 0
"""The class of a page that no agent has mapped."""


class PageClasses:
    """The classes of pages, and the agents whose aliases make them.

    A class is a number: an index into `classes`. Class `UNMAPPED` always exists. `switches` counts the changes of
    agents' switches, each of which may change the letters and settings of classes. `has_owners` is whether any page
    was given to somebody, and `has_endings` whether any mapping has been ending, or the walks of any page.

    Parameters
    ----------
    vocabulary : Vocabulary
        Gives letters and settings the form of the rules.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.agents: list[Agent] = []
        self.classes: list[tuple[tuple[int, Alias], ...]] = [()]
        self.settings: list[AnySetting] = [vocabulary.setting(False, (), ())]
        self.switches = 0
        self.has_owners = False
        self.has_endings = False
        self._agent_numbers: dict[str, int] = {}
        self._classes_of: list[list[int]] = []
        self._class_numbers: dict[tuple[tuple[int, Alias], ...], int] = {(): UNMAPPED}

    def agent(self, name: str) -> int:
        """The number of the agent called `name`; it is registered on first use.

        Raises
        ------
        TraceError
            If there are too many agents.
        """
        number = self._agent_numbers.get(name)
        if number is None:
            if len(self.agents) == MAX_AGENTS:
                raise TraceError("", f"'{name}' is one agent more than the {MAX_AGENTS} that can be followed")
            number = self._agent_numbers[name] = len(self.agents)
            self.agents.append(Agent(name))
            self.vocabulary.add_agent(name)
            self._classes_of.append([])
        return number

    def alias(self, page_class: int, agent: int) -> Alias:
        """The alias through which `agent` sees a page of `page_class`."""
        for number, alias in self.classes[page_class]:
            if number == agent:
                return alias
        return Alias()

    def with_alias(self, page_class: int, agent: int, alias: Alias) -> int:
        """The class of a page of `page_class` once `agent` sees it as `alias`."""
        members = [(number, known) for number, known in self.classes[page_class] if number != agent]
        if alias != Alias():
            members.append((agent, alias))
        key = tuple(sorted(members))
        number = self._class_numbers.get(key)
        if number is None:
            if len(self.classes) == MAX_CLASSES:
                raise TraceError("", f"pages are mapped in more than {MAX_CLASSES:,} different ways")
            number = self._class_numbers[key] = len(self.classes)
            self.classes.append(key)
            self.settings.append(self._setting(key))
            for member, _ in key:
                self._classes_of[member].append(number)
        return number

    def classes_of(self, agent: int) -> list[int]:
        """The classes whose pages `agent` has mapped or fetched from."""
        return self._classes_of[agent]

    def forget_prefetches(self, agent: int) -> dict[int, int]:
        """End the prefetches that `agent`'s earlier fetches allow, as its MMU turns on.

        Returns
        -------
        dict of int to int
            The new class of the pages of each class that this changes.
        """
        return self._moved(agent, _without_prefetches)

    def after_switch(self, agent: int) -> dict[int, int]:
        """End what an agent's switches end: walks, once its MMU is off; once it is on, that a TLB holds no mapping.

        Returns
        -------
        dict of int to int
            As for `forget_prefetches`.
        """
        if not self.vocabulary.barriers:
            return {}
        return self._moved(agent, _synchronised(self.agents[agent]))

    def _moved(self, agent: int, change: Callable[[Alias], Alias]) -> dict[int, int]:
        """The new class of the pages of each class in which an agent's alias changes."""
        moved = {}
        for page_class in list(self._classes_of[agent]):
            alias = self.alias(page_class, agent)
            later = change(alias)
            if later != alias:
                moved[page_class] = self.with_alias(page_class, agent, later)
        return moved

    def switch(self, op: Op, agent: int) -> dict[int, AnySetting]:
        """Apply an operation that sets a switch of `agent`; return the new setting of each class that it changes."""
        self.agents[agent].switch(op, waits=self.vocabulary.barriers)
        return self.take_switches(agent)

    def take_switches(self, agent: int) -> dict[int, AnySetting]:
        """Return the new setting of each class that an agent's switches change."""
        self.switches += 1
        changed = {}
        for number in self._classes_of[agent]:
            setting = self._setting(self.classes[number])
            if setting != self.settings[number]:
                self.settings[number] = setting
                changed[number] = setting
        return changed

    def walk(self, event: Event, agent: int, page_class: int = UNMAPPED) -> AnyLetter:
        """The letter of a translation-table read by `agent`, whose MMU may be on, with the walk's own type.

        Only whether the page was given to the agent depends on its class.
        """
        owner = self.owns(page_class, agent)
        of_master = self.vocabulary.of_master(agent, Op.WALK, owner=owner)
        if of_master is not None:
            return of_master
        plain = walk_letters(self.agents[agent], event.types)
        return self.vocabulary.access(plain, agent, Op.WALK, owner=owner, pou=event.pou)

    def may_come_again(self, event: Event, agent: int) -> bool:
        """Whether a walk may come again by itself and then fill caches: it is cacheable, and operations take time."""
        return (
            self.vocabulary.barriers
            and not self.vocabulary.is_master(agent)
            and Letter.READ_WB in walk_letters(self.agents[agent], event.types)
        )

    def owners(self, page_class: int) -> frozenset[int]:
        """The agents to which the pages of a class were given."""
        return frozenset(number for number, alias in self.classes[page_class] if alias.owns)

    def owns(self, page_class: int, agent: int) -> bool:
        """Whether the pages of a class were given to an agent, or to the one of which it is another alias.

        An agent ``cpu0.dom0+vmap`` is a second alias of agent ``cpu0.dom0``.
        """
        if not self.has_owners:
            return False
        first, plus, _ = self.agents[agent].name.partition("+")
        owner = self._agent_numbers.get(first, agent) if plus else agent
        return self.alias(page_class, agent).owns or self.alias(page_class, owner).owns

    def maintenance(self, op: Op, agent: int) -> AnyLetter | None:
        """The letter of maintenance that is the same for all pages; None if there is none."""
        if self.vocabulary.by_alias and op.traits.kind is Kind.MAINTENANCE and op.has_range:
            return None
        return self.vocabulary.maintenance(op, agent, cacheable=False)

    def letter(self, page_class: int, agent: int, op: Op) -> AnyLetter | Refusal:
        """The letter of an access by `agent` to a page of `page_class`, or of maintenance there.

        It is a `Refusal` if the access is impossible.
        """
        if op.traits.kind is Kind.MAINTENANCE:
            cacheable = self.agents[agent].is_cacheable(self.alias(page_class, agent))
            letter = self.vocabulary.maintenance(op, agent, cacheable=cacheable)
            assert letter is not None
            return letter
        owner = self.owns(page_class, agent)
        of_master = self.vocabulary.of_master(agent, op, owner=owner)
        if of_master is not None:
            return of_master
        access = self._access(page_class, agent, op)
        return (
            access if isinstance(access, Refusal) else self.vocabulary.access(access, agent, op, owner=owner)
        )

    def _access(self, page_class: int, agent: int, op: Op) -> Letters | Refusal:
        """The access as it affects a line: a letter for each setting of the switches that may be in force, and for
        each way in which the agent may see the page.
        """
        who, ways = self.agents[agent], self.alias(page_class, agent).ways
        found = [access_letter(each, way, who.name, op) for each in who.settings for way in ways or (None,)]
        letters = distinct_letters(each for each in found if not isinstance(each, Refusal))
        if letters:
            return letters
        refused = found[0]
        assert isinstance(refused, Refusal)
        return refused

    def _setting(self, members: tuple[tuple[int, Alias], ...]) -> AnySetting:
        agents = self.agents
        members = tuple(member for member in members if not self.vocabulary.is_master(member[0]))
        walkers = [alias for number, alias in members if agents[number].allows_walk]
        return self.vocabulary.setting(
            any(agents[number].allows_fill(alias) for number, alias in members)
            or any(alias.walked is not None for alias in walkers),
            [number for number, alias in members if agents[number].allows_fetch(alias)],
            [number for number, alias in members if agents[number].allows_fetch_past(alias)],
            level2=any(alias.walked_pou is not None for alias in walkers),
        )

    def synchronise(self, agent: int) -> dict[int, int]:
        """Let an agent's last switches be the only ones in force; call `take_switches` once pages are moved.

        Returns
        -------
        dict of int to int
            As for `forget_prefetches`.
        """
        who = self.agents[agent]
        who.earlier = ()
        synchronised = _synchronised(who)

        def change(alias: Alias) -> Alias:
            return synchronised(_without_prefetches(alias) if who.mmu else alias)

        return self._moved(agent, change)

    @property
    def unsynchronised(self) -> bool:
        """Whether earlier switches of any agent may still be in force."""
        return any(agent.earlier for agent in self.agents)

    def translations_after(self, change: Callable[[Alias], Alias], classes: Iterable[int]) -> dict[int, int]:
        """The new classes of those of `classes` in which what TLBs and walkers hold changes, for each alias."""
        moved = {}
        for number in classes:
            after = number
            for agent, alias in self.classes[number]:
                later = change(alias)
                if later != alias:
                    after = self.with_alias(after, agent, later)
            if after != number:
                moved[number] = after
        return moved

    def waits(self, page_class: int) -> bool:
        """Whether a DSB may end a mapping of the pages of a class, or their walks."""
        return any(alias.waits for _, alias in self.classes[page_class])


def _without_prefetches(alias: Alias) -> Alias:
    return alias._replace(fetched=False, prefetched=False) if alias.prefetched else alias


def _synchronised(agent: Agent) -> Callable[[Alias], Alias]:
    """What an agent's switches make of its aliases."""
    may_be_on = agent.may_be_on

    def change(alias: Alias) -> Alias:
        if may_be_on:
            return alias._replace(unwalked=False)
        return alias._replace(walked=None, walked_pou=None)

    return change
