# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a guest configuration file into a `GuestConfig`, with the meaning that xl gives each key.

Source: xen tools/xl/xl_parse.c, parse_config_data; tools/libs/light/libxl_create.c,
libxl__domain_build_info_setdefault; docs/man/xl.cfg.5.pod.in (4.17). Where xl prints a warning and
ignores a setting that it cannot parse, this module raises an error.

Longer than 300 lines because the rules of all keys belong together: many of them depend on one another.
"""

import os
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from coldline.errors import ConfigError
from coldline.guest.config.device_lists import DeviceT, specified_devices, why_not_given
from coldline.guest.config.disks import Disk, parse_disk
from coldline.guest.config.keys import NO_EFFECT_VALUES, XL_KEYS
from coldline.guest.config.networks import NetworkInterface, parse_interface
from coldline.guest.config.syntax import (
    MAX_CONFIG,
    ConfigList,
    ConfigSetting,
    ConfigString,
    ParsedConfig,
    Remark,
    parse,
)
from coldline.guest.config.values import SettingReader
from coldline.guest.layout import exact_size_text
from coldline.image.load import load_blob
from coldline.support.frozen_record import Record, replace
from coldline.support.printable import one_line, shortened
from coldline.support.units import MIB

if TYPE_CHECKING:
    from uuid import UUID

PLAN_KEYS: Final = frozenset(
    {
        "builder",
        "cmdline",
        "device_tree",
        "extra",
        "gic_version",
        "kernel",
        "maxmem",
        "maxvcpus",
        "memory",
        "name",
        "ramdisk",
        "root",
        "type",
        "vcpus",
        "vuart",
    }
)
"""The keys that a plan uses. Callers that use more add theirs: ``PLAN_KEYS | {"on_crash"}``."""

LAUNCH_KEYS: Final = PLAN_KEYS | {
    "cap",
    "cpu_weight",
    "cpus",
    "disk",
    "on_crash",
    "on_poweroff",
    "on_reboot",
    "on_soft_reset",
    "on_watchdog",
    "pool",
    "uuid",
    "vif",
}
"""The keys that a guest on a real Xen uses."""

SHUTDOWN_ACTIONS: Final = (
    "destroy",
    "restart",
    "rename-restart",
    "preserve",
    "coredump-destroy",
    "coredump-restart",
    "soft-reset",
)
"""The values of ``on_poweroff`` and similar keys: xen tools/xl/xl_parse.c (4.17), action_on_shutdown_names."""

DEFAULT_MEMORY = 32 * MIB
"""libxl's default RAM, in bytes."""


class GuestConfig(Record, kw_only=True):
    """The guest that a configuration file describes. Relative paths are relative to the current directory.

    Attributes
    ----------
    path : str
        The file.
    name : str
        The guest's name.
    type : str
        ``pvh``, ``pv`` or ``hvm``; on Arm, xl makes a pvh guest of a pv one, and refuses an hvm one.
    uuid : UUID or None
        None for a random one.
    kernel, ramdisk, device_tree : str or None
        Paths. The device tree is a partial one, whose /aliases and /passthrough are merged into the guest's.
    cmdline : str or None
        The kernel's command line: ``cmdline``, or else ``root=`` in front of ``root`` and then ``extra``.
    memory, maxmem : int
        RAM at the start, and the most RAM, in bytes.
    vcpus, maxvcpus : int
        vCPUs that are online at the start, and all vCPUs.
    cpus : tuple of str
        For each vCPU, from the first, the host's CPUs that it may run on, as in ``0-3,^2``; vCPUs past the end
        may run anywhere.
    pool : str or None
        The name or number of the cpupool; None for the first.
    weight, cap : int or None
        Its share of the processors, and the most of them that it may use, in hundredths of one; None for Xen's.
    gic_version : int or None
        2 or 3; None for the host's.
    vuart : str or None
        ``sbsa_uart`` for a PL011.
    on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset : str
        What happens to the domain: one of `SHUTDOWN_ACTIONS`.
    disks : tuple of Disk
        Its disks, if the caller uses ``disk``.
    networks : tuple of NetworkInterface
        Its network interfaces, if the caller uses ``vif``.
    remarks : tuple of Remark
        Warnings for the user, in the file's order.
    """

    path: str
    name: str
    type: str
    uuid: "UUID | None"
    kernel: str | None
    ramdisk: str | None
    device_tree: str | None
    cmdline: str | None
    memory: int
    maxmem: int
    vcpus: int
    maxvcpus: int
    cpus: tuple[str, ...]
    pool: str | None = None
    weight: int | None = None
    cap: int | None = None
    gic_version: int | None
    vuart: str | None
    on_poweroff: str
    on_reboot: str
    on_crash: str
    on_watchdog: str
    on_soft_reset: str
    disks: tuple[Disk, ...] = ()
    networks: tuple[NetworkInterface, ...] = ()
    remarks: tuple[Remark, ...]


def looks_like_config(head: bytes | memoryview) -> bool:
    """Return whether a file looks like a guest configuration file: it is text with a setting in it.

    Parameters
    ----------
    head : bytes or memoryview
        The first bytes; at most `MAX_CONFIG` of them are used.
    """
    text = bytes(head[:MAX_CONFIG])
    return not text[:_TEXT].translate(None, _OF_TEXT) and _SETTING.search(text) is not None


_TEXT = 4096
_OF_TEXT = bytes((*b"\t\n\r", *range(0x20, 0x7F), *range(0x80, 0x100)))
_SETTING = re.compile(rb"(?:^|;)[ \t]*+[a-z][._0-9a-z]*+[ \t]*+\+?=(?!=)", re.MULTILINE)


def read_config(
    path: str | os.PathLike[str],
    *,
    assignments: Sequence[str] = (),
    used_keys: Collection[str] = PLAN_KEYS,
    refused_keys: Collection[str] = (),
    for_xen: bool = False,
) -> GuestConfig:
    """Read a guest configuration file.

    Parameters
    ----------
    path : str or path-like
        The file.
    assignments : sequence of str
        Further settings, as `xl create` accepts them after the file: ``memory=512``. They override the file.
    used_keys : collection of str
        Keys that the caller uses; every other setting in the file becomes a remark.
    refused_keys : collection of str
        Keys that are an error instead, unless their value asks for nothing.
    for_xen : bool
        Whether Xen runs the guest, so that ``maxmem`` above ``memory`` and ``vcpus`` below ``maxvcpus`` have effects.

    Raises
    ------
    ConfigError
        If the syntax is not xl's, a value is invalid for its key, or a key is refused; the message has the line and
        column.
    ImageError
        If the file cannot be read.
    """
    name = os.fspath(path)
    blob = load_blob(name, "guest configuration file", max_image=MAX_CONFIG)
    return config_from_text(
        os.fsdecode(bytes(blob)),
        name,
        assignments=assignments,
        used_keys=used_keys,
        refused_keys=refused_keys,
        for_xen=for_xen,
    )


def config_from_text(
    text: str,
    path: str,
    *,
    assignments: Sequence[str] = (),
    used_keys: Collection[str] = PLAN_KEYS,
    refused_keys: Collection[str] = (),
    for_xen: bool = False,
) -> GuestConfig:
    """Parse the text of a file that has been read already; see `read_config`."""
    parsed = parse(text, path)
    for each in assignments:
        parsed = parse(each, one_line(f"'{each}'"), before=parsed)
    return _ConfigReader(path, parsed, for_xen=for_xen).config(used_keys, refused_keys)


_CPUS = r"(?:nodes?:)?all|\^?(?:nodes?:)?[0-9]{1,9}(?:-[0-9]{1,9})?"

_KINDS = {"hvm": "hvm", "pv": "pv", "pvh": "pvh"}
_BUILDERS = {"hvm": "hvm", "generic": "pv"}


class _ConfigReader(SettingReader):
    def __init__(self, path: str, parsed: ParsedConfig, *, for_xen: bool) -> None:
        super().__init__(parsed.settings)
        self._path = path
        self._for_xen = for_xen
        self._remarks = list(parsed.remarks)

    def config(self, used_keys: Collection[str], refused_keys: Collection[str]) -> GuestConfig:
        name = self.text("name")
        if not name:
            raise ConfigError(self._path, 'has no name, which xl requires: name = "…"')
        memory, maxmem = self._memory()
        vcpus, maxvcpus = self._vcpus()
        config = GuestConfig(
            path=self._path,
            name=name,
            type=self._type(),
            uuid=self._uuid(),
            kernel=self.text("kernel"),
            ramdisk=self.text("ramdisk"),
            device_tree=self.text("device_tree"),
            cmdline=self._cmdline(),
            memory=memory,
            maxmem=maxmem,
            vcpus=vcpus,
            maxvcpus=maxvcpus,
            cpus=self._cpus(maxvcpus),
            pool=self.text("pool"),
            weight=self.number("cpu_weight", 1, 65535),
            cap=self.number("cap", 0, 65535),
            gic_version={"v2": 2, "v3": 3}.get(self.word("gic_version", ("default", "v2", "v3")) or ""),
            vuart=self.word("vuart", ("sbsa_uart", "unknown")),
            on_poweroff=self._action("on_poweroff", "destroy"),
            on_reboot=self._action("on_reboot", "restart"),
            on_crash=self._action("on_crash", "destroy"),
            on_watchdog=self._action("on_watchdog", "destroy"),
            on_soft_reset=self._action("on_soft_reset", "soft-reset"),
            disks=self._devices("disk", parse_disk, used_keys, refused_keys),
            networks=self._devices("vif", parse_interface, used_keys, refused_keys),
            remarks=(),
        )
        self._tell(used_keys, refused_keys)
        remarks = tuple(sorted(self._remarks, key=lambda remark: remark.place[1:]))
        return replace(config, remarks=remarks)

    # ---- settings that need more than a conversion

    def _action(self, name: str, default: str) -> str:
        atom = self.atom(name)
        if atom is None:
            return default
        if atom.text not in SHUTDOWN_ACTIONS:
            raise self.unknown(name, atom, SHUTDOWN_ACTIONS)
        return atom.text

    def _type(self) -> str:
        kind, builder = self.by_prefix("type", _KINDS), self.by_prefix("builder", _BUILDERS)
        if kind and builder and kind != builder:
            place = self.settings["builder"].place
            raise ConfigError(str(place), f"builder demands type {builder}, but type is {kind}")
        found = kind or builder or "pvh"
        if found != "pvh":
            place = self.settings["type" if kind else "builder"].place
            self._remarks.append(Remark(place, f"type is {found}: on Arm there is only pvh"))
        return found

    def _uuid(self) -> "UUID | None":
        atom = self.atom("uuid")
        if atom is None:
            return None
        if not re.fullmatch(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", atom.text):
            raise ConfigError(str(atom.place), f"invalid uuid '{one_line(shortened(atom.text))}'")
        from uuid import UUID  # importing it queries the system

        return UUID(atom.text)

    def _cmdline(self) -> str | None:
        cmdline, root, extra = self.text("cmdline"), self.text("root"), self.text("extra")
        if cmdline is not None:
            for name in ("root", "extra"):
                if name in self.settings:
                    place = self.settings[name].place
                    self._remarks.append(Remark(place, f"{name} is ignored, as cmdline is set"))
            return cmdline
        if root is not None:
            return f"root={root}" if extra is None else f"root={root} {extra}"
        return extra

    def _memory(self) -> tuple[int, int]:
        most = (1 << 63) // MIB
        memory, maxmem = self.number("memory", 1, most), self.number("maxmem", 1, most)
        if memory is None:
            memory = maxmem if maxmem is not None else DEFAULT_MEMORY // MIB
        if maxmem is None:
            maxmem = memory
        if maxmem < memory:
            place = self.settings["maxmem"].place
            raise ConfigError(str(place), f"maxmem ({maxmem}) is less than memory ({memory})")
        if maxmem > memory and not self._for_xen:
            self._remarks.append(
                Remark(
                    self.settings["maxmem"].place,
                    f"maxmem is ignored by coldline: the guest has memory's {exact_size_text(memory * MIB)}",
                )
            )
        return memory * MIB, maxmem * MIB

    def _vcpus(self) -> tuple[int, int]:
        vcpus, maxvcpus = self.number("vcpus", 1, 4096), self.number("maxvcpus", 1, 4096)
        if maxvcpus is None:
            maxvcpus = vcpus or 1
        if vcpus is None:
            vcpus = 1
        if maxvcpus < vcpus:
            place = self.settings["maxvcpus"].place
            raise ConfigError(str(place), f"maxvcpus ({maxvcpus}) is less than vcpus ({vcpus})")
        if "vcpus" in self.settings and maxvcpus > vcpus and not self._for_xen:
            place = self.settings["vcpus"].place
            said = f"vcpus is ignored by coldline: the guest starts with maxvcpus, {maxvcpus}"
            self._remarks.append(Remark(place, said))
        return vcpus, maxvcpus

    def _cpus(self, maxvcpus: int) -> tuple[str, ...]:
        setting = self.settings.get("cpus")
        if setting is None:
            return ()
        if isinstance(setting.value, ConfigString):
            return (self._cpu_list(setting.value),) * maxvcpus
        return tuple(self._cpu_list(each) for each in setting.value.values[:maxvcpus])

    def _cpu_list(self, value: ConfigString | ConfigList) -> str:
        if isinstance(value, ConfigList):
            raise ConfigError(str(value.place), "cpus needs a string for each vCPU, not a list")
        for part in filter(None, value.text.split(",")):
            if not re.fullmatch(_CPUS, part):
                raise ConfigError(
                    str(value.place),
                    f"cpus: '{one_line(shortened(part))}' is not a list of CPUs, such as 0-3,^2 or all or node:1",
                )
        return value.text

    def _devices(
        self,
        name: str,
        parse: Callable[[str], DeviceT],
        used_keys: Collection[str],
        refused_keys: Collection[str],
    ) -> tuple[DeviceT, ...]:
        """Return the devices that the guest can be given; one that it cannot be given is an error or a remark."""
        if name not in used_keys or name not in self.settings:
            return ()
        found = []
        for device, place in specified_devices(self.settings[name], parse):
            if (reason := why_not_given(device)) is None:
                found.append(device)
            elif name in refused_keys:
                raise ConfigError(
                    str(place),
                    f"coldline cannot give a guest this {name}; --lenient builds it without: {reason}",
                )
            else:
                self._remarks.append(Remark(place, f"this {name} is ignored by coldline: {reason}"))
        return tuple(found)

    # ---- remarks

    def _tell(self, used_keys: Collection[str], refused_keys: Collection[str]) -> None:
        for name, setting in self.settings.items():
            if name in used_keys or _asks_for_nothing(setting):
                continue
            if name in refused_keys:
                raise ConfigError(
                    str(setting.place), f"coldline cannot give a guest {name}; --lenient builds it without"
                )
            said = "ignored by coldline" if name in XL_KEYS else "unknown, also to xl"
            self._remarks.append(Remark(setting.place, f"{shortened(name)} is {said}"))


def _asks_for_nothing(setting: ConfigSetting) -> bool:
    if isinstance(setting.value, ConfigList):
        return setting.name in XL_KEYS and not setting.value.values
    return setting.value.text in NO_EFFECT_VALUES.get(setting.name, ())
