# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of the commands without a verdict: ``convert``, ``cache``, ``plan``, ``rules`` and ``completion``."""

from typing import TYPE_CHECKING

from coldline.cli.arguments.guest import add_core, add_guest, add_machine
from coldline.cli.arguments.profile import add_switches
from coldline.cli.arguments.values import SHELLS, TRACE_FORMS

if TYPE_CHECKING:
    from coldline.cli.arguments.values import Commands


def add_convert(commands: "Commands") -> None:
    """``convert``: convert a trace from one form or version to the other."""
    parser = commands.add_parser(
        "convert",
        help="convert a trace between the text form and the binary form",
        description="Read a trace in either form and write the same events in the other form, or in version 2. The "
        "events are not checked, but a file that is not a trace is an error, and then nothing is written.",
    )
    parser.add_argument("input", metavar="IN", help="trace file; - is standard input")
    parser.add_argument(
        "output", metavar="OUT", help="file to write; - is standard output. On an error it is left as it was"
    )
    parser.add_argument(
        "--to",
        metavar="FORM",
        choices=(*TRACE_FORMS, "casemate"),
        help="form to write: text or binary (default: the one that IN does not have; with --version or --core, "
        "that of IN); casemate writes its descriptors, TLB invalidations and barriers for that checker",
    )
    parser.add_argument(
        "--version",
        dest="trace_version",
        metavar="N",
        type=int,
        choices=(2,),
        help="version to write: 2, which can say more of the trace (default: the version of IN)",
    )
    parser.add_argument(
        "--core",
        metavar="'NAME AGENT ...'",
        action="append",
        help="add a core to a trace of version 2, and the agents that run on it; up to 256 times",
    )


def add_cache(commands: "Commands") -> None:
    """``cache``: show, fill or empty the cache folder."""
    parser = commands.add_parser(
        "cache",
        help="compile coldline's inner loops beforehand, or show or remove what is cached",
        description="coldline compiles its inner loops to machine code once, and keeps that and other results in a "
        "folder: $XDG_CACHE_HOME/coldline, by default ~/.cache/coldline. Without an option, print the "
        "folder, and the number and size of its files.",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--build",
        action="store_true",
        help="compile all inner loops that are not compiled yet, on all processors, as for an image of a machine",
    )
    group.add_argument("--clear", action="store_true", help="remove the folder's files")


def add_plan(commands: "Commands") -> None:
    """``plan``: show a guest's memory map without building the guest."""
    parser = commands.add_parser(
        "plan",
        help="show the memory map of a guest, with the reason for each placement",
        description="Plan a guest from a kernel or a configuration file, and print its memory map with the reason "
        "for each placement. Nothing is built or run, and no host is needed.",
    )
    add_guest(parser)
    add_machine(parser)
    group = parser.add_argument_group("output")
    add_core(group)
    group.add_argument("--json", action="store_true", help="print one JSON object")
    group.add_argument("--svg", metavar="FILE", help="draw the memory map into FILE; - is standard output")
    group.add_argument(
        "--dtb-out", metavar="FILE", help="write the guest's device tree to FILE; - is standard output"
    )


def add_rules(commands: "Commands") -> None:
    """``rules``: print the rules' automaton."""
    parser = commands.add_parser(
        "rules",
        help="show the automaton of one byte of a cache line",
        description="Print the automaton of one byte of a cache line as Markdown tables: each state in words, what "
        "reads find in it, and where each event leads.",
    )
    add_switches(parser.add_argument_group("profile"))
    form = parser.add_argument_group("form").add_mutually_exclusive_group()
    form.add_argument("--dot", action="store_true", help="print a drawing for Graphviz in place of tables")
    form.add_argument(
        "--sources",
        action="store_true",
        help="print the source of each rule in the Arm ARM in place of tables",
    )


def add_completion(commands: "Commands") -> None:
    """``completion``: print a shell's completion script."""
    parser = commands.add_parser(
        "completion",
        help="print a script that makes a shell complete coldline's commands",
        description='Print the completions for a shell. In bash: eval "$(coldline completion bash)"; '
        'in zsh: eval "$(coldline completion zsh)"; in fish: coldline completion fish | source.',
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
