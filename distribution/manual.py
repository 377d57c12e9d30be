# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page ``coldline.1``, from the command's parser.

The sections and their order are those of man-pages(7), the macros those of man(7).
"""

import argparse
from collections.abc import Iterable, Iterator

from coldline.cli.main import parser

__all__ = ["manual"]

_SUMMARY = "build ARM guests, run their boot code, and check their cache coherency"

_FILES = (
    (
        "$XDG_CACHE_HOME/coldline, ~/.cache/coldline",
        "Compiled code and tables. They are made again if removed.",
    ),
)


def manual() -> str:
    """Return the page's source."""
    top = parser()
    commands = _commands(top)
    lines = [
        '.\\" SPDX-License-Identifier: GPL-2.0-or-later',
        '.\\" scripts/generate makes this page.',
        '.TH COLDLINE 1 "" coldline "User Commands"',
        ".SH NAME",
        f"coldline \\- {_escaped(_SUMMARY)}",
        ".SH SYNOPSIS",
        *(line for each in commands.items() for line in (_synopsis(*each), ".br")),
        *(line for action in _optionals(top) for line in (f"\\fBcoldline\\fR {_names(action)[-1]}", ".br")),
        ".SH DESCRIPTION",
        _escaped(top.description or ""),
        ".SH OPTIONS",
        *_arguments(_optionals(top)),
        ".SH COMMANDS",
    ]
    for name, command in commands.items():
        lines += [
            f".SS {_escaped(name)}",
            _synopsis(name, command),
            ".PP",
            _escaped(command.description or ""),
        ]
        for group in command._action_groups:
            shown = [action for action in group._group_actions if not _is_help(action)]
            if shown and group not in (command._positionals, command._optionals):
                lines += [".PP", f"\\fI{_escaped(str(group.title).capitalize())}\\fR"]
            lines += _arguments(shown)
        if command.epilog:
            lines += [".PP", _escaped(command.epilog)]
    lines += _epilog(top.epilog or "")
    lines += [
        ".SH FILES",
        *(line for each in _FILES for line in _entry(f"\\fI{_escaped(each[0])}\\fR", each[1])),
    ]
    return "\n".join(lines) + "\n"


def _commands(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise LookupError("the parser has no commands")


def _optionals(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in command._actions if action.option_strings]


def _is_help(action: argparse.Action) -> bool:
    return isinstance(action, argparse._HelpAction)


def _synopsis(name: str, command: argparse.ArgumentParser) -> str:
    """The command's own line; its options are listed after it."""
    words = [f"\\fBcoldline {_escaped(name)}\\fR"]
    if any(not _is_help(action) for action in _optionals(command)):
        words.append("[\\fIOPTION\\fR]...")
    for action in command._actions:
        if not action.option_strings:
            word = f"\\fI{_escaped(str(action.metavar or action.dest))}\\fR"
            words.append(
                {"?": f"[{word}]", "*": f"[{word}]...", "+": f"{word}..."}.get(str(action.nargs), word)
            )
    return " ".join(words)


def _arguments(actions: Iterable[argparse.Action]) -> Iterator[str]:
    for action in actions:
        if action.help is not argparse.SUPPRESS:
            yield from _entry(", ".join(_names(action)), str(action.help or ""))


def _names(action: argparse.Action) -> list[str]:
    """An argument's synopsis: each of an option's names, with its value."""
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest
    )
    if not action.option_strings:
        return [f"\\fI{_escaped(str(value))}\\fR"]
    takes = f" \\fI{_escaped(str(value))}\\fR" if action.nargs != 0 else ""
    return [f"\\fB{_escaped(option)}\\fR{takes}" for option in action.option_strings]


def _entry(head: str, text: str) -> list[str]:
    return [".TP", head, _escaped(text)]


def _epilog(text: str) -> Iterator[str]:
    """The end of ``--help`` as sections: paragraphs that begin with a title and a colon."""
    for paragraph in text.strip().split("\n\n"):
        title, _, rest = paragraph.partition(":")
        yield f".SH {_escaped(title.upper())}"
        lines = [line.strip() for line in rest.splitlines() if line.strip()]
        yield from ([_escaped(lines[0])] if len(lines) == 1 else [".EX", *map(_escaped, lines), ".EE"])


def _escaped(text: str) -> str:
    text = text.replace("%%", "%").replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
