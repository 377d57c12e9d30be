# SPDX-License-Identifier: GPL-2.0-or-later
"""What the package says of itself: its version, its types, and what it depends on."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path

import coldline

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    """The normalised name in a requirement, as PEP 503 has it."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def requirements() -> Iterator[str]:
    """Every requirement of the package and of its extras, without coldline itself."""
    for each in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]:
        yield from (requirement for requirement in each if name_of(requirement) != "coldline")


def test_the_package_ships_its_types() -> None:
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert resources.files("coldline").joinpath("py.typed").is_file()


def test_the_version_is_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    assert metadata.version("coldline") == coldline.__version__


def test_the_plain_package_needs_libfdt_alone() -> None:
    plain = [each for each in metadata.requires("coldline") or [] if "extra ==" not in each]
    assert [name_of(each) for each in plain] == ["pylibfdt"]
