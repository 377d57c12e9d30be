# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures how much of a boot with --order has something pending.

A line has something pending from an operation by address on it, or a store past the caches to it, to its core's next
DSB. The share is of the lines that were touched so far, after each event on average, and at the most. An `ic iallu`,
which concerns every line, does not count.

Usage: python benchmarks/pending.py [IMAGE] [--memory MIB] [--append ARGS] [--json]
"""

import argparse
import json

import numpy as np

from coldline.arm.cores import CORES
from coldline.cli.arguments.values import DEFAULT_CORES
from coldline.events import Op
from coldline.events.agent_names import is_vcpu
from coldline.events.batch import Batch
from coldline.frontends.unicorn import End, Until
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.image import load_kernel
from coldline.simulation import Trial

_BY_ADDRESS = (Op.DC_IVAC, Op.DC_CVAC, Op.DC_CIVAC, Op.DC_CVAU, Op.IC_IVAU)
_ACCESSES = (Op.READ, Op.WRITE, Op.FETCH, Op.WALK, Op.DC_ZVA, *_BY_ADDRESS)


class Share:
    """The lines of one core with something pending, of those that it touched; a sink."""

    def __init__(self, line: int) -> None:
        self._shift = line.bit_length() - 1
        self._pending: set[int] = set()
        self._touched: set[int] = set()
        self._ever: set[int] = set()
        self._off = True
        self.events = self.most = 0
        self.sum = 0.0

    def __call__(self, batch: Batch) -> None:
        """Take events; only those of the guest count."""
        ours = np.array([is_vcpu(name.partition("-")[0]) for name in batch.agents])
        cached = np.array(["-" not in name for name in batch.agents])
        rows = batch.rows
        mine = ours[rows["agent"]]
        ops = rows["op"]
        relevant = mine & (np.isin(ops, _BY_ADDRESS) | np.isin(ops, (Op.DSB, Op.MMU_ON, Op.MMU_OFF)))
        relevant |= mine & (ops == Op.WRITE)
        at = 0
        for number in np.flatnonzero(relevant):
            op = Op(int(ops[number]))
            uncached = self._off or not cached[rows["agent"][number]]
            if op is Op.WRITE and not uncached:
                continue
            self._pass(rows, mine, at, int(number))
            at = int(number)
            if op is Op.DSB:
                self._pending.clear()
            elif op in (Op.MMU_ON, Op.MMU_OFF):
                if cached[rows["agent"][number]]:
                    self._off = op is Op.MMU_OFF
            else:
                new = set(self._lines(int(rows["address"][number]), int(rows["size"][number])))
                self._pending |= new
                self._ever |= new
                self.most = max(self.most, len(self._pending))
        self._pass(rows, mine, at, len(rows))

    def _lines(self, address: int, size: int) -> range:
        return range(address >> self._shift, (address + size - 1 >> self._shift) + 1)

    def _pass(self, rows: "np.ndarray", mine: "np.ndarray", start: int, end: int) -> None:
        """Count the lines that events touch, during which nothing more becomes pending."""
        part = rows[start:end][mine[start:end] & np.isin(rows["op"][start:end], _ACCESSES)]
        if len(part) < 64:
            for address, size in zip(part["address"].tolist(), part["size"].tolist(), strict=True):
                self._touched.update(self._lines(address, size))
        else:
            rows_of_lines = np.unique(np.stack([part["address"], part["size"]], axis=1), axis=0)
            for address, size in rows_of_lines.tolist():
                self._touched.update(self._lines(address, size))
        self.events += end - start
        self.sum += (end - start) * len(self._pending) / max(len(self._touched), len(self._pending), 1)

    def figures(self) -> dict[str, float]:
        """The shares, of 1."""
        return {
            "events": self.events,
            "lines touched": len(self._touched),
            "lines that ever had something pending": len(self._ever),
            "share of these": len(self._ever) / len(self._touched),
            "share with something pending, on average": self.sum / self.events,
            "lines with something pending, at the most": self.most,
        }


def main() -> None:
    """Run the guest with order, and print the shares."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("image", nargs="?", help="a kernel (default: Debian's current arm64 one)")
    arguments.add_argument("--memory", type=int, default=256, help="MiB of guest RAM")
    arguments.add_argument("--append", default="quiet")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    if options.image is None:
        from testbed.packages.kernels import kernel

        options.image = str(kernel("arm64"))
    plan = make_plan(
        load_kernel(options.image), GuestOptions(memory=options.memory << 20, bootargs=options.append)
    )
    ordered = Trial(
        plan=plan,
        strategy="uncached",
        model=HOST_MODELS["rfc"],
        core=CORES[DEFAULT_CORES[plan.architecture]],
        until=Until(End.PSCI, limit=1 << 40),
        order=True,
    )
    share = Share(ordered.core.line)
    ordered.run(share)
    found = share.figures()
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:45} {value:14,.4f}" if isinstance(value, float) else f"{name:45} {value:14,}")


if __name__ == "__main__":
    main()
