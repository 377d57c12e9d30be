# SPDX-License-Identifier: GPL-2.0-or-later
"""How far the testbed says that a run is, and how long it gives it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.machines import pace


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("", ""),
        ("some warning\n", ""),
        (".....", "5 tests done"),
        ("....s. [ 50%]\n..x", "9 tests done"),
        (".F.E [ 10%]\nEnd of the line\n", "4 tests done, 2 failed"),
    ],
)
def test_progress(output: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text(output)
    assert pace.progress_of(file) == says


def test_progress_before_there_is_output(tmp_path: Path) -> None:
    assert pace.progress_of(tmp_path / "none") == ""


@pytest.mark.parametrize(("took", "times"), [(0.05, 1.0), (0.25, 1.0), (0.75, 3.0), (60.0, 8.0)])
def test_a_slow_machine_gets_more_time(took: float, times: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[float] = iter((100.0, 100.0 + took))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert pace.slowness() == pytest.approx(times)
