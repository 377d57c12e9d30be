# SPDX-License-Identifier: GPL-2.0-or-later
"""Names the place of an instruction, and of a byte of data, of a guest."""

from typing import TYPE_CHECKING

from coldline.report.disassembly import place_in

if TYPE_CHECKING:
    from coldline.explain.event_code import Code
    from coldline.report.model import Report
    from coldline.symbols.symbols import SourcePlace


def source_place(report: "Report", code: "Code") -> "SourcePlace | None":
    """The function and the source line of an instruction, where they are known."""
    return report.symbols.code(code.virtual, code.physical) if report.symbols is not None else None


def code_place(report: "Report", code: "Code") -> str:
    """The place of an instruction: its function and source line, else its segment, else its virtual address."""
    found = source_place(report, code)
    return str(found) if found is not None else _segment_place(report, code)


def code_identity(report: "Report", code: "Code") -> str:
    """The place of an instruction without its source line, which changes more often."""
    found = source_place(report, code)
    return found.function if found is not None else _segment_place(report, code)


def data_place(report: "Report", address: int) -> str:
    """The object that a byte is in, such as ``.bss counter+0x4``; empty if that is not known."""
    found = report.symbols.data(address) if report.symbols is not None else None
    if found is None:
        return ""
    return f"{found.section} {found}".lstrip()


def _segment_place(report: "Report", code: "Code") -> str:
    place = place_in(report.guest.plan.segments, code.physical) if report.guest is not None else ""
    return place or f"{code.virtual:#x}"
