# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds a Linux guest by each strategy, and runs it until its console says that it is up."""

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from coldline.builder import build_domain
from coldline.errors import ColdlineError
from coldline.guest import GuestOptions, make_plan
from coldline.guest.machines import VIRT
from coldline.image import load_kernel
from coldline.support.units import MIB
from testbed.kvm.host import KvmHost

_BOOTARGS: Final = "console=ttyAMA0 rdinit=/init loglevel=4 nokaslr"
_UP: Final = "up"


class _Console:
    """A guest's console: shown line by line, and searched for a text."""

    def __init__(self, until: str) -> None:
        self._up = False
        self._until = until
        self._line = bytearray()

    def send(self, byte: int) -> None:
        if byte != ord("\n"):
            self._line.append(byte)
            return
        text = self._line.decode(errors="replace").rstrip("\r")
        self._line.clear()
        print(f"guest| {text}", flush=True)
        self._up = self._up or self._until in text

    def is_up(self) -> bool:
        return self._up


def main() -> int:
    """Run the command; return its exit status: 0 if all guests came up."""
    parser = argparse.ArgumentParser(prog="python -m testbed.kvm", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the guest: kernel, initrd")
    parser.add_argument("--by", action="append", required=True, help="strategy; can be repeated")
    parser.add_argument("--until", required=True, help="what its console says when it is up")
    parser.add_argument("--record", type=Path, required=True, help="file that gets a line for each guest")
    options = parser.parse_args()
    results = []
    for strategy in options.by:
        try:
            results.append(_run(strategy, options.folder, _Console(options.until)))
        except ColdlineError as error:
            results.append("failed")
            _say(str(error))
        _say(f"{strategy} {results[-1]}")
        with options.record.open("a") as record:
            record.write(f"{strategy} {results[-1]}\n")
    return 0 if set(results) == {_UP} else 1


def _run(strategy: str, folder: Path, console: _Console) -> str:
    host = KvmHost(console.send)
    initrd = memoryview((folder / "initrd").read_bytes())
    options = GuestOptions(memory=64 * MIB, bootargs=_BOOTARGS, gic_version=3, initrd=initrd, layout=VIRT)
    plan = make_plan(load_kernel(folder / "kernel"), options)
    _say(f"{strategy} builds at {time.monotonic():.1f} s")
    domain = build_domain(plan, strategy, host)
    _say(f"{strategy} has built at {time.monotonic():.1f} s")
    try:
        host.unpause(domain)
        ended = host.run(domain, console.is_up)
    finally:
        host.destroy(domain)
    return _UP if console.is_up() else f"silent: {ended}"


def _say(line: str) -> None:
    print(f"watch: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
