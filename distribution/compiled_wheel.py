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

    def dependencies(self) -> list[str]:
        """Return what compiles: the requirements of coldline[check]."""
        checks: list[str] = self.metadata.core.optional_dependencies["check"]
        return [*self.metadata.core.dependencies, *checks] if self._wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say which files come along."""
        if version == "editable" or not self._wanted():
            return
        folder = Path(tempfile.mkdtemp(prefix="coldline-code-"))
        subprocess.run(
            [sys.executable, "-m", "coldline.jit.shipping", folder],
            check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([self.root, *filter(None, sys.path)])},
        )
        for file in folder.iterdir():
            build_data["force_include"][os.fspath(file)] = f"coldline/jit/shipped_code/{file.name}"
        build_data["pure_python"], build_data["tag"] = False, TAG

    def _wanted(self) -> bool:
        return self.target_name == "wheel" and os.environ.get("COLDLINE_SHIP_CODE") == "1"
