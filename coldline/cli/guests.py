# SPDX-License-Identifier: GPL-2.0-or-later
"""From arguments to a guest, loaded and planned."""

import argparse

from coldline.arm.cores import CORES, Core
from coldline.cli.arguments import DEFAULT_CORES, size
from coldline.cli.configured import settle
from coldline.errors import UsageError
from coldline.guest import GuestOptions, check_device_tree
from coldline.image import Kernel, Raw, load_blob, load_kernel
from coldline.samples import sample


def read_guest(options: argparse.Namespace) -> tuple[Kernel, GuestOptions]:
    """Load what the arguments ask for; nothing of the emulator is needed for that.

    Raises
    ------
    ColdlineError
        If any of it is wrong.
    """
    if (options.image is None) == (options.sample is None):
        raise UsageError("give an IMAGE or --sample NAME" + (", not both" if options.image else ""))
    settle(options)
    path = options.image if options.sample is None else str(sample(options.sample).image)
    max_image = size(options.max_image)
    kernel = load_kernel(
        path,
        max_image=max_image,
        max_unpacked=size(options.max_unpacked),
        configuration=options.fit_config,
        raw=_raw(options),
    )
    initrd = load_blob(options.initrd, "initrd", max_image=max_image) if options.initrd else None
    if options.dtb and options.dtb_only:
        raise UsageError(
            "--dtb merges into the generated device tree, --dtb-only replaces it: give one of them"
        )
    partial = load_blob(options.dtb, "device tree", max_image=max_image) if options.dtb else None
    tree = load_blob(options.dtb_only, "device tree", max_image=max_image) if options.dtb_only else None
    if tree is not None:
        check_device_tree(options.dtb_only, tree)
    guest = GuestOptions(
        memory=size(options.memory),
        vcpus=options.vcpus,
        bootargs=options.append,
        exception_level=options.el,
        gic_version=options.gic,
        core_compatible=core_of(options, kernel.architecture).compatible,
        initrd=initrd,
        device_tree=tree,
        device_tree_path=options.dtb_only or "device tree",
        partial_tree=partial,
        partial_tree_path=options.dtb or "partial device tree",
    )
    return kernel, guest


def _raw(options: argparse.Namespace) -> Raw | None:
    """Where a raw kernel goes, if the image is one."""
    given = (options.load, options.entry, options.arch)
    if given == (None, None, None):
        return None
    if None in given:
        missing = [
            name for name, value in zip(("--load", "--entry", "--arch"), given, strict=True) if value is None
        ]
        raise UsageError(f"a raw image takes --load, --entry and --arch: {' and '.join(missing)} not given")
    return Raw(options.arch, options.load, options.entry)


def core_of(options: argparse.Namespace, architecture: str) -> Core:
    """The core profile that ``--core`` names, or the architecture's own."""
    name = options.core or DEFAULT_CORES[architecture]
    if name not in CORES:
        raise UsageError(f"no core is called '{name}'; there are: {', '.join(CORES)}")
    if CORES[name].architecture != architecture:
        raise UsageError(f"core {name} runs {CORES[name].architecture} guests, not {architecture}")
    return CORES[name]
