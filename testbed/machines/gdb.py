# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of QEMU's gdb stub: a core's registers, with its system registers, and physical memory."""

import contextlib
import re
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from coldline.errors import ColdlineError

__all__ = ["Gdb", "GdbError"]

_CHUNK = 1024
"""Bytes of one read; QEMU's packets have at most 4096 characters."""


class GdbError(ColdlineError):
    """QEMU's gdb stub does not answer, or refuses."""


class Gdb:
    """A connection to a machine's gdb stub. The machine stops when it is made.

    Source: GDB Remote Serial Protocol; QEMU docs/system/gdb.rst for physical memory.

    Parameters
    ----------
    path : Path
        The stub's socket.
    timeout_s : float
        How long to wait for each answer, in seconds.

    Raises
    ------
    GdbError
        If it does not answer.
    """

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise GdbError(f"QEMU's gdb stub does not answer: {error}") from error
        self._file = self._socket.makefile("rb")
        self._names: dict[str, tuple[int, int]] = {}
        self._ask("qSupported:xmlRegisters=aarch64")
        self._number_registers()

    def registers(self, *names: str) -> dict[str, int]:
        """Return registers of the core, by their names: ``pc``, ``TTBR0_EL2``.

        Raises
        ------
        GdbError
            If it has no such register.
        """
        found = {}
        for name in names:
            if name not in self._names:
                raise GdbError(f"QEMU's gdb stub has no register {name}")
            answer = self._ask(f"p{self._names[name][0]:x}")
            found[name] = int.from_bytes(bytes.fromhex(answer), "little")
        return found

    def read(self, address: int, size: int) -> bytes:
        """Return bytes of physical memory.

        Raises
        ------
        GdbError
            If there is no memory.
        """
        if self._ask("Qqemu.PhyMemMode:1") != "OK":
            raise GdbError("QEMU's gdb stub does not read physical memory")
        found = b""
        while len(found) < size:
            count = min(_CHUNK, size - len(found))
            answer = self._ask(f"m{address + len(found):x},{count:x}")
            if answer.startswith("E"):
                raise GdbError(f"no memory at {address + len(found):#x}")
            found += bytes.fromhex(answer)
        return found

    def run_for(self, seconds: float) -> None:
        """Let the machine run for a time, and stop it again."""
        self._send("c")
        time.sleep(seconds)
        self._socket.sendall(b"\x03")
        while not self._receive().startswith("T"):
            pass

    def close(self) -> None:
        """Let the machine run, and end the connection."""
        with contextlib.suppress(OSError, GdbError):
            self._ask("D")
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _number_registers(self) -> None:
        """Give each register its number: they are counted on through all files, unless one names a number."""
        number = 0
        main = self._file_of("target.xml")
        for name in re.findall(r'href="([^"]+)"', main):
            for attributes in re.findall(r"<reg ([^>]*)/?>", self._file_of(name)):
                fields = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
                number = int(fields.get("regnum", number))
                self._names[fields["name"]] = number, int(fields["bitsize"])
                number += 1

    def _file_of(self, name: str) -> str:
        text, more = "", "m"
        while more == "m":
            answer = self._ask(f"qXfer:features:read:{name}:{len(text):x},{_CHUNK:x}")
            more, text = answer[:1], text + answer[1:]
        if more != "l":
            raise GdbError(f"QEMU's gdb stub has no {name}")
        return text

    def _ask(self, text: str) -> str:
        self._send(text)
        while (answer := self._receive()).startswith("T"):  # it says that the machine has stopped
            pass
        return answer

    def _send(self, text: str) -> None:
        data = text.encode()
        try:
            self._socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 0xFF))
        except OSError as error:
            raise GdbError(f"QEMU's gdb stub does not answer: {error}") from error

    def _receive(self) -> str:
        try:
            while (byte := self._file.read(1)) != b"$":
                if not byte:
                    raise GdbError("QEMU has ended")
            data = bytearray()
            while (byte := self._file.read(1)) != b"#":
                if not byte:
                    raise GdbError("QEMU has ended")
                data += byte
            self._file.read(2)
            self._socket.sendall(b"+")
        except OSError as error:
            raise GdbError(f"QEMU's gdb stub does not answer: {error}") from error
        return _unescaped(bytes(data)).decode("latin-1")


def _unescaped(data: bytes) -> bytes:
    found, at = bytearray(), 0
    while at < len(data):
        if data[at] == ord("}"):
            at += 1
            found.append(data[at] ^ 0x20)
        elif data[at] == ord("*"):
            found += found[-1:] * (data[at + 1] - 29)
            at += 1
        else:
            found.append(data[at])
        at += 1
    return bytes(found)
