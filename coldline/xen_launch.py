# SPDX-License-Identifier: GPL-2.0-or-later
"""Launches a guest on Xen: plan, build, set up and start it; after an error, nothing of it is left."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from coldline.builder import build_domain, strategy_for
from coldline.errors import HypervisorError, UsageError
from coldline.guest import GuestOptions, Plan, XenPlatform, make_plan
from coldline.hypervisor.xen.bindings.protocols import Bindings
from coldline.hypervisor.xen.boot_pages import set_up_domain
from coldline.hypervisor.xen.creation import check_free
from coldline.hypervisor.xen.devices.attaching import attach_devices, check_devices
from coldline.hypervisor.xen.domain import XenDomain
from coldline.hypervisor.xen.domain_list import DomainList
from coldline.hypervisor.xen.domain_setup import DomainSetup, check_name
from coldline.hypervisor.xen.host import XenHost
from coldline.hypervisor.xen.scheduling import pool_of
from coldline.support.frozen_record import Record, replace

if TYPE_CHECKING:
    from coldline.events import Recorder
    from coldline.hypervisor.model import HostModel
    from coldline.hypervisor.xen.recording import RecordedXen
    from coldline.image import Kernel

_SEED_BYTES: Final = 128
"""The number that xl uses: xen tools/libs/light/libxl_arm.c (4.17)."""


class Launch(Record):
    """How to launch a guest on Xen.

    Attributes
    ----------
    strategy : str
        How its memory is written: the name of one of `coldline.builder.STRATEGIES`.
    setup : DomainSetup
        Its name and devices.
    handle : bytes or None
        Its UUID; None for a random one.
    gic_version : int or None
        The required version of its interrupt controller; None for the one that Xen offers.
    paused : bool
        Whether it stays paused.
    """

    strategy: str
    setup: DomainSetup
    handle: bytes | None = None
    gic_version: int | None = None
    paused: bool = False


def launch(
    bindings: Bindings,
    kernel: "Kernel",
    guest: GuestOptions,
    wanted: Launch,
    trace: "Callable[[HostModel, Plan], Recorder] | None" = None,
    before_start: Callable[[], None] = lambda: None,
) -> XenDomain:
    """Launch a guest.

    Parameters
    ----------
    bindings : Bindings
        The bindings to Xen.
    kernel : Kernel
        From `coldline.image.load_kernel`.
    guest : GuestOptions
        The other inputs of the plan; those that Xen decides are replaced.
    wanted : Launch
        How to launch it.
    trace : callable, optional
        Takes the model of this host and the plan; returns the receiver of the build's events.
    before_start : callable
        Called when only the start is left.

    Returns
    -------
    XenDomain
        Running, or paused if `Launch.paused`.

    Raises
    ------
    ColdlineError
        If anything fails. Then the domain has been destroyed.
    """
    name = wanted.setup.name
    check_request(kernel, wanted)
    if any(known.name == name for known in DomainList(bindings).all()):
        raise UsageError(f"a domain '{name}' exists already: choose another name with --name")
    pool = wanted.setup.scheduling.pool
    xen = XenHost(
        bindings,
        handle=wanted.handle,
        name=name,
        pool=0 if pool is None else pool_of(bindings.store, pool),
        shared_interrupts=int(wanted.setup.vuart),
    )
    check_free(xen.hypercalls, guest.memory, guest.vcpus)
    plan = _plan_for(xen, kernel, guest, wanted)
    host: XenHost | RecordedXen = xen
    if trace is not None:
        from coldline.hypervisor.xen import recording

        model = recording.model_of(xen.hypercalls.interface.xen, os.uname().machine)
        host = recording.RecordedXen(xen, model, trace(model, plan))
    domain = build_domain(plan, wanted.strategy, host)
    try:
        set_up_domain(host, domain, wanted.setup)
        attach_devices(bindings, domain.domid, wanted.setup)
        before_start()
        if not wanted.paused:
            host.unpause(domain)
    except BaseException as error:
        try:
            host.destroy(domain)
        except HypervisorError as second:
            raise HypervisorError(f"{error}; then it could not be destroyed: {second}") from error
        raise
    return domain


def check_request(kernel: "Kernel", wanted: Launch) -> None:
    """Check what can be checked of a launch without Xen.

    Raises
    ------
    ColdlineError
        If the name, a device or the strategy is wrong.
    """
    check_name(wanted.setup.name)
    check_devices(wanted.setup)
    strategy_for(wanted.strategy, kernel.architecture)


def _plan_for(xen: XenHost, kernel: "Kernel", guest: GuestOptions, wanted: Launch) -> Plan:
    platform = xen.platform()
    if wanted.gic_version not in (None, platform.gic_version):
        raise UsageError(
            f"the guest needs a GICv{wanted.gic_version}, but this Xen offers a GICv{platform.gic_version}"
        )
    major, minor = xen.hypercalls.interface.xen
    own = replace(
        guest,
        gic_version=platform.gic_version,
        xen=XenPlatform(major, minor, platform.address_bits),
        serial=wanted.setup.vuart,
        rng_seed=os.urandom(_SEED_BYTES),
    )
    return make_plan(kernel, own)
