# SPDX-License-Identifier: GPL-2.0-or-later
"""The head of a trace in its text form: the lines before the first event."""

from dataclasses import replace

from coldline.errors import TraceError
from coldline.events.event import MAX_AGENTS
from coldline.events.op import Op
from coldline.rules.order.ordering import CoreAgents, Master, Ordering
from coldline.rules.profile import LINE_SIZES, SWITCHES, Profile
from coldline.trace.head_options import is_option_of_version_2, option_lines, read_number, with_option

MAX_AGENT_NAME = 4000
"""The most characters of an agent's name: any event of the agent then fits a line."""

_HEAD_WORDS = ("line", "option")
_HEAD_WORDS_OF_VERSION_2 = ("version", "core", "master")
IMPERSONAL = frozenset(op.words for op in Op if op.traits.impersonal)
"""The first words of the lines of events that no agent does."""

LATEST_VERSION = 2
"""The latest version of the text form."""


class HeadParser:
    """Parses the lines of a head.

    Parameters
    ----------
    profile : Profile, optional
        What the lines before the first one said.

    Attributes
    ----------
    profile : Profile
        What the lines so far said.
    has_events : bool
        Whether an event has been read, so that no line of the head may come.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self.profile = profile or Profile()
        self.has_events = False
        self._begun = profile is not None

    def parse(self, words: list[str]) -> bool:
        """Take a line's words; return whether it is a line of the head.

        Raises
        ------
        TraceError
            If the line is malformed; ``where`` is empty.
        """
        begun, self._begun = self._begun, True
        if words[0] not in _HEAD_WORDS and not self._is_of_version_2(words):
            return False
        self._read_head(words, begun=begun)
        return True

    def _is_of_version_2(self, words: list[str]) -> bool:
        """Whether a line is one of the head's that version 1 does not have, where the words are agents' names."""
        if self.profile.ordering is not None:
            return words[0] in _HEAD_WORDS_OF_VERSION_2
        return words[0] == "version" and len(words) == 2

    def _read_head(self, words: list[str], *, begun: bool) -> None:
        word, *rest = words
        if self.has_events:
            raise TraceError("", f"'{word}' must come before the first event")
        if word == "core":
            self._read_core(rest)
            return
        if word == "master":
            self._read_master(rest)
            return
        if word == "option" and self.profile.ordering is not None:
            self.profile = with_option(self.profile, rest)
            return
        if word == "option" and is_option_of_version_2(rest):
            known = ", ".join(SWITCHES)
            needs = "which needs 'version 2' as the first line"
            raise TraceError("", f"unknown option '{' '.join(rest)}', {needs}; choose from: {known}")
        if len(rest) != 1:
            raise TraceError("", f"'{word}' takes one word")
        if word == "version":
            if begun:
                raise TraceError("", "'version' must be on the first line")
            self._read_version(rest[0])
        elif word == "option":
            self._read_option(rest[0])
        else:
            size = read_number(rest[0])
            if not LINE_SIZES[0] <= size <= LINE_SIZES[1] or size & (size - 1):
                raise TraceError("", f"line size '{rest[0]}' is not a power of two from 16 to 2048")
            self.profile = replace(self.profile, line=size)

    def _read_version(self, word: str) -> None:
        number = read_number(word)
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
        masters = {master.name for master in ordering.masters}
        for index, agent in enumerate(agents):
            if agent in masters:
                raise TraceError("", f"'{agent}' is a master already")
            if agent in taken:
                raise TraceError("", f"agent '{agent}' is on core '{taken[agent]}' already")
            if agent in agents[:index]:
                raise TraceError("", f"agent '{agent}' is there twice")
        if len(ordering.cores) == MAX_AGENTS:
            raise TraceError("", f"more than {MAX_AGENTS} cores")
        cores = (*ordering.cores, CoreAgents(name, tuple(agents)))
        self.profile = replace(self.profile, ordering=ordering._replace(cores=cores))

    def _read_master(self, words: list[str]) -> None:
        ordering = self.profile.ordering
        assert ordering is not None
        if not words or words[1:] not in ([], ["snoops"]):
            raise TraceError("", "'master' takes its name, and 'snoops' if it sees the caches")
        name = words[0]
        if any(master.name == name for master in ordering.masters):
            raise TraceError("", f"master '{name}' is there already")
        for core in ordering.cores:
            if name in core.agents:
                raise TraceError("", f"agent '{name}' is on core '{core.name}' already")
        if len(ordering.masters) == MAX_AGENTS:
            raise TraceError("", f"more than {MAX_AGENTS} masters")
        masters = (*ordering.masters, Master(name, len(words) == 2))
        self.profile = replace(self.profile, ordering=ordering._replace(masters=masters))


def is_of_version_2_alone(words: list[str]) -> bool:
    """Whether the words are those of a line of the head that version 1 does not have, but for the version."""
    if words[:1] == ["option"]:
        return is_option_of_version_2(words[1:])
    return words[:1] in (["core"], ["master"])


def is_agent(name: str, *, version: int = 1) -> bool:
    """Whether a line of text could begin with `name` as its agent."""
    taken = _HEAD_WORDS if version == 1 else (*_HEAD_WORDS, *_HEAD_WORDS_OF_VERSION_2, *IMPERSONAL)
    is_word = name.split() == [name] and "#" not in name and name not in taken
    return is_word and len(name) <= MAX_AGENT_NAME and name == name.encode(errors="replace").decode()


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
    lines = option_lines(ordering)
    lines += [f"core {core.name} {' '.join(core.agents)}" for core in ordering.cores]
    return lines + [f"master {name}{' snoops' if snoops else ''}" for name, snoops in ordering.masters]
