# SPDX-License-Identifier: GPL-2.0-or-later
"""`coldline console` with a Linux guest and with hostile guests."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.dom0 import bad_guests
from testbed.dom0.commands import COLDLINE, coldline, good
from testbed.dom0.domains import Xen

GUEST = Path("/host/guest")
END_KEY = b"\x1d"


class Attached:
    """`coldline console`, or another command that connects, with pipes as its input and output."""

    def __init__(self, *words: str, command: str = "console") -> None:
        self.process = subprocess.Popen(
            [*COLDLINE, command, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.input, self.output, self.errors = self.process.stdin, self.process.stdout, self.process.stderr
        self.seen = b""

    def type(self, data: bytes) -> None:
        self.input.write(data)
        self.input.flush()

    def until(self, wanted: bytes, within_s: float) -> bytes:
        """Read until the output has `wanted`."""
        os.set_blocking(self.output.fileno(), False)
        end = time.monotonic() + within_s
        while wanted not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            assert self.process.poll() is None, self.errors.read()
            self.seen += self.output.read() or b""
            time.sleep(0.05)
        return self.seen

    def end(self) -> tuple[bytes, bytes]:
        """Press Ctrl-]."""
        self.type(END_KEY)
        os.set_blocking(self.output.fileno(), True)
        output, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors
        return self.seen + output, errors


@pytest.fixture
def linux() -> Iterator[list[str]]:
    words = (
        "--initrd",
        GUEST / "initrd",
        "--append",
        "console=ttyAMA0 console=hvc0 loglevel=4",
        "--vuart",
        "--memory",
        "128",
        "--name",
        "linux",
    )
    yield [str(word) for word in ("create", "-e", GUEST / "kernel", *words)]
    coldline("destroy", "linux")


@pytest.fixture
def no_daemon() -> Iterator[None]:
    """No xenconsoled."""
    pid = int(subprocess.run(["pidof", "xenconsoled"], capture_output=True, text=True, check=True).stdout)
    os.kill(pid, signal.SIGKILL)
    yield
    subprocess.run(["xenconsoled", "--log=guest"], check=True)


def at_a_linux() -> None:
    console = Attached("linux")
    console.until(b"guest: in user space", 60)
    at_a_shell(console)


def at_a_shell(console: Attached | None = None) -> None:
    console = console or Attached("linux")
    console.type(b"echo $((6 * 7)) it is\n")
    console.until(b"42 it is", 20)
    _, errors = console.end()
    assert errors == b""


def test_a_linux_guest(linux: list[str]) -> None:
    good(*linux)
    at_a_linux()


@pytest.mark.parametrize("keeper", [["-e"], []], ids=["no keeper", "a keeper"])
def test_create_connects(linux: list[str], keeper: list[str]) -> None:
    command, _, *words = linux
    console = Attached("-c", *keeper, *words, command=command)
    console.until(b"guest: in user space", 60)
    console.type(b"echo $((6 * 7)) it is\n")
    console.until(b"42 it is", 20)
    _, errors = console.end()
    assert errors == b""
    at_a_shell()  # the guest goes on
    good("destroy", "linux")


def test_a_linux_guest_without_the_daemon(linux: list[str], no_daemon: None) -> None:
    good(*linux)
    at_a_linux()
    console = Attached("linux", "--vuart")
    console.type(b"echo $((6 * 7)) it is\n")
    console.until(b"42 it is", 20)
    console.end()
    console = Attached("linux")  # another client can connect
    console.type(b"poweroff -f\n")
    _, errors = console.process.communicate(timeout=60)
    assert b"has ended" in errors
    good("destroy", "linux")


@pytest.fixture
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A hostile guest, paused."""
    image = tmp_path / "bad"
    image.write_bytes(bad_guests.image_of(request.param, bad_guests.ARCHITECTURE))
    words = ("--name", "bad", "--memory", "16", "--paused", "--json")
    yield request.param, ["create", str(image), *words]
    coldline("destroy", "bad")


def make(xen: Xen, bad: tuple[str, list[str]]) -> str:
    """Build the guest with a ring full of escape sequences, and let it run."""
    program, words = bad
    domid = json.loads(good(*words))["domid"]
    frame = bad_guests.CONSOLE_PAGE >> 12
    address = xen.bindings.foreign.map(domid, [frame])
    text = (bad_guests.ESCAPES * 200)[:2048]
    xen.bindings.memory.copy(address + 1024, text)
    xen.bindings.foreign.unmap(address, 1)
    good("unpause", "bad")
    return program


def at_a_bad_one(enough: Callable[[bytes, bytes], object], within_s: float = 90) -> tuple[str, str]:
    """Stay until there is enough output or complaint; return both."""
    console = Attached("bad")
    for pipe in (console.output, console.errors):
        os.set_blocking(pipe.fileno(), False)
    said = b""
    end = time.monotonic() + within_s
    while not enough(console.seen, said):
        assert time.monotonic() < end, (console.seen[-500:], said)
        assert console.process.poll() is None, said
        console.seen += console.output.read() or b""
        said += console.errors.read() or b""
        time.sleep(0.05)
    time.sleep(1)  # for a complaint that comes twice
    os.set_blocking(console.errors.fileno(), True)
    output, errors = console.end()
    text = output.decode()
    assert all(character.isprintable() or character in "\r\n\t\b" for character in text), "raw escapes"
    return text, (said + errors).decode()


@pytest.mark.parametrize("bad", ["flood"], indirect=True)
def test_a_bad_guest(xen: Xen, bad: tuple[str, list[str]]) -> None:
    make(xen, bad)
    text, errors = at_a_bad_one(lambda seen, said: len(seen) > 2000)
    assert errors == ""
    assert r"\x1b[2J\x1b]0;pwned\x07" in text


@pytest.mark.parametrize("bad", ["noise", "flood"], indirect=True)
def test_a_bad_guest_without_the_daemon(xen: Xen, bad: tuple[str, list[str]], no_daemon: None) -> None:
    program = make(xen, bad)
    if program == "noise":
        _, errors = at_a_bad_one(lambda seen, said: said)
        assert errors.count("the guest wrote an invalid index") == errors.count("\n") == 1
    else:
        text, errors = at_a_bad_one(lambda seen, said: len(seen) > 20_000)
        assert errors == ""
        assert r"\x1b[2J\x1b]0;pwned\x07" in text
    good("destroy", "bad")
    assert all(known["domid"] == 0 for known in json.loads(good("list", "--json")))
