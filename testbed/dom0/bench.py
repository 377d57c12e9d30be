# SPDX-License-Identifier: GPL-2.0-or-later
"""What building a guest costs in dom0, by every strategy, beside `xl create`: `scripts/testbed bench`."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from commands import COLDLINE

GUEST = Path("/host/guest")
STRATEGIES = {
    "arm64": ("none", "flush", "hypercall", "uncached", "uncached-hypercall"),
    "arm32": ("none", "syscall", "hypercall", "uncached", "uncached-hypercall"),
}
MIB = 1 << 20
REST_S = 10
"""After a guest: Xen scrubs its RAM, and dom0's balloon takes back the pages that showed it, once nothing else runs.
Who comes sooner pays for the one before."""


def run(words, log):
    """Run a command; return the seconds that it took, and the most memory it had, in KiB."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        log.flush()
        sys.exit(
            f"{' '.join(map(str, words))}: exit status {process.returncode}\n{Path(log.name).read_text()}"
        )
    return took, used.ru_maxrss


def best(turns):
    """The least time of several turns, and the most memory."""
    return {
        "s": min(each[0] for each in turns),
        "kib": max(each[1] for each in turns),
    }


def commands(folder, architecture, initrd, memory, paused):
    """The commands that make one and the same guest."""
    configuration = folder / "guest.cfg"
    configuration.write_text(
        f'name = "bench"\nmemory = {memory}\nvcpus = 1\nkernel = "{folder}/kernel"\n'
        f'ramdisk = "{initrd}"\nextra = "console=hvc0 rdinit=/init"\n'
    )
    yield "xl", ["xl", "create", *(["-p"] if paused else []), "-q", configuration]
    for strategy in STRATEGIES[architecture]:
        words = ["create", *(["--paused"] if paused else []), configuration, "--strategy", strategy]
        yield strategy, [*COLDLINE, *words]


def destroyed(log):
    """Destroy the guest, and wait until it is gone and nothing is left to do of it."""
    subprocess.run(["xl", "destroy", "bench"], stdout=log, stderr=log, check=True)
    while (
        len(subprocess.run(["xl", "list"], capture_output=True, text=True, check=True).stdout.splitlines())
        > 2
    ):
        time.sleep(0.05)
    time.sleep(REST_S)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--initrd", type=int, nargs="+", default=[64], help="MiB")
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    options = parser.parse_args()
    architecture = "arm64" if os.uname().machine == "aarch64" else "arm32"
    if not Path("/dev/xen/coldline").exists():
        subprocess.run(["insmod", "/opt/coldline/xen-coldline.ko"], check=True)
    results = {"architecture": architecture, "turns": options.turns, "guests": [], "starts": {}}
    folder = Path("/tmp/bench")
    folder.mkdir()
    shutil.copy(GUEST / "kernel", folder)
    with open("/tmp/bench/log", "w+") as log:
        starts = {
            "python3 -c pass": [sys.executable, "-c", "pass"],
            "xl list": ["xl", "list"],
            "coldline list": [*COLDLINE, "list"],
        }
        for name, words in starts.items():
            measured = [run(words, log) for _ in range(options.turns)]
            results["starts"][name] = best(measured)
        for size in options.initrd:
            initrd = folder / "initrd"
            # the guest's own comes first, and its kernel gives up at what follows
            data = (GUEST / "initrd").read_bytes()
            with initrd.open("wb") as file:
                file.write(data)
                for _ in range(size):
                    file.write(os.urandom(4096) * 256)
                file.truncate(size * MIB)
            measured = {}
            for _ in range(options.turns):  # in turn, so that what changes in between changes for all
                for name, words in commands(folder, architecture, initrd, options.memory, True):
                    measured.setdefault(name, []).append(run(words, log))
                    destroyed(log)
            guest = {
                "kernel": (folder / "kernel").stat().st_size,
                "initrd": size * MIB,
                "memory": options.memory * MIB,
            }
            guest["builders"] = {name: best(turns) for name, turns in measured.items()}
            results["guests"].append(guest)
    with contextlib.suppress(FileNotFoundError):
        Path("/host/bench.json").unlink()
    Path("/host/bench.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
