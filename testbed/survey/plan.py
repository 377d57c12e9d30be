# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes Debian's images as a plan of ``coldline survey``.

Kernels are run on every hypervisor's host model by every strategy that it has, and on every host model without one;
firmware on the latter, but a board's U-Boot, which an earlier stage starts, only on those with a boot loader. arm64
kernels are also watched on two cores, until they have no root file system. Xen for arm32 starts in Hyp mode, so it is
only watched, until it has no dom0. Installers are run as kernels are. Those of arm64 are run on each host once more,
until they have read some of their initrd; on hypervisors by the strategy whose maintenance is complete on each.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from coldline.builder import STRATEGIES
from coldline.hypervisor import HOST_MODELS
from testbed.packages import debian
from testbed.survey.images import Image
from testbed.survey.installer import INSTALLER

__all__ = ["plan"]

_ARM: Final = {"arm64": "arm64", "armhf": "arm32"}
"""coldline's names of Debian's architectures."""

_KERNEL_INSTRUCTIONS: Final = "10000000"
"""Kernels have all caches on by then, and so have decompressors."""

_INITRD_INSTRUCTIONS: Final = ("--until", "400000000", "--max-instructions", "500000000")
"""Linux 6.1 and 6.12 for arm64 have begun to unpack their initrd by then; 6.12 for arm32 still unpacks itself
after 1.5 billion."""

_COMPLETE: Final = "hypercall"
_BARE: Final = tuple(name for name, model in HOST_MODELS.items() if model.load is not None)
_RESETS: Final = tuple(name for name in _BARE if HOST_MODELS[name].builder_agent == "reset")
_LOADERS: Final = tuple(name for name in _BARE if name not in _RESETS)
_KERNEL: Final = re.compile(r"linux-(?:image|binary)-")

_MACHINE: Final = (
    *("-machine", "virt,gic-version=3,dtb-randomness=off", "-cpu", "cortex-a76", "-smp", "2", "-m", "256"),
    *("-icount", "shift=0,sleep=off", "-no-reboot", "-nodefaults", "-display", "none", "-serial", "null"),
    *("-append", "quiet panic=-1"),
)
"""A Cortex-A76 has pages of 16 KiB, too."""

_XEN_MACHINE: Final = (
    *("-machine", "virt,virtualization=on,gic-version=2,dtb-randomness=off", "-cpu", "cortex-a15"),
    *("-smp", "2", "-m", "256", "-icount", "shift=8,sleep=off", "-no-reboot"),
    *("-nodefaults", "-display", "none", "-serial", "null"),
)
"""An instruction takes 256 ns, as Xen counts five seconds before it resets the machine."""


def plan(
    images: Iterable[Image], folder: Path, work: Path, qemu: Sequence[str], *, timeout: int, instructions: int
) -> str:
    """Return the plan.

    Parameters
    ----------
    images : iterable of Image
        The images.
    folder : Path
        The folder of the plan; files are named relative to it.
    work : Path
        The folder of the files that were taken out of images.
    qemu : sequence of str
        The first words of QEMU's command line; none to watch nothing.
    timeout, instructions : int
        The limits of each run: seconds, and instructions.
    """
    text = f"[survey]\ntimeout = {timeout}\nmax-instructions = {instructions}\n"
    places = {"{work}": _from(folder, work)}
    seen: set[tuple[str, str]] = set()
    for image in images:
        if (image.package, image.name) in seen:  # two suites have the same
            continue
        seen.add((image.package, image.name))
        places["{tree}"] = _from(folder, image.tree)
        for entry in _entries(image, places, [_relative(folder, word) for word in qemu]):
            text += "\n[[image]]\n" + "".join(
                f"{key} = {json.dumps(value)}\n" for key, value in entry.items()
            )
    return text


def _entries(image: Image, places: dict[str, str], qemu: Sequence[str]) -> Iterator[dict[str, Any]]:
    name, version, *_ = image.package.split("_")
    words = [re.sub(r"\{\w+\}", lambda found: places[found[0]], word) for word in image.words]
    entry: dict[str, Any] = {
        "name": image.name,
        "version": version,
        "group": f"{name}, {image.architecture}",
        "origin": f"{image.suite} {image.package}.deb {debian.digest_of(image.tree)}".rstrip(),
        "options": words,
    }
    if image.architecture == "armhf" and name.startswith("xen-hypervisor-"):
        del entry["options"]
        if qemu:
            yield {**entry, "watch": [*qemu, *_XEN_MACHINE, "-kernel", words[0]]}
        return
    if INSTALLER.fullmatch(name):
        entry |= {"group": f"debian-installer, {image.architecture}"}
        yield from _on_every_host({**entry, "options": _of_kernel(words)}, image.architecture)
        if image.architecture == "arm64":
            entry |= {
                "name": f"{image.name}, with its initrd",
                "group": "debian-installer with its initrd, arm64",
                "options": [*words, *_INITRD_INSTRUCTIONS],
            }
            yield from _on_every_host(entry, image.architecture, (_COMPLETE,))
        return
    if not _KERNEL.match(name):
        board = _LOADERS if name.startswith("u-boot-") else _BARE
        yield {**entry, "hosts": [*(_RESETS if "--bios" in words else board)]}
        return
    entry |= {
        "name": _flavour(image.name),
        "group": f"linux, {image.architecture}",
        "options": _of_kernel(words),
    }
    yield from _on_every_host(entry, image.architecture)
    if qemu and image.architecture == "arm64":
        del entry["options"]
        yield {**entry, "watch": [*qemu, *_MACHINE, "-kernel", *words]}


def _of_kernel(words: Sequence[str]) -> list[str]:
    return [*words, "--until", _KERNEL_INSTRUCTIONS]


def _on_every_host(
    entry: dict[str, Any], architecture: str, strategies: Iterable[str] = STRATEGIES
) -> Iterator[dict[str, Any]]:
    """Yield an entry for the hosts without a hypervisor, and one for each other, with the strategies that fit."""
    yield {**entry, "hosts": [*_BARE]}
    for host in HOST_MODELS.values():
        if _ARM[architecture] in host.architectures and host.name not in _BARE:
            fitting = [
                name
                for name in strategies
                if _ARM[architecture] in STRATEGIES[name].architectures
                and STRATEGIES[name].mapping_type in host.mapping_types
            ]
            yield {**entry, "hosts": [host.name], "strategies": fitting}


def _flavour(release: str) -> str:
    """Return a kernel's name without its version, so that versions of one flavour are compared."""
    return re.sub(r"^[\d.]+(?:\+deb\d+|-\d+)*-", "", release)


def _relative(folder: Path, word: str) -> str:
    return _from(folder, Path(word)) if os.path.isabs(word) else word


def _from(folder: Path, path: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())
