# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings of a domain on Xen besides its RAM and registers."""

from typing import TYPE_CHECKING, Final

from coldline.errors import HypervisorError
from coldline.support.frozen_record import Record

if TYPE_CHECKING:
    from coldline.guest.config import Disk, NetworkInterface

MAX_DOMAIN_NAME: Final = 255
"""Characters."""


class ShutdownActions(Record):
    """What happens to a domain after each kind of shutdown: values of ``on_poweroff`` and similar keys of xl.cfg(5).

    Attributes
    ----------
    poweroff, reboot, crash, watchdog, soft_reset : str
        One of `coldline.guest.config.SHUTDOWN_ACTIONS`. The defaults are xl's.
    """

    poweroff: str = "destroy"
    reboot: str = "restart"
    crash: str = "destroy"
    watchdog: str = "destroy"
    soft_reset: str = "soft-reset"


class Scheduling(Record):
    """Where and how much a domain runs.

    Attributes
    ----------
    pool : str or None
        The name or number of its cpupool; None for the first.
    affinity : tuple of str
        For each vCPU, from the first, the CPUs that it may run on, as in xl.cfg(5): ``0-3,^2``.
    weight, cap : int or None
        Its share of the processors, and the most of them that it may use, in hundredths of one; None for Xen's.
    """

    pool: str | None = None
    affinity: tuple[str, ...] = ()
    weight: int | None = None
    cap: int | None = None


class GuestFiles(Record):
    """What a guest was made from, for the record that `xl` reads.

    Attributes
    ----------
    kernel, ramdisk, device_tree : str or None
        Paths.
    cmdline : str or None
        The kernel's command line.
    gic_version : int or None
        The version of the interrupt controller that the guest asks for.
    """

    kernel: str | None = None
    ramdisk: str | None = None
    device_tree: str | None = None
    cmdline: str | None = None
    gic_version: int | None = None


class DomainSetup(Record):
    """The settings of a domain besides RAM and registers.

    Attributes
    ----------
    name : str
        Its name in xenstore.
    vuart : bool
        Whether it has an emulated PL011 in addition to hvc0.
    max_memory : int or None
        The most RAM that its balloon may ask for, in bytes; None for its RAM at the start.
    online_vcpus : int or None
        How many of its vCPUs are online at the start; None for all.
    scheduling : Scheduling
        Where and how much it runs.
    actions : ShutdownActions
        What happens when it shuts down.
    files : GuestFiles
        What it was made from.
    disks : tuple of Disk
        Its disks.
    networks : tuple of NetworkInterface
        Its network interfaces, whose `mac` are known.
    """

    name: str
    vuart: bool = False
    max_memory: int | None = None
    online_vcpus: int | None = None
    scheduling: Scheduling = Scheduling()
    actions: ShutdownActions = ShutdownActions()
    files: GuestFiles = GuestFiles()
    disks: "tuple[Disk, ...]" = ()
    networks: "tuple[NetworkInterface, ...]" = ()


def check_name(name: str) -> None:
    """Check the name of a new domain.

    Raises
    ------
    HypervisorError
        If it is empty, too long, a number, or has a slash or an unprintable character.
    """
    if not name or not name.isprintable() or "/" in name or len(name) > MAX_DOMAIN_NAME or name.isdigit():
        raise HypervisorError(
            f"invalid domain name {name!r}: use up to {MAX_DOMAIN_NAME} printable characters, no slash, not a number"
        )
