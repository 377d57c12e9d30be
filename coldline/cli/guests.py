# SPDX-License-Identifier: GPL-2.0-or-later
"""From arguments to a planned guest and a trial of it."""

import argparse

from coldline.arm.cores import CORES, Core
from coldline.boot import End, Until
from coldline.boot.machine import GRANULES
from coldline.builder import strategy_for
from coldline.cli.arguments import size
from coldline.errors import PlanError, UsageError
from coldline.guest import GuestOptions, Plan, check_device_tree, make_plan
from coldline.hypervisor.models import host_model
from coldline.image import Kernel, Raw, load_blob, load_kernel
from coldline.samples import sample
from coldline.trial import Trial


def plan_guest(options: argparse.Namespace) -> tuple[Kernel, Plan]:
    """Load and plan what the arguments ask for.

    Raises
    ------
    ColdlineError
        If any of it is wrong.
    """
    if (options.image is None) == (options.sample is None):
        raise UsageError("give an IMAGE or --sample NAME" + (", not both" if options.image else ""))
    path = options.image if options.sample is None else str(sample(options.sample).image)
    max_image = size(options.max_image)
    core = core_of(options)
    kernel = load_kernel(
        path,
        max_image=max_image,
        max_unpacked=size(options.max_unpacked),
        configuration=options.fit_config,
        raw=_raw(options),
    )
    if kernel.page_size is not None and kernel.page_size not in core.granules & GRANULES:
        lacks = core.name if kernel.page_size not in core.granules else "the emulator"
        raise PlanError(
            f"{path} is built for pages of {kernel.page_size >> 10} KiB, which {lacks} does not have"
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
        core_compatible=core.compatible,
        initrd=initrd,
        device_tree=tree,
        device_tree_path=options.dtb_only or "device tree",
        partial_tree=partial,
        partial_tree_path=options.dtb or "partial device tree",
    )
    return kernel, make_plan(kernel, guest)


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


def core_of(options: argparse.Namespace) -> Core:
    """The core profile that ``--core`` names."""
    if options.core not in CORES:
        raise UsageError(f"no core is called '{options.core}'; there are: {', '.join(CORES)}")
    return CORES[options.core]


def until_of(options: argparse.Namespace) -> Until:
    """What ``--until`` says."""
    word = options.until
    if word in ("mmu", "psci"):
        return Until(End(word), limit=options.max_instructions)
    if not word.isascii() or not word.isdigit() or not 0 < int(word[:19]) < 1 << 62:
        raise UsageError(f"--until takes mmu, psci or a number of instructions, not '{word}'")
    return Until(End.LIMIT, limit=int(word))


def trial_of(options: argparse.Namespace, plan: Plan, strategy: str, host: str) -> Trial:
    """A trial of `plan` by the named strategy on the named host model.

    Raises
    ------
    UsageError
        If there is no such strategy or host, or they do not go with the guest.
    """
    model = host_model(host)
    strategy_for(strategy, plan.architecture)
    if plan.architecture not in model.architectures:
        runs = " and ".join(model.architectures)
        raise UsageError(f"host {model.name} runs {runs} guests, not {plan.architecture}")
    return Trial(
        plan=plan,
        strategy=strategy,
        model=model,
        core=core_of(options),
        until=until_of(options),
        nc_may_hit=options.nc_may_hit,
    )
