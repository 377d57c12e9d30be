# SPDX-License-Identifier: GPL-2.0-or-later
"""The devices of a guest configuration file, and which of them a guest on Xen cannot be given."""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from coldline.errors import ConfigError
from coldline.guest.config.disks import Disk
from coldline.guest.config.lexer import SourceLocation
from coldline.guest.config.networks import NetworkInterface
from coldline.guest.config.syntax import ConfigList, ConfigSetting
from coldline.support.printable import one_line, shortened

_OF_DOM0: Final = (None, "0", "Domain-0")

DeviceT = TypeVar("DeviceT", Disk, NetworkInterface)


def specified_devices(
    setting: ConfigSetting, parse: Callable[[str], DeviceT]
) -> Iterator[tuple[DeviceT, SourceLocation]]:
    """Yield each device of a list of specifications, with its place.

    Parameters
    ----------
    setting : ConfigSetting
        ``disk`` or ``vif``.
    parse : callable
        `parse_disk` or `parse_interface`.

    Raises
    ------
    ConfigError
        If it is not a list of strings, or xl refuses a specification.
    """
    if not isinstance(setting.value, ConfigList):
        raise ConfigError(str(setting.value.place), f"{setting.name} needs a list, not a single value")
    for each in setting.value.values:
        if isinstance(each, ConfigList):
            raise ConfigError(str(each.place), f"{setting.name} needs a list of strings, not of lists")
        try:
            yield parse(each.text), each.place
        except ValueError as error:
            said = one_line(f"{setting.name} '{shortened(each.text)}': {error}")
            raise ConfigError(str(each.place), said) from error


def why_not_given(device: Disk | NetworkInterface) -> str | None:
    """Return why a guest cannot be given a device, or None if it can."""
    if device.domain not in _OF_DOM0:
        return "its backend is in another domain"
    if isinstance(device, NetworkInterface):
        return None
    if device.specification != "xen":
        return "virtio needs a backend of its own"
    if device.format != "raw":
        return f"format {device.format} needs QEMU as its backend, which coldline does not start"
    if device.backend not in (None, "phy"):
        return f"backendtype {device.backend} is not that of dom0's kernel"
    return None
