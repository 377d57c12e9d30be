# SPDX-License-Identifier: GPL-2.0-or-later
"""The text form of a trace: one event on each line. ``docs/reference/trace-format.md`` defines each word."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.errors import TraceError
from coldline.events.event import MAX_AGENTS, POU, Event
from coldline.events.op import Kind, Op
from coldline.rules.order.ordering import CoreAgents, Ordering
from coldline.rules.profile import LINE_SIZES, SWITCHES, Profile
from coldline.support.choices import choices
from coldline.trace.head_options import (
    check_head,
    is_option_of_version_2,
    option_lines,
    parse_number,
    with_option,
)

MAX_LINE_LENGTH = 4096
"""The most characters of a line of text."""

MAX_AGENT_NAME = 4000
"""The most characters of an agent's name: any event of the agent then fits a line."""

_OPS = {op.words: op for op in Op}
_PREFIXES = frozenset(words.split()[0] for words in _OPS if " " in words)
_HEAD_WORDS = ("line", "option")
_BARRIERS = tuple(op.words for op in Op if op.kind is Kind.BARRIER)
_NO_BARRIERS = (
    "it is one only in a trace with 'version 2' and 'option order'; in any other, "
    "events complete in their order"
)
_NO_TLBI = "a trace has no TLB maintenance: 'unmap' says when an alias has ended"

LATEST_VERSION = 2
"""The latest version of the text form."""


class NumberedEvent(NamedTuple):
    """An event and its 1-based line in the file."""

    where: int
    event: Event


class LineParser:
    """Parses a trace's lines, one by one: this and `parse_event` are the grammar.

    Parameters
    ----------
    profile : Profile, optional
        What the lines before the first one said.

    Attributes
    ----------
    profile : Profile
        The profile in the head of the trace; complete once the first event has been read or the text has ended.
    agents : dict of str to int
        The agents so far, numbered by their first event.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self.profile = profile or Profile()
        self.agents: dict[str, int] = {}
        self._begun = profile is not None

    def parse(self, line: str) -> Event | None:
        """The event of a line; None if the line has no event.

        Raises
        ------
        TraceError
            If the line is malformed; ``where`` is empty.
        """
        if len(line) > MAX_LINE_LENGTH and len(line.rstrip("\r\n")) > MAX_LINE_LENGTH:
            raise TraceError("", f"the line has more than {MAX_LINE_LENGTH} characters")
        words = line.split("#", 1)[0].split()
        if not words:
            return None
        is_head = words[0] in _HEAD_WORDS or self._is_of_version_2(words)
        begun, self._begun = self._begun, True
        if is_head:
            self._read_head(words, begun=begun)
            return None
        if not self.agents:
            check_head(self.profile)
        event = parse_event(
            words, barriers=self.profile.has_barriers, version=1 if self.profile.ordering is None else 2
        )
        if event.agent not in self.agents:
            if len(event.agent) > MAX_AGENT_NAME:
                raise TraceError("", f"an agent's name of more than {MAX_AGENT_NAME} characters")
            check_room(self.agents, event.agent)
            self.agents[event.agent] = len(self.agents)
        return event

    def end(self) -> None:
        """Check the head of a text that has ended.

        Raises
        ------
        TraceError
            If its lines contradict one another.
        """
        check_head(self.profile)

    def _is_of_version_2(self, words: list[str]) -> bool:
        """Whether a line is one of the head's that version 1 does not have, where the words are agents' names."""
        if self.profile.ordering is not None:
            return words[0] in ("version", "core")
        return words[0] == "version" and len(words) == 2

    def _read_head(self, words: list[str], *, begun: bool) -> None:
        word, *rest = words
        if self.agents:
            raise TraceError("", f"'{word}' must come before the first event")
        if word == "core":
            self._read_core(rest)
            return
        if word == "option" and self.profile.ordering is not None:
            self.profile = with_option(self.profile, rest)
            return
        if word == "option" and is_option_of_version_2(rest):
            known = ", ".join(SWITCHES)
            raise TraceError(
                "",
                f"unknown option '{' '.join(rest)}', which needs 'version 2' as the first line; choose from: {known}",
            )
        if len(rest) != 1:
            raise TraceError("", f"'{word}' takes one word")
        if word == "version":
            if begun:
                raise TraceError("", "'version' must be on the first line")
            self._read_version(rest[0])
        elif word == "option":
            self._read_option(rest[0])
        else:
            size = parse_number(rest[0])
            if not LINE_SIZES[0] <= size <= LINE_SIZES[1] or size & (size - 1):
                raise TraceError("", f"line size '{rest[0]}' is not a power of two from 16 to 2048")
            self.profile = replace(self.profile, line=size)

    def _read_version(self, word: str) -> None:
        number = parse_number(word)
        if not 1 <= number <= LATEST_VERSION:
            raise TraceError(
                "", f"version {number} of the text form; versions up to {LATEST_VERSION} can be read"
            )
        if number > 1:
            self.profile = replace(self.profile, ordering=Ordering())

    def _read_option(self, word: str) -> None:
        if word not in SWITCHES:
            raise TraceError("", f"unknown option '{word}'; choose from: {', '.join(SWITCHES)}")
        self.profile = self.profile.having((word,))

    def _read_core(self, words: list[str]) -> None:
        ordering = self.profile.ordering
        assert ordering is not None
        if len(words) < 2:
            raise TraceError("", "'core' takes its name and the agents that run on it")
        name, *agents = words
        if any(core.name == name for core in ordering.cores):
            raise TraceError("", f"core '{name}' is there already")
        taken = {agent: core.name for core in ordering.cores for agent in core.agents}
        for index, agent in enumerate(agents):
            if agent in taken:
                raise TraceError("", f"agent '{agent}' is on core '{taken[agent]}' already")
            if agent in agents[:index]:
                raise TraceError("", f"agent '{agent}' is there twice")
        if len(ordering.cores) == MAX_AGENTS:
            raise TraceError("", f"more than {MAX_AGENTS} cores")
        cores = (*ordering.cores, CoreAgents(name, tuple(agents)))
        self.profile = replace(self.profile, ordering=ordering._replace(cores=cores))


class TextReader:
    """Reads a trace from text, event by event.

    Parameters
    ----------
    lines : iterable of str
        The text, such as an open file.

    Attributes
    ----------
    profile : Profile
        The profile in the head of the trace; complete once the first event has been read or the text has ended.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._parser = LineParser()
        self._lines = lines

    @property
    def profile(self) -> Profile:
        """The profile in the head of the trace, as far as it has been read."""
        return self._parser.profile

    def __iter__(self) -> Iterator[NumberedEvent]:
        """Read on.

        Raises
        ------
        TraceError
            At a malformed line; ``where`` is its number.
        """
        for number, line in enumerate(self._lines, start=1):
            try:
                event = self._parser.parse(line)
            except TraceError as error:
                raise TraceError(str(number), error.reason) from None
            if event is not None:
                yield NumberedEvent(number, event)
        self._parser.end()


def is_agent(name: str) -> bool:
    """Whether a line of text could begin with `name` as its agent."""
    is_word = name.split() == [name] and "#" not in name and name not in _HEAD_WORDS
    return is_word and len(name) <= MAX_AGENT_NAME and name == name.encode(errors="replace").decode()


def check_room(known: Collection[str], name: str) -> None:
    """Check that one more agent is allowed.

    Raises
    ------
    TraceError
        If there are already `MAX_AGENTS`; ``where`` is empty.
    """
    if len(known) == MAX_AGENTS:
        raise TraceError("", f"'{name}' is one agent more than the {MAX_AGENTS} that can be followed")


def parse_event(words: list[str], *, barriers: bool = False, version: int = LATEST_VERSION) -> Event:
    """The event of a line's words.

    Parameters
    ----------
    words : list of str
        The words.
    barriers : bool
        Whether a barrier is an event.
    version : int
        The version of the trace.

    Raises
    ------
    TraceError
        If a word is wrong; the message names it.
    """
    if len(words) < 2:
        raise TraceError("", f"'{words[0]}' is not an event: expected AGENT OP …")
    agent, rest = words[0], words[1:]
    name = rest.pop(0)
    if name in _PREFIXES or name in ("mmu", "icache", "dcache"):
        if not rest:
            raise TraceError("", f"'{name}' lacks its second word")
        name = f"{name} {rest.pop(0)}"
    op = _OPS.get(name)
    if name in _BARRIERS and not barriers:
        raise TraceError("", f"'{name}' is not an event: {_NO_BARRIERS}")
    if op is None:
        if name == "tlbi":
            raise TraceError("", f"'{name}' is not an event: {_NO_TLBI}")
        operations = [words for words, each in _OPS.items() if barriers or each.kind is not Kind.BARRIER]
        raise TraceError("", f"unknown operation '{name}'; {choices(name, operations)}")
    address = size = 0
    memory_type = None
    executable = pou = False
    if op.has_range:
        if len(rest) < 2:
            raise TraceError("", f"'{name}' lacks its address or its size")
        address, size = parse_number(rest.pop(0)), parse_number(rest.pop(0))
        if (address | size) >> 64:
            raise TraceError("", f"{address:#x} + {size:#x} reaches past 2^52")
    if op.has_type:
        if not rest:
            raise TraceError("", f"'{name}' lacks its memory type")
        word = rest.pop(0)
        may_be_pou = op is Op.WALK and version > 1
        pou = may_be_pou and word == POU
        try:
            memory_type = MemoryType.NORMAL_WB if pou else MemoryType.from_word(word)
        except KeyError:
            known = [*(each.word for each in MemoryType), *([POU] if may_be_pou else [])]
            raise TraceError("", f"unknown memory type '{word}'; {choices(word, known)}") from None
        if op.traits.may_execute and rest and rest[0] == "exec":
            executable = True
            rest.pop(0)
    if rest:
        raise TraceError("", f"unknown word '{rest[0]}' after '{name}'")
    return Event(agent, op, address, size, memory_type, executable, pou)


def head_lines(profile: Profile) -> str:
    """The head of a trace: a line for each property of the profile that is not at its default."""
    ordering = profile.ordering
    lines = [f"version {LATEST_VERSION}\n"] if ordering is not None else []
    if profile.line != Profile().line:
        lines.append(f"line {profile.line}\n")
    lines += [f"option {option}\n" for option in profile.options]
    if ordering is not None:
        lines += [f"{line}\n" for line in core_lines(ordering)]
    return "".join(lines)


def core_lines(ordering: Ordering) -> list[str]:
    """The lines of a trace's head that say what `ordering` does."""
    return option_lines(ordering) + [f"core {core.name} {' '.join(core.agents)}" for core in ordering.cores]
