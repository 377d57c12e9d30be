# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns arguments into a loaded kernel and the options of a guest."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from coldline.cli.arguments.values import DEFAULT_CORES, size
from coldline.cli.inputs.guest_config import fill_in
from coldline.cli.inputs.machines import machine_of, memory_of
from coldline.errors import UsageError
from coldline.guest import GuestOptions, MachineLayout, check_device_tree
from coldline.image import Kernel, RawPlacement, load_blob, load_kernel, open_blob
from coldline.support.choices import choices

if TYPE_CHECKING:
    from coldline.arm.cores import Core


def read_guest(
    options: argparse.Namespace, read_kernel: Callable[..., Kernel] = load_kernel
) -> tuple[Kernel, GuestOptions]:
    """Load the kernel that the arguments name, and collect the guest's options. The emulator is not needed.

    Parameters
    ----------
    options : argparse.Namespace
        The arguments.
    read_kernel : callable
        `coldline.image.load_kernel`; or `coldline.image.open_kernel`, for callers that read a kernel's bytes once.

    Raises
    ------
    ColdlineError
        If an argument or a file is wrong.
    """
    given = [each for each in (options.image, options.sample, options.bios) if each is not None]
    if len(given) != 1:
        choices = "IMAGE and --sample NAME" if options.for_xen else "IMAGE, --sample NAME and --bios FILE"
        raise UsageError(f"give one of {choices}" + (", not more" if given else ""))
    fill_in(options)
    path = options.image or options.bios or _sample(options.sample)
    max_image = size(options.max_image)
    if options.dtb and options.dtb_only:
        raise UsageError(
            "--dtb merges into the generated device tree, --dtb-only replaces it: give one of them"
        )
    tree = load_blob(options.dtb_only, "device tree", max_image=max_image) if options.dtb_only else None
    if tree is not None:
        check_device_tree(options.dtb_only, tree)
    machine = machine_of(options, tree)
    kernel = read_kernel(
        path,
        max_image=max_image,
        max_unpacked=size(options.max_unpacked),
        configuration=options.fit_config,
        raw=_raw(options) if options.bios is None else _in_flash(options, machine),
        architecture=options.arch,
    )
    initrd = open_blob(options.initrd, "initrd", max_image=max_image) if options.initrd else None
    partial = load_blob(options.dtb, "device tree", max_image=max_image) if options.dtb else None
    guest = GuestOptions(
        memory=memory_of(options, machine),
        vcpus=options.vcpus,
        bootargs=options.append,
        exception_level=options.el,
        gic_version=options.gic,
        core_compatible=core_of(options, kernel.architecture).compatible if options.core else None,
        initrd=initrd,
        device_tree=tree,
        device_tree_path=options.dtb_only or "device tree",
        partial_tree=partial,
        partial_tree_path=options.dtb or "partial device tree",
        layout=machine,
        in_flash=options.bios is not None,
    )
    return kernel, guest


def _in_flash(options: argparse.Namespace, machine: MachineLayout) -> RawPlacement:
    """The placement of firmware: at the start of the machine's flash."""
    if machine.firmware is None:
        raise UsageError(f"--bios: machine {machine.name} has no flash to start from; virt has")
    taken = (
        ("--append", options.append),
        ("--initrd", options.initrd),
        ("--fit-config", options.fit_config),
        ("--load", options.load),
        ("--entry", options.entry),
    )
    for name, value in taken:
        if value not in (None, ""):
            raise UsageError(f"{name} is for a kernel and cannot be used with --bios")
    return RawPlacement(options.arch, machine.firmware.base, machine.firmware.base, in_flash=True)


def _raw(options: argparse.Namespace) -> RawPlacement | None:
    """The placement of a raw kernel; None if the image is not raw. ``--arch`` alone is for S-records and the like."""
    given = (options.load, options.entry, options.arch)
    if given[:2] == (None, None):
        return None
    if None in given:
        missing = [
            name for name, value in zip(("--load", "--entry", "--arch"), given, strict=True) if value is None
        ]
        raise UsageError(f"a raw image needs --load, --entry and --arch: {' and '.join(missing)} not given")
    return RawPlacement(options.arch, options.load, options.entry)


def _sample(name: str) -> str:
    from coldline.samples import sample

    return str(sample(name).image)


def core_of(options: argparse.Namespace, architecture: str) -> "Core":
    """The core profile that ``--core`` names, or the architecture's default."""
    from coldline.arm.cores import ARCHITECTURE, CORES

    name = options.core or DEFAULT_CORES[architecture]
    if name == ARCHITECTURE and architecture == "arm32":
        name = f"{ARCHITECTURE}-v7"
    if name not in CORES:
        raise UsageError(f"no core profile '{name}'; {choices(name, CORES)}")
    if CORES[name].architecture != architecture:
        raise UsageError(f"core {name} runs {CORES[name].architecture} guests, not {architecture}")
    return CORES[name]
