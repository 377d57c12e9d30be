# SPDX-License-Identifier: GPL-2.0-or-later
"""What the reader and the writer of the binary form share: its constants, structures and names."""

import struct
from collections.abc import Collection

from coldline.errors import TraceError
from coldline.support.printable import shortened
from coldline.trace.text import check_room, is_agent

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


def check_new_name(known: Collection[str], name: str) -> None:
    """Check that `name` can be that of one more agent.

    Raises
    ------
    TraceError
        If it cannot; ``where`` is empty.
    """
    if not is_agent(name):
        raise TraceError("", f"'{shortened(name)}' cannot be an agent's name")
    if name in known:
        raise TraceError("", f"'{shortened(name)}' has been named before")
    check_room(known, name)
