# SPDX-License-Identifier: GPL-2.0-or-later
"""What a report says of an instruction that the guest has put where other code was loaded."""

from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
from tests.helpers.command import HAZARD, Cli
from tests.helpers.guest_runs import mmu_on, tables
from tests.helpers.tiny_guests import RAM, Code, code, mov

READER, DATA = RAM + 0x400, RAM + 0x800
LOADED = b"".join(a64.NOP.word.to_bytes(4, "little") for _ in range(16))


def program(words: int) -> Code:
    """With its MMU off, it writes so many words of code, and data; with its caches on, that code reads the data."""
    reader = [a64.ldr(1, 2).word, a64.RET.word, *range(0x1000, 0x100E)]
    put = [
        code(mov(4, reader[at] | reader[at + 1] << 32), a64.store(4, 3, 4 * at)) for at in range(0, words, 2)
    ]
    before = code(mov(3, READER), *put, mov(2, DATA), a64.store(4, 2))
    return code(before, mmu_on(), mov(3, READER), a64.blr(3), a64.off())


@pytest.mark.parametrize(("words", "said"), [(2, ": nop"), (16, "")])
def test_the_instruction_is_told_where_code_was_patched_alone(
    words: int, said: str, cli: Cli, tmp_path: Path
) -> None:
    """Of a line that was written as a whole, what was loaded there is not what reads."""
    path = tmp_path / "Image"
    path.write_bytes(a64.image(program(words), {**tables({}), 0x400: LOADED}, size=0x1_4000))
    found = cli("boot", path, "--host", "bootloader", "--until", "off")
    assert found.status == HAZARD, found.err
    lines = [line for line in found.out.splitlines() if f"by pc {READER:#x}" in line]
    assert lines == [f"   kernel+0x800, by pc {READER:#x}{said}"]
