# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes Debian's images as a plan of ``coldline survey``: kernels on every host, by every strategy."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from coldline.builder import STRATEGIES
from coldline.hypervisor import HOST_MODELS
from testbed.survey.images import Image

_ARM: Final = {"arm64": "arm64", "armhf": "arm32"}
"""coldline's names of Debian's architectures."""

_KERNEL_INSTRUCTIONS: Final = "10000000"
"""Kernels have all caches on by then, and so have decompressors."""


def plan(images: Iterable[Image], work: Path, *, timeout: int, instructions: int) -> str:
    """Return the plan.

    Parameters
    ----------
    images : iterable of Image
        The images.
    work : Path
        The folder of the files that were taken out of images.
    timeout, instructions : int
        The limits of each run: seconds, and instructions.
    """
    text = f"[survey]\ntimeout = {timeout}\nmax-instructions = {instructions}\n"
    for image in images:
        words = [word.replace("{tree}", str(image.tree)).replace("{work}", str(work)) for word in image.words]
        name, version, *_ = image.package.split("_")
        of_image: dict[str, Any] = {
            "name": image.name if not name.startswith("linux-image-") else _flavour(image.name),
            "version": version,
            "group": f"{name if not name.startswith('linux-image-') else 'linux'}, {image.architecture}",
            "options": words,
        }
        if name.startswith("linux-image-"):
            of_image["options"] = [*words, "--until", _KERNEL_INSTRUCTIONS]
            of_image |= _every_way(_ARM[image.architecture])
        text += "\n[[image]]\n" + "".join(_line(key, value) for key, value in of_image.items())
    return text


def _every_way(architecture: str) -> Mapping[str, list[str]]:
    hosts = [
        name
        for name, model in HOST_MODELS.items()
        if architecture in model.architectures and model.load is None
    ]
    strategies = [name for name, strategy in STRATEGIES.items() if architecture in strategy.architectures]
    return {"hosts": hosts, "strategies": strategies}


def _flavour(release: str) -> str:
    """Return a kernel's name without its version, so that versions of one flavour are compared."""
    return re.sub(r"^[\d.]+(?:\+deb\d+|-\d+)*-", "", release)


def _line(key: str, value: object) -> str:
    return f"{key} = {json.dumps(value)}\n"
