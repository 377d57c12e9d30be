# SPDX-License-Identifier: GPL-2.0-or-later
"""Consoles of Linux guests built by coldline and xl, on hvc0 and PL011, with coldline's and xl's clients."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.dom0.commands import COLDLINE, coldline, good, xl
from testbed.dom0.terminal import END_KEY, Terminal

GUEST = Path("/host/guest")
LOCK = Path("/var/lock")
CLIENTS = {
    ("coldline", "hvc0"): (*COLDLINE, "console", "both"),
    ("coldline", "ttyAMA0"): (*COLDLINE, "console", "both", "--vuart"),
    ("xl", "hvc0"): ("xl", "console", "both"),
    ("xl", "ttyAMA0"): ("xl", "console", "-t", "vuart", "both"),
}


@pytest.fixture(scope="module", params=["coldline", "xl"])
def linux(
    request: pytest.FixtureRequest, driver: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A Linux guest with a shell on each console, from one configuration file, by either builder."""
    file = tmp_path_factory.mktemp("guest") / "both.cfg"
    file.write_text(
        f'name = "both"\nmemory = 128\nvcpus = 1\nkernel = "{GUEST}/kernel"\nramdisk = "{GUEST}/initrd"\n'
        'extra = "console=ttyAMA0 console=hvc0 loglevel=4 rdinit=/init"\nvuart = "sbsa_uart"\n'
    )
    if request.param == "xl":
        xl("create", "-q", str(file))
    else:
        good("create", str(file))
    yield
    good("destroy", "both")


@pytest.mark.parametrize(("client", "console"), CLIENTS)
def test_a_shell_answers(linux: None, client: str, console: str) -> None:
    with Terminal(*CLIENTS[client, console]) as terminal:
        terminal.ask(b"echo $((6 * 7)) on $(tty)\n", b"42 on /dev/" + console.encode())
        terminal.type(END_KEY)
        assert terminal.ended() == 0
    assert not list(LOCK.glob("xenconsole.*"))


@pytest.mark.parametrize("linux", ["coldline"], indirect=True)
@pytest.mark.parametrize("console", ["hvc0", "ttyAMA0"])
def test_one_client_at_a_time(linux: None, console: str) -> None:
    """The first client keeps the console; both consoles have one lock, as with xl."""
    domid = xl("domid", "both").strip()
    lock = LOCK / f"xenconsole.{domid}"
    for first, second in itertools.permutations(("coldline", "xl")):
        with Terminal(*CLIENTS[first, console]) as holder:
            holder.ask(b"echo $((6 * 7))\n", b"42")
            with Terminal(*CLIENTS[second, "hvc0"]) as other:
                status = other.ended()
                said = other.seen.decode()
                assert status, said
                if second == "coldline":
                    who = f"xenconsole (process {holder.process.pid})"
                    held = f"console is in use: {who} holds the lock {lock}"
                    assert said == f"coldline: domain {domid}: {held}\r\n"
                else:
                    assert f"Could not lock {lock}" in said
            holder.type(END_KEY)
            assert holder.ended() == 0
        assert not lock.exists()


@pytest.mark.parametrize("linux", ["coldline"], indirect=True)
def test_a_killed_client_keeps_nobody_out(linux: None) -> None:
    with Terminal(*CLIENTS["coldline", "hvc0"]) as killed:
        killed.ask(b"echo $((6 * 7))\n", b"42")
    assert list(LOCK.glob("xenconsole.*"))
    with Terminal(*CLIENTS["xl", "hvc0"]) as terminal:
        terminal.ask(b"echo $((6 * 9))\n", b"54")
        terminal.type(END_KEY)
        assert terminal.ended() == 0
    assert not list(LOCK.glob("xenconsole.*"))
    assert coldline("console", "none").returncode == 2
