# SPDX-License-Identifier: GPL-2.0-or-later
"""The shells' completions, made by shtab from the command's parser.

They are files of the package, so that completing a word does not start Python. The names that an option takes are
defined in the modules that use them. They are looked up here, and not when the command starts.
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import dropwhile

import shtab

from coldline.arm.cores import CORES
from coldline.builder import STRATEGIES
from coldline.cli.completion import FILES
from coldline.cli.main import parser
from coldline.corpus import CORPUS_FOLDER, read_corpus
from coldline.guest.machines import MACHINES
from coldline.hypervisor.models import HOST_MODELS
from coldline.report.reporters import FORMATS
from coldline.samples import SAMPLES

__all__ = ["completions"]

_NAMES: dict[str, Callable[[], Sequence[str]]] = {
    "--core": lambda: list(CORES),
    "--format": lambda: list(FORMATS),
    "--host": lambda: list(HOST_MODELS),
    "--machine": lambda: list(MACHINES),
    "--sample": lambda: list(SAMPLES),
    "--strategy": lambda: list(STRATEGIES),
    "coldline corpus NAME": lambda: [bug.name for bug in read_corpus(CORPUS_FOLDER)],
}
"""The possible values of a NAME, by the option or the argument that takes it."""

_PATHS = {
    "FILE": shtab.FILE,
    "IMAGE": shtab.FILE,
    "IN": shtab.FILE,
    "OUT": shtab.FILE,
    "DIR": shtab.DIRECTORY,
}

_HEAD = """\
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/generate makes this file with shtab.

"""


def completions() -> dict[str, str]:
    """Return the content of each file, by its name in ``coldline/completions``."""
    top = parser()
    _annotate(top)
    return {name: _with_head(shtab.complete(top, shell=shell)) for shell, name in FILES.items()}


def _with_head(script: str) -> str:
    """Replace shtab's head, which says how to install the file, with ours; zsh's own first line stays."""
    lines = script.splitlines(keepends=True)
    first = lines[:1] if lines[0].startswith("#compdef ") else []
    return "".join([*first, _HEAD, *dropwhile(lambda line: line.startswith("#") or not line.strip(), lines)])


def _annotate(command: argparse.ArgumentParser) -> None:
    """Set the completion of each argument."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _annotate(each)
        elif str(action.metavar).startswith("NAME") and action.choices is None:
            names = _NAMES.get(action.option_strings[0] if action.option_strings else f"{command.prog} NAME")
            action.choices = names() if names is not None else None
        elif action.metavar in _PATHS:
            action.complete = _PATHS[action.metavar]  # type: ignore[attr-defined]
