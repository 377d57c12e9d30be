# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest configuration file asks for: xl's file, with xl's meaning.

Source: xen tools/xl/xl_parse.c, parse_config_data; tools/libs/light/libxl_create.c,
libxl__domain_build_info_setdefault; docs/man/xl.cfg.5.pod.in (4.17). Where xl prints a warning and leaves a
setting out that it cannot read, this is an error.
"""

import os
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from coldline.errors import ConfigError
from coldline.guest.config.keys import NO_EFFECT_VALUES, XL_KEYS
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
from coldline.support.printable import one_line, shortened
from coldline.support.record import Record, replace
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
"""What a plan takes from a file. Who does more with it adds to them: ``PLAN_KEYS | {"on_crash"}``."""

SHUTDOWN_ACTIONS: Final = (
    "destroy",
    "restart",
    "rename-restart",
    "preserve",
    "coredump-destroy",
    "coredump-restart",
    "soft-reset",
)
"""What ``on_poweroff`` and its like may be: xen tools/xl/xl_parse.c (4.17), action_on_shutdown_names."""

DEFAULT_MEMORY = 32 * MIB
"""Bytes of RAM of a guest whose file names none: libxl's."""


class GuestConfig(Record, kw_only=True):
    """A guest as its file asks for it. Paths are as written: relative ones are relative to the current directory.

    Attributes
    ----------
    path : str
        The file.
    name : str
        What the guest is called.
    type : str
        ``pvh``, ``pv`` or ``hvm``; on Arm, xl makes a pvh guest of a pv one, and none of an hvm one.
    uuid : UUID or None
        None: make one up.
    kernel, ramdisk, device_tree : str or None
        Files. The device tree is a partial one, whose /aliases and /passthrough go into the guest's.
    cmdline : str or None
        The kernel's command line: ``cmdline``, or else ``root=`` in front of ``root`` and then ``extra``.
    memory, maxmem : int
        Bytes: what it starts with, and what it may have.
    vcpus, maxvcpus : int
        How many it starts with, and how many it has.
    cpus : tuple of str
        For each vCPU, from the first, the host's CPUs that it may run on, as in ``0-3,^2``; vCPUs past the end
        may run anywhere.
    gic_version : int or None
        2 or 3; None: the host's.
    vuart : str or None
        ``sbsa_uart`` for a PL011.
    on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset : str
        What becomes of the domain: one of `SHUTDOWN_ACTIONS`.
    remarks : tuple of Remark
        What the user should be told, a line each, in the file's order.
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
    gic_version: int | None
    vuart: str | None
    on_poweroff: str
    on_reboot: str
    on_crash: str
    on_watchdog: str
    on_soft_reset: str
    remarks: tuple[Remark, ...]


def looks_like_config(head: bytes | memoryview) -> bool:
    """Whether a file that starts so is a guest configuration file, by its content: text, and a setting in it.

    Parameters
    ----------
    head : bytes or memoryview
        The first bytes; no more than `MAX_CONFIG` of them are looked at.
    """
    text = bytes(head[:MAX_CONFIG])
    return not text[:_TEXT].translate(None, _OF_TEXT) and _SETTING.search(text) is not None


_TEXT = 4096
_OF_TEXT = bytes((*b"\t\n\r", *range(0x20, 0x7F), *range(0x80, 0x100)))
_SETTING = re.compile(rb"(?:^|;)[ \t]*+[a-z][._0-9a-z]*+[ \t]*+\+?=(?!=)", re.MULTILINE)


def read_config(
    path: str | os.PathLike[str], *, assignments: Sequence[str] = (), used_keys: Collection[str] = PLAN_KEYS
) -> GuestConfig:
    """Read a guest configuration file.

    Parameters
    ----------
    path : str or path-like
        The file.
    assignments : sequence of str
        Settings as `xl create` takes them after the file, such as ``memory=512``: they come last.
    used_keys : collection of str
        Names whose settings the caller acts on; each other setting in the file becomes a remark.

    Raises
    ------
    ConfigError
        If it is not in xl's syntax, or a value is not what its name takes; the message names the line and column.
    ImageError
        If it cannot be read.
    """
    name = os.fspath(path)
    blob = load_blob(name, "guest configuration file", max_image=MAX_CONFIG)
    return config_from_text(os.fsdecode(bytes(blob)), name, assignments=assignments, used_keys=used_keys)


def config_from_text(
    text: str, path: str, *, assignments: Sequence[str] = (), used_keys: Collection[str] = PLAN_KEYS
) -> GuestConfig:
    """What a file with this text asks for: `read_config`, for who has read it already."""
    parsed = parse(text, path)
    for each in assignments:
        parsed = parse(each, one_line(f"'{each}'"), before=parsed)
    return _ConfigReader(path, parsed).config(used_keys)


_CPUS = r"(?:nodes?:)?all|\^?(?:nodes?:)?[0-9]{1,9}(?:-[0-9]{1,9})?"

_KINDS = {"hvm": "hvm", "pv": "pv", "pvh": "pvh"}
_BUILDERS = {"hvm": "hvm", "generic": "pv"}


class _ConfigReader(SettingReader):
    def __init__(self, path: str, parsed: ParsedConfig) -> None:
        super().__init__(parsed.settings)
        self._path = path
        self._remarks = list(parsed.remarks)

    def config(self, used_keys: Collection[str]) -> GuestConfig:
        name = self.text("name")
        if not name:
            raise ConfigError(self._path, 'gives the guest no name, as xl wants: name = "…"')
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
            gic_version={"v2": 2, "v3": 3}.get(self.word("gic_version", ("default", "v2", "v3")) or ""),
            vuart=self.word("vuart", ("sbsa_uart", "unknown")),
            on_poweroff=self._action("on_poweroff", "destroy"),
            on_reboot=self._action("on_reboot", "restart"),
            on_crash=self._action("on_crash", "destroy"),
            on_watchdog=self._action("on_watchdog", "destroy"),
            on_soft_reset=self._action("on_soft_reset", "soft-reset"),
            remarks=(),
        )
        self._tell(used_keys)
        remarks = tuple(sorted(self._remarks, key=lambda remark: remark.place[1:]))
        return replace(config, remarks=remarks)

    # ---- settings that are more than a value

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
            raise ConfigError(str(place), f"builder asks for type {builder}, and type is {kind}")
        found = kind or builder or "pvh"
        if found != "pvh":
            place = self.settings["type" if kind else "builder"].place
            self._remarks.append(Remark(place, f"type is {found}: on Arm there is pvh alone"))
        return found

    def _uuid(self) -> "UUID | None":
        atom = self.atom("uuid")
        if atom is None:
            return None
        if not re.fullmatch(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", atom.text):
            raise ConfigError(str(atom.place), f"uuid is '{one_line(shortened(atom.text))}', which is none")
        from uuid import UUID  # the module looks at the machine

        return UUID(atom.text)

    def _cmdline(self) -> str | None:
        cmdline, root, extra = self.text("cmdline"), self.text("root"), self.text("extra")
        if cmdline is not None:
            for name in ("root", "extra"):
                if name in self.settings:
                    place = self.settings[name].place
                    self._remarks.append(Remark(place, f"{name} is left out in favour of cmdline"))
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
            raise ConfigError(str(place), f"maxmem is {maxmem}, below memory, which is {memory}")
        if maxmem > memory:
            self._remarks.append(
                Remark(
                    self.settings["maxmem"].place,
                    f"maxmem is not honoured by coldline: RAM is memory's {exact_size_text(memory * MIB)}",
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
            raise ConfigError(str(place), f"maxvcpus is {maxvcpus}, below vcpus, which is {vcpus}")
        if "vcpus" in self.settings and maxvcpus > vcpus:
            place = self.settings["vcpus"].place
            said = f"vcpus is not honoured by coldline: the guest has maxvcpus, {maxvcpus}, from the start"
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
            raise ConfigError(str(value.place), "cpus takes a string for each vCPU, not a list")
        for part in filter(None, value.text.split(",")):
            if not re.fullmatch(_CPUS, part):
                raise ConfigError(
                    str(value.place),
                    f"cpus: '{one_line(shortened(part))}' names no CPUs: 0-3,^2 or all or node:1",
                )
        return value.text

    # ---- remarks

    def _tell(self, used_keys: Collection[str]) -> None:
        for name, setting in self.settings.items():
            if name in used_keys or _asks_for_nothing(setting):
                continue
            said = "not honoured by coldline" if name in XL_KEYS else "unknown, to xl too"
            self._remarks.append(Remark(setting.place, f"{shortened(name)} is {said}"))


def _asks_for_nothing(setting: ConfigSetting) -> bool:
    if isinstance(setting.value, ConfigList):
        return setting.name in XL_KEYS and not setting.value.values
    return setting.value.text in NO_EFFECT_VALUES.get(setting.name, ())
