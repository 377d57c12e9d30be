# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline``: its arguments and its exit status."""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from coldline import __version__
from coldline.cli import arguments
from coldline.cli.status import ERROR, INTERRUPTED, complain, give_up
from coldline.errors import ColdlineError
from coldline.support.printable import one_line

_EPILOG = """\
exit status: 0 coherent, 1 hazard, 2 error

examples:
  coldline boot vmlinuz --initrd initrd.img --append console=ttyAMA0 --memory 1G
  coldline boot --sample midway-arm64 --strategy flush
  coldline plan guest.cfg
  coldline check boot.trace
"""


_MODULES: Final = dict.fromkeys(("pause", "unpause", "destroy"), "domains")
"""The modules of `coldline.cli` that have commands of other names."""

_COMMANDS: Final = {
    "boot": arguments.add_boot,
    "check": arguments.add_check,
    "convert": arguments.add_convert,
    "corpus": arguments.add_corpus,
    "matrix": arguments.add_matrix,
    "plan": arguments.add_plan,
    "rules": arguments.add_rules,
    "create": arguments.add_create,
    "console": arguments.add_console,
    "list": arguments.add_list,
    "pause": arguments.add_pause,
    "unpause": arguments.add_unpause,
    "destroy": arguments.add_destroy,
}


class _Help(argparse.HelpFormatter):
    """argparse's own, without its way to the terminal's width, which imports every archiver, at each argument."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class _TopHelp(_Help, argparse.RawDescriptionHelpFormatter):
    """For texts that have their lines already."""


class _Parser(argparse.ArgumentParser):
    """argparse's own, but an error when help is printed is an error: argparse drops it."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)


class _Command(_Parser):
    """The grammar of one command."""

    def __init__(self, **words: Any) -> None:
        super().__init__(formatter_class=_Help, **words)


@cache
def _columns() -> int:
    """The terminal's width, as `shutil.get_terminal_size` has it."""
    try:
        told = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        told = 0
    if told > 0:
        return told
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or 80
    except (OSError, ValueError):
        return 80


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The command's grammar; of its commands that one alone, if it is one."""
    top = _Parser(
        prog="coldline",
        description="Build ARM guests, run their boot code, and say whether any cache can show them stale memory.",
        epilog=_EPILOG,
        formatter_class=_TopHelp,
    )
    top.add_argument("--version", action="version", version=f"coldline {__version__}")
    commands = top.add_subparsers(
        dest="command",
        metavar="COMMAND",
        required=True,
        parser_class=_Command,
    )
    for add in (_COMMANDS[only],) if only in _COMMANDS else _COMMANDS.values():
        add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status.

    Every failure ends with `ERROR` or `INTERRUPTED`, so that no failure is taken for a verdict.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments, without the program's name.
    """
    if sys.stdout is None or sys.stderr is None:
        # Nothing is begun: a file that is opened now would get the descriptor of the closed stream.
        complain("standard output is closed")
        return ERROR
    try:
        try:
            return _run(_parse(argv))
        finally:
            sys.stdout.flush()  # here, where an error can still be reported
    except ColdlineError as error:
        complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        give_up(sys.stdout)  # its reader has gone
    except OSError as error:
        reason = error.strerror or str(error)
        complain(f"cannot write: {reason}" if error.filename is None else f"{error.filename}: {reason}")
        give_up(sys.stdout)
    except MemoryError:
        complain("not enough memory")
    except Exception as error:
        _report_internal(error)
    return ERROR


def _report_internal(error: Exception) -> None:
    """Print what a bug report needs."""
    import traceback

    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    complain(f"internal error: {type(error).__name__}: {one_line(str(error))}".rstrip(": "))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; KEY=VALUE may come anywhere behind the file that it is for, as with `xl create`."""
    words = sys.argv[1:] if argv is None else argv
    grammar = parser(words[0] if words else None)
    options, rest = grammar.parse_known_args(words)
    takes_settings = hasattr(options, "settings")
    strays = [word for word in rest if not takes_settings or word.startswith("-") or "=" not in word]
    if strays:
        grammar.error(f"unrecognized arguments: {' '.join(strays)}")
    if rest:
        options.settings += rest
    return options


def _run(options: argparse.Namespace) -> int:
    # A command's module is imported where it is asked for: the others may need what is not installed.
    try:
        name = _MODULES.get(options.command, options.command)
        module = importlib.import_module(f"coldline.cli.{name}")
        run: Callable[[argparse.Namespace], int] = getattr(module, f"run_{options.command}")
        return run(options)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("coldline"):
            raise
        from coldline.errors import MissingDependencyError

        extra = "boot" if options.command in ("boot", "matrix") else "check"
        raise MissingDependencyError(
            f"'{options.command}' needs {error.name}: install coldline[{extra}]"
        ) from error
