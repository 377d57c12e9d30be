# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the plan of a survey, a TOML file, and gives its cells.

[survey]
timeout = 600                        # seconds for each cell
max-instructions = 100_000_000

[[image]]
name = "linux arm64"                 # the same for all versions
version = "6.1.176-1"
origin = "linux-image-6.1.0-50-arm64_6.1.176-1_arm64.deb"    # any words, which the result keeps
file = "vmlinuz-6.1"                 # relative to the plan
options = ["--until", "10000000"]    # of `coldline boot`
hosts = ["rfc", "xen-4.17-arm64"]
strategies = ["uncached", "hypercall"]
vcpus = [1, 2]

[[image]]
name = "linux arm64, two cores"
watch = ["qemu-system-aarch64", "-M", "virt", "-smp", "2", "-kernel", "vmlinuz-6.1"]
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from coldline.errors import SurveyError, UsageError
from coldline.hypervisor import host_model

__all__ = ["SurveyCell", "read_plan"]

_TIMEOUT: Final = 600
_INSTRUCTIONS: Final = 100_000_000
_OF_SURVEY: Final = {"timeout": int, "max-instructions": int}
_OF_IMAGE: Final = {
    "name": str, "version": str, "group": str, "origin": str, "file": str, "files": list, "options": list,
    "watch": list, "hosts": list, "strategies": list, "vcpus": list, "timeout": int,
}  # fmt: skip
_OF_BOOT: Final = ("file", "options", "hosts", "strategies", "vcpus")


class _PlanError(Exception):
    """What is wrong, without the file."""


@dataclass(frozen=True)
class SurveyCell:
    """An image in one combination.

    Attributes
    ----------
    image, version, group : str
        What the plan calls it; the last two may be empty.
    origin : str
        Where the plan says that the image comes from; may be empty.
    host, strategy : str or None
        The host model and the strategy; None for what the command takes by default.
    vcpus : int
        The number of cores.
    words : tuple of str
        The words after ``coldline``, but for those of the report.
    files : tuple of str
        Files that the verdict depends on, relative to the plan's folder: words of the command that name a file, and
        those that the plan lists.
    timeout : int
        Seconds after which the run is stopped.
    """

    image: str
    version: str
    group: str
    origin: str
    host: str | None
    strategy: str | None
    vcpus: int
    words: tuple[str, ...]
    files: tuple[str, ...]
    timeout: int

    def __str__(self) -> str:
        text = " ".join(filter(None, (self.image, self.version)))
        text += f" on {self.host}" if self.host else ""
        text += f" by {self.strategy}" if self.strategy else ""
        return f"{text}, {self.vcpus} cores" if self.vcpus > 1 else text


def read_plan(path: Path) -> list[SurveyCell]:
    """Return the cells of a plan, in its order.

    Raises
    ------
    SurveyError
        The file cannot be read, is no TOML, or has a key or a value that a plan does not have.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SurveyError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SurveyError(f"{path}: is not TOML: {error}") from error
    try:
        return list(_cells(content, path.parent))
    except (_PlanError, UsageError) as error:
        raise SurveyError(f"{path}: {error}") from error


def _cells(content: Mapping[str, Any], folder: Path) -> Iterator[SurveyCell]:
    _known(content, {"survey": dict, "image": list}, "")
    survey = content.get("survey", {})
    _known(survey, _OF_SURVEY, "[survey]: ")
    images = content.get("image", [])
    if not images:
        raise _PlanError("has no [[image]]")
    seen: set[tuple[object, ...]] = set()
    for number, image in enumerate(images, start=1):
        where = f"image {number}: "
        if not isinstance(image, dict):
            raise _PlanError(f"{where}is no table")
        _known(image, _OF_IMAGE, where)
        for cell in _of_image(image, survey, folder, where):
            key = (cell.image, cell.version, cell.host, cell.strategy, cell.vcpus)
            if key in seen:
                raise _PlanError(f"{where}'{cell}' is there twice: give one of them another name or version")
            seen.add(key)
            yield cell


def _of_image(
    image: Mapping[str, Any], survey: Mapping[str, Any], folder: Path, where: str
) -> Iterator[SurveyCell]:
    if not image.keys() & {"file", "options", "watch"}:
        raise _PlanError(f"{where}needs 'file' or 'options', for boot, or 'watch', a command line of QEMU's")
    watch = _strings(image, "watch", where)
    if "watch" in image:
        if wrong := [key for key in _OF_BOOT if key in image]:
            raise _PlanError(f"{where}'{wrong[0]}' is for boot, and does not go with 'watch'")
        if not watch:
            raise _PlanError(f"{where}'watch' is empty")
    hosts = _strings(image, "hosts", where) or (None,)
    for host in hosts:
        if host is not None:
            host_model(host)
    limit = survey.get("max-instructions", _INSTRUCTIONS)
    for host, strategy, vcpus in product(
        hosts, _strings(image, "strategies", where) or (None,), _numbers(image, "vcpus", where) or (1,)
    ):
        if watch:
            words = ("watch", "--", *watch)
        else:
            options = _strings(image, "options", where)
            words = ("boot", *((image["file"],) if "file" in image else ()), *options)
            words += () if "--max-instructions" in options else ("--max-instructions", str(limit))
            words += ("--host", host) if host else ()
            words += ("--strategy", strategy) if strategy else ()
            words += ("--vcpus", str(vcpus)) if vcpus > 1 else ()
        named = [each for each in words[1:] if _is_file(folder / each)]
        yield SurveyCell(
            image=_name_of(image, words),
            version=image.get("version", ""),
            group=image.get("group", ""),
            origin=image.get("origin", ""),
            host=host,
            strategy=strategy,
            vcpus=vcpus,
            words=words,
            files=tuple(dict.fromkeys((*named, *_strings(image, "files", where)))),
            timeout=image.get("timeout", survey.get("timeout", _TIMEOUT)),
        )


def _name_of(image: Mapping[str, Any], words: Sequence[str]) -> str:
    """Return the name of an image: its own, its file's, QEMU's, or else the options."""
    if name := image.get("name"):
        return str(name)
    if "file" in image:
        return Path(image["file"]).name
    return Path(words[2]).name if "watch" in image else " ".join(image["options"])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _known(table: Mapping[str, Any], keys: Mapping[str, type], where: str) -> None:
    for key, value in table.items():
        if key not in keys:
            raise _PlanError(f"{where}unknown key '{key}'; known: {', '.join(keys)}")
        if not isinstance(value, keys[key]) or isinstance(value, bool):
            raise _PlanError(f"{where}'{key}' has to be {_TYPES[keys[key]]}")
        if isinstance(value, int) and value < 1:
            raise _PlanError(f"{where}'{key}' has to be at least 1")


_TYPES: Final = {str: "a string", int: "a number", list: "an array", dict: "a table"}


def _strings(image: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values: Sequence[object] = image.get(key, [])
    if wrong := [each for each in values if not isinstance(each, str)]:
        raise _PlanError(f"{where}'{key}' has to have strings, not {wrong[0]!r}")
    return tuple(str(each) for each in values)


def _numbers(image: Mapping[str, Any], key: str, where: str) -> tuple[int, ...]:
    values: Sequence[object] = image.get(key, [])
    found = [each for each in values if isinstance(each, int) and not isinstance(each, bool) and each > 0]
    if len(found) != len(values):
        raise _PlanError(f"{where}'{key}' has to have numbers from 1 on")
    return tuple(found)
