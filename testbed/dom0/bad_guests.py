# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of a few instructions, which misuse their console as fast as they can, or end at once.

Each word of machine code has its source beside it; `tests/testbed/dom0/test_bad_guests.py` compares them with an
assembler.
"""

import os
import struct

CONSOLE_PAGE = 0x39000000  # the first of those that Xen's builders put there
ESCAPES = b"\x1b[2J\x1b]0;pwned\x07\x1b[31m\x9b6n\xff\r\n"

PROGRAMS = {
    # Random numbers over all of the page, the indices with it.
    ("noise", "arm64"): """
        d2a72000  mov x0, #0x39000000
        52824681  mov w1, #0x1234
        d2800002  mov x2, #0
        4a013421  1: eor w1, w1, w1, lsl #13
        4a414421  eor w1, w1, w1, lsr #17
        4a011421  eor w1, w1, w1, lsl #5
        b8226801  str w1, [x0, x2]
        91001042  add x2, x2, #4
        92402c42  and x2, x2, #0xfff
        17fffffa  b 1b
    """,
    ("noise", "arm32"): """
        e3a00439  mov r0, #0x39000000
        e3a01c12  mov r1, #0x1200
        e3a02000  mov r2, #0
        e0211681  1: eor r1, r1, r1, lsl #13
        e02118a1  eor r1, r1, r1, lsr #17
        e0211281  eor r1, r1, r1, lsl #5
        e7801002  str r1, [r0, r2]
        e2822004  add r2, r2, #4
        e3c22a01  bic r2, r2, #0x1000
        eafffff8  b 1b
    """,
    # A ring that is full again as soon as it is read, and a notification (EVTCHNOP_send, port 2) each time.
    ("flood", "arm64"): """
        d2a72013  mov x19, #0x39000000
        b94c0a61  1: ldr w1, [x19, #3080]
        11200021  add w1, w1, #2048
        b90c0e61  str w1, [x19, #3084]
        d2800410  mov x16, #32
        d2800080  mov x0, #4
        10000061  adr x1, 2f
        d401d422  hvc #0xea1
        17fffff9  b 1b
        00000002  2: .word 2
    """,
    ("flood", "arm32"): """
        e3a04439  mov r4, #0x39000000
        e5941c08  1: ldr r1, [r4, #3080]
        e2811b02  add r1, r1, #2048
        e5841c0c  str r1, [r4, #3084]
        e3a0c020  mov r12, #32
        e3a00004  mov r0, #4
        e28f1004  adr r1, 2f
        e140ea71  hvc #0xea1
        eafffff7  b 1b
        00000002  2: .word 2
    """,
    # PSCI's SYSTEM_OFF.
    ("off", "arm64"): """
        d2800100  mov x0, #8
        f2b08000  movk x0, #0x8400, lsl #16
        d4000002  hvc #0
        14000000  1: b 1b
    """,
    ("off", "arm32"): """
        e3a00008  mov r0, #8
        e3800321  orr r0, r0, #0x84000000
        e1400070  hvc #0
        eafffffe  1: b 1b
    """,
    # PSCI's SYSTEM_RESET.
    ("reset", "arm64"): """
        d2800120  mov x0, #9
        f2b08000  movk x0, #0x8400, lsl #16
        d4000002  hvc #0
        14000000  1: b 1b
    """,
    ("reset", "arm32"): """
        e3a00009  mov r0, #9
        e3800321  orr r0, r0, #0x84000000
        e1400070  hvc #0
        eafffffe  1: b 1b
    """,
    # SCHEDOP_shutdown with SHUTDOWN_crash.
    ("crash", "arm64"): """
        d28003b0  mov x16, #29
        d2800040  mov x0, #2
        10000061  adr x1, 2f
        d401d422  hvc #0xea1
        14000000  1: b 1b
        00000003  2: .word 3
    """,
    ("crash", "arm32"): """
        e3a0c01d  mov r12, #29
        e3a00002  mov r0, #2
        e28f1004  adr r1, 2f
        e140ea71  hvc #0xea1
        eafffffe  1: b 1b
        00000003  2: .word 3
    """,
    # SCHEDOP_shutdown with SHUTDOWN_watchdog.
    ("watchdog", "arm64"): """
        d28003b0  mov x16, #29
        d2800040  mov x0, #2
        10000061  adr x1, 2f
        d401d422  hvc #0xea1
        14000000  1: b 1b
        00000004  2: .word 4
    """,
    ("watchdog", "arm32"): """
        e3a0c01d  mov r12, #29
        e3a00002  mov r0, #2
        e28f1004  adr r1, 2f
        e140ea71  hvc #0xea1
        eafffffe  1: b 1b
        00000004  2: .word 4
    """,
}


def code_of(name: str, architecture: str) -> bytes:
    """A program's machine code."""
    lines = PROGRAMS[name, architecture].strip().splitlines()
    return b"".join(int(line.split()[0], 16).to_bytes(4, "little") for line in lines)


def image_of(name: str, architecture: str) -> bytes:
    """A kernel image that contains only a program."""
    code = code_of(name, architecture)
    if architecture == "arm64":  # linux Documentation/arm64/booting.rst (6.1): a branch over the header
        header = struct.pack("<IIQQQ24x4sI", 0x14000010, 0xD503201F, 0, 4096, 0xA, b"ARM\x64", 0)
    else:  # linux arch/arm/boot/compressed/head.S (6.1): a branch over the header
        header = struct.pack("<9IIII16x", 0xEA00000E, *[0xE1A00000] * 8, 0x016F2818, 0, 64 + len(code))
    assert len(header) == 64
    return (header + code).ljust(4096, b"\0")


ARCHITECTURE = "arm64" if os.uname().machine == "aarch64" else "arm32"
