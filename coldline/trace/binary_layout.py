# SPDX-License-Identifier: GPL-2.0-or-later
"""What the reader and the writer of the binary form share: its constants, structures and names."""

import struct
from collections.abc import Collection

from coldline.errors import TraceError
from coldline.support.printable import shortened
from coldline.trace.text import check_room
from coldline.trace.text_head import is_agent

SIGNATURE = b"\x89CLT\r\n\x1a\n"
"""The first bytes of a trace in the binary form. No text starts with them, and a change of line ends alters them."""

FORM_VERSION = 2
"""The latest version of the form. A trace that names no cores and has no order of completion is of version 1."""

MAX_PAYLOAD = 1 << 21
"""The most bytes of a block's payload, of any kind."""

HEADER = struct.Struct("<HHI")
CHECKSUM = struct.Struct("<I")
BLOCK = struct.Struct("<4sII")
NAME = struct.Struct("<H")
END = struct.Struct("<Q")
CORES_TAG, AGENTS_TAG, EVENTS_TAG, LAST_TAG = b"CORE", b"NAME", b"EVNT", b"DONE"


def is_agents(name: str) -> bool:
    """Whether `name` stands for what an event without an agent names: words with a space between two, or none."""
    return not name or all(is_agent(word, version=2) for word in name.split(" "))


def check_new_name(known: Collection[str], name: str, *, version: int) -> None:
    """Check that `name` can be that of one more agent, or in version 2 of several agents together.

    Raises
    ------
    TraceError
        If it cannot; ``where`` is empty.
    """
    if not (is_agent(name) if version == 1 else is_agents(name)):
        raise TraceError("", f"'{shortened(name)}' cannot be an agent's name")
    if name in known:
        raise TraceError("", f"'{shortened(name)}' has been named before")
    check_room(known, name)
