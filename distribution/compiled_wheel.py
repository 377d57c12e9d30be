# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds machine code for x86-64 to a wheel that is built with COLDLINE_SHIP_CODE=1: then nothing is compiled later."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TAG = "py3-none-manylinux_2_17_x86_64"
"""The code calls nothing but itself, so that it needs no C library of a certain age."""


class ShippedCode(BuildHookInterface):  # type: ignore[misc]
    """Compiles the programs of `coldline.jit.programs` into the wheel."""

    _made: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """Return what compiles: the requirements of coldline[boot]."""
        core = self.metadata.core
        extras = [*core.optional_dependencies["check"], *core.optional_dependencies["boot"]]
        own = [each for each in extras if not each.startswith(core.name)]
        return [*core.dependencies, *own] if self._wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say which files come along."""
        if version == "editable" or not self._wanted():
            return
        self._made = tempfile.TemporaryDirectory(prefix="coldline-code-")
        folder = Path(self._made.name)
        subprocess.run(
            [sys.executable, "-m", "coldline.jit.wheel_building", folder],
            check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([self.root, *filter(None, sys.path)])},
        )
        for file in folder.iterdir():
            build_data["force_include"][os.fspath(file)] = f"coldline/jit/shipped_code/{file.name}"
        build_data["pure_python"], build_data["tag"] = False, TAG

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the files that are in the wheel now."""
        if self._made is not None:
            self._made.cleanup()

    def _wanted(self) -> bool:
        return self.target_name == "wheel" and os.environ.get("COLDLINE_SHIP_CODE") == "1"
