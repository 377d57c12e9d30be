# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of the commands for a real Xen: ``create``, ``console``, ``list`` and operations on a domain."""

import argparse
from typing import TYPE_CHECKING

from coldline.cli.arguments.guest import add_guest, add_machine_of_xen, add_strategy

if TYPE_CHECKING:
    from coldline.cli.arguments.values import Commands


def add_create(commands: "Commands") -> None:
    """``create``: build a guest on Xen."""
    parser = commands.add_parser(
        "create",
        help="build a guest on Xen, from its dom0, and start it",
        description="Build a guest on the running Xen, from its dom0, and start it. xl can manage the guest, too.",
    )
    add_guest(parser, for_xen=True)
    add_machine_of_xen(parser)
    parser.set_defaults(
        core=None,
        uuid=None,
        max_memory=None,
        online_vcpus=None,
        pool=None,
        affinity=None,
        weight=None,
        cap=None,
        actions=None,
        disks=None,
        networks=None,
    )
    group = parser.add_argument_group("domain")
    group.add_argument(
        "--name",
        metavar="NAME",
        help="name of the domain (default: the one in the configuration file, or the image's)",
    )
    add_strategy(group, "; uncached mappings need coldline's driver")
    group.add_argument("-p", "--paused", action="store_true", help="leave the domain paused")
    group.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="make nothing: check the arguments and all files, and print the configuration in libxl's form",
    )
    keeping = group.add_mutually_exclusive_group()
    keeping.add_argument(
        "-e",
        "--no-keeper",
        dest="keep",
        action="store_const",
        const=None,
        default="background",
        help="leave no process that restarts or destroys the guest when it shuts down (on_poweroff, on_reboot, "
        "on_crash, on_watchdog)",
    )
    keeping.add_argument(
        "-F",
        "--foreground",
        dest="keep",
        action="store_const",
        const="foreground",
        help="be that process until the guest's end, in place of one in the background",
    )
    group.add_argument(
        "-c",
        "--console",
        action="store_true",
        help="connect to the guest's console; Ctrl-] disconnects, and the guest goes on",
    )
    group.add_argument(
        "--lenient",
        action="store_true",
        help="build the guest without the devices of its configuration file that coldline cannot give it (iomem, a "
        "disk of format qcow2, ...), with a warning; by default they are an error",
    )
    group.add_argument(
        "--vuart", action="store_true", default=None, help="add an emulated PL011 to the console hvc0"
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--trace",
        metavar="FILE",
        help="write a trace of the build to FILE, for 'coldline check'; - is standard output",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object")


def _domain(commands: "Commands", name: str, summary: str) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=description)
    parser.add_argument("domain", metavar="DOMAIN", help="name or number of the domain")
    return parser


def add_console(commands: "Commands") -> None:
    """``console``: connect to a domain's console."""
    parser = _domain(commands, "console", "connect to the console of a Xen domain; Ctrl-] disconnects")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="pass on the guest's output unchanged: its escape sequences can control the terminal",
    )
    parser.add_argument("--vuart", action="store_true", help="connect to the emulated PL011 in place of hvc0")


def add_list(commands: "Commands") -> None:
    """``list``: list the domains."""
    parser = commands.add_parser(
        "list", help="list the domains of Xen", description="List the domains of the running Xen."
    )
    parser.add_argument("domain", nargs="?", metavar="DOMAIN", help="list this domain only")
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def add_pause(commands: "Commands") -> None:
    """``pause``: stop a domain."""
    _domain(commands, "pause", "pause a Xen domain")


def add_unpause(commands: "Commands") -> None:
    """``unpause``: let a domain run."""
    _domain(commands, "unpause", "unpause a Xen domain")


def add_destroy(commands: "Commands") -> None:
    """``destroy``: end a domain."""
    _domain(commands, "destroy", "destroy a Xen domain, and remove what is left of it")


def add_xl(commands: "Commands") -> None:
    """``xl``: run xl with uncached mappings."""
    parser = commands.add_parser(
        "xl",
        help="run xl so that it writes guests through uncached mappings",
        description="Run xl so that it writes the guests that it builds through Normal non-cacheable mappings by "
        "coldline's driver. xl maintains caches by hypercall after that, as ever.",
    )
    parser.add_argument(
        "--preload",
        metavar="FILE",
        help="the library of driver/preload (default: where its Makefile installs it)",
    )
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="ARGUMENT",
        help="xl's arguments, from its subcommand on: create guest.cfg",
    )
