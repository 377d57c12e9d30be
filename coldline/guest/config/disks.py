# SPDX-License-Identifier: GPL-2.0-or-later
"""The disks of a guest configuration file: the specifications of ``disk``, with xl's syntax.

Source: xen tools/libs/util/libxlu_disk_l.l and libxlu_disk.c (4.17), docs/man/xl-disk-configuration.5.pod.in;
numbers of virtual devices: tools/libs/light/libxl_device.c libxl__device_disk_dev_number, docs/man/xen-vbd-interface.
"""

import re
from typing import Final

from coldline.support.frozen_record import Record

_FORMATS: Final = ("raw", "qcow", "qcow2", "vhd", "empty", "qed")
_BACKENDS: Final = ("phy", "tap", "qdisk", "standalone")
_SPECIFICATIONS: Final = ("xen", "virtio")
_ACCESS: Final = {"r": False, "ro": False, "rw": True, "w": True, "": True}

_PREFIX: Final = re.compile(r"(raw|qcow2?|vhd|iscsi|e?nbd|drbd|tapdisk|tap2?|aio|ioemu|file|phy):")
"""Prefixes of old specifications. Those that name neither a format nor a script say nothing."""

_OTHER_PREFIX: Final = re.compile(r"([a-z][a-z0-9]*):(?![a-z0-9])")
_SCRIPT_PREFIXES: Final = ("iscsi", "nbd", "enbd", "drbd")
_SPACES: Final = " \t\n"

_LARGEST: Final = 2**31 - 1
_XEN_MAJOR, _EXTENDED = 202 << 8, 1 << 28


class Disk(Record, kw_only=True):
    """A disk that a guest asks for.

    Attributes
    ----------
    vdev : str
        The guest's name of it, such as ``xvda``.
    target : str
        The path of a block device or a file in dom0; empty for a drive without a medium.
    format : str
        ``raw``, ``qcow``, ``qcow2``, ``vhd``, ``qed``, or ``empty``.
    writable : bool
        Whether the guest may write it.
    cdrom : bool
        Whether it is a CD-ROM drive.
    script : str or None
        The hotplug script, if not the usual one.
    backend : str or None
        The kind of backend that is asked for: ``phy``, ``tap``, ``qdisk`` or ``standalone``.
    domain : str or None
        The domain that shall serve it, by name or number; None for dom0.
    specification : str
        ``xen`` or ``virtio``.
    direct_io_safe, trusted : bool
        What xl-disk-configuration(5) calls so.
    discard : bool
        Whether the guest may discard blocks.
    """

    vdev: str
    target: str
    format: str = "raw"
    writable: bool = True
    cdrom: bool = False
    script: str | None = None
    backend: str | None = None
    domain: str | None = None
    specification: str = "xen"
    direct_io_safe: bool = False
    discard: bool = True
    trusted: bool = True

    @property
    def number(self) -> int:
        """The number of its virtual device, which guest and backend know it by."""
        number = device_number(self.vdev)
        assert number is not None  # `parse_disk` has checked it
        return number


def device_number(vdev: str) -> int | None:
    """Return the number of a virtual device: ``xvda``, ``xvda1``, ``d0p1``, ``hda``, ``sda``, or a number in C's
    form. None if it is none of these.
    """
    parts = _numbers(vdev) or _letters(vdev, "xvd", 1 << 20, 256)
    if parts is not None:
        disk, partition = parts
        if disk >= 1 << 20 or partition >= 256:
            return None
        if disk <= 15 and partition <= 15:
            return _XEN_MAJOR | disk << 4 | partition
        return _EXTENDED | disk << 8 | partition
    number = _number(vdev)
    if number is not None:
        return number if number <= _LARGEST else None
    if (ide := _letters(vdev, "hd", 4, 64)) is not None:
        return (3 if ide[0] < 2 else 22) << 8 | (ide[0] & 1) << 6 | ide[1]
    if (scsi := _letters(vdev, "sd", 16, 16)) is not None:
        return 8 << 8 | scsi[0] << 4 | scsi[1]
    return None


def _numbers(vdev: str) -> tuple[int, int] | None:
    """Return the disk and the partition of ``d0p1``."""
    found = re.fullmatch(r"d(\w+)p(\w+)", vdev, re.ASCII)
    if found is None:
        return None
    disk, partition = _number(found[1]), _number(found[2])
    return None if disk is None or partition is None else (disk, partition)


def _letters(vdev: str, kind: str, disks: int, partitions: int) -> tuple[int, int] | None:
    """Return the disk and the partition of a name like Linux's: ``xvdaa3`` is (26, 3)."""
    found = re.fullmatch(rf"{kind}([a-z]{{1,8}})([1-9][0-9]{{0,2}})?", vdev)
    if found is None:
        return None
    disk = -1
    for letter in found[1]:
        disk = (disk + 1) * 26 + ord(letter) - ord("a")
    partition = int(found[2] or 0)
    return (disk, partition) if disk < disks and partition < partitions else None


def _number(text: str) -> int | None:
    found = re.fullmatch(r"(?:0[xX]([0-9a-fA-F]{1,16})|0([0-7]{0,16})|([1-9][0-9]{0,16}))", text)
    if found is None:
        return None
    hexadecimal, octal, decimal = found.groups()
    return int(hexadecimal, 16) if hexadecimal else int(decimal) if decimal else int(octal or "0", 8)


def parse_disk(text: str) -> Disk:
    """Return the disk that a specification asks for.

    Raises
    ------
    ValueError
        If xl refuses the specification; the message says why.
    """
    return _Specification().disk(text)


class _Specification:
    """What was read of one specification. Parameters without a name have meanings by their order."""

    def __init__(self) -> None:
        self._strings: dict[str, str] = {}
        self._choices: dict[str, str] = {}
        self._flags: dict[str, bool] = {}
        self._writable = True
        self._access_set = False
        self._had_prefix = False

    def disk(self, text: str) -> Disk:
        self._read(text)
        found = self._choices.get("format", "raw")
        cdrom = self._flags.get("cdrom", False)
        target = self._strings.get("target")
        if cdrom and not target:
            found = "empty"
        vdev = self._strings.get("vdev")
        if vdev is None:
            raise ValueError("no vdev, such as vdev=xvda")
        if target is None and not cdrom:
            raise ValueError("no target, which only a CD-ROM drive can be without")
        if device_number(vdev) is None:
            raise ValueError(f"'{vdev}' is no virtual device, such as xvda")
        if found == "empty" and not cdrom:
            raise ValueError("it is empty, but not a CD-ROM drive")
        if found == "empty" and target:
            raise ValueError("it is empty, but has a target")
        writable = self._writable and not cdrom
        return Disk(
            vdev=vdev,
            target=target or "",
            format=found,
            writable=writable,
            cdrom=cdrom,
            script=self._strings.get("script"),
            backend=self._choices.get("backendtype"),
            domain=self._strings.get("backend"),
            specification=self._choices.get("specification", "xen"),
            direct_io_safe=self._flags.get("direct-io-safe", False),
            discard=self._flags.get("discard", writable),
            trusted=self._flags.get("trusted", True),
        )

    def _read(self, text: str) -> None:
        while text := text.lstrip(_SPACES):
            if text.startswith("target="):
                self._string("target", text.removeprefix("target=").removesuffix(","))
                return
            if prefix := _PREFIX.match(text):
                self._prefix(prefix[1])
                text = text[prefix.end() :]
                continue
            if other := _OTHER_PREFIX.match(text):
                raise ValueError(f"unknown prefix '{other[1]}:'")
            parameter, _, text = text.partition(",")
            self._parameter(parameter)

    def _prefix(self, word: str) -> None:
        self._had_prefix = True
        if word in _FORMATS:
            self._choice("format", word, _FORMATS)
        elif word in _SCRIPT_PREFIXES:
            self._string("script", f"block-{word}")

    def _parameter(self, text: str) -> None:
        name, equals, value = text.partition("=")
        if not equals:
            if not self._flag(text):
                self._positional(text)
        elif name == "format":
            self._choice(name, value or "raw", _FORMATS)
        elif name == "backendtype":
            self._choice(name, value, _BACKENDS)
        elif name == "specification":
            self._choice(name, value, _SPECIFICATIONS)
        elif name == "access":
            self._access(value)
        elif name == "devtype":
            self._device_type(value)
        elif name in ("backend", "vdev", "script"):
            self._string(name, value)
        else:
            raise ValueError(f"unknown parameter '{name}'")

    def _flag(self, text: str) -> bool:
        if text in ("cdrom", "direct-io-safe", "discard", "trusted"):
            self._flags[text] = True
        elif text in ("no-discard", "untrusted"):
            self._flags["discard" if text == "no-discard" else "trusted"] = False
        elif text == "colo":
            raise ValueError("COLO is not for guests on Arm")
        elif text != "no-colo":
            return False
        return True

    def _positional(self, text: str) -> None:
        if "target" not in self._strings:
            self._string("target", text)
        elif not self._had_prefix and "format" not in self._choices:
            if not self._strings["target"] and ":" in text:
                self._named_drive(text)
                self._choice("format", "empty", _FORMATS)
            else:
                self._choice("format", text or "raw", _FORMATS)
        elif "vdev" not in self._strings:
            if ":" in text:
                self._named_drive(text)
            else:
                self._string("vdev", text)
        elif not self._access_set:
            self._access_set = True
            self._access(text)
        else:
            raise ValueError(f"too many parameters: '{text}'")

    def _named_drive(self, text: str) -> None:
        """Read the old ``VDEV:cdrom``."""
        vdev, _, kind = text.rpartition(":")
        self._string("vdev", vdev)
        self._device_type(kind)

    def _device_type(self, word: str) -> None:
        if word not in ("cdrom", "disk"):
            raise ValueError(f"unknown devtype '{word}'; choose from: cdrom, disk")
        self._flags["cdrom"] = word == "cdrom"

    def _access(self, word: str) -> None:
        if word not in _ACCESS:
            raise ValueError(f"unknown access '{word}'; choose from: r, ro, w, rw")
        self._writable = _ACCESS[word]

    def _choice(self, name: str, word: str, words: tuple[str, ...]) -> None:
        if word not in words:
            raise ValueError(f"unknown {name} '{word}'; choose from: {', '.join(words)}")
        if self._choices.setdefault(name, word) != word:
            raise ValueError(f"{name} is {self._choices[name]} and {word}")

    def _string(self, name: str, value: str) -> None:
        if self._strings.get(name):
            raise ValueError(f"{name} is given twice: '{self._strings[name]}' and '{value}'")
        self._strings[name] = value
