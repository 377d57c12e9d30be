# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON reports without what depends on the name of the file that was read."""

from typing import Any


def without_names(report: dict[str, Any]) -> dict[str, Any]:
    """A report of a trace without the file's name, which is in the causes' identities, too."""
    causes = []
    for cause in report.get("causes", []):
        identity = {name: value for name, value in cause["identity"].items() if name != "subject"}
        causes.append({**cause, "identity": identity})
    rest = {name: value for name, value in report.items() if name not in ("file", "causes")}
    return {**rest, "causes": causes}
