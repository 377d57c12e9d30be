# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures the first and later builds of a guest in a fresh dom0: `scripts/testbed bench`."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.dom0.commands import COLDLINE

HOST = Path("/host")
FOLDER = Path("/tmp/bench")
MIB = 1 << 20
REST_S = 10
"""Seconds to wait after a guest. Xen scrubs its RAM, and dom0's balloon takes back the pages that showed its frames,
once nothing else runs. A command that starts sooner would be measured with that work."""

XL, PRELOADED_XL = "xl", "preloaded-xl"
"""Builders besides coldline's strategies; the second is `coldline xl`."""

STARTS = {
    "python3 -c pass": [sys.executable, "-c", "pass"],
    "xl list": ["xl", "list"],
    "coldline list": [*COLDLINE, "list"],
}


class CommandError(Exception):
    """A command failed; the message is its last output."""


def run(words: Sequence[str | Path]) -> dict[str, float]:
    """Run a command; return its time in seconds, and its peak memory in KiB."""
    with open("/tmp/said", "w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise CommandError(Path(said.name).read_text().strip())
    return {"s": took, "kib": used.ru_maxrss}


def best(turns: list[dict[str, float]]) -> dict[str, float]:
    """The least time and the most memory of several turns."""
    return {"s": min(each["s"] for each in turns), "kib": max(each["kib"] for each in turns)}


def files(initrd: int, memory: int) -> tuple[Path, dict[str, int]]:
    """Write a guest's files; return its configuration's path, and their sizes."""
    FOLDER.mkdir()
    shutil.copy(HOST / "guest/kernel", FOLDER)
    with open(FOLDER / "initrd", "wb") as file:
        # the guest's own comes first, and its kernel gives up at what follows
        file.write((HOST / "guest/initrd").read_bytes())
        for _ in range(initrd):
            file.write(os.urandom(4096) * 256)
        file.truncate(initrd * MIB)
    configuration = FOLDER / "guest.cfg"
    configuration.write_text(
        f'name = "bench"\nmemory = {memory}\nvcpus = 1\nkernel = "{FOLDER}/kernel"\n'
        f'ramdisk = "{FOLDER}/initrd"\nextra = "console=hvc0 rdinit=/init"\n'
    )
    sizes = {
        "kernel": (FOLDER / "kernel").stat().st_size,
        "initrd": initrd * MIB,
        "memory": memory * MIB,
    }
    return configuration, sizes


def destroyed() -> None:
    """Destroy the guest, and wait until it is gone and the work after it is done."""
    subprocess.run(["xl", "destroy", "bench"], check=True)
    while (
        len(subprocess.run(["xl", "list"], capture_output=True, text=True, check=True).stdout.splitlines())
        > 2
    ):
        time.sleep(0.05)
    time.sleep(REST_S)


def build(options: Namespace) -> dict[str, Any]:
    """Build the guest, first in a dom0 that has built none, then again."""
    configuration, measured = files(options.initrd, options.memory)
    words: list[str | Path]
    if options.strategy == XL:
        words = ["xl", "create", "-p", "-q", configuration]
    elif options.strategy == PRELOADED_XL:
        words = [*COLDLINE, "xl", "create", "-p", "-q", configuration]
    else:
        words = [*COLDLINE, "create", "--paused", configuration, "--strategy", options.strategy]
    if options.strategy != XL and not options.no_driver:
        subprocess.run(["insmod", "/opt/coldline/xen-coldline.ko"], check=True)
    time.sleep(REST_S)
    turns = []
    try:
        for _ in range(1 + options.turns):
            turns.append(run(words))
            destroyed()
    except CommandError as failed:
        return measured | {"failed": str(failed)}
    return measured | {"first": turns[0], "again": best(turns[1:])}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("strategy", help="or xl, or preloaded-xl, or starts: of commands that do nothing")
    parser.add_argument("--no-driver", action="store_true")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--initrd", type=int, default=64, help="MiB")
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    options = parser.parse_args()
    if options.strategy == "starts":
        measured = {
            name: best([run(words) for _ in range(1 + options.turns)]) for name, words in STARTS.items()
        }
    else:
        measured = build(options)
    with contextlib.suppress(FileNotFoundError):
        (HOST / "bench.json").unlink()
    (HOST / "bench.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
