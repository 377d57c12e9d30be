# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured in dom0 (`testbed/dom0/bench.py`), as tables. Times there are counts of instructions."""

from typing import Any

__all__ = ["table"]

_MIB = 1 << 20
_INSTRUCTION_S = 2e-9  # by the clock of a machine that counts: `machine.run`


def table(measured: dict[str, Any]) -> str:
    """Return Markdown: instructions and memory, and each as a ratio to xl's.

    Parameters
    ----------
    measured : dict
        What `testbed/dom0/bench.py` writes.
    """
    lines = [
        f"{measured['architecture']}, in millions of instructions, of all that the processor did; the least of "
        f"{measured['turns']} turns:",
        "",
        "| command | instructions | memory |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {_cells(figures)} |" for name, figures in measured["starts"].items()]
    for guest in measured["guests"]:
        xl = guest["builders"]["xl"]
        sizes = ", ".join(f"{name} {guest[name] / _MIB:.0f} MiB" for name in ("kernel", "initrd", "memory"))
        lines += [
            "",
            f"{sizes}:",
            "",
            "| builder | instructions | memory | instructions / xl | memory / xl |",
            "|---|---|---|---|---|",
        ]
        for name, figures in guest["builders"].items():
            who = "`xl create`" if name == "xl" else f"`coldline create`, `{name}`"
            ratios = " | ".join(f"{figures[key] / xl[key]:.2f}" for key in ("s", "kib"))
            lines.append(f"| {who} | {_cells(figures)} | {ratios} |")
    return "\n".join(lines) + "\n"


def _cells(figures: dict[str, float]) -> str:
    return f"{figures['s'] / _INSTRUCTION_S / 1e6:,.0f} M | {figures['kib'] / 1024:.0f} MiB"
