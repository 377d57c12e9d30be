# SPDX-License-Identifier: GPL-2.0-or-later
"""The files in which libxl keeps what it knows of domains.

Source: xen tools/libs/light/libxl_dom.c (4.17), libxl__userdata_path, libxl__userdata_store and
libxl__userdata_destroyall. An error is an OSError that names the file.
"""

import contextlib
import os
from typing import Final

LIBXL_FOLDER: Final = "/var/lib/xen"
"""XEN_LIB_DIR."""


class RecordFolder:
    """libxl's folder of records.

    Parameters
    ----------
    folder : str
        The folder. Without it, there is no libxl here: nothing is written.
    """

    def __init__(self, folder: str = LIBXL_FOLDER) -> None:
        self._folder = folder

    def write(self, domid: int, uuid: str, text: str) -> None:
        """Write a domain's record, in one step."""
        if not os.path.isdir(self._folder):
            return
        new, whole = (f"{self._folder}/userdata-{kind}.{domid}.{uuid}.libxl-json" for kind in "nd")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape") + b"\0")
        os.rename(new, whole)

    def remove(self, domid: int) -> None:
        """Remove everything that libxl keeps of a domain, under any UUID that it had, except a lock, which its holder
        removes.

        Who renames a domain gives it another UUID, and can be killed before the record has it, too.
        """
        names: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            names = os.listdir(self._folder)
        for name in names:
            kind, *rest = name.split(".")
            if rest[:1] == [str(domid)] and kind[:-1] == "userdata-" and "domain-userdata-lock" not in name:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self._folder}/{name}")

    def move(self, domid: int, old: str, new: str) -> None:
        """Keep a domain's record under another UUID of it."""
        paths = [f"{self._folder}/userdata-d.{domid}.{uuid}.libxl-json" for uuid in (old, new)]
        with contextlib.suppress(FileNotFoundError):
            os.rename(*paths)
