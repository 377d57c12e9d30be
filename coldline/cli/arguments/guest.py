# SPDX-License-Identifier: GPL-2.0-or-later
"""The options for a guest, which several commands share."""

import argparse

from coldline.cli.arguments.values import DEFAULT_MACHINE, address


def add_guest(parser: argparse.ArgumentParser, *, for_xen: bool = False) -> None:
    """Add the options that describe the guest; `for_xen`, help is without what no guest of Xen can have."""
    group = parser.add_argument_group("guest")
    group.add_argument(
        "image",
        nargs="?",
        metavar="IMAGE",
        help="kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; raw bytes with --load; "
        "or a guest configuration file in xl's format",
    )
    group.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings that are added to those of the configuration file",
    )
    group.add_argument(
        "--sample", metavar="NAME", help="a guest that comes with coldline: midway-arm64 or midway-arm32"
    )
    group.add_argument(
        "--bios",
        metavar="FILE",
        help=_unless(for_xen, "firmware, in place of IMAGE; it starts in the flash of --machine virt"),
    )
    group.add_argument("--initrd", "--ramdisk", metavar="FILE", help="initial RAM disk")
    group.add_argument("--append", "--cmdline", metavar="ARGS", help="kernel command line")
    group.add_argument(
        "--memory", metavar="SIZE", help="size of RAM; a number without a unit is MiB (default 256M)"
    )
    more = "" if for_xen else ": see --secondary"
    group.add_argument("--vcpus", metavar="N", type=int, help=f"number of vCPUs (default 1){more}")
    default = "the one of this Xen" if for_xen else "3; for virt and arm32 2"
    group.add_argument(
        "--gic",
        metavar="N",
        type=int,
        choices=(2, 3),
        help=f"version of the GIC, 2 or 3 (default {default})",
    )
    group.add_argument(
        "--dtb",
        metavar="FILE",
        help="partial device tree to merge into the generated one: its /passthrough and /aliases, "
        "as with xl's device_tree",
    )
    group.add_argument(
        "--dtb-only", metavar="FILE", help="complete device tree to use in place of the generated one"
    )
    group.add_argument(
        "--el",
        metavar="N",
        type=int,
        default=1,
        choices=(1, 2, 3),
        help=_unless(for_xen, "exception level at entry: 1 (the default), 2, or for programs and firmware 3"),
    )
    group.add_argument(
        "--fit-config", metavar="NAME", help="configuration of a FIT to use in place of its default"
    )
    group.add_argument(
        "--load",
        metavar="ADDRESS",
        type=address,
        help="load IMAGE as raw bytes at this address; needs --entry and --arch",
    )
    group.add_argument("--entry", metavar="ADDRESS", type=address, help="entry point of a raw IMAGE")
    group.add_argument(
        "--arch",
        choices=("arm64", "arm32"),
        help=f"architecture of IMAGE{'' if for_xen else ' or --bios'}, if its file does not name it",
    )
    group.add_argument(
        "--max-image", metavar="SIZE", default="1G", help="maximum size of a file (default 1G)"
    )
    group.add_argument(
        "--max-unpacked", metavar="SIZE", default="1G", help="maximum size of a kernel unpacked (default 1G)"
    )


def _unless(hidden: bool, text: str) -> str:
    return argparse.SUPPRESS if hidden else text


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe the machine."""
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--machine",
        metavar="NAME",
        help=f"{DEFAULT_MACHINE} (Xen's guests; the default), virt (QEMU's; the default with --bios), raspi3b or "
        "raspi4b; with --dtb-only and no --memory, the default is the machine that the device tree describes",
    )
    group.add_argument(
        "--ram",
        metavar="BASE,SIZE",
        action="append",
        default=[],
        help="RAM, in place of the machine's; can be repeated",
    )
    group.add_argument(
        "--uart",
        metavar="KIND,ADDRESS",
        action="append",
        default=[],
        help="serial port, in place of the machine's, such as pl011,0x3f201000 or ns16550-32,0x1c28000; can be "
        "repeated",
    )
    group.add_argument(
        "--mmio",
        metavar="BASE,SIZE[=VALUE]",
        action="append",
        default=[],
        help="registers that read as VALUE (default 0) and ignore stores, before any device there; can be repeated",
    )
    group.add_argument(
        "--mmio-default",
        action="store_true",
        help="all addresses without RAM or a device are registers that read as 0 and ignore stores",
    )
    parser.set_defaults(for_xen=False)


def add_machine_of_xen(parser: argparse.ArgumentParser) -> None:
    """Add ``--machine`` alone, of which nothing can be chosen: the machine is that of Xen's guests."""
    parser.add_argument("--machine", help=argparse.SUPPRESS)
    parser.set_defaults(for_xen=True, ram=[], uart=[], mmio=[], mmio_default=False)


def add_strategy(group: argparse._ActionsContainer, more: str = "") -> None:
    """Add ``--strategy``."""
    group.add_argument(
        "--strategy",
        metavar="NAME",
        help="how the builder writes the guest's memory: none, flush (arm64), syscall (arm32), uncached (the "
        f"default), hypercall or uncached-hypercall{more}",
    )


def add_core(group: argparse._ActionsContainer) -> None:
    """Add ``--core``."""
    group.add_argument(
        "--core",
        metavar="NAME",
        help="core profile: armv8-a (the default for arm64), architecture, cortex-a53, cortex-a57, cortex-a72, "
        "xgene1 or neoverse-n1; for arm32 armv7-a (the default), architecture-v7, cortex-a7 or cortex-a15",
    )
