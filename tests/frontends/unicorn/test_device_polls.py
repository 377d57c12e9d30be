# SPDX-License-Identifier: GPL-2.0-or-later
"""The value that a loop waits for, as its code says. The machine code is that of GNU as."""

import pytest

from coldline.frontends.unicorn.device_polls import awaited

AT = 0x1000


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


@pytest.mark.parametrize(
    ("instructions", "code", "waits_for"),
    [
        # ldr w1, [x0]; tbz w1, #5, .-4
        ("arm64", words(0xB9400001, 0x362FFFE1), "bit 5 to be 1"),
        # ldr w1, [x0]; tbnz w1, #5, .-4
        ("arm64", words(0xB9400001, 0x372FFFE1), "bit 5 to be 0"),
        # ldr w1, [x0]; tbnz w1, #5, .+8; b .-8
        ("arm64", words(0xB9400001, 0x37280041, 0x17FFFFFE), "bit 5 to be 1"),
        # ldr w1, [x0]; dmb sy; tst w1, #0x3; b.eq .-12
        ("arm64", words(0xB9400001, 0xD5033FBF, 0x7200043F, 0x54FFFFA0), "one of the bits 0, 1 to be 1"),
        # ldr w1, [x0]; tst w1, #0x3; b.ne .-8
        ("arm64", words(0xB9400001, 0x7200043F, 0x54FFFFC1), "all of the bits 0, 1 to be 0"),
        # ldr w1, [x0]; cbz w1, .-4
        ("arm64", words(0xB9400001, 0x34FFFFE1), "a value other than 0"),
        # ldr w1, [x0]; and w2, w1, #0x4; cbnz w2, .-8
        ("arm64", words(0xB9400001, 0x121E0022, 0x35FFFFC2), "bit 2 to be 0"),
        # ldr w1, [x0]; cmp w1, #0x7; b.ne .-8
        ("arm64", words(0xB9400001, 0x71001C3F, 0x54FFFFC1), "the value 0x7"),
        # ldr w1, [x0]; ldr w2, [x3]; cbz w2, .-8
        ("arm64", words(0xB9400001, 0xB9400062, 0x34FFFFC2), ""),
        # ldr w1, [x0]; bl .
        ("arm64", words(0xB9400001, 0x94000000), ""),
        # mov w1, w2
        ("arm64", words(0x2A0203E1), ""),
        # ldr r1, [r0]; tst r1, #32; beq .-8
        ("arm32", words(0xE5901000, 0xE3110020, 0x0AFFFFFC), "bit 5 to be 1"),
        # ldr r1, [r0]; lsls r2, r1, #26; bpl .-4 (Thumb)
        ("thumb", bytes.fromhex("01688a06fcd5"), "bit 5 to be 1"),
    ],
)
def test_what_a_loop_waits_for(instructions: str, code: bytes, waits_for: str) -> None:
    assert awaited(instructions, AT, lambda address, size: code[address - AT :][:size]) == waits_for
