# SPDX-License-Identifier: GPL-2.0-or-later
"""``boot --inject``: what guests do with old bytes, which follows from their sources."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
from coldline.consequence import difference, rerun
from coldline.frontends.unicorn import recorded_run
from tests.helpers.command import COHERENT, ERROR, HAZARD, Cli
from tests.helpers.tiny_guests import code

Run = Callable[..., tuple[int, Any]]

ARM64 = ("--sample", "midway-arm64", "--memory", "16M", "--strategy", "flush")
ARM32 = ("--sample", "midway-arm32", "--memory", "16M", "--host", "xen-4.17-arm32", "--strategy", "hypercall")
RACES = {"arm64": ARM64, "arm32": ARM32}
BASE = {"arm64": 0x4000_0000, "arm32": 0x4000_8000}
OLD_DATA, NEW_DATA = "11111111", "22222222"
OLD_CODE = {"arm64": "20008052", "arm32": "0100a0e3"}
NEW_CODE = {"arm64": "40008052", "arm32": "0200a0e3"}
"""``mov w0, #1`` and ``mov w0, #2``; ``mov r0, #1`` and ``mov r0, #2``."""

SAYS = "midway: data {}, code {}\r\n"


@pytest.fixture(params=RACES)
def architecture(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def by_kind(document: Any) -> dict[str, Any]:
    """The consequence of the first cause of each kind."""
    found: dict[str, Any] = {}
    for cause in document["causes"]:
        found.setdefault(cause["kind"], cause["consequence"])
    return found


def test_the_samples_say_what_they_got(boot: Run, architecture: str) -> None:
    """The head of guest.S: it prints "old", and ends with bit 0 for old data and bit 1 for an old instruction."""
    status, document = boot(*RACES[architecture], "--inject", "all")
    assert status == HAZARD
    assert (document["console"], document["psci"][1]) == (SAYS.format("new", "new"), 0)
    found = by_kind(document)
    data, code_ = found["stale-read"], found["stale-fetch"]
    assert data["now"]["console"] == SAYS.format("old", "new")
    assert data["now"]["psci"][1] == 1
    assert code_["now"]["console"] == SAYS.format("new", "old")
    assert code_["now"]["psci"][1] == 2
    for each in (data, code_):
        assert each["was"]["console"] == document["console"]
        assert each["was"]["instructions"] == document["instructions"]
        assert (each["differs"], each["given"]) == (True, 1)


def test_the_bytes_are_those_that_the_loader_wrote(boot: Run, architecture: str) -> None:
    found = by_kind(boot(*RACES[architecture], "--inject", "all")[1])
    base = BASE[architecture]
    data, code_ = found["stale-read"], found["stale-fetch"]
    assert (data["address"], data["size"], data["first_changed"]) == (base + 0x800, 64, base + 0x800)
    assert (data["old"][:8], data["new"][:8]) == (OLD_DATA, NEW_DATA)
    assert (code_["pc"], code_["reader"], data["reader"]) == (base + 0x1000, "fetch", "read")
    assert (code_["old"][:8], code_["new"][:8]) == (OLD_CODE[architecture], NEW_CODE[architecture])


def test_the_first_different_instruction_is_the_branch_not_taken(boot: Run) -> None:
    """guest.S: ``cmp w1, w2; b.eq 2f; orr x19, x19, #1; 2: bl patched``: with old data, it executes the ORR."""
    found = by_kind(boot(*ARM64, "--inject", "all")[1])
    compare = 0x4000_00D8  # mov x19, #0; ldr; ldr; cmp; b.eq
    assert found["stale-read"]["divergence"] == {
        "after": compare,
        "was": compare + 24,
        "now": compare + 20,
        "blocks": 1,
    }


def test_one_cause_is_named(boot: Run, cli: Cli) -> None:
    _, document = boot(*ARM64, "--inject", "2")
    assert ["consequence" in cause for cause in document["causes"]] == [False, True]
    for wrong in ("0", "-1", "x", "", "1.5"):
        found = cli("boot", *ARM64, f"--inject={wrong}")
        assert found.status == ERROR
        assert found.err == f"coldline: --inject takes the number of a cause, or all, not '{wrong}'\n"
    assert boot(*ARM64, "--strategy", "uncached", "--inject", "all")[0] in (COHERENT, HAZARD)


@pytest.mark.parametrize(
    ("words", "known"),
    [((), "causes 1 to 2"), (("--strategy", "uncached"), "no cause")],
)
def test_a_cause_that_does_not_exist_is_an_error_after_the_report(
    cli: Cli, words: tuple[str, ...], known: str
) -> None:
    found = cli("boot", *ARM64, *words, "--json", "--inject", "3")
    assert found.status == ERROR
    report, without = json.loads(found.out), json.loads(cli("boot", *ARM64, *words, "--json").out)
    assert report | {"seconds": 0} == without | {"seconds": 0}
    assert found.err == f"coldline: --inject 3: there is no cause 3; the report has {known}\n"


def test_the_text_and_the_page_show_both_runs(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    page = tmp_path / "report.html"
    out = cli("boot", *ARM64, "--inject", "all", "--format", f"html={page}").out
    assert "has 11111111 in place of 22222222: it ends with another result, it prints something else" in out
    assert "as it was:      off with 0x0 at " in out
    assert "printed 'midway: data old, code new'" in out
    assert "printed 'midway: data new, code old'" in out
    text = page.read_text()
    assert text.count("The guest with old bytes</h4>") == 2
    assert '<th scope="col">with old bytes</th>' in text
    assert "midway: data old, code new" in text


# -- guests for one question each ------------------------------------------------------------------------------

DATA, TABLE, CODE = a64.RAM + 0x1_0000, a64.RAM + 0x1_1000, a64.RAM + 0x1_2000
GIGABYTE = 0x8000_0000
"""An address that only a descriptor which the guest stores maps."""

OLD_RETURNS, NEW_RETURNS = (code(a64.movz(0, value), a64.RET) for value in (1, 2))


def _run(boot: Run, folder: Path, *after: Any, ends: bool = False) -> Any:
    """Boot a guest that stores over a word, an instruction and a descriptor, turns its caches on, and goes on.

    It was loaded with 1, with a routine that returns 1, and without the descriptor; it stores 2, a routine that
    returns 2, and a descriptor. Register 2 has the address of the word. With `ends`, x1 is its result.
    """
    program = code(
        a64.mov(2, DATA),
        a64.mov(3, 2),
        a64.store_w(3, 2),
        a64.mov(4, CODE),
        a64.mov(5, NEW_RETURNS[0].word),
        a64.store_w(5, 4),
        a64.mov(4, TABLE),
        a64.mov(5, a64.block(a64.RAM, never=a64.PXN | a64.UXN)),
        a64.store(5, 4, 16),
        a64.mov(1, a64.MAIR),
        a64.msr("mair_el1", 1),
        a64.mov(1, a64.tcr()),
        a64.msr("tcr_el1", 1),
        a64.mov(1, TABLE),
        a64.msr("ttbr0_el1", 1),
        a64.ISB,
        a64.sys("tlbi vmalle1"),
        a64.DSB,
        a64.ISB,
        a64.mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I),
        a64.msr("sctlr_el1", 1),
        a64.ISB,
        *after,
        *(code(a64.mov(0, a64.PSCI_SYSTEM_OFF), a64.HVC) if ends else a64.off()),
    )
    loaded = {
        0x1_0000: (1).to_bytes(4, "little"),
        0x1_1000: a64.words({0: a64.block(0, a64.DEVICE, a64.PXN | a64.UXN), 1: a64.block(a64.RAM)}),
        0x1_2000: a64.bytes_of(OLD_RETURNS),
    }
    path = folder / "Image"
    path.write_bytes(a64.image(program, loaded, size=0x20000))
    return boot(path, "--memory", "16M", "--strategy", "flush", "--inject", "all")[1]


@pytest.fixture
def run(boot: Run, tmp_path: Path) -> Callable[..., Any]:
    return lambda *after: _run(boot, tmp_path, *after)


def test_every_load_gets_them_until_the_line_is_maintained(run: Callable[..., Any]) -> None:
    twice = [a64.ldr_w(4, 2), a64.ldr_w(5, 2)]
    found = by_kind(run(*twice, a64.sys("dc civac", 2), a64.DSB, *twice, *twice))
    assert found["stale-read"]["given"] == 2


def test_a_store_through_the_caches_renews_its_own_bytes_alone(run: Callable[..., Any]) -> None:
    halfword = [a64.ldr_w(4, 2), a64.strh(3, 2, 2), a64.ldrh(5, 2), a64.ldrh(6, 2, 2)]
    found = by_kind(run(*halfword))
    assert found["stale-read"]["given"] == 2


def test_what_nobody_looks_at_makes_no_difference(run: Callable[..., Any]) -> None:
    found = by_kind(run(a64.ldr_w(4, 2), a64.movz(4, 0)))
    each = found["stale-read"]
    assert (each["given"], each["differs"], each["summary"]) == (1, False, "nothing differs")


def test_what_is_stored_elsewhere_stays_in_memory(run: Callable[..., Any]) -> None:
    found = by_kind(run(a64.ldr_w(4, 2), a64.mov(5, DATA + 0x2000), a64.store_w(4, 5)))
    each = found["stale-read"]
    assert (each["pages"], each["summary"]) == (1, "it leaves other bytes in memory")
    assert "divergence" not in each


def test_a_guest_that_waits_for_the_new_bytes_does_not_end(run: Callable[..., Any]) -> None:
    wait = [a64.ldr_w(4, 2), a64.subs(4, 4, 2), a64.b_ne(-2)]
    each = by_kind(run(*wait))["stale-read"]
    assert each["now"]["end"] in ("loop", "instructions")
    assert each["was"]["end"] == "off"


def test_a_store_past_the_caches_changes_memory_and_not_the_copy(boot: Run, tmp_path: Path) -> None:
    """After a store with the MMU off again, the run is not given any: the switch has ended it."""
    off = a64.SCTLR_OFF
    document = _run(
        boot,
        tmp_path,
        a64.ldr_w(4, 2),
        a64.mov(1, off),
        a64.msr("sctlr_el1", 1),
        a64.ISB,
        a64.ldr_w(5, 2),
        a64.mov(1, off | a64.M | a64.C | a64.I),
        a64.msr("sctlr_el1", 1),
        a64.ISB,
        a64.ldr_w(6, 2),
    )
    first = document["causes"][0]
    assert (first["kind"], first["consequence"]["given"]) == ("stale-read", 1)


def test_old_instructions_are_executed_until_the_line_is_maintained(boot: Run, tmp_path: Path) -> None:
    """The routine is called twice, maintained, and called again; each time what it returns is added up."""
    add = a64.Insn("add x7, x7, x0", 0x8B00_00E7)
    call = [a64.mov(5, CODE), a64.blr(5), add]
    maintained = [a64.mov(5, CODE), a64.sys("dc civac", 5), a64.DSB, a64.sys("ic ivau", 5), a64.DSB, a64.ISB]
    document = _run(
        boot,
        tmp_path,
        a64.mov(7, 0),
        *call,
        *call,
        *maintained,
        *call,
        a64.mov(2, DATA + 0x2000),
        a64.store(7, 2),
        a64.Insn("mov x1, x7", 0xAA07_03E1),
        ends=True,
    )
    each = next(cause["consequence"] for cause in document["causes"] if cause["kind"] == "stale-fetch")
    assert (each["reader"], each["pc"], each["given"]) == ("fetch", CODE, 2)
    assert each["was"]["psci"][1] == 6
    assert each["now"]["psci"][1] == 1 + 1 + 2


def test_loads_find_the_new_bytes_of_old_code(boot: Run, tmp_path: Path) -> None:
    document = _run(
        boot,
        tmp_path,
        a64.mov(5, CODE),
        a64.blr(5),
        a64.ldr_w(1, 5),
        ends=True,
    )
    each = next(cause["consequence"] for cause in document["causes"] if cause["kind"] == "stale-fetch")
    new = NEW_RETURNS[0].word
    assert (each["was"]["psci"][1], each["now"]["psci"][1]) == (new, new)
    assert each["old"][:8] == OLD_RETURNS[0].word.to_bytes(4, "little").hex()


def test_a_walk_gets_the_old_descriptor(boot: Run, tmp_path: Path) -> None:
    document = _run(boot, tmp_path, a64.mov(5, GIGABYTE), a64.ldr_w(1, 5), ends=True)
    each = next(cause["consequence"] for cause in document["causes"] if "walk" in cause["identity"]["reader"])
    assert (each["reader"], each["given"], each["address"]) == ("walk", 1, TABLE)
    assert each["first_changed"] == TABLE + 16
    assert each["was"]["end"] == "off"
    assert each["now"]["end"] == "fault"
    assert f"its tables do not map {GIGABYTE:#x}" in each["now"]["fault"]


def test_a_long_run_is_recorded_as_far_as_there_is_room(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest's end is still seen, and its loads are still given old bytes, when no more blocks are recorded."""
    for module in (recorded_run, difference, rerun):
        monkeypatch.setattr(module, "MOST_BLOCKS", 50)
    loop = [a64.mov(6, 200_000), a64.subs(6, 6, 1), a64.b_ne(-1)]
    each = by_kind(run(a64.ldr_w(4, 2), *loop, a64.ldr_w(4, 2)))["stale-read"]
    assert (each["given"], each["compared"], each["now"]["end"]) == (2, 50, "off")
    assert "divergence" not in each
