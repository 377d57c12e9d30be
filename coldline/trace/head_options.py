# SPDX-License-Identifier: GPL-2.0-or-later
"""The options in the head of a version 2 trace. ``docs/reference/trace-format.md`` defines each."""

from dataclasses import replace
from typing import Any

from coldline.errors import TraceError
from coldline.rules.order.ordering import STARTS, Ordering
from coldline.rules.profile import LINE_SIZES, SWITCHES, Profile

_NC_MAY_HIT, _IVAC_CLEANS, _START = "nc-may-hit", "ivac-cleans", "start"

_SIZES = {"dmin": LINE_SIZES, "imin": LINE_SIZES, "zva": (16, 2048)}
"""The least and the greatest value of the options that are a power of two, by the names of their fields, too."""

_SWITCHES = {"order": "barriers", "nc-fetch-held": "nc_fetch_held", "vipt": "vipt"}
"""The fields of `Ordering` that an option without more words turns on."""

OPTIONS = (*_SWITCHES, _IVAC_CLEANS, _START, *_SIZES)
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
    if name in _SIZES:
        size: dict[str, Any] = {name: _size(name, rest)}
        return replace(profile, ordering=ordering._replace(**size))
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
    usual = Ordering()
    lines += [
        f"option {name} {getattr(ordering, name)}"
        for name in _SIZES
        if getattr(ordering, name) != getattr(usual, name)
    ]
    lines += [f"option {_NC_MAY_HIT} {agent}" for agent in ordering.nc_may_hit]
    lines += [f"option {_IVAC_CLEANS} {agent}" for agent in ordering.ivac_cleans]
    return lines


def is_option_of_version_2(words: list[str]) -> bool:
    """Whether the words of an ``option`` line, without that word, say what version 1 cannot."""
    return bool(words) and (words[0] in OPTIONS or (words[0] == _NC_MAY_HIT and len(words) > 1))


def check_head(profile: Profile) -> None:
    """Check a head that is complete.

    Raises
    ------
    TraceError
        If its lines contradict one another; ``where`` is empty.
    """
    for name in ("dmin", "imin"):
        size = getattr(profile, name)
        if size > profile.line:
            raise TraceError("", f"'option {name} {size}' is more than a line of {profile.line} bytes")


def _size(name: str, words: list[str]) -> int:
    low, high = _SIZES[name]
    size = read_number(words[0]) if len(words) == 1 else 0
    if not low <= size <= high or size & (size - 1):
        raise TraceError("", f"'option {name}' takes a power of two from {low} to {high}")
    return size


def read_number(word: str) -> int:
    """The number that a word is, decimal or hexadecimal.

    Raises
    ------
    TraceError
        If it is none; ``where`` is empty.
    """
    digits, base = (word[2:], 16) if word[:2] == "0x" else (word, 10)
    valid = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not digits or len(digits) > 40 or any(digit not in valid for digit in digits):
        raise TraceError("", f"'{word}' is not a number")
    return int(digits, base)


def _with(agents: tuple[str, ...], more: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*agents, *more)))
