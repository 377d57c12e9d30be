# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``coldline``: parses its arguments, runs a subcommand, and returns the exit status."""

import argparse
import contextlib
import importlib
import io
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from coldline import __version__
from coldline.cli.status import ERROR, INTERRUPTED, complain, give_up
from coldline.errors import ColdlineError
from coldline.support.printable import one_line
from coldline.support.terminal import columns_of

_EPILOG = """\
exit status: 0 coherent, 1 hazard, 2 error, 3 inconclusive

examples:
  coldline boot vmlinuz --initrd initrd.img --append console=ttyAMA0 --memory 1G
  coldline boot --sample midway-arm64 --strategy flush
  coldline plan guest.cfg
  coldline check boot.trace
"""


_COMMANDS: Final = {
    "baseline": "review",
    "boot": "judging",
    "cache": "showing",
    "check": "judging",
    "compare": "review",
    "convert": "showing",
    "corpus": "judging",
    "matrix": "judging",
    "plan": "showing",
    "rules": "showing",
    "survey": "surveying",
    "watch": "watching",
    "host-model": "watching",
    "create": "xen",
    "console": "xen",
    "list": "xen",
    "pause": "xen",
    "unpause": "xen",
    "destroy": "xen",
    "xl": "xen",
    "completion": "showing",
}
"""The module of `coldline.cli.arguments` that has each command's arguments."""

_COLUMNS: Final = 80
"""The width of help if there is no terminal."""

_SHARED_MODULES: Final = {"pause": "domains", "unpause": "domains", "destroy": "domains"}
"""The commands whose module in `coldline.cli` has another name."""


class _Help(argparse.HelpFormatter):
    """argparse's formatter without its import of `shutil`, which is slow, for the terminal's width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=(columns_of(sys.__stdout__) or _COLUMNS) - 2)


class _TopHelp(_Help, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the epilog."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line; argparse's own prints its usage first, and ignores full disks."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        """End with a line that says what is wrong."""
        self.exit(ERROR, f"{self.prog}: error: {one_line(message)}; try '{self.prog} --help'\n")


class _Command(_Parser):
    """The parser of one command."""

    def __init__(self, **words: Any) -> None:
        super().__init__(formatter_class=_Help, **words)


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line: with all commands, or with just the command `only`, which is faster."""
    top = _Parser(
        prog="coldline",
        description="Build ARM guests, run their boot code, and check whether any cache can show them stale memory.",
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
    for name in (only,) if only in _COMMANDS else _COMMANDS:
        module = importlib.import_module(f"coldline.cli.arguments.{_COMMANDS[name]}")
        getattr(module, f"add_{_word(name)}")(commands)
    return top


def _word(command: str) -> str:
    """A command as a part of Python's names."""
    return command.replace("-", "_")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Every failure returns `ERROR` or `INTERRUPTED`, so that no failure is taken for a verdict.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, without the program's name.
    """
    if sys.stdout is None or sys.stderr is None:
        # Stop here: a file that is opened now would get the descriptor of the closed stream.
        complain("standard output is closed")
        return ERROR
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what its encoding lacks, as standard error does
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
        give_up(sys.stdout)  # its reader has closed the pipe
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
    """Print a traceback and a message, for a bug report."""
    import traceback

    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    complain(f"internal error: {type(error).__name__}: {one_line(str(error))}".rstrip(": "))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments; KEY=VALUE may be anywhere after the configuration file, as with `xl create`."""
    words = sys.argv[1:] if argv is None else argv
    grammar = parser(words[0] if words else None)
    options, rest = grammar.parse_known_args(words)
    takes_settings = hasattr(options, "settings")
    strays = [word for word in rest if not takes_settings or word.startswith("-") or "=" not in word]
    if strays:
        grammar.prog = f"{grammar.prog} {options.command}"
        grammar.error(f"unrecognized arguments: {' '.join(strays)}")
    if rest:
        options.settings += rest
    return options


def _run(options: argparse.Namespace) -> int:
    # Only the module of this command is imported: others may need packages that are not installed.
    try:
        name = _SHARED_MODULES.get(options.command, _word(options.command))
        module = importlib.import_module(f"coldline.cli.{name}")
        run: Callable[[argparse.Namespace], int] = getattr(module, f"run_{_word(options.command)}")
        return run(options)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("coldline"):
            raise
        from coldline.errors import MissingDependencyError

        extra = "boot" if options.command in ("boot", "matrix") else "check"
        raise MissingDependencyError(
            f"'{options.command}' needs {error.name}: install coldline[{extra}]"
        ) from error
