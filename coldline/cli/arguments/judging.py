# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of the commands that judge: ``boot``, ``check``, ``corpus`` and ``matrix``."""

from typing import TYPE_CHECKING

from coldline.cli.arguments.formats import add_formats, add_quiet
from coldline.cli.arguments.guest import add_guest, add_machine, add_strategy
from coldline.cli.arguments.profile import add_switches
from coldline.cli.arguments.repair import add_added_operations, add_repair
from coldline.cli.arguments.review import add_review
from coldline.cli.arguments.run import add_run
from coldline.cli.arguments.run_output import add_run_output
from coldline.cli.arguments.symbols import add_symbols
from coldline.cli.arguments.values import count
from coldline.report.reporters import CORPUS, MATRIX, REPORT

if TYPE_CHECKING:
    from coldline.cli.arguments.values import Commands


def add_boot(commands: "Commands") -> None:
    """``boot``: build a guest, run its boot code, check every access."""
    parser = commands.add_parser(
        "boot",
        help="build a guest, run its boot code, and check its memory for stale data",
        description="Build a guest on a simulated host, run its boot code on an emulator, and check every access: "
        "can any cache show it stale data?",
    )
    add_guest(parser)
    add_machine(parser)
    group = parser.add_argument_group("host")
    add_strategy(group, "; hosts without a hypervisor have none")
    group.add_argument(
        "--host",
        metavar="NAME",
        help="host model: rfc, xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64 or kvm-s2fwb; the file of "
        "another, which ends in .json; or, without a hypervisor, bootloader, bootloader-dirty, warm-reset or "
        "clean-reset (default: rfc for a kernel, bootloader for an ELF program, a raw image and --machine virt, "
        "warm-reset for --bios)",
    )
    add_run(parser)
    add_added_operations(parser)
    add_review(parser)
    add_symbols(parser)
    add_run_output(parser)


def add_check(commands: "Commands") -> None:
    """``check``: judge trace files."""
    parser = commands.add_parser(
        "check",
        help="check traces of memory accesses for stale data",
        description="Read traces, in the text form or the binary form, and check every access in them: can any "
        "fill or eviction that the architecture allows show stale data?",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="trace file; - is standard input")
    add_switches(parser.add_argument_group("profile, besides what the traces say"))
    add_repair(parser)
    add_review(parser)
    group = parser.add_argument_group("output")
    add_formats(group, REPORT, short=["witness"])
    add_quiet(group)
    group.add_argument(
        "--hazards",
        "--max-hazards",
        dest="hazards",
        metavar="N",
        type=count,
        default=100_000,
        help="maximum number of hazards to list for each file (default 100,000)",
    )
    group.add_argument(
        "--stories",
        metavar="N",
        type=count,
        default=1000,
        help="maximum number of hazards to list with a story for each file (default 1000)",
    )


def add_corpus(commands: "Commands") -> None:
    """``corpus``: check traces of real bugs, before and after their fixes."""
    parser = commands.add_parser(
        "corpus",
        help="check traces of real bugs, before and after their fixes",
        description="Check the traces of real bugs that come with coldline, and compare each verdict with the "
        "expected one. With NAME, print that bug's story.",
        epilog="exit status: 0 every verdict is the expected one, 1 some verdict is not, 2 error",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a bug; --list prints the names")
    add_formats(parser, CORPUS)
    parser.add_argument("--list", action="store_true", help="print names and titles without checking")
    parser.add_argument("--write", metavar="DIR", help="copy the files into a new directory without checking")
    parser.add_argument(
        "--from", metavar="DIR", dest="folder", help="use another corpus, in a directory of the same form"
    )


def add_matrix(commands: "Commands") -> None:
    """``matrix``: check a guest with every strategy on every host model."""
    parser = commands.add_parser(
        "matrix",
        help="boot a guest with every strategy on every host model",
        description="Boot one guest with every strategy on every host model that has any, and print a table of the "
        "verdicts.",
    )
    add_guest(parser)
    add_machine(parser)
    add_run(parser)
    add_formats(parser.add_argument_group("output"), MATRIX)
