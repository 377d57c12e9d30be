# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline create``."""

import argparse
import os
import signal
from dataclasses import replace
from types import FrameType
from typing import NoReturn

from coldline.builder import build, strategy_for
from coldline.cli.guests import read_guest
from coldline.errors import UsageError
from coldline.guest import XenPlatform, make_plan
from coldline.hypervisor.xen import RealWorld, World, XenDomain, XenHost
from coldline.hypervisor.xen.furnish import Furnishing, check_name, furnish
from coldline.hypervisor.xen.known import Domains

_SEED_BYTES = 128
"""As xl gives: xen tools/libs/light/libxl_arm.c (4.17)."""


def run_create(options: argparse.Namespace) -> int:
    """Build a guest on the Xen that runs, and start it; exit status 0."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that what is half-built goes
    domain, name = create(options, RealWorld())
    if options.json:
        import json

        print(json.dumps({"domid": domain.domid, "name": name, "state": domain.state.value}))
    return 0


def create(options: argparse.Namespace, world: World) -> tuple[XenDomain, str]:
    """Build, furnish and, unless it is to stay paused, start a guest; return it and its name.

    Raises
    ------
    ColdlineError
        If anything fails; nothing of the guest is left.
    """
    asked_for = options.image or options.sample
    kernel, guest = read_guest(options)
    furnishing = Furnishing(options.name or _name_after(asked_for), bool(options.vuart))
    check_name(furnishing.name)
    strategy_for(options.strategy, kernel.architecture)
    if any(known.name == furnishing.name for known in Domains(world).all()):
        raise UsageError(f"there is a domain '{furnishing.name}' already: --name gives another name")
    handle = options.uuid.bytes if options.uuid is not None else None
    host = XenHost(world, handle=handle, shared_interrupts=int(furnishing.vuart))
    platform = host.platform()
    if options.gic not in (None, platform.gic_version):
        raise UsageError(
            f"the guest is to have a GICv{options.gic}, and Xen gives it a GICv{platform.gic_version}"
        )
    major, minor = host.hypercalls.interface.xen
    guest = replace(
        guest,
        gic_version=platform.gic_version,
        xen=XenPlatform(major, minor, platform.address_bits),
        serial=furnishing.vuart,
        rng_seed=os.urandom(_SEED_BYTES),
    )
    domain = build(make_plan(kernel, guest), options.strategy, host)
    try:
        furnish(host, domain, furnishing)
        if not options.paused:
            host.unpause(domain)
    except BaseException:
        host.destroy(domain)
        raise
    return domain, furnishing.name


def _name_after(path: str) -> str:
    return os.path.basename(path).partition(".")[0]


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
