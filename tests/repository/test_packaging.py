# SPDX-License-Identifier: GPL-2.0-or-later
"""The package's metadata: its version, its types, and its dependencies."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata, resources

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import coldline
from tests.helpers.repository import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PYTHONS = [
    each.rpartition(" ")[2]
    for each in PROJECT["classifiers"]
    if each.startswith("Programming Language :: Python :: 3.")
]


def requirements() -> Iterator[Requirement]:
    """The dependencies in pyproject.toml, without coldline itself."""
    named = [PYPROJECT["build-system"]["requires"], PROJECT["dependencies"]]
    for each in [*named, *PROJECT["optional-dependencies"].values()]:
        yield from (found for found in map(Requirement, each) if found.name != "coldline")


def pins(python: str) -> dict[str, str]:
    """The releases of constraints.txt for a version of Python, by normalised name."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    chosen = [each for each in found if each.marker is None or each.marker.evaluate(environment)]
    assert len({canonicalize_name(each.name) for each in chosen}) == len(chosen)
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in chosen}


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_a_pin_that_satisfies_it(python: str) -> None:
    pinned = pins(python)
    for requirement in requirements():
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_package_ships_its_types() -> None:
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert resources.files("coldline").joinpath("py.typed").is_file()


def test_the_version_is_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    assert metadata.version("coldline") == coldline.__version__


def test_the_plain_package_needs_libfdt_alone() -> None:
    plain = [each for each in metadata.requires("coldline") or [] if "extra ==" not in each]
    assert [Requirement(each).name for each in plain] == ["pylibfdt"]


def test_every_module_can_be_imported() -> None:
    """In a separate process, as another test may have imported a module, and without making machine code."""
    script = (
        "import importlib, numba, pkgutil, coldline\n"
        "numba.cfunc = lambda *signature: lambda function: function\n"
        "for each in pkgutil.walk_packages(coldline.__path__, 'coldline.'):\n"
        "    if each.name != 'coldline.__main__':\n"
        "        importlib.import_module(each.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_the_paths_of_a_page_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    inside = r"((?:coldline|distribution|docs|driver|scripts|testbed|tests|benchmarks)/[\w./-]*\w)"
    for path in [*re.findall(rf"`{inside}", text), *re.findall(rf"\]\({inside}", text)]:
        assert (ROOT / path).exists(), f"{page}: {path}"
