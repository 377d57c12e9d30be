# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured in dom0 (`testbed/dom0/bench.py`), as tables."""

from typing import Any

__all__ = ["table"]

_MIB = 1 << 20


def table(measured: dict[str, Any]) -> str:
    """Return Markdown: times and memory, and each as a ratio to xl's.

    Parameters
    ----------
    measured : dict
        What `testbed/dom0/bench.py` writes.
    """
    lines = [
        f"{measured['architecture']}, least of {measured['turns']} turns:",
        "",
        "| command | time | processor | memory |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{name}` | {_cells(figures)} |" for name, figures in measured["starts"].items()]
    for guest in measured["guests"]:
        xl = guest["builders"]["xl"]
        sizes = ", ".join(f"{name} {guest[name] / _MIB:.0f} MiB" for name in ("kernel", "initrd", "memory"))
        lines += [
            "",
            f"{sizes}:",
            "",
            "| builder | time | processor | memory | time / xl | processor / xl | memory / xl |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, figures in guest["builders"].items():
            who = "`xl create`" if name == "xl" else f"`coldline create`, `{name}`"
            ratios = " | ".join(f"{figures[key] / xl[key]:.2f}" for key in ("s", "cpu_s", "kib"))
            lines.append(f"| {who} | {_cells(figures)} | {ratios} |")
    return "\n".join(lines) + "\n"


def _cells(figures: dict[str, float]) -> str:
    return f"{figures['s']:.2f} s | {figures['cpu_s']:.2f} s | {figures['kib'] / 1024:.0f} MiB"
