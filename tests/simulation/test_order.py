# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots with an order: programs with a barrier and without it, and that the trace of a run agrees with the run.

The verdicts follow from docs/reference/order.md; with ``--no-order`` each of the programs is coherent.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.cores import agents_by_core
from tests.frontends.unicorn.test_barriers import barrier, cp15_barrier, t_barrier
from tests.helpers.command import COHERENT, HAZARD, Cli
from tests.helpers.guest_runs import WINDOW
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, InstructionSet, M, Page
from tests.helpers.tiny_guests import ENTRY, RAM, Code, Insn, code

LOADED = 0x1_8000
FUNCTION, BUFFER = 0x1_7000, 0x3_0000
"""Offsets: of a function in the image, and of memory outside of it."""

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(params=["a64", "a32-short", "a32-lpae"])
def each(request: pytest.FixtureRequest) -> InstructionSet:
    return INSTRUCTION_SETS[request.param]


@pytest.fixture
def run(cli: Cli, tmp_path: Path) -> Run:
    """Boots a program with an order and without one; the status with it, and the kinds of its hazards.

    The trace of the run is checked, too, in both forms.
    """

    def boot_it(
        isa: InstructionSet, program: Code, function: bytes, *, xen: bool = False
    ) -> tuple[int, list[str]]:
        image = a64.image if isa.name == "a64" else a32.image
        path = tmp_path / "program.bin"
        made = code(program, isa.off())
        path.write_bytes(image(made, {**isa.tables({}), FUNCTION: function}, size=LOADED))
        architecture = "arm64" if isa.name == "a64" else "arm32"
        host = (f"xen-4.17-{architecture}", "--strategy", "hypercall") if xen else ("bootloader",)
        place = ("--load", f"{RAM:#x}", "--entry", f"{ENTRY:#x}", "--arch", architecture, "--memory", "16M")
        told = []
        for form in ("text", "binary"):
            trace = tmp_path / f"run.{form}"
            written = ("--trace", trace, "--trace-format", form)
            ran = cli("boot", path, *place, "--host", *host, *written, "--json")
            checked = cli("check", trace, "--json")
            told += [(each.status, json.loads(each.out)) for each in (ran, checked)]
        assert len({(status, json.dumps(document["hazards_by_kind"])) for status, document in told}) == 1
        kinds = [
            {(hazard["kind"], hazard["address"], hazard["size"]) for hazard in each["hazards"]}
            for _, each in told
        ]
        assert kinds[0] == kinds[1] == kinds[2] == kinds[3]
        at_once = json.loads(cli("boot", path, *place, "--host", *host, "--no-order", "--json").out)
        assert at_once["verdict"] == "coherent"
        status, document = told[0]
        return status, sorted(document["hazards_by_kind"])

    return boot_it


# -- code that is changed --------------------------------------------------------------------------------------


def patch(isa: InstructionSet, without: int | None) -> Code:
    """Executes a function, writes its instruction anew, and executes it again; a barrier can be left out."""
    barriers = [[barrier(isa, name)] for name in ("dsb", "dsb", "isb")]
    if without is not None:
        barriers[without] = []
    cleaned, invalidated, synchronised = barriers
    return code(
        *(isa.prepare(), isa.tlbi(), isa.sctlr(M | C | I)),
        *(isa.mov(3, RAM + FUNCTION), isa.mov(4, isa.ret().word), isa.call(3)),
        *(isa.store(4, 3), isa.maintain("dc cvau", 3), cleaned, isa.maintain("ic ivau", 3), invalidated),
        *(synchronised, isa.call(3)),
    )


@pytest.mark.parametrize(
    "without",
    [None, 0, pytest.param(1, marks=pytest.mark.long), 2],
    ids=["all", "first-dsb", "second-dsb", "isb"],
)
def test_changed_code_needs_each_of_its_barriers(run: Run, each: InstructionSet, without: int | None) -> None:
    found = run(each, patch(each, without), a64.bytes_of([each.ret()]))
    assert found == ((COHERENT, []) if without is None else (HAZARD, ["stale-fetch"]))


def with_others(isa: InstructionSet, word: str, option: int) -> Code:
    """`patch` with another barrier in place of each DSB."""
    return [barrier(isa, word, option) if insn == barrier(isa, "dsb") else insn for insn in patch(isa, None)]


@pytest.mark.parametrize("name", ["dsb ishst", "dmb ish"])
def test_other_barriers_do_not_complete_maintenance(run: Run, name: str) -> None:
    isa = INSTRUCTION_SETS["a64"]
    word, option = {"dsb ishst": ("dsb", 10), "dmb ish": ("dmb", 11)}[name]
    assert run(isa, with_others(isa, word, option), a64.bytes_of([isa.ret()])) == (HAZARD, ["stale-fetch"])


def test_a_dsb_of_this_core_alone_is_enough_where_nobody_else_is(run: Run) -> None:
    """Without a hypervisor, a guest's only core is all that its memory has."""
    isa = INSTRUCTION_SETS["a64"]
    program, function = with_others(isa, "dsb", 7), a64.bytes_of([isa.ret()])
    assert run(isa, program, function) == (COHERENT, [])
    assert run(isa, program, function, xen=True) == (HAZARD, ["stale-fetch"])


def test_a_write_of_sctlr_changes_all_its_switches_at_once(cli: Cli, tmp_path: Path) -> None:
    """A second core's tables are in the first one's cache: its first walk is cacheable, or there is none.

    Both cores store their tables' type of walks, and the second one turns MMU and caches on by one write.
    """
    isa = INSTRUCTION_SETS["a64"]
    on = code(isa.prepare(), isa.sctlr(M | C | I))
    spare = RAM + 0x3_1000
    first = code(
        *(on, isa.mov(2, isa.entry(7)), isa.mov(4, 0), isa.store(4, 2, 8), barrier(isa, "dsb")),
        *(isa.mov(0, 0xC400_0003), isa.mov(1, 1), isa.mov(2, RAM + FUNCTION), a64.HVC, a64.WFI),
    )
    second = code(on, isa.mov(3, WINDOW + 0x7000), isa.mov(2, spare), a64.WFI)
    path, trace = tmp_path / "program.bin", tmp_path / "a.trace"
    data = {**isa.tables({3: Page(WINDOW + 0x3000, "normal-wb")}), FUNCTION: a64.bytes_of(second)}
    path.write_bytes(a64.image(first, data, size=LOADED))
    place = ("--load", f"{RAM:#x}", "--entry", f"{ENTRY:#x}", "--arch", "arm64", "--memory", "16M")
    ran = cli("boot", path, *place, "--host", "bootloader", "--vcpus", "2", "--trace", trace, "--json")
    told = [line for line in trace.read_text().splitlines() if line.startswith("guest1 ")]
    switches = [line.split()[1] for line in told if line.split()[1] in ("mmu", "dcache", "icache")]
    assert switches[-3:] == ["dcache", "icache", "mmu"]
    assert json.loads(ran.out)["hazards_by_kind"] == {}


@pytest.mark.parametrize("breaks", [True, False], ids=["break before make", "make"])
@pytest.mark.parametrize("changes", [0, 1], ids=["the first core", "the second core"])
def test_with_several_vcpus_a_changed_type_is_found(
    cli: Cli, tmp_path: Path, changes: int, breaks: bool
) -> None:
    """One core has a page write-back, and maps it non-cacheable: by an invalid descriptor first, or at once."""
    isa = INSTRUCTION_SETS["a64"]
    page, dsb, wait = WINDOW + 0x3000, [barrier(isa, "dsb")], code([a64.WFI, a64.b(0)])
    broken = code(isa.write_entry(3, 0), dsb, [a64.sys("tlbi vmalle1is")], dsb) if breaks else []
    new = isa.write_entry(3, isa.page(Page(page, "normal-nc")))
    change = code(isa.prepare(), isa.sctlr(M | C | I), broken, new, dsb, [a64.sys("tlbi vmalle1is")], dsb)
    start = code(isa.mov(0, 0xC400_0003), isa.mov(1, 1), isa.mov(2, RAM + FUNCTION), [a64.HVC])
    first, second = (change, wait) if changes == 0 else ([], code(change, wait))
    path = tmp_path / "program.bin"
    data = {**isa.tables({3: Page(page, "normal-wb")}), FUNCTION: a64.bytes_of(second)}
    path.write_bytes(a64.image(code(start, first, wait), data, size=LOADED))
    place = ("--load", f"{RAM:#x}", "--entry", f"{ENTRY:#x}", "--arch", "arm64", "--memory", "16M")
    ran = cli("boot", path, *place, "--host", "bootloader", "--vcpus", "2", "--json")
    assert json.loads(ran.out)["hazards_by_kind"] == ({} if breaks else {"bbm": 64})  # a page's lines


def test_an_exception_and_its_return_are_as_good_as_an_isb(run: Run) -> None:
    """A call to the hypervisor, of a function that it does not know."""
    isa = INSTRUCTION_SETS["a64"]
    assert run(isa, patch(isa, 2), a64.bytes_of([isa.ret()]))[0] == HAZARD
    program = patch(isa, 2)
    called = code(program[:-1], a64.mov(0, 0x8400_00FF), a64.HVC, program[-1])
    assert run(isa, called, a64.bytes_of([isa.ret()])) == (COHERENT, [])


# -- stores past the caches ------------------------------------------------------------------------------------


def invalidated(isa: InstructionSet, between: Code) -> Code:
    """With the MMU off, stores and invalidates; then reads with caches on. Linux's head.S has a DMB in between.

    It matters where another agent's mapping may fill the line: on Xen.
    """
    return code(
        *(isa.mov(2, RAM + BUFFER), isa.mov(4, 5), isa.store(4, 2), between, isa.maintain("dc ivac", 2)),
        *(barrier(isa, "dsb"), isa.prepare(), isa.tlbi(), isa.sctlr(M | C | I), isa.load(4, 2)),
    )


@pytest.mark.parametrize(
    "name", ["dmb", *(pytest.param(each, marks=pytest.mark.long) for each in ("dsb", "isb")), None]
)
def test_a_store_past_the_caches_before_its_line_is_invalidated(
    run: Run, each: InstructionSet, name: str | None
) -> None:
    """The invalidation may come first, and a fill after it, before the store has reached memory."""
    between = [barrier(each, name)] if name is not None else []
    found = run(each, invalidated(each, between), b"", xen=True)
    assert found == ((COHERENT, []) if name in ("dmb", "dsb") else (HAZARD, ["stale-read"]))


def test_the_same_with_the_barriers_of_cp15(run: Run) -> None:
    isa = INSTRUCTION_SETS["a32-short"]
    assert run(isa, invalidated(isa, [cp15_barrier("dmb")]), b"", xen=True) == (COHERENT, [])
    assert run(isa, invalidated(isa, [cp15_barrier("isb")]), b"", xen=True) == (HAZARD, ["stale-read"])


@pytest.mark.parametrize("whole", [True, False])
def test_the_same_in_thumb_code(run: Run, whole: bool) -> None:
    """The store, the DMB and the invalidation are a function of Thumb code."""
    isa = INSTRUCTION_SETS["a32-short"]
    store, back = Insn("str r4, [r2]", 0x6014), Insn("bx lr", 0x4770)
    dmb = [t_barrier("dmb", 15 if whole else 14)]
    function = a32.thumb(code(store, dmb, a32.mcr("dc ivac", 2), t_barrier("dsb"), back))
    program = code(
        *(isa.mov(2, RAM + BUFFER), isa.mov(4, 5), isa.mov(3, RAM + FUNCTION | 1), isa.call(3)),
        *(isa.prepare(), isa.tlbi(), isa.sctlr(M | C | I), isa.load(4, 2)),
    )
    assert run(isa, program, function, xen=True) == ((COHERENT, []) if whole else (HAZARD, ["stale-read"]))


# -- hosts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", HOST_MODELS.values(), ids=lambda model: model.name)
def test_each_agent_of_a_host_is_on_a_core(model: Any) -> None:
    cores = agents_by_core(model, 2)
    agents = [agent for each in cores.values() for agent in each]
    assert len(set(agents)) == len(agents)
    named = {alias.agent for alias in model.aliases} | {model.builder_agent}
    rules = (model.allocation, model.load, model.flush, model.first_run, model.set_way)
    assert named | {rule.agent for rule in rules if rule is not None} <= set(agents)
    assert list(cores) == ["cpu0", "cpu1", *(["host"] if model.has_strategies else [])]
    fetching = {alias.agent for alias in model.aliases if alias.executable}
    assert all(agent in cores["cpu0"] and f"{agent}1" in cores["cpu1"] for agent in fetching)


def test_the_hosts_maintenance_is_complete_before_the_guest_runs(cli: Cli, tmp_path: Path) -> None:
    for host in ("xen-4.17-arm64", "kvm-arm64", "rfc"):
        trace = tmp_path / "a.trace"
        ran = ("--sample", "midway-arm64", "--memory", "16M", "--strategy", "hypercall", "--host", host)
        cli("boot", *ran, "--trace", trace, "--quiet")
        lines = [line.split() for line in trace.read_text().splitlines()]
        for at, words in enumerate(lines):
            if words[0] in ("xen", "kvm") and words[1] in ("dc", "ic"):
                rest = [each for each in lines[at + 1 :] if each[0] == words[0]]
                assert rest[0][1] in ("dsb", words[1]), words
        first = next(at for at, words in enumerate(lines) if words[0] == "guest")
        assert lines[first : first + 2] == [["guest", "mmu", "off"], ["guest", "isb"]]
        assert lines[first - 1][1] == "dsb"


def test_without_order_a_trace_is_of_version_1(cli: Cli, tmp_path: Path) -> None:
    trace = tmp_path / "a.trace"
    cli("boot", "--sample", "midway-arm64", "--memory", "16M", "--no-order", "--trace", trace, "--quiet")
    words = {word for line in trace.read_text().splitlines() for word in line.split()[:2]}
    assert not words & {"version", "core", "order", "dsb", "dmb", "isb"}


@pytest.mark.parametrize("vcpus", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_kernel_of_debian_is_coherent(cli: Cli, debian_arm64_kernel: Path, vcpus: int) -> None:
    """Linux's head.S has the DMB, alternatives and the like their ISBs."""
    for host in (("--host", "bootloader"), ("--host", "xen-4.17-arm64", "--strategy", "hypercall")):
        found = cli("boot", debian_arm64_kernel, "--vcpus", vcpus, *host, "--json")
        document = json.loads(found.out)
        assert (found.status, document["verdict"]) == (COHERENT, "coherent")
        assert document["not_covered"][0].startswith("table entries")


@pytest.mark.parametrize("word", [[], ["--order"], ["--no-order"]], ids=" ".join)
def test_the_matrix_takes_it(cli: Cli, word: list[str]) -> None:
    shown = cli("matrix", "--sample", "midway-arm64", "--memory", "16M", *word)
    assert shown.status == COHERENT
