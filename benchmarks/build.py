# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the build of a guest with a large initrd on the simulated host with one copy of its bytes.

    copy              NumPy's copy of as many bytes, into new memory
    copy in place     the same into memory that was written before, which a new guest's never was
    build             open the initrd, plan, build: from its file to the guest's RAM
    read, build       the same with the initrd read first, as for a kernel
    read, zero, copy  the same in the way of Xen's builder: read, then zero the guest's pages, then copy

The file is in the page cache. Times are the least of some runs, also as ratios to the copy. Memory is the peak of a
process that builds the guest once, minus the peak of one without an initrd, as a ratio to the initrd's size.

Usage: python benchmarks/build.py [--mib N] [--runs N] [--folder DIR]
"""

import argparse
import mmap
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from coldline.builder import build_domain

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.timing import best
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor.models import host_model
from coldline.hypervisor.simulated import SimulatedHost
from coldline.image import FileBytes, Kernel, load_blob, load_kernel, open_blob
from coldline.samples import sample
from coldline.support.zeroed_memory import zeros

MIB = 1 << 20
STRATEGY = "uncached"


def the_kernel() -> Kernel:
    return load_kernel(sample("midway-arm64").image)


def built(kernel: Kernel, initrd: memoryview | FileBytes | None, size: int) -> None:
    plan = make_plan(kernel, GuestOptions(memory=size + 256 * MIB, initrd=initrd))
    host = SimulatedHost(host_model("rfc"), lambda event: None)
    host.destroy(build_domain(plan, STRATEGY, host))


def as_xen_does(path: str, size: int) -> None:
    data = load_blob(path, "initrd", max_image=size)
    ram = zeros(size + 256 * MIB)
    ram.madvise(mmap.MADV_HUGEPAGE)
    target = np.frombuffer(ram, np.uint8)[128 * MIB : 128 * MIB + size]
    target.fill(0)
    target[:] = np.frombuffer(data, np.uint8)


def peak(path: str, size: int) -> int:
    """The peak memory, in bytes, of a separate process that builds the guest; without an initrd if `path` is None."""
    done = subprocess.run(
        [sys.executable, __file__, "--mib", str(size // MIB), "--once", path],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def once(path: str, size: int) -> None:
    built(the_kernel(), open_blob(path, "initrd", max_image=size) if path else None, size)
    # Not getrusage: a new process's figure includes its parent's.
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")
    )
    print(int(line.split()[1]) << 10)


def copies(path: str, size: int, runs: int) -> tuple[float, float]:
    """Write the file; return the seconds of a copy of its bytes into new memory, and into used memory."""
    source = np.random.default_rng(1).integers(0, 1 << 63, size // 8).view(np.uint8)
    source.tofile(path)
    target = source.copy()
    return best(runs, source.copy), best(runs, lambda: np.copyto(target, source))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", help="where the initrd is written (default: as tempfile has it)")
    parser.add_argument("--once", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = options.mib * MIB
    if options.once is not None:
        once(options.once, size)
        return
    kernel = the_kernel()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = os.path.join(folder, "initrd")
        copy, in_place = copies(path, size, options.runs)
        print(f"an initrd of {options.mib} MiB")
        row("copy", copy, copy)
        row("copy in place", in_place, copy)
        limit = {"max_image": size}
        row(
            "build", best(options.runs, lambda: built(kernel, open_blob(path, "initrd", **limit), size)), copy
        )
        row(
            "read, build",
            best(options.runs, lambda: built(kernel, load_blob(path, "initrd", **limit), size)),
            copy,
        )
        row("read, zero, copy", best(options.runs, lambda: as_xen_does(path, size)), copy)
        held = peak(path, size) - peak("", size)
        print(f"{'memory of build':18} {held / MIB:8.0f} MiB  {held / size:5.2f} times the initrd")


def row(name: str, seconds: float, copy: float) -> None:
    print(f"{name:18} {seconds * 1e3:8.1f} ms   {seconds / copy:5.2f} times the copy", flush=True)


if __name__ == "__main__":
    main()
