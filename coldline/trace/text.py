# SPDX-License-Identifier: GPL-2.0-or-later
"""The text form of a trace: one event on each line. ``docs/reference/trace-format.md`` defines each word."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.errors import TraceError
from coldline.events.event import MAX_AGENTS, Event
from coldline.events.op import Op
from coldline.rules.profile import LINE_SIZES, SWITCHES, Profile
from coldline.support.choices import choices

MAX_LINE_LENGTH = 4096
"""The most characters of a line of text."""

MAX_AGENT_NAME = 4000
"""The most characters of an agent's name: any event of the agent then fits a line."""

_OPS = {op.words: op for op in Op}
_PREFIXES = frozenset(words.split()[0] for words in _OPS if " " in words)
_HEAD_WORDS = ("line", "option")
_ORDERING = ("dsb", "dmb", "isb", "tlbi")
_NO_ORDERING = (
    "a trace has no barriers and no TLB maintenance, as its events are in the order in which they complete"
)


class NumberedEvent(NamedTuple):
    """An event and its 1-based line in the file."""

    where: int
    event: Event


class LineParser:
    """Parses a trace's lines, one by one: this and `parse_event` are the grammar.

    Attributes
    ----------
    profile : Profile
        The profile in the head of the trace; complete once the first event has been read or the text has ended.
    agents : dict of str to int
        The agents so far, numbered by their first event.
    """

    def __init__(self) -> None:
        self.profile = Profile()
        self.agents: dict[str, int] = {}

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
        if words[0] in _HEAD_WORDS:
            self._read_head(words)
            return None
        event = parse_event(words)
        if event.agent not in self.agents:
            if len(event.agent) > MAX_AGENT_NAME:
                raise TraceError("", f"an agent's name of more than {MAX_AGENT_NAME} characters")
            check_room(self.agents, event.agent)
            self.agents[event.agent] = len(self.agents)
        return event

    def _read_head(self, words: list[str]) -> None:
        if self.agents:
            raise TraceError("", f"'{words[0]}' must come before the first event")
        if len(words) != 2:
            raise TraceError("", f"'{words[0]}' takes one word")
        if words[0] == "option":
            if words[1] not in SWITCHES:
                raise TraceError("", f"unknown option '{words[1]}'; choose from: {', '.join(SWITCHES)}")
            options = (*self.profile.options, words[1])
            self.profile = Profile.with_options(options, self.profile.line)
        else:
            size = _number(words[1])
            if not LINE_SIZES[0] <= size <= LINE_SIZES[1] or size & (size - 1):
                raise TraceError("", f"line size '{words[1]}' is not a power of two from 16 to 2048")
            self.profile = Profile.with_options(self.profile.options, size)


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


def parse_event(words: list[str]) -> Event:
    """The event of a line's words.

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
    if op is None:
        if name in _ORDERING:
            raise TraceError("", f"'{name}' is not an event: {_NO_ORDERING}")
        raise TraceError("", f"unknown operation '{name}'; {choices(name, _OPS)}")
    address = size = 0
    memory_type = None
    executable = False
    if op.has_range:
        if len(rest) < 2:
            raise TraceError("", f"'{name}' lacks its address or its size")
        address, size = _number(rest.pop(0)), _number(rest.pop(0))
        if (address | size) >> 64:
            raise TraceError("", f"{address:#x} + {size:#x} reaches past 2^52")
    if op.has_type:
        if not rest:
            raise TraceError("", f"'{name}' lacks its memory type")
        word = rest.pop(0)
        try:
            memory_type = MemoryType.from_word(word)
        except KeyError:
            known = (each.word for each in MemoryType)
            raise TraceError("", f"unknown memory type '{word}'; {choices(word, known)}") from None
        if op.traits.may_execute and rest and rest[0] == "exec":
            executable = True
            rest.pop(0)
    if rest:
        raise TraceError("", f"unknown word '{rest[0]}' after '{name}'")
    return Event(agent, op, address, size, memory_type, executable)


def head_lines(profile: Profile) -> str:
    """The head of a trace: a line for each property of the profile that is not at its default."""
    lines = [f"line {profile.line}\n"] if profile.line != Profile().line else []
    return "".join(lines + [f"option {option}\n" for option in profile.options])


def _number(word: str) -> int:
    digits, base = (word[2:], 16) if word[:2] == "0x" else (word, 10)
    valid = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not digits or len(digits) > 40 or any(digit not in valid for digit in digits):
        raise TraceError("", f"'{word}' is not a number")
    return int(digits, base)
