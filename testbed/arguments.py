# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of the testbed's commands."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from testbed.machines import pace
from testbed.packages.sources import ARCHITECTURES, BACKPORTS
from testbed.watched import guest, kvm
from testbed.watched.running import UNTIL

__all__ = ["parser"]


def parser(runs: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """Return the parser of ``scripts/testbed``.

    Parameters
    ----------
    runs : mapping of str to callable
        By the name of each command, the function that runs it; its arguments then have it as ``run``.
    """
    made = argparse.ArgumentParser(
        prog="scripts/testbed", description="Test coldline on a real Xen in an emulated machine."
    )
    commands = made.add_subparsers(dest="command", required=True)

    def command(name: str, purpose: str, *, several: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        added.set_defaults(run=runs[name])
        added.add_argument(
            "architectures" if several else "architecture",
            nargs="*" if several else "?",
            type=_architecture,
            metavar="ARCHITECTURE",
            default=None if several else ARCHITECTURES[0],
            help="arm64 or armhf; by default " + ("both" if several else "arm64"),
        )
        added.add_argument(
            "--suite",
            help=f"use another Debian release, such as trixie; {BACKPORTS} changes only the kernel",
        )
        added.add_argument("--refresh", action="store_true", help="check for newer packages")
        return added

    tests = command("test", "boot Xen and dom0, and run the tests in dom0", several=True)
    tests.add_argument("--results", type=Path, metavar="FOLDER", help="store results and consoles in FOLDER")
    tests.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"time limit for each machine (default: {pace.LIMIT_S:.0f}, times how slow this machine is now)",
    )
    tests.add_argument("--select", metavar="EXPRESSION", help="only tests whose names match, as pytest's -k")
    tests.add_argument(
        "--brief",
        action="store_true",
        help="leave out what takes long and hardly differs by release and architecture: keepers, xl's subcommands, "
        "configuration files, calls and devices that fail, and commands that are killed",
    )
    tests.add_argument(
        "--long",
        action="store_true",
        help="run what takes longest, too: 200 guests in turn, with kills between",
    )
    tests.add_argument(
        "--rfc-v2",
        action="store_true",
        help="build Linux's privcmd, Xen's libraries and xl with the patches in driver/rfc-v2, and test these",
    )
    tests.add_argument(
        "--xen-source",
        type=Path,
        metavar="FOLDER",
        help="with --rfc-v2: Xen's source, of dom0's version, instead of Debian's source package",
    )
    tests.add_argument("--boot", action="store_true", help="boot instead of restoring a snapshot")
    command("shell", "boot Xen, and connect this terminal to dom0's shell")
    driver = command("driver", "build the driver for dom0's kernel, and print its path")
    driver.add_argument(
        "--native",
        action="store_true",
        help="build and test it in dom0 with its own compiler; takes minutes",
    )
    measured = command("bench", "compare coldline's builder with xl's, in dom0", several=True)
    measured.add_argument(
        "--turns", type=int, default=2, help="number of guests after the first (default: 2)"
    )
    measured.add_argument(
        "--initrd",
        type=int,
        nargs="+",
        default=[64, 128],
        metavar="MIB",
        help="sizes of the initrd (default: 64 128)",
    )
    measured.add_argument("--results", type=Path, metavar="FOLDER", help="store the figures in FOLDER")
    watched = command("watch", "watch a hypervisor under QEMU while it builds guests, and judge each guest")
    watched.add_argument(
        "guest",
        nargs="?",
        type=Path,
        metavar="GUEST.cfg",
        help="xl's configuration file (default: a small Linux)",
    )
    watched.add_argument(
        "--host",
        choices=("xen", *kvm.CORES),
        default="xen",
        help="Xen and dom0 (the default), or a Linux with KVM on a core like that of the host model",
    )
    watched.add_argument(
        "--by",
        action="append",
        choices=(guest.XL, *guest.STRATEGIES),
        metavar="BUILDER",
        help="xl, or a strategy; once for each guest (default: xl, on KVM hypercall)",
    )
    watched.add_argument(
        "--start",
        choices=("clean", "cold", "dirty", "any"),
        default="cold",
        help="what caches may hold at the first instruction, as coldline watch has it (default: cold)",
    )
    watched.add_argument(
        "--until",
        default=UNTIL,
        metavar="TEXT",
        help=f"a guest is up when its console says this (default: {UNTIL!r})",
    )
    watched.add_argument(
        "--hazards",
        type=int,
        default=0,
        metavar="N",
        help="how many hazards get a story, which takes as long again, and some 30 bytes of disk for each event "
        "(default: 0)",
    )
    watched.add_argument(
        "--timeout", type=float, default=3600.0, metavar="SECONDS", help="time limit (default: 3600)"
    )
    watched.add_argument(
        "--trace", type=Path, metavar="FILE", help="write all events to a trace, for coldline check"
    )
    watched.add_argument(
        "--results", type=Path, metavar="FOLDER", help="store the report and the console in FOLDER"
    )
    command("checkpatch", "check the driver with the kernel's checkpatch.pl")
    return made


def _architecture(word: str) -> str:
    # argparse's choices would refuse a list that is empty by default (Python 3.11)
    if word not in ARCHITECTURES:
        raise argparse.ArgumentTypeError(f"no architecture {word!r}; choose from: {', '.join(ARCHITECTURES)}")
    return word
