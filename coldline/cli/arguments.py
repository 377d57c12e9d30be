# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of each subcommand. Nothing is imported here but what ``--help`` shows."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from coldline.errors import UsageError
from coldline.report.reporters import CORPUS, MATRIX, REPORT, formats_for
from coldline.rules.profile import SWITCHES

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[Any]

MIB = 1 << 20

_UNITS = {"K": 1 << 10, "M": MIB, "G": 1 << 30, "T": 1 << 40}

DEFAULT_STRATEGY = "uncached"
DEFAULT_HOST = "rfc"
DEFAULT_MACHINE = "xenvm"
DEFAULT_CORES = {"arm64": "armv8-a", "arm32": "armv7-a"}
TRACE_FORMS = ("text", "binary")
MAX_INSTRUCTIONS = 4_000_000_000


def count(text: str) -> int:
    """A number from 0 to 2^63 - 1, for argparse."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) >= 1 << 63:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 on")
    return int(text)


def address(text: str) -> int:
    """An address below 2^64, for argparse: hexadecimal after ``0x``, else decimal."""
    try:
        value = int(text[:32], 0) if text.isascii() else -1
    except ValueError:
        value = -1
    if len(text) > 32 or not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError(f"'{text}' is not an address: 0x40080000")
    return value


def size(text: str) -> int:
    """Bytes: a number with K, M, G or T (``512M``, ``1G``, ``1GiB``); a bare number is MiB, as `xl` takes it.

    Raises
    ------
    UsageError
        If it is none.
    """
    word = text.strip().upper().removesuffix("IB").removesuffix("B")
    unit = _UNITS.get(word[-1:], 0)
    digits = word[:-1] if unit else word
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise UsageError(f"'{text}' is not a size: 512M, 1G")
    return int(digits) * (unit or _UNITS["M"])


class Output(NamedTuple):
    """A format that was asked for, and the file that it goes to: None for standard output."""

    format: str
    path: str | None


def _formats(
    group: "argparse._ActionsContainer", shown: str, short: Iterable[str] = (), quiet: bool = True
) -> None:
    """The options of every command that shows `shown`, with short forms of some formats."""
    known = formats_for(shown)

    def output(text: str) -> Output:
        name, equals, path = text.partition("=")
        if name not in known:
            raise argparse.ArgumentTypeError(f"unknown format '{name}'; choose from: {', '.join(known)}")
        if equals and not path:
            raise argparse.ArgumentTypeError(f"'{text}' names no file")
        return Output(name, path or None)

    listed = "; ".join(f"{name}: {each.summary}" for name, each in known.items())
    group.add_argument(
        "--format",
        dest="formats",
        metavar="NAME[=FILE]",
        type=output,
        action="append",
        help=f"write the report in a format to FILE, by default to standard output; may be given several times. "
        f"Formats: {listed}",
    )
    for name in ("json", *short):
        group.add_argument(
            f"--{name}",
            dest="formats",
            action="append_const",
            const=Output(name, None),
            help=f"short for --format {name}",
        )
    if quiet:
        group.add_argument(
            "--quiet", action="store_true", help="print the verdict only; json is the same with it"
        )


def _guest(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("guest")
    group.add_argument(
        "image",
        nargs="?",
        metavar="IMAGE",
        help="a kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; or raw with --load; "
        "or a guest configuration file, as xl takes it",
    )
    group.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="settings that follow those of a configuration file"
    )
    group.add_argument(
        "--sample", metavar="NAME", help="a guest that comes with coldline: midway-arm64, midway-arm32"
    )
    group.add_argument("--bios", metavar="FILE", help="firmware in place of IMAGE: it starts in virt's flash")
    group.add_argument(
        "--machine",
        metavar="NAME",
        help=f"{DEFAULT_MACHINE} (Xen's, the default) or virt (QEMU's, the default with --bios)",
    )
    group.add_argument("--initrd", "--ramdisk", metavar="FILE", help="the kernel's initrd")
    group.add_argument("--append", "--cmdline", metavar="ARGS", help="the kernel's command line")
    group.add_argument("--memory", metavar="SIZE", help="RAM; a bare number is MiB (default 256M)")
    group.add_argument("--vcpus", metavar="N", type=int, help="as the device tree tells (default 1)")
    group.add_argument(
        "--gic",
        metavar="N",
        type=int,
        choices=(2, 3),
        help="GIC version (default 3; on virt and for arm32 2)",
    )
    group.add_argument(
        "--dtb",
        metavar="FILE",
        help="a partial device tree to merge, as xl's device_tree: /passthrough, /aliases",
    )
    group.add_argument("--dtb-only", metavar="FILE", help="a whole device tree in place of the generated one")
    group.add_argument(
        "--el", metavar="N", type=int, default=1, choices=(1, 2), help="exception level at entry (default 1)"
    )
    group.add_argument("--fit-config", metavar="NAME", help="a FIT's configuration in place of its default")
    group.add_argument(
        "--load",
        metavar="ADDRESS",
        type=address,
        help="IMAGE is raw: load it there (with --entry and --arch)",
    )
    group.add_argument("--entry", metavar="ADDRESS", type=address, help="where a raw IMAGE starts")
    group.add_argument("--arch", choices=("arm64", "arm32"), help="what a raw IMAGE or --bios is for")
    group.add_argument("--max-image", metavar="SIZE", default="1G", help="refuse larger files (default 1G)")
    group.add_argument(
        "--max-unpacked", metavar="SIZE", default="1G", help="refuse what unpacks to more (default 1G)"
    )


def _core(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--core",
        metavar="NAME",
        help=f"core profile (default {DEFAULT_CORES['arm64']}, for arm32 {DEFAULT_CORES['arm32']})",
    )


def _run(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    _core(group)
    group.add_argument(
        "--until",
        metavar="WHEN",
        default="psci",
        help="mmu, psci (the first PSCI call; the default), console:TEXT, or a number of instructions",
    )
    group.add_argument(
        "--max-instructions",
        metavar="N",
        type=count,
        default=MAX_INSTRUCTIONS,
        help=f"give up after so many (default {MAX_INSTRUCTIONS:,})",
    )
    _switches(parser.add_argument_group("profile"))


def _switches(group: argparse._ArgumentGroup) -> None:
    """What the implementation promises or allows, beyond what the core profile and the host say."""
    for name, summary in SWITCHES.items():
        group.add_argument(f"--{name}", action="store_true", help=summary)


def add_boot(commands: "_Commands") -> None:
    """``boot``: build a guest, run its boot code, check every access."""
    parser = commands.add_parser(
        "boot",
        help="build a guest, run its boot code, say whether its memory is coherent",
        description="Build a guest on a simulated host, run its own boot code with its MMU and caches off "
        "until it has them on, and say whether any cache can show it stale memory.",
    )
    _guest(parser)
    group = parser.add_argument_group("host")
    group.add_argument(
        "--strategy",
        metavar="NAME",
        default=DEFAULT_STRATEGY,
        help="none, flush (arm64), syscall (arm32), uncached (the default), hypercall, uncached-hypercall",
    )
    group.add_argument(
        "--host",
        metavar="NAME",
        default=DEFAULT_HOST,
        help="rfc (the default), xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64, kvm-s2fwb",
    )
    _run(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--trace", metavar="FILE", help="write every event, for 'coldline check'")
    group.add_argument(
        "--trace-format",
        metavar="FORM",
        choices=TRACE_FORMS,
        default=TRACE_FORMS[0],
        help="text (the default) or binary, which is smaller and faster",
    )
    _formats(group, REPORT)
    defaults = ", ".join(f"{name} {each.hazards}" for name, each in formats_for(REPORT).items())
    group.add_argument(
        "--hazards", metavar="N", type=count, help=f"number of hazards to show (default: {defaults})"
    )


def add_check(commands: "_Commands") -> None:
    """``check``: judge trace files."""
    parser = commands.add_parser(
        "check",
        help="judge traces, from anyone",
        description="Read traces, in their text form or their binary form, and say of each whether any fill or "
        "eviction that the architecture allows can show stale data.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a trace; - is standard input")
    _formats(parser, REPORT, short=["witness"])
    parser.add_argument(
        "--max-hazards",
        metavar="N",
        type=count,
        default=100_000,
        help="list no more hazards of a file (default 100,000)",
    )
    parser.add_argument(
        "--stories",
        metavar="N",
        type=count,
        default=1000,
        help="witnesses for the first N of them (default 1000)",
    )


def add_convert(commands: "_Commands") -> None:
    """``convert``: from one form of a trace to the other."""
    parser = commands.add_parser(
        "convert",
        help="turn a trace from text into the binary form, or back",
        description="Read a trace in either form and write the same events in the other. Nothing is judged, but what "
        "is no trace is an error, and then nothing is written.",
    )
    parser.add_argument("input", metavar="IN", help="a trace; - is standard input")
    parser.add_argument(
        "output", metavar="OUT", help="the file to write, whole or not at all; - is standard output"
    )
    parser.add_argument(
        "--to", metavar="FORM", choices=TRACE_FORMS, help="text or binary (default: the one that IN is not)"
    )


def add_corpus(commands: "_Commands") -> None:
    """``corpus``: real bugs, before and after their fixes."""
    parser = commands.add_parser(
        "corpus",
        help="check real bugs, before and after their fixes",
        description="Check the traces of real bugs that come with coldline, and say whether each verdict is the "
        "one that the bug's story tells. With a NAME, tell that bug's story.",
        epilog="exit status: 0 every verdict is as told, 1 one is not, 2 error",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a bug, as --list gives them")
    _formats(parser, CORPUS, quiet=False)
    parser.add_argument("--list", action="store_true", help="the names and titles; check nothing")
    parser.add_argument("--write", metavar="DIR", help="copy the files into a new folder; check nothing")
    parser.add_argument("--from", metavar="DIR", dest="folder", help="another corpus of the same form")


def add_matrix(commands: "_Commands") -> None:
    """``matrix``: every strategy on every host model."""
    parser = commands.add_parser(
        "matrix",
        help="try every strategy on every host model",
        description="Boot one guest by every strategy on every host model and print the verdicts as a table.",
    )
    _guest(parser)
    _run(parser)
    _formats(parser.add_argument_group("output"), MATRIX, quiet=False)


def add_plan(commands: "_Commands") -> None:
    """``plan``: what would go where."""
    parser = commands.add_parser(
        "plan",
        help="say what of a guest goes where in its memory, and why",
        description="Plan a guest, as a kernel or a configuration file has it, and print what is where in its memory "
        "and why. No host is needed, and nothing is built or run.",
    )
    _guest(parser)
    group = parser.add_argument_group("output")
    _core(group)
    group.add_argument("--json", action="store_true", help="one object on standard output")
    group.add_argument("--svg", metavar="FILE", help="draw the memory map; - is standard output")
    group.add_argument(
        "--dtb-out", metavar="FILE", help="write the guest's device tree; - is standard output"
    )


def add_rules(commands: "_Commands") -> None:
    """``rules``: the rules' automaton, for reading."""
    parser = commands.add_parser(
        "rules",
        help="show the automaton that the rules determine",
        description="Print the automaton of a byte as Markdown tables: each state in words, what reads find in it, "
        "and where each event leads.",
    )
    _switches(parser.add_argument_group("profile"))
    form = parser.add_argument_group("form").add_mutually_exclusive_group()
    form.add_argument("--dot", action="store_true", help="a drawing in place of tables, for Graphviz")
    form.add_argument(
        "--sources", action="store_true", help="where in the Arm ARM each rule comes from, instead"
    )


def add_create(commands: "_Commands") -> None:
    """``create``: build a guest on Xen."""
    parser = commands.add_parser(
        "create",
        help="build a guest on Xen, in its dom0, and start it",
        description="Build a guest on the Xen that runs, from its dom0, and start it. xl knows it then, too.",
    )
    _guest(parser)
    parser.set_defaults(core=None, uuid=None)
    group = parser.add_argument_group("domain")
    group.add_argument("--name", metavar="NAME", help="what it is called (default: the image's name)")
    group.add_argument(
        "--strategy",
        metavar="NAME",
        default=DEFAULT_STRATEGY,
        help="none, flush, syscall, uncached (the default), hypercall, uncached-hypercall; "
        "an uncached mapping takes coldline's driver",
    )
    group.add_argument("-p", "--paused", action="store_true", help="build it, and leave it paused")
    group.add_argument(
        "--vuart", action="store_true", default=None, help="give it an emulated PL011 besides hvc0"
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--trace",
        metavar="FILE",
        help="write what was really done, for coldline check; - for standard output",
    )
    group.add_argument("--json", action="store_true", help="one object on standard output")


def _domain(commands: "_Commands", name: str, summary: str) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=description)
    parser.add_argument("domain", metavar="DOMAIN", help="its name or its number")
    return parser


def add_console(commands: "_Commands") -> None:
    """``console``: a domain's console."""
    parser = _domain(commands, "console", "show a guest's console, and type there; Ctrl-] ends that")
    parser.add_argument(
        "--raw", action="store_true", help="let the guest drive the terminal: escape sequences as they are"
    )
    parser.add_argument("--vuart", action="store_true", help="its emulated PL011 in place of hvc0")


def add_list(commands: "_Commands") -> None:
    """``list``: the domains that there are."""
    parser = commands.add_parser(
        "list", help="list the domains of Xen", description="List the domains of the Xen that runs."
    )
    parser.add_argument("domain", nargs="?", metavar="DOMAIN", help="this one alone")
    parser.add_argument("--json", action="store_true", help="one array on standard output")


def add_pause(commands: "_Commands") -> None:
    """``pause``: stop a domain."""
    _domain(commands, "pause", "stop a domain of Xen where it is")


def add_unpause(commands: "_Commands") -> None:
    """``unpause``: let a domain run."""
    _domain(commands, "unpause", "let a paused domain of Xen run")


def add_destroy(commands: "_Commands") -> None:
    """``destroy``: end a domain."""
    _domain(commands, "destroy", "end a domain of Xen at once, and remove what is left of it")
