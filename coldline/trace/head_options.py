# SPDX-License-Identifier: GPL-2.0-or-later
"""The options in the head of a version 2 trace. ``docs/reference/trace-format.md`` defines each."""

from dataclasses import replace
from typing import Any

from coldline.errors import TraceError
from coldline.rules.order.ordering import STARTS, Ordering
from coldline.rules.profile import SWITCHES, Profile

_NC_MAY_HIT, _IVAC_CLEANS, _START = "nc-may-hit", "ivac-cleans", "start"

_SWITCHES = {"order": "barriers", "nc-fetch-held": "nc_fetch_held"}
"""The fields of `Ordering` that an option without more words turns on."""

OPTIONS = (*_SWITCHES, _IVAC_CLEANS, _START)
"""The options that version 1 does not have."""

_KNOWN = (*SWITCHES, *OPTIONS)


def with_option(profile: Profile, words: list[str]) -> Profile:
    """The profile after an ``option`` line of a version 2 trace.

    Parameters
    ----------
    profile : Profile
        What the lines before it said.
    words : list of str
        The words after ``option``.

    Raises
    ------
    TraceError
        If a word is wrong; ``where`` is empty.
    """
    ordering = profile.ordering
    assert ordering is not None
    if not words:
        raise TraceError("", f"'option' lacks its name; choose from: {', '.join(_KNOWN)}")
    name, *rest = words
    if name not in _KNOWN:
        raise TraceError("", f"unknown option '{name}'; choose from: {', '.join(_KNOWN)}")
    if name == _NC_MAY_HIT and rest:
        return replace(profile, ordering=ordering._replace(nc_may_hit=_with(ordering.nc_may_hit, rest)))
    if name == _IVAC_CLEANS:
        if not rest:
            raise TraceError("", f"'option {name}' takes the agents that it is of")
        return replace(profile, ordering=ordering._replace(ivac_cleans=_with(ordering.ivac_cleans, rest)))
    if name == _START:
        if len(rest) != 1 or rest[0] not in STARTS:
            raise TraceError("", f"'option {name}' takes one word of: {', '.join(STARTS)}")
        return replace(profile, ordering=ordering._replace(start=rest[0]))
    if rest:
        raise TraceError("", f"unknown word '{rest[0]}' after 'option {name}'")
    if name in _SWITCHES:
        on: dict[str, Any] = {_SWITCHES[name]: True}
        return replace(profile, ordering=ordering._replace(**on))
    return profile.having((name,))


def option_lines(ordering: Ordering) -> list[str]:
    """The ``option`` lines of a trace's head that say what `ordering` does."""
    lines = [f"option {name}" for name, field in _SWITCHES.items() if getattr(ordering, field)]
    if ordering.start != Ordering().start:
        lines.append(f"option {_START} {ordering.start}")
    lines += [f"option {_NC_MAY_HIT} {agent}" for agent in ordering.nc_may_hit]
    lines += [f"option {_IVAC_CLEANS} {agent}" for agent in ordering.ivac_cleans]
    return lines


def is_option_of_version_2(words: list[str]) -> bool:
    """Whether the words of an ``option`` line, without that word, say what version 1 cannot."""
    return bool(words) and (words[0] in OPTIONS or (words[0] == _NC_MAY_HIT and len(words) > 1))


def _with(agents: tuple[str, ...], more: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*agents, *more)))
