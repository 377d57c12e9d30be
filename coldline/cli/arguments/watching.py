# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of ``watch``."""

import argparse
import re
from typing import TYPE_CHECKING

from coldline.cli.arguments.profile import add_switches
from coldline.cli.arguments.run_output import add_run_output
from coldline.cli.arguments.values import address, byte_size
from coldline.errors import UsageError

if TYPE_CHECKING:
    from coldline.cli.arguments.values import Commands

START_STATES = ("clean", "cold", "dirty", "any")
_MOST_VMID = 0xFFFF


def add_watch(commands: "Commands") -> None:
    """``watch``: run a machine under QEMU, check every access."""
    parser = commands.add_parser(
        "watch",
        help="run a whole machine under QEMU, and check its memory for stale data",
        description="Run a machine of Arm cores under QEMU, and check every access of every core: can any "
        "cache show it stale data? QEMU has to be 10.0 or later.",
        epilog="exit status: 0 coherent, 1 hazard, 2 error, 3 inconclusive; QEMU's own is in the report",
    )
    parser.add_argument(
        "qemu",
        nargs="+",
        metavar="QEMU",
        help="QEMU's command line, after --, such as -- qemu-system-aarch64 -M virt -kernel vmlinuz",
    )
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--start",
        choices=START_STATES,
        default=START_STATES[0],
        help="what caches may hold at the first instruction: clean lines of any RAM, as a boot loader leaves them "
        "(clean, the default); nothing (cold); also dirty lines of what was not loaded (dirty); or anything, clean "
        "or dirty and old, but for what was loaded (any), as after a reset that keeps what caches hold",
    )
    group.add_argument(
        "--only",
        metavar="BASE,SIZE",
        action="append",
        default=[],
        type=_range,
        help="check only accesses to this range of physical addresses, in whole pages, such as 0x40000000,256M; "
        "several can be given",
    )
    group.add_argument(
        "--name",
        metavar="VMID=NAME",
        action="append",
        dest="names",
        type=_named,
        help="name of the guest with this VMID, for its agents: cpu0.NAME (default: cpu0.vmid1 and so on)",
    )
    group.add_argument(
        "--order",
        action="store_true",
        help="follow each core's barriers: what it has issued takes effect at any time up to its own barrier",
    )
    add_switches(parser.add_argument_group("profile"))
    add_run_output(parser)


def add_host_model(commands: "Commands") -> None:
    """``host-model``: write a host model."""
    parser = commands.add_parser(
        "host-model",
        help="write the model of a host that was watched",
        description="Write the model of a host as JSON: what 'coldline watch' has seen a hypervisor and its builder "
        "do to the pages of guests. 'coldline boot --host FILE' and 'matrix' take it.",
    )
    parser.add_argument(
        "--observed",
        required=True,
        metavar="TRACE",
        help="trace that 'coldline watch --trace' wrote while guests were built",
    )
    parser.add_argument(
        "--builder",
        default="dom0",
        metavar="NAME",
        help="name of the guest that builds the others, as --name gave it (default: dom0)",
    )
    parser.add_argument(
        "--arch",
        choices=("arm64", "arm32"),
        default="arm64",
        help="architecture of the machine's guests, which a trace does not say (default: arm64)",
    )
    parser.add_argument(
        "--name", default="observed", metavar="MODEL", help="the model's name (default: observed)"
    )
    parser.add_argument(
        "output",
        nargs="?",
        default="-",
        metavar="FILE",
        help="file to write, or - for standard output (default: -)",
    )


def _named(text: str) -> tuple[int, str]:
    vmid, _, name = text.partition("=")
    if not (vmid.isascii() and vmid.isdigit() and int(vmid[:6]) <= _MOST_VMID):
        raise argparse.ArgumentTypeError(f"'{text}' is not VMID=NAME with a VMID up to {_MOST_VMID}")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or re.fullmatch(r"el\d|vmid\d+", name):
        raise argparse.ArgumentTypeError(
            f"'{name}' cannot be a guest's name: letters, digits and _, and neither el1 nor vmid1"
        )
    return int(vmid), name


def _range(text: str) -> tuple[int, int]:
    base, comma, length = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"'{text}' is not BASE,SIZE, such as 0x40000000,256M")
    try:
        return address(base), byte_size(length)
    except UsageError as error:
        raise argparse.ArgumentTypeError(error.message) from error
