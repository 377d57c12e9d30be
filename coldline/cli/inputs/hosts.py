# SPDX-License-Identifier: GPL-2.0-or-later
"""The host model and the strategy of a run: those that the arguments name, or the guest's defaults."""

import argparse

from coldline.cli.arguments.values import DEFAULT_HOST, DEFAULT_STRATEGY
from coldline.errors import UsageError
from coldline.guest import Plan
from coldline.hypervisor.models import HOST_MODELS
from coldline.image import Kernel

_BARE_FORMATS = ("ELF", "raw")


def host_of(options: argparse.Namespace, kernel: Kernel, plan: Plan) -> tuple[str, str]:
    """The name of the host model, and why it is the default; an empty reason if ``--host`` names it.

    A guest of Xen on Arm is a kernel: Image or zImage, or Linux's vmlinux, which alone among ELF files is not loaded
    to its own addresses. What else starts in RAM was put there by a boot loader.
    """
    if options.host is not None:
        return options.host, ""
    if options.bios is not None:
        return "warm-reset", "the default for --bios"
    if options.machine is not None and not plan.layout.of_hypervisor:
        return "bootloader", f"the default on machine {plan.layout.name}"
    if options.from_config:
        return DEFAULT_HOST, "the default for a configuration file"
    if is_bare(options, kernel):
        what = "an ELF program" if kernel.format == "ELF" else "a raw image"
        return "bootloader", f"the default for {what}"
    return DEFAULT_HOST, "the default for a kernel"


def is_bare(options: argparse.Namespace, kernel: Kernel) -> bool:
    """Whether the guest is a program or firmware, and not a kernel."""
    return options.bios is not None or (kernel.format in _BARE_FORMATS and kernel.fixed)


def strategy_of(options: argparse.Namespace, host: str, why_default: str) -> str | None:
    """The strategy on a host; None if the host has none.

    Raises
    ------
    UsageError
        If ``--strategy`` is given for a host without strategies.
    """
    given: str | None = options.strategy
    if host not in HOST_MODELS or HOST_MODELS[host].has_strategies:
        return given if given is not None else DEFAULT_STRATEGY
    if given is not None:
        default = f" ({why_default})" if why_default else ""
        others = ", ".join(name for name, model in HOST_MODELS.items() if model.has_strategies)
        raise UsageError(
            f"--strategy has no meaning on host {host}{default}, where no builder writes the guest; --host names one "
            f"with a builder: {others}"
        )
    return None
