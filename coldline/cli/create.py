# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline create``."""

import argparse
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from coldline.cli.arguments.values import DEFAULT_STRATEGY
from coldline.cli.inputs.guests import read_guest
from coldline.cli.inputs.xen_settings import setup_of
from coldline.errors import ColdlineError, UsageError
from coldline.hypervisor.xen import Bindings, SystemBindings, XenDomain, XenHost
from coldline.hypervisor.xen.interrupts import interrupts_between_calls
from coldline.image import open_kernel
from coldline.xen_launch import Launch, check_request, launch

if TYPE_CHECKING:
    from coldline.events import Event, Recorder
    from coldline.guest import GuestOptions
    from coldline.guest.plan import Plan
    from coldline.hypervisor.model import HostModel
    from coldline.image import Kernel


def run_create(options: argparse.Namespace) -> int:
    """Build a guest on the running Xen, start it, keep it, and connect to its console; return exit status 0."""
    if options.dry_run:
        print(_checked(options), end="")
        return 0
    if options.console and options.keep == "foreground":
        raise UsageError("-c cannot be used with -F: this process is the guest's keeper, not its terminal")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that a half-built domain is destroyed
    system = SystemBindings()
    with interrupts_between_calls(system) as bindings:
        domain, name = create(options, bindings)
        if options.json:
            import json

            print(json.dumps({"domid": domain.domid, "name": name, "state": domain.state.value}))
        if options.keep == "background":
            from coldline.cli.keeper_process import keep_in_background

            system.close()  # what is open here is not the other process's
            try:
                keep_in_background(options, domain, name, create)
            except ColdlineError:
                XenHost(bindings).destroy(domain)
                raise
    sys.stdout.flush()
    if options.keep == "foreground":
        from coldline.cli.keeper_process import keep_here

        keep_here(options, domain, create)
    elif options.console:
        from coldline.cli.console import connect

        connect(str(domain.domid))
    return 0


def _checked(options: argparse.Namespace) -> str:
    """Check all that can be checked without Xen, and return the configuration as libxl writes it.

    Raises
    ------
    ColdlineError
        If something is wrong with the arguments or the files.
    """
    from coldline.guest import make_plan
    from coldline.hypervisor.xen.libxl_record import libxl_json

    kernel, guest, wanted = _wanted(options)
    check_request(kernel, wanted)
    make_plan(kernel, guest)
    return libxl_json(wanted.setup, wanted.handle or os.urandom(16), guest.memory, guest.vcpus)


def create(options: argparse.Namespace, bindings: Bindings) -> tuple[XenDomain, str]:
    """Build the guest that the arguments ask for, through `bindings`; return the domain and its name.

    Raises
    ------
    ColdlineError
        If anything fails; then the domain has been destroyed.
    """
    kernel, guest, wanted = _wanted(options)
    if options.trace is None:
        return launch(bindings, kernel, guest, wanted), wanted.setup.name

    from coldline.support.whole_file import WholeFile

    trace, domain = _Trace(), None
    try:
        with WholeFile(options.trace, "a trace") as whole:

            def write() -> None:
                whole.file.write(trace.text().encode())
                whole.file.flush()

            domain = launch(bindings, kernel, guest, wanted, trace.begin, write)
    except BaseException:
        if domain is not None:
            XenHost(bindings).destroy(domain)
        raise
    return domain, wanted.setup.name


def _wanted(options: argparse.Namespace) -> "tuple[Kernel, GuestOptions, Launch]":
    """Return the guest that the arguments ask for, and how it is to be launched."""
    if options.bios or options.machine or options.el != 1:
        raise UsageError(
            "a guest of Xen has Xen's machine and starts at EL1: --bios, --machine and --el cannot be used"
        )
    asked_for = options.image or options.sample
    kernel, guest = read_guest(options, open_kernel)
    wanted = Launch(
        strategy=options.strategy if options.strategy is not None else DEFAULT_STRATEGY,
        setup=setup_of(options, options.name or _name_after(asked_for)),
        handle=options.uuid.bytes if options.uuid is not None else None,
        gic_version=options.gic,
        paused=options.paused,
    )
    return kernel, guest, wanted


_LOOK = "# the look: nobody did this; it asks what a guest reads of what was loaded, past the caches and through them"


class _Trace:
    """A build as a trace in the text form; it ends with a look at what was loaded, which a check judges."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._end: list[Event] = []

    def begin(self, model: "HostModel", plan: "Plan") -> "Recorder":
        from coldline.hypervisor.look import look_at

        self._lines = [f"# the events of the build, on a host like {model.name}: {model.summary}"]
        self._end = look_at(plan)
        return lambda event: self._lines.append(str(event))

    def text(self) -> str:
        end = [_LOOK, *map(str, self._end)]
        return "\n".join([*self._lines, *end]) + "\n"


def _name_after(path: str) -> str:
    return os.path.basename(path).partition(".")[0]


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
