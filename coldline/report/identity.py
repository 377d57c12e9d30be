# SPDX-License-Identifier: GPL-2.0-or-later
"""What a cause is called from one report to the next: by kind, instruction and offset, and not by address or line.

A report of a later version of the same program has other lines and addresses. So an instruction is named by its place
in its function or segment, a host's event by its agent and operation, and a byte by its offset in what it is part
of.
"""

import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coldline.events import PAGE_SIZE, Op
from coldline.report.causes import FINAL_READ
from coldline.report.code_places import code_identity
from coldline.report.disassembly import place_in

if TYPE_CHECKING:
    from coldline.explain.line_history import LineEvent
    from coldline.report.causes import Cause
    from coldline.report.model import Report


class Identity(NamedTuple):
    """What two reports' causes have in common if they are the same.

    Attributes
    ----------
    subject : str
        The trace's or the image's file, without its folder; of a watched machine, its kernel or firmware.
    kind, role, copy : str
        The kind of hazard, and what the deciding step did to which copy: see `coldline.explain.deciding`.
    decider, reader : str
        Who decides, and who reads: an agent, an operation, and for an instruction its place.
    offset : str
        The first byte that may be wrong: its offset in its segment; in a trace, in what the deciding event wrote.
    """

    subject: str
    kind: str
    role: str
    copy: str
    decider: str
    reader: str
    offset: str

    def __str__(self) -> str:
        did = f"{self.role} {self.copy}".rstrip()
        what = f"{self.kind} at {self.offset}: {self.decider} ({did}), {self.reader}"
        return f"{self.subject}: {what}" if self.subject else what


_PROGRAMS: Final = ("-kernel", "--kernel", "-bios", "--bios")
"""QEMU's options that name the program of a machine."""

FIELDS: Final = Identity._fields
"""The names of an identity's parts."""


def identity_of(report: "Report", cause: "Cause") -> Identity:
    """The identity of a cause of a report."""
    return Identity(
        subject=subject_of(report),
        kind=cause.kind,
        role=cause.decided.role.value,
        copy=cause.decided.copy,
        decider=_decider(report, cause.event),
        reader=_reader(report, cause),
        offset=_offset(report, cause),
    )


def subject_of(report: "Report") -> str:
    """The file that a report is about, without its folder; of QEMU's command line, the first program in it."""
    path = report.subject
    if report.machine is not None:
        words = shlex.split(path)
        path = next((file for option, file in pairwise(words) if option in _PROGRAMS), words[0])
    return path.rstrip("/").rpartition("/")[2]


def identity_from(document: "dict[str, Any]") -> Identity | None:
    """The identity in an object of a report or of a baseline; None if it is not one."""
    parts = [document.get(name) for name in FIELDS]
    texts = [part for part in parts if isinstance(part, str)]
    return Identity(*texts) if len(texts) == len(FIELDS) else None


def _decider(report: "Report", line_event: "LineEvent") -> str:
    event, code = line_event.event, line_event.code
    what = f"{event.agent} {event.op.words}"
    if code is not None:
        return f"{what} at {code_identity(report, code)}"
    place = _segment_place(report, event.address)
    return f"{what} {place}" if event.op.has_range and place else what


def _reader(report: "Report", cause: "Cause") -> str:
    if cause.final_read:
        return FINAL_READ
    entry, code = cause.first.entry, cause.first.code
    what = f"{entry.event.agent} {entry.event.op.words}"
    if code is not None and entry.event.op is not Op.FETCH:
        return f"{what} at {code_identity(report, code)}"
    return what


def _offset(report: "Report", cause: "Cause") -> str:
    place = _segment_place(report, cause.address)
    if place:
        return place
    event = cause.event.event
    if event.op.has_range and event.address <= cause.address < event.address + event.size:
        return f"+{cause.address - event.address:#x}"
    return f"page+{cause.address % PAGE_SIZE:#x}"


def _segment_place(report: "Report", address: int) -> str:
    """An address as an offset into a segment of the guest, or else into its RAM; empty for a trace."""
    if report.guest is None:
        return ""
    plan = report.guest.plan
    place = place_in(plan.segments, address)
    if place:
        return place
    for bank in plan.banks:
        if bank.base <= address < bank.base + bank.size:
            return f"RAM+{address - bank.base:#x}"
    return ""
