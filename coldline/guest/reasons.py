# SPDX-License-Identifier: GPL-2.0-or-later
"""The reasons for the addresses in a plan."""

import enum


class Reason(enum.Enum):
    """A rule of placement; its value is a phrase for the user."""

    UNSAID = ""
    FIRST_RAM = "where RAM starts"
    NEXT_RAM = "the room for RAM below is full"
    OFFSET = "as far from the start of RAM as its header says"
    ZIMAGE = "32 KiB from the start of RAM, where Xen has a zImage"
    SAME_FILE = "as far from the kernel's first piece as its file says"
    FLASH = "the flash that the first vCPU starts in"
    FIXED = "the address that it is for"
    MIDDLE = "128 MiB from the start of RAM, clear of the kernel"
    TOP = "the top of RAM, as 128 MiB from its start is taken or too high"
    LOW_TOP = "the top of low memory, as 128 MiB from the start of RAM is taken or too high"
    BELOW = "right below the kernel, as there is no room above it"
    FREE = "the lowest free RAM that holds it, as Xen's rule has no place for it"
    MOVED = "a bank of RAM where there is room, as its header lets it be anywhere"
    BEHIND_INITRD = "right behind the initrd"

    @property
    def rule(self) -> str:
        """The rule's name, which does not change with its wording: ``behind-initrd``."""
        return self.name.lower().replace("_", "-")
