# SPDX-License-Identifier: GPL-2.0-or-later
"""The network interfaces of a guest configuration file: the specifications of ``vif``, with xl's syntax.

Source: xen tools/xl/xl_parse.c parse_nic_config, tools/libs/util/libxlu_vif.c (4.17),
docs/man/xl-network-configuration.5.pod.in.
"""

import os
import re
from typing import Final

from coldline.support.frozen_record import Record

_RATE: Final = re.compile(r"([1-9][0-9]{0,9})([GMK]?)([Bb])/s(?:@([1-9][0-9]{0,9})([mu]?)s?)?")
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_INTERVAL_US: Final = {"": 10**6, "m": 10**3, "u": 1}
_DEFAULT_INTERVAL_US: Final = 50_000
_LARGEST: Final = 2**32 - 1

DEFAULT_BRIDGE: Final = "xenbr0"
_XENS_OUI: Final = (0x00, 0x16, 0x3E)
_IGNORED: Final = ("model", "accel")
"""Parameters that have no effect on an interface that is not emulated."""


class Rate(Record):
    """A limit of what an interface may send: bytes in each interval, and the interval's microseconds."""

    bytes_per_interval: int
    interval_us: int


class NetworkInterface(Record, kw_only=True):
    """A network interface that a guest asks for.

    Attributes
    ----------
    mac : str or None
        Its address, as ``00:16:3e:00:00:01``; None for a random one of Xen's.
    bridge : str
        dom0's bridge that it is put on, if the script does so.
    script : str or None
        The hotplug script, if not the usual one.
    ip : str or None
        The guest's addresses, for the script.
    gateway : str or None
        dom0's device that the script routes to.
    name : str or None
        dom0's name of its end.
    mtu : int or None
        The largest packet; None for the bridge's.
    rate : Rate or None
        A limit of what it may send.
    domain : str or None
        The domain that shall serve it, by name or number; None for dom0.
    trusted : bool
        What xl-network-configuration(5) calls so.
    """

    mac: str | None = None
    bridge: str = DEFAULT_BRIDGE
    script: str | None = None
    ip: str | None = None
    gateway: str | None = None
    name: str | None = None
    mtu: int | None = None
    rate: Rate | None = None
    domain: str | None = None
    trusted: bool = True


def random_mac() -> str:
    """Return an address from Xen's range, by chance: xen tools/libs/light/libxl_nic.c (4.17)."""
    last = bytearray(os.urandom(3))
    last[0] &= 0x7F
    return ":".join(f"{each:02x}" for each in (*_XENS_OUI, *last))


def parse_interface(text: str) -> NetworkInterface:
    """Return the interface that a specification asks for.

    Raises
    ------
    ValueError
        If xl refuses the specification, or warns of a part that it cannot use; the message says why.
    """
    found: dict[str, object] = {}
    for part in text.split(","):
        name, equals, value = part.lstrip(" ").partition("=")
        if not name and not equals:
            continue
        if name in ("trusted", "untrusted") and not equals:
            found["trusted"] = name == "trusted"
        elif not equals or name not in _PARAMETERS:
            raise ValueError(f"unknown parameter '{part.strip()}'")
        elif name == "type":
            if value != "vif":
                raise ValueError(f"an interface of type {value} is emulated, which Xen on Arm does not do")
        elif name not in _IGNORED:
            member, convert = _PARAMETERS[name]
            found[member] = convert(value)
    return NetworkInterface(**found)  # type: ignore[arg-type]


def _mac(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{1,2}(?:[:-][0-9a-fA-F]{1,2}){5}", text):
        raise ValueError(f"'{text}' is no MAC address, such as 00:16:3e:00:00:01")
    return ":".join(f"{int(each, 16):02x}" for each in re.split("[:-]", text))


def _rate(text: str) -> Rate:
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no rate, such as 10Mb/s or 1MB/s@20ms")
    number, unit, bits, interval, interval_unit = found.groups()
    interval_us = int(interval) * _INTERVAL_US[interval_unit] if interval else _DEFAULT_INTERVAL_US
    if int(number) > _LARGEST or interval_us > _LARGEST:
        raise ValueError(f"rate '{text}' is out of range")
    per_second = int(number) * _UNITS[unit] // (8 if bits == "b" else 1)
    return Rate(per_second * interval_us // 10**6, interval_us)


def _mtu(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or not 68 <= int(text) <= 65535:
        raise ValueError(f"mtu is '{text}', but must be from 68 to 65535")
    return int(text)


def _word(text: str) -> str:
    if not text:
        raise ValueError("a parameter has no value")
    return text


_PARAMETERS: Final = {
    "accel": ("", _word),
    "backend": ("domain", _word),
    "bridge": ("bridge", _word),
    "gatewaydev": ("gateway", _word),
    "ip": ("ip", _word),
    "mac": ("mac", _mac),
    "model": ("", _word),
    "mtu": ("mtu", _mtu),
    "netdev": ("gateway", _word),
    "rate": ("rate", _rate),
    "script": ("script", _word),
    "type": ("", _word),
    "vifname": ("name", _word),
}
"""Each parameter's member of `NetworkInterface`, and what converts it."""
