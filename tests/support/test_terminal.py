# SPDX-License-Identifier: GPL-2.0-or-later
"""The width, the colours and the redrawing of a stream, by COLUMNS, NO_COLOR and TERM."""

import io
import os
import pty

import pytest

from coldline.support.terminal import columns_of, has_colours, redraws


class Terminal(io.StringIO):
    """A text file that says that it is a terminal, and has no descriptor."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("told", "width"), [("72", 72), ("0", None), ("", None), ("-5", None), ("wide", None)]
)
def test_columns_is_the_width_of_any_stream(
    monkeypatch: pytest.MonkeyPatch, told: str, width: int | None
) -> None:
    monkeypatch.setenv("COLUMNS", told)
    assert columns_of(io.StringIO()) == width


def test_a_terminal_has_a_width_of_its_own() -> None:
    import fcntl
    import struct
    import termios

    ends = pty.openpty()
    fcntl.ioctl(ends[1], termios.TIOCSWINSZ, struct.pack("4H", 24, 66, 0, 0))
    with open(ends[1], "w") as terminal:
        assert columns_of(terminal) == 66
    os.close(ends[0])


@pytest.mark.parametrize(
    ("terminal", "variables", "colours", "redrawn"),
    [
        (True, {"TERM": "xterm"}, True, True),
        (True, {}, True, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True, True),
        (True, {"TERM": "dumb"}, False, False),
        (False, {"TERM": "xterm"}, False, False),
    ],
)
def test_colours_and_redrawing(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, variables: dict[str, str], colours: bool, redrawn: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = Terminal() if terminal else io.StringIO()
    assert (has_colours(out), redraws(out)) == (colours, redrawn)
