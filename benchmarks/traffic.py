# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts the bytes that each strategy moves between caches and memory to build a guest.

It counts the events of the builder's own accesses and maintenance, on a host of one model. Xen's scrubbing of pages
and its flush when it allocates them are the same for all strategies, and are left out. The number of bytes that move
to or from memory follows from the architecture, or is a range if the architecture leaves a choice:

* for a store through a cached mapping, the line is first read from memory, unless the core detects that all of the
  line is written (a write stream, which is an implementation's choice); it is written back once, by maintenance or an
  eviction;
* for a store through a non-cacheable mapping, the bytes are written to memory once, and nothing is read;
* maintenance of a line that no cache holds moves nothing, but is a look-up in every cache that may hold it.

    python benchmarks/traffic.py KERNEL [--initrd MIB] [--host MODEL]
"""

import argparse
import collections

from coldline.arm import MemoryType
from coldline.builder import STRATEGIES, build_domain
from coldline.events import Event, Op
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor.models import host_model
from coldline.hypervisor.simulated import SimulatedHost
from coldline.image import load_kernel

MIB = 1 << 20
LINE = 64


class Counter:
    """Counts the builder's events."""

    def __init__(self) -> None:
        self.stored: collections.Counter[MemoryType] = collections.Counter()
        self.maintained: collections.Counter[str] = collections.Counter()
        self._type: MemoryType | None = None

    def __call__(self, event: Event) -> None:
        """Count one."""
        agent = event.agent
        if event.op is Op.MAP and agent == "dom0":
            self._type = event.memory_type
        elif event.op is Op.WRITE and agent == "dom0" and self._type is not None:
            self.stored[self._type] += event.size
        elif event.op in (Op.DC_CIVAC, Op.DC_CVAC, Op.DC_CVAU) and self.stored:
            self.maintained[agent] += event.size


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kernel")
    parser.add_argument("--initrd", type=int, default=64, metavar="MIB")
    parser.add_argument("--host", default="xen-4.17-arm64")
    options = parser.parse_args()
    kernel = load_kernel(options.kernel)
    initrd = memoryview(bytes(options.initrd * MIB))
    plan = make_plan(kernel, GuestOptions(memory=512 * MIB, initrd=initrd))
    print("| strategy | stored | read from memory first | written to memory | lines maintained |")
    print("|---|---|---|---|---|")
    for name, strategy in STRATEGIES.items():
        if kernel.architecture not in strategy.architectures:
            continue
        counter = Counter()
        build_domain(plan, name, SimulatedHost(host_model(options.host), counter))
        cached, uncached = counter.stored[MemoryType.NORMAL_WB], counter.stored[MemoryType.NORMAL_NC]
        lines = sum(counter.maintained.values()) // LINE
        read = f"0 to {cached / MIB:.1f} MiB" if cached else "0"
        late = " (when evicted)" if cached and not lines else ""
        print(
            f"| `{name}` | {(cached + uncached) / MIB:.1f} MiB | {read} | "
            f"{(cached + uncached) / MIB:.1f} MiB{late} | {lines:,} |"
        )


if __name__ == "__main__":
    main()
