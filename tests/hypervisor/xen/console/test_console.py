# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console, with guests that follow the ring's protocol, and with guests that do not."""

import contextlib
import io
import os
import pty
import shutil
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.cli import console_session
from coldline.cli.console_session import Shown, attach
from coldline.errors import HypervisorError
from coldline.hypervisor.xen.bindings import maintenance
from coldline.hypervisor.xen.console import consoles, ring
from coldline.hypervisor.xen.console.ring import (
    IN,
    IN_CONS,
    IN_PROD,
    OUT,
    OUT_CONS,
    OUT_PROD,
    ConsoleRing,
    RingError,
)
from coldline.hypervisor.xen.domain_list import DomainInfo
from tests.helpers.fake_xen import FakeXen
from tests.helpers.requirements import require

PAGE = 4096
INDICES = {IN_CONS, IN_PROD, OUT_CONS, OUT_PROD}
WORDS = st.one_of(
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 1 << 31, 0xFFFFF800, 0xFFFFFFFF]),
)


class CheckedPage:
    """Memory that fails a test at any access that the ring's protocol does not allow dom0's end."""

    def __init__(self) -> None:
        self.memory = bytearray(PAGE)
        self.before_access: Callable[[], None] = lambda: None

    def word(self, offset: int) -> int:
        return int.from_bytes(self.memory[offset : offset + 4], "little")

    def set_word(self, offset: int, value: int) -> None:
        self.memory[offset : offset + 4] = value.to_bytes(4, "little")

    def load(self, offset: int) -> int:
        assert offset in INDICES
        self.before_access()
        return self.word(offset)

    def store(self, offset: int, value: int) -> None:
        assert offset in (OUT_CONS, IN_PROD), "the others are the guest's"
        assert 0 <= value <= 0xFFFFFFFF
        self.before_access()
        self.set_word(offset, value)

    def read(self, offset: int, size: int) -> bytes:
        assert size >= 0
        assert OUT.start <= offset <= offset + size <= OUT.stop
        self.before_access()
        return bytes(self.memory[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        assert IN.start <= offset <= offset + len(data) <= IN.stop
        self.before_access()
        self.memory[offset : offset + len(data)] = data

    def barrier(self) -> None:
        pass


class Guest:
    """The guest's end, as in Linux (drivers/tty/hvc/hvc_xen.c)."""

    def __init__(self, page: CheckedPage) -> None:
        self.page = page

    def say(self, data: bytes) -> int:
        cons, prod = self.page.word(OUT_CONS), self.page.word(OUT_PROD)
        data = data[: len(OUT) - (prod - cons & 0xFFFFFFFF)]
        for byte in data:
            self.page.memory[OUT.start + prod % len(OUT)] = byte
            prod = prod + 1 & 0xFFFFFFFF
        self.page.set_word(OUT_PROD, prod)
        return len(data)

    def hear(self) -> bytes:
        cons, prod = self.page.word(IN_CONS), self.page.word(IN_PROD)
        assert prod - cons & 0xFFFFFFFF <= len(IN)
        heard = bytearray()
        while cons != prod:
            heard.append(self.page.memory[IN.start + cons % len(IN)])
            cons = cons + 1 & 0xFFFFFFFF
        self.page.set_word(IN_CONS, cons)
        return bytes(heard)


def test_the_layout_is_xens(tmp_path: Path) -> None:
    require(Path("/usr/include/xen/io/console.h").exists(), "no public headers of Xen: libxen-dev has them")
    require(shutil.which("gcc"), "no gcc")
    lines = ["#include <stdint.h>", "#include <xen/io/console.h>"]
    lines += [
        f'_Static_assert(__builtin_offsetof(struct xencons_interface, {member}) == {offset}, "{member}");'
        for member, offset in (
            ("in", IN.start), ("out", OUT.start), ("in_cons", IN_CONS), ("in_prod", IN_PROD),
            ("out_cons", OUT_CONS), ("out_prod", OUT_PROD),
        )
    ]  # fmt: skip
    for member, place in (("in", IN), ("out", OUT)):
        lines.append(
            f'_Static_assert(sizeof(((struct xencons_interface *)0)->{member}) == {len(place)}, "size");'
        )
    source = tmp_path / "console.c"
    source.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["gcc", "-fsyntax-only", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@settings(deadline=None)
@given(WORDS, WORDS, st.lists(st.tuples(st.booleans(), st.binary(max_size=3000)), max_size=8))
def test_an_honest_guest_loses_no_byte(
    out_start: int, in_start: int, turns: list[tuple[bool, bytes]]
) -> None:
    page = CheckedPage()
    for offset, value in (
        (OUT_CONS, out_start),
        (OUT_PROD, out_start),
        (IN_CONS, in_start),
        (IN_PROD, in_start),
    ):
        page.set_word(offset, value)
    ours, guest = ConsoleRing(page), Guest(page)
    said, taken, given, heard = bytearray(), bytearray(), bytearray(), bytearray()
    for guests_turn, data in turns:
        if guests_turn:
            said += data[: guest.say(data)]
            heard += guest.hear()
        else:
            given += data[: ours.write_input(data)]
            taken += ours.read_output()
    taken += ours.read_output()
    heard += guest.hear()
    assert taken == said
    assert heard == given


@settings(deadline=None)
@given(st.data())
def test_no_guest_makes_us_leave_the_ring(data: st.DataObject) -> None:
    """The guest writes anything anywhere, between any two of our accesses; `CheckedPage` checks each of ours."""
    page = CheckedPage()
    page.memory[:] = data.draw(st.binary(min_size=16, max_size=16)) * (PAGE // 16)
    if data.draw(st.booleans()):
        for offset in INDICES:
            page.set_word(offset, data.draw(WORDS))
    ours = ConsoleRing(page)
    chosen = st.tuples(st.sampled_from(sorted(INDICES)), WORDS)

    def attack() -> None:
        for offset, value in data.draw(st.lists(chosen, max_size=2)):
            page.set_word(offset, value)

    page.before_access = attack
    for _ in range(data.draw(st.integers(1, 4))):
        with contextlib.suppress(RingError):
            assert len(ours.read_output()) <= len(OUT)
        with contextlib.suppress(RingError):
            typed = data.draw(st.binary(max_size=2000))
            assert 0 <= ours.write_input(typed) <= min(len(typed), len(IN))


def test_nonsense_is_told_and_recovered_from() -> None:
    page = CheckedPage()
    ours, guest = ConsoleRing(page), Guest(page)
    guest.say(b"before")
    page.set_word(OUT_PROD, 2049)
    page.set_word(IN_CONS, 1)
    with pytest.raises(RingError, match="output ring of 2048 bytes claims to hold 2049: the guest"):
        ours.read_output()
    with pytest.raises(RingError, match="input ring of 1024 bytes claims to hold 4294967295: the guest"):
        ours.write_input(b"x")
    assert page.word(IN_PROD) == page.word(OUT_CONS) == 0
    page.set_word(OUT_PROD, 6)
    page.set_word(IN_CONS, 0)
    assert ours.read_output() == b"before"
    assert ours.write_input(b"x") == 1


def test_our_index_is_ours() -> None:
    """A guest's writes over our indices have no effect."""
    page = CheckedPage()
    ours, guest = ConsoleRing(page), Guest(page)
    guest.say(b"one")
    assert ours.read_output() == b"one"
    page.set_word(OUT_CONS, 0)
    page.set_word(IN_PROD, 77)
    assert ours.read_output() == b""
    ours.write_input(b"ab")
    assert page.word(IN_PROD) == 2


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"a line\r\n\tnext\b", b"a line\r\n\tnext\b"),
        (b"\x1b]0;title\x07\x1b[6n\x9b", rb"\x1b]0;title\x07\x1b[6n\x9b"),
        ("grüße €".encode(), "grüße €".encode()),
        ("\u202eevil\u0085\x7f\x00".encode(), rb"\u202eevil\x85\x7f\x00"),
        (b"\xff\xfe", rb"\xff\xfe"),
    ],
)
def test_what_a_terminal_is_shown(sent: bytes, seen: bytes) -> None:
    assert Shown()(sent) == seen
    bytewise = Shown()
    assert b"".join(bytewise(sent[index : index + 1]) for index in range(len(sent))) == seen


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_nothing_drives_a_terminal(data: bytes) -> None:
    shown = Shown()(data).decode()
    assert all(character.isprintable() or character in "\r\n\t\b" for character in shown)


class Told:
    """A console that returns given output at each read, and keeps its input."""

    def __init__(self, *outputs: bytes | Exception, forever: bytes | Exception = b"") -> None:
        self.outputs = list(outputs)
        self.forever = forever
        self.heard = bytearray()
        self.looks = 0
        self.ready, self.wake = os.pipe()
        os.write(self.wake, b"x")  # always something new

    def fileno(self) -> int:
        return self.ready

    def read(self) -> bytes:
        self.looks += 1
        output = self.outputs.pop(0) if self.outputs else self.forever
        if isinstance(output, Exception):
            raise output
        return output

    def write(self, data: bytes) -> int:
        self.heard += data[:3]
        return min(3, len(data))

    def close(self) -> None:
        os.close(self.ready)
        os.close(self.wake)


def attached(
    console: Told,
    typed: bytes = b"",
    *,
    alive: Callable[[], bool] = lambda: True,
    then: bytes = b"",
    after_s: float = 0.3,
    **options: Any,
) -> tuple[bool, bytes, list[str]]:
    """Attach to a console with a pipe as keys; type `then` later. Return whether it ended, output, messages."""
    reader, writer = os.pipe()
    os.write(writer, typed)
    timer = threading.Timer(after_s, os.write, (writer, then)) if then else None
    if timer:
        timer.start()
    screen = io.BytesIO()
    said: list[str] = []
    try:
        ended = attach(console, alive, keys=reader, screen=screen, complain=said.append, **options)
    finally:
        if timer:
            timer.join()
        for descriptor in (reader, writer):
            os.close(descriptor)
        console.close()
    return ended, screen.getvalue(), said


def test_output_and_input() -> None:
    console = Told(b"\x1b[31mred", b"\xe2", b"\x82\xac", forever=EOFError())
    assert attached(console, b"hello") == (True, b"\\x1b[31mred\xe2\x82\xac", [])
    assert attached(Told(b"\x1b[31mred"), b"", then=b"\x1d", raw=True) == (False, b"\x1b[31mred", [])
    console = Told()
    assert attached(console, b"typed\n", then=b"\x1dnot this")[0] is False
    assert console.heard == b"typed\n"


def test_a_guest_that_is_gone() -> None:
    assert attached(Told(), alive=lambda: False) == (True, b"", [])


def test_nonsense_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Told(b"before", RingError("nonsense"), RingError("nonsense"), b"after")
    monkeypatch.setattr(console, "write", None)  # nothing is typed
    assert attached(console, then=b"\x1d") == (False, b"beforeafter", ["nonsense"])


def test_input_nonsense_does_not_keep_output_back(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Told(b"one", b"two")

    def refuse(data: bytes) -> int:
        raise RingError("nonsense")

    monkeypatch.setattr(console, "write", refuse)
    assert attached(console, b"abc", then=b"\x1d") == (False, b"onetwo", ["nonsense"])


@pytest.mark.parametrize(
    "forever", [b"\x1b[2J" * 512, b"", RingError("nonsense")], ids=["output", "events", "bad"]
)
def test_a_guest_at_full_speed(forever: bytes | Exception) -> None:
    """However fast the guest is, we read at most once in `TURN_S`, and a few KiB at each read."""
    console = Told(forever=forever)
    began, used = time.monotonic(), time.process_time()
    ended, output, said = attached(console, then=b"\x1d", after_s=0.5)
    took = time.monotonic() - began
    assert not ended
    assert console.looks <= took / console_session.TURN_S + 2
    assert len(output) <= console.looks * 4 * 2048  # each escape takes four characters
    assert len(said) <= 1
    assert time.process_time() - used < 0.9 * took


def test_a_pasted_text_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Input from a pipe waits until the guest has room, and the pipe is read no further."""
    console = Told()
    text = bytes(range(97, 122)) * 100

    def take(data: bytes) -> int:
        console.heard.extend(data[:700])
        return min(700, len(data))

    monkeypatch.setattr(console, "write", take)
    assert attached(console, text, then=b"\x1d")[0] is False
    assert console.heard == text


def test_a_terminal_is_put_back() -> None:
    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    console = Told(b"up\n")

    def drive() -> None:
        seen = b""
        while b"up" not in seen:
            seen += os.read(controller, 100)
        modes = termios.tcgetattr(terminal)
        assert not modes[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        os.write(controller, b"\x03\x1d")

    thread = threading.Thread(target=drive)
    thread.start()
    with open(terminal, "wb", closefd=False) as screen:
        assert attach(console, lambda: True, keys=terminal, screen=screen) is False
    thread.join()
    assert console.heard == b"\x03", "Ctrl-C is the guest's"
    assert termios.tcgetattr(terminal) == before
    for descriptor in (controller, terminal):
        os.close(descriptor)
    console.close()


DOMAIN = DomainInfo(
    domid=5, name="five", uuid=bytes(16), memory=0, vcpus=1, state="blocked", shutdown="", seconds=0.0
)


def with_entries(**entries: bytes) -> FakeXen:
    """A Xen whose xenstore has these entries of the console of `DOMAIN`."""
    xen = FakeXen()
    for key, value in entries.items():
        xen.store_is.entries[f"/local/domain/5/console/{key.replace('_', '-')}"] = value
    return xen


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "domain 5 has no console"),
        (
            {"ring_ref": b"1", "tty": b"/etc/shadow"},
            "has '/etc/shadow' as its terminal, which is not a pseudo-terminal",
        ),
        ({"ring_ref": b"1", "tty": b"/dev/pts/../mem"}, "which is not a pseudo-terminal"),
        ({"ring_ref": b"1", "tty": b"/dev/pts/1\nx"}, "which is not a pseudo-terminal"),
        ({"ring_ref": b"-1", "tty": b""}, "no number at /local/domain/5/console/ring-ref"),
        ({"ring_ref": b"9" * 5000}, "no number at"),
        ({"ring_ref": b"9", "port": b"x"}, "no number at /local/domain/5/console/port"),
    ],
)
def test_what_xenstore_has_is_checked(
    entries: dict[str, bytes], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles, "TTY_WAIT_S", 0)
    with pytest.raises(HypervisorError, match=message):
        consoles.open_console(with_entries(**entries), DOMAIN)


def test_a_terminal_that_closes() -> None:
    controller, terminal = pty.openpty()
    console = consoles.PtyConsole(os.ttyname(terminal))
    assert console.read() == b""
    os.write(controller, b"guest says\n")
    assert console.read().startswith(b"guest says")
    assert console.write(b"x\n") == 2
    for descriptor in (controller, terminal):
        os.close(descriptor)
    with pytest.raises(EOFError):
        console.read()
    console.close()


@pytest.mark.parametrize(
    ("state", "prefix"), [("aarch64", "aarch64-linux-gnu-"), ("arm", "arm-linux-gnueabihf-")]
)
def test_the_barriers_code(state: str, prefix: str, tmp_path: Path) -> None:
    require(shutil.which(f"{prefix}as"), f"no {prefix}as")
    text = {"aarch64": "dmb ish\nret\n", "arm": ".arch armv7-a\n.arm\ndmb ish\nbx lr\n"}[state]
    (tmp_path / "code.S").write_text(text)
    subprocess.run([f"{prefix}as", "-o", tmp_path / "code.o", tmp_path / "code.S"], check=True)
    subprocess.run(
        [f"{prefix}objcopy", "-O", "binary", "-j", ".text", tmp_path / "code.o", tmp_path / "code"],
        check=True,
    )
    code = b"".join(word.to_bytes(4, "little") for word in maintenance.BARRIERS[state])
    assert (tmp_path / "code").read_bytes() == code


def test_the_ring_imports_nothing_but_the_standard_library() -> None:
    source = Path(ring.__file__).read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["from typing import Final, Protocol", "from coldline.errors import HypervisorError"]
