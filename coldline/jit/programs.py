# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs: the modules whose functions are compiled to machine code, by what they are for."""

from typing import Final

CHECK: Final = "coldline.checker.compiled.events"
"""The check's loops over events and lines."""

CALLBACKS: Final = {
    "arm64": "coldline.frontends.unicorn.aarch64.hooks",
    "arm32": "coldline.frontends.unicorn.aarch32.hooks",
}
"""The emulator's callbacks, by the architecture of the guest."""

PAGE_TABLES: Final = "coldline.mmu.compiled_program"
"""What follows page tables outside of an emulator."""

QEMU: Final = "coldline.frontends.qemu.loop"
"""What reads the records of QEMU's plugin."""

TEXT: Final = "coldline.trace.compiled.text"
"""What reads and writes the text form of traces."""

SELECT: Final = "coldline.events.selecting"
"""What selects events for the second pass."""

PROGRAMS: Final = (QEMU, *CALLBACKS.values(), PAGE_TABLES, CHECK, TEXT, SELECT)
"""All of them, those first that take longest to compile."""
