# SPDX-License-Identifier: GPL-2.0-or-later
"""Names the place of an instruction of a guest."""

from typing import TYPE_CHECKING

from coldline.report.disassembly import place_in

if TYPE_CHECKING:
    from coldline.explain.line_history import Code
    from coldline.report.model import Report


def code_place(report: "Report", code: "Code") -> str:
    """The place of an instruction in its segment, such as ``kernel+0x17c``, else its virtual address."""
    place = place_in(report.guest.plan.segments, code.physical) if report.guest is not None else ""
    return place or f"{code.virtual:#x}"
