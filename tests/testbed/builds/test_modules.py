# SPDX-License-Identifier: GPL-2.0-or-later
"""What is built for dom0."""

from pathlib import Path

import pytest

from testbed.builds import modules
from testbed.packages.sources import Sources


def test_no_compiler(made_up: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(modules.BuildError, match="aarch64-linux-gnu-gcc is not installed"):
        modules.build(made_up)
