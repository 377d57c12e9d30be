# SPDX-License-Identifier: GPL-2.0-or-later
"""``boot --with`` and ``boot --repair``: run again with the missing operation in its code, a guest is right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
from tests.helpers.command import COHERENT, ERROR, HAZARD, INCONCLUSIVE, MIDWAY, Cli
from tests.helpers.requirements import packages_of
from tests.helpers.tiny_guests import code
from tests.report.test_formats import validated

Run = Callable[..., tuple[int, Any]]

ARM64 = ("--sample", "midway-arm64", "--memory", "16M", "--strategy", "flush", "--no-order")
ARM32 = (
    *("--sample", "midway-arm32", "--memory", "16M", "--host", "xen-4.17-arm32", "--strategy", "hypercall"),
    "--no-order",
)
RACES = {"arm64": ARM64, "arm32": ARM32}
DATA_READ_AT = {"arm64": 0x4000_00DC, "arm32": 0x4000_80B0}
"""The load of the data, after the MMU is on: ``ldr w1, data`` and ``ldr r1, [r2]``."""

ABLE = {"arm64": ("guest", "xen"), "arm32": ("guest",)}
"""Who can repair it: Xen 4.17 has a mapping of its own on arm32, which fills the line again after its maintenance."""

DATA = {"arm64": 0x4000_0800, "arm32": 0x4000_8800}
PATCHED = {"arm64": 0x4000_1000, "arm32": 0x4000_9000}


@pytest.fixture(params=RACES)
def architecture(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def test_what_the_guest_leaves_out_is_added(boot: Run, architecture: str) -> None:
    """Its source says what it leaves out: DC IVAC on both lines, before its MMU is on. Here it comes after that."""
    data = f"dc civac {DATA[architecture]:#x} 64 at pc {DATA_READ_AT[architecture]:#x}"
    code = f"dc ivac {PATCHED[architecture]:#x} 64; ic iallu at pc {DATA_READ_AT[architecture]:#x}#1 on cpu0"
    status, document = boot(*RACES[architecture], "--with", data)
    assert (status, document["hazards_by_kind"]) == (HAZARD, {"stale-fetch": 1})
    status, document = boot(*RACES[architecture], "--with", data, "--with", code)
    assert (status, document["verdict"]) == (COHERENT, "coherent")
    assert [(each["with"], each["added"]) for each in document["added"]] == [(data, True), (code, True)]


def test_each_repair_makes_the_guest_right_when_it_is_pasted(boot: Run, architecture: str) -> None:
    status, document = boot(*RACES[architecture], "--repair")
    assert status == HAZARD
    assert {cause["kind"] for cause in document["causes"]} == {"stale-read", "stale-fetch"}
    for cause in document["causes"]:
        found = cause["repairs"]["found"]
        by = [each["operations"][0].split()[:3] for each in found]
        assert by == [[agent, "dc", op] for op in ("civac", "ivac") for agent in ABLE[architecture]]
        for each in found:
            if each["operations"][0].startswith("xen "):
                assert "with" not in each
                continue
            assert each["right"]
            _, again = boot(
                *RACES[architecture], *(word for text in each["with"] for word in ("--with", text))
            )
            assert sorted(again["hazards_by_kind"]) == sorted({"stale-read", "stale-fetch"} - {cause["kind"]})
    every = document["repaired"]["with"]
    assert (document["repaired"]["verdict"], len(every)) == ("coherent", 2)
    assert boot(*RACES[architecture], *(word for text in every for word in ("--with", text)))[0] == COHERENT


def test_a_repair_comes_beside_what_is_added(boot: Run) -> None:
    """With the data repaired by hand, in the same code, the repair of the instruction is found and is enough."""
    data = f"dc civac {DATA['arm64']:#x} 64 at pc {DATA_READ_AT['arm64']:#x}"
    _, document = boot(*ARM64, "--with", data, "--repair")
    (cause,) = document["causes"]
    assert cause["kind"] == "stale-fetch"
    right = [
        each["right"] for each in cause["repairs"]["found"] if each["operations"][0].startswith("guest ")
    ]
    assert right == [True, True]
    assert document["repaired"]["verdict"] == "coherent"


def test_the_text_has_what_to_paste(cli: Cli) -> None:
    out = cli("boot", *ARM64, "--repair").out
    line = next(line for line in out.splitlines() if "--with 'dc civac 0x40000800" in line)
    assert line.strip() == f"--with 'dc civac 0x40000800 64 at pc {DATA_READ_AT['arm64']:#x}#1'"
    assert "run again with it: the hazards are gone" in out
    assert "run again with all 2: coherent" in out


def test_a_place_that_is_not_reached_is_named(cli: Cli, boot: Run) -> None:
    never = "dc civac 0x40000800 64 at pc 0x40000ffc"
    twice = "dc civac 0x40000800 64 at pc 0x400000dc#2"
    status, document = boot(*MIDWAY[1:], "--with", never, "--with", twice)
    assert status == INCONCLUSIVE
    assert document["inconclusive_because"] == [
        f"not added: {never}: cpu0 reached that instruction never",
        f"not added: {twice}: cpu0 reached that instruction once",
    ]
    assert f"not added: {never}" in cli("boot", *ARM64, "--with", never).out


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "expected 'OP ADDRESS SIZE at pc PC#N on cpuK', such as "),
        ("dc civac 0x40000000 64", "expected 'OP ADDRESS SIZE at pc PC#N on cpuK', such as "),
        ("; at pc 1", "an operation is missing; expected "),
        ("dc civac 0x40000000 at pc 1", "'dc civac' lacks its address or its size"),
        ("dc civac 0x40000000 64 64 at pc 1", "'64'"),
        ("dc civac 0x30000000 64 at pc 1", "0x30000000 to 0x3000003f is not in the guest's RAM"),
        ("dc civac 0x40fff000 0x2000 at pc 1", "0x40fff000 to 0x41000fff is not in the guest's RAM"),
        (
            "dc cisw 0x40000000 64 at pc 1",
            "'dc cisw' is neither maintenance by address, nor ic iallu, nor a barrier",
        ),
        (
            "read 0x40000000 64 at pc 1",
            "'read' is neither maintenance by address, nor ic iallu, nor a barrier",
        ),
        ("dsb at pc 1#0", "the first time is #1"),
        ("dsb at pc 1 on cpu1", "there is no cpu1, as the guest has --vcpus 1"),
        ("dsb at pc 0x10000000000000000", "is neither an address nor SYMBOL+OFFSET"),
        ("dsb at pc 99999999999999999999", "is neither an address nor SYMBOL+OFFSET"),
        ("dsb at pc start+0x4", "the guest has no symbols to look 'start+0x4' up in: give --symbols FILE"),
    ],
)
def test_what_cannot_be_added_is_an_error(cli: Cli, text: str, wrong: str) -> None:
    found = cli(*MIDWAY, "--with", text)
    assert (found.status, found.out) == (ERROR, "")
    assert found.err.startswith(f"coldline: --with '{text}': ")
    assert wrong in found.err
    assert found.err.count("\n") == 1


def test_places_can_be_symbols(cli: Cli, boot: Run, tmp_path: Path) -> None:
    """A System.map gives addresses as linked; here the guest runs where it was loaded."""
    symbols = tmp_path / "System.map"
    others = "".join(f"ffff80000800{0x1004 + 4 * number:04x} T other{number}\n" for number in range(100))
    symbols.write_text(
        f"ffff800008000000 T _text\nffff800008000040 T start\nffff800008001000 T patched\n{others}"
    )
    given = (*ARM64, "--symbols", symbols)
    status, document = boot(
        *given,
        "--with",
        "dc civac 0x40000800 64 at pc start+0x9c",
        "--with",
        "dc civac 0x40001000 64; ic iallu at pc start+156#1",
    )
    assert (status, document["verdict"]) == (COHERENT, "coherent")
    assert document["added"][0]["pcs"] == [0xFFFF_8000_0800_00DC, 0x4000_00DC]
    found = cli("boot", *given, "--with", "dsb at pc startup")
    assert (found.status, found.err) == (
        ERROR,
        "coldline: --with 'dsb at pc startup': no function is called 'startup'\n",
    )


def test_each_core_counts_for_itself(boot: Run, tmp_path: Path) -> None:
    """Both cores load from the same code: the first one twice, the other one once."""
    core_number = a64.Insn("mrs x1, mpidr_el1", 0xD538_00A1)
    program = code(
        a64.mov(2, a64.RAM + 0x1_0000),
        a64.ldr(3, 2),
        core_number,
        a64.Insn("tbnz w1, #0, .+16", 0x3700_0081),
        a64.add(4, 4, 1),
        a64.subs(5, 4, 2),
        a64.b_ne(-5),
        a64.WFI,
    )
    image, trace = tmp_path / "Image", tmp_path / "a.trace"
    image.write_bytes(a64.image(program, {}, size=0x20000))
    load = a64.ENTRY + 4 * len(code(a64.mov(2, a64.RAM + 0x1_0000)))
    cores = ("--memory", "16M", "--vcpus", 2, "--secondary", "start", "--trace", trace)
    added = [
        f"dc cvac 0x40010000 64 at pc {load:#x}#{nth} on cpu{core}" for core, nth in ((0, 2), (1, 1), (1, 2))
    ]
    _, document = boot(image, *cores, *(word for text in added for word in ("--with", text)))
    assert [each["reached"] for each in document["added"]] == [2, 1, 1]
    assert [each["added"] for each in document["added"]] == [True, True, False]
    lines = [line.split() for line in trace.read_text().splitlines()]
    cleans = [words[0] for words in lines if words[1:3] == ["dc", "cvac"]]
    assert sorted(cleans) == ["guest", "guest1"]
    for agent, before in (("guest", 1), ("guest1", 0)):
        mine = [words[1:3] for words in lines if words[0] == agent and words[1] in ("read", "dc")]
        assert [words[0] for words in mine].index("dc") == before


def test_the_object_of_a_run_with_all_of_it_is_as_its_schema_says(cli: Cli) -> None:
    added = ("--with", "dc cvac 0x40000800 64 at pc 0x40000040")
    validated(cli("boot", *ARM64, *added, "--repair", "--inject", "all", "--json").out)


@pytest.mark.long
def test_debians_arm32_kernel_is_right_with_what_it_leaves_out(boot: Run) -> None:
    """docs/findings/linux-arm32-refilled-lines.md: level 2 may be filled again between its cleaning and `cache_off`.

    It stores with the MMU off from then on, until it turns the MMU on at 0x40300008 (`__turn_mmu_on`).
    """
    from testbed.packages import debian, kernels

    with packages_of(None):
        binary = debian.current_kernel("armhf", "armmp").binary
        kernel = kernels.kernel_file(debian.packages("armhf", [binary])[binary], kernels.release_of(binary))
    added = "dc civac 0x40200000 0x1300000; dsb; ic iallu; dsb; isb at pc 0x40300008#1"
    status, document = boot(kernel, "--memory", "256M", "--with", added, "--hazards", 0)
    assert [each["added"] for each in document["added"]] == [True]
    assert (status, document["verdict"], document["end"]) == (COHERENT, "coherent", "psci")
