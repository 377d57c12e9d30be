# SPDX-License-Identifier: GPL-2.0-or-later
"""``--core architecture``: what the architecture permits and the default profiles leave out.

Each program is coherent by default; which permission makes it a hazard follows from docs/reference/rules.md and
docs/reference/order.md.
"""

import json
from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from tests.frontends.unicorn.test_barriers import barrier
from tests.helpers.command import Cli
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, InstructionSet, M
from tests.helpers.tiny_guests import ENTRY, RAM, Code, code

BUFFER, FUNCTION = 0x3_0000, 0x1_7000


@pytest.fixture(params=["a64", "a32-short"])
def each(request: pytest.FixtureRequest) -> InstructionSet:
    return INSTRUCTION_SETS[request.param]


def kinds(cli: Cli, folder: Path, isa: InstructionSet, program: Code, *options: str) -> list[str]:
    """The kinds of hazards of a program that a boot loader has started, and that turns its caches on at its end."""
    image = a64.image if isa.name == "a64" else a32.image
    on = code(isa.prepare(), isa.tlbi(), isa.sctlr(M | C | I))
    data = {**isa.tables({}), FUNCTION: a64.bytes_of([isa.ret()])}
    path = folder / "program.bin"
    path.write_bytes(image(code(program, on, isa.off()), data, size=0x1_8000))
    architecture = "arm64" if isa.name == "a64" else "arm32"
    place = ("--load", f"{RAM:#x}", "--entry", f"{ENTRY:#x}", "--arch", architecture, "--memory", "16M")
    ran = cli("boot", path, *place, "--host", "bootloader", "--json", *options)
    assert ran.out, ran.err
    return sorted(json.loads(ran.out)["hazards_by_kind"])


def stored_and_read(isa: InstructionSet) -> Code:
    """With the MMU off; the loader's copy of the line may be in a cache."""
    dsb = [barrier(isa, "dsb")]
    return code(
        *(isa.mov(2, RAM + BUFFER), isa.mov(4, 5), isa.store(4, 2), dsb, isa.load(4, 2)),
        *(isa.maintain("dc ivac", 2), dsb),
    )


def test_an_access_past_the_caches_may_hit(cli: Cli, tmp_path: Path, each: InstructionSet) -> None:
    program = stored_and_read(each)
    assert kinds(cli, tmp_path, each, program, "--order") == []
    assert kinds(cli, tmp_path, each, program, "--core", "architecture") == ["stale-read"]


def changed_code(isa: InstructionSet, *, invalidates: bool) -> Code:
    """With the MMU and caches off: a function is executed, changed, and executed again."""
    dsb, isb = [barrier(isa, "dsb")], [barrier(isa, "isb")]
    ic = [isa.maintain("ic ivau", 3)] if invalidates else []
    return code(
        *(isa.mov(3, RAM + FUNCTION), isa.mov(4, isa.ret().word), [isa.maintain("dc ivac", 3)], dsb),
        *(isa.call(3), isa.store(4, 3), dsb, [isa.maintain("dc ivac", 3)], dsb, ic, dsb, isb, isa.call(3)),
    )


def test_an_instruction_cache_may_hold_what_was_fetched_past_the_caches(
    cli: Cli, tmp_path: Path, each: InstructionSet
) -> None:
    without = changed_code(each, invalidates=False)
    assert kinds(cli, tmp_path, each, without, "--order") == []
    assert kinds(cli, tmp_path, each, without, "--core", "architecture") == ["stale-fetch"]
    assert kinds(cli, tmp_path, each, changed_code(each, invalidates=True), "--core", "architecture") == []


def test_it_implies_order(cli: Cli, tmp_path: Path) -> None:
    trace = tmp_path / "a.trace"
    cli(
        "boot",
        "--sample",
        "midway-arm64",
        "--memory",
        "16M",
        "--core",
        "architecture",
        "--trace",
        trace,
        "--quiet",
    )
    head = [line.split() for line in trace.read_text().splitlines()[:20]]
    for words in (["option", "order"], ["option", "nc-fetch-held"], ["option", "nc-may-hit"]):
        assert words in head
    refused = cli("boot", "--sample", "midway-arm64", "--core", "architecture-v7")
    assert refused.err == "coldline: core architecture-v7 runs arm32 guests, not arm64\n"
