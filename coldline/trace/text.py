# SPDX-License-Identifier: GPL-2.0-or-later
"""The text form of a trace: one event on each line. ``docs/reference/trace-format.md`` defines each word."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from coldline.errors import TraceError
from coldline.events.attributes import Attributes, types_of_word
from coldline.events.event import MAX_AGENTS, Event
from coldline.events.op import Op
from coldline.rules.profile import Profile
from coldline.support.choices import choices
from coldline.trace.head_options import check_head, read_number
from coldline.trace.operations import OF_VERSION_1, operations_of, why_not
from coldline.trace.text_head import IMPERSONAL, MAX_AGENT_NAME, HeadParser

MAX_LINE_LENGTH = 4096
"""The most characters of a line of text."""

_OPS = {op.words: op for op in Op}
_PREFIXES = frozenset(words.split()[0] for words in _OPS if " " in words)


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
    agents : dict of str to int
        The agents so far, numbered by their first event.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self.agents: dict[str, int] = {}
        self._head = HeadParser(profile)
        self._operations = OF_VERSION_1

    @property
    def profile(self) -> Profile:
        """The profile in the head of the trace; complete once the first event has been read or the text has ended."""
        return self._head.profile

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
        if self._head.parse(words):
            return None
        if not self._head.has_events:
            self.end()
            self._head.has_events = True
            self._operations = operations_of(self.profile)
        event = parse_event(words, self._operations)
        if event.agent not in self.agents:
            if len(event.agent) > MAX_AGENT_NAME:
                raise TraceError("", f"an agent's name of more than {MAX_AGENT_NAME} characters")
            check_room(self.agents, event.agent)
            self.agents[event.agent] = len(self.agents)
        return event

    def end(self) -> None:
        """Check the head, which is complete.

        Raises
        ------
        TraceError
            If its lines contradict one another.
        """
        check_head(self.profile)


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


def check_room(known: Collection[str], name: str) -> None:
    """Check that one more agent is allowed.

    Raises
    ------
    TraceError
        If there are already `MAX_AGENTS`; ``where`` is empty.
    """
    if len(known) == MAX_AGENTS:
        raise TraceError("", f"'{name}' is one agent more than the {MAX_AGENTS} that can be followed")


def parse_event(words: list[str], operations: frozenset[Op] = OF_VERSION_1) -> Event:
    """The event of a line's words.

    Parameters
    ----------
    words : list of str
        The words.
    operations : frozenset of Op
        The operations that the trace can have.

    Raises
    ------
    TraceError
        If a word is wrong; the message names it.
    """
    rest = list(words)
    agent = "" if words[0] in IMPERSONAL and _OPS[words[0]] in operations else rest.pop(0)
    if not rest:
        raise TraceError("", f"'{agent}' is not an event: expected AGENT OP …")
    name = rest.pop(0)
    if name in _PREFIXES and (name not in _OPS or (rest and f"{name} {rest[0]}" in _OPS)):
        if not rest:
            raise TraceError("", f"'{name}' lacks its second word")
        name = f"{name} {rest.pop(0)}"
    op = _OPS.get(name)
    if op is not None and op not in operations:
        raise TraceError("", f"'{name}' is not an event: {why_not(op, operations)}")
    if op is None or op.traits.impersonal != (agent == ""):
        known = [words for words, each in _OPS.items() if each in operations and not each.traits.impersonal]
        raise TraceError("", f"unknown operation '{name}'; {choices(name, known)}")
    address = size = 0
    attributes = Attributes()
    if op.has_range:
        if len(rest) < 2:
            raise TraceError("", f"'{name}' lacks its address or its size")
        address, size = read_number(rest.pop(0)), read_number(rest.pop(0))
        if (address | size) >> 64:
            raise TraceError("", f"{address:#x} + {size:#x} reaches past 2^52")
    if op.has_type:
        if not rest:
            invalid = ", or 'invalid'" if op.traits.may_be_invalid else ""
            raise TraceError("", f"'{name}' lacks its memory type{invalid}")
        try:
            attributes = types_of_word(rest.pop(0), op, version=2 if Op.POLL in operations else 1)
        except ValueError as error:
            raise TraceError("", str(error)) from None
        if op.traits.may_execute and attributes.memory_type is not None and rest and rest[0] == "exec":
            attributes = attributes._replace(executable=True)
            rest.pop(0)
    if op is Op.GIVE:
        agent, rest = " ".join(_owners(rest)), []
    if rest:
        raise TraceError("", f"unknown word '{rest[0]}' after '{name}'")
    return Event(agent, op, address, size, *attributes)


def _owners(words: list[str]) -> list[str]:
    """The owners that a ``give`` names."""
    if not words:
        raise TraceError("", "'give' lacks the new owners")
    for index, name in enumerate(words):
        if name in words[:index]:
            raise TraceError("", f"'give' names {name} twice")
    return words
