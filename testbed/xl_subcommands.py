# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of what xl's subcommands do to guests of xl and of coldline: ``python -m testbed.xl_subcommands RECORD``.

The record is ``subcommands.json`` in the results of a run of ``testbed/dom0/test_xen_xl.py``.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["table"]

_MOST = 90  # characters of a message
_COMPLAINT = re.compile("error|fail|cannot|invalid|unable|not implemented", re.IGNORECASE)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return a table in Markdown, a row for each subcommand.

    Parameters
    ----------
    rows : sequence of dict
        For each, its ``command`` and, under ``xl`` and ``coldline``, its exit status and what it printed for a guest
        of that builder.
    """
    lines = ["| `xl` | guest of xl | guest of coldline |", "|---|---|---|"]
    for row in rows:
        theirs = _outcome(row["xl"])
        ours = "the same" if row["coldline"] == row["xl"] else _outcome(row["coldline"])
        lines.append(f"| `{row['command']}` | {theirs} | {ours} |")
    return "\n".join(lines)


def _outcome(result: Sequence[Any]) -> str:
    status, text = result
    if status == 0:
        return "done"
    lines = text.splitlines() or [""]
    message = next(filter(_COMPLAINT.search, lines), lines[-1])
    message = re.sub(r"^libxl: error: \S+?:\d+:\w+: (Domain ID:)?", "", message).replace("|", "\\|").strip()
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"{how}: {message[:_MOST]}" + ("…" if len(message) > _MOST else "")


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
