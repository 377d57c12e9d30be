# SPDX-License-Identifier: GPL-2.0-or-later
"""Host models of what was seen, and in files. Traces are those that a hypervisor as described would give."""

import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from coldline.arm import MemoryType
from coldline.errors import UsageError
from coldline.events.batch import Batch
from coldline.events.op import Op
from coldline.events.source import Sink
from coldline.hypervisor import host_model
from coldline.hypervisor.model import AliasLifetime, HostModel
from coldline.hypervisor.model_file import model_text, read_model
from coldline.hypervisor.models import HOST_MODELS
from coldline.hypervisor.observed import observe
from coldline.trace.text import TextReader
from tests.helpers.command import COHERENT, HAZARD, Cli

PAGE, OTHER = 0x5000_0000, 0x5000_1000

BOOT = ("cpu0.el2 map 0x40000000 0x40000000 normal-wb",)


def allocated(page: int, scrub: bool = True) -> list[str]:
    """What Xen 4.17 does before a page is a guest's."""
    lines = range(page, page + 0x1000, 64)
    scrubbed = [f"cpu0.el2 dc zva {line:#x} 64" for line in lines] if scrub else []
    return [*scrubbed, *(f"cpu0.el2 dc civac {line:#x} 64" for line in lines), "cpu0.el2 ic ialluis"]


def built(page: int, *, uncached: bool) -> list[str]:
    """What dom0 does with it: its linear map has the frame while a process has it mapped."""
    own = f"cpu0.dom0-nc map {page:#x} 0x1000 normal-nc" if uncached else ""
    agent = "cpu0.dom0-nc" if uncached else "cpu0.dom0"
    return [
        f"cpu0.dom0 map {page:#x} 0x1000 normal-wb", *([own] if own else []),
        f"{agent} write {page:#x} 8", f"{agent} write {page + 64:#x} 8",
        *([f"cpu0.dom0-nc unmap {page:#x} 0x1000"] if own else []), f"cpu0.dom0 unmap {page:#x} 0x1000",
    ]  # fmt: skip


def flushed(page: int) -> list[str]:
    """What the hypercall does after that."""
    return [f"cpu0.el2 dc civac {line:#x} 64" for line in range(page, page + 0x1000, 64)]


def runs(guest: str, page: int) -> list[str]:
    """What a guest does: the invalidation of instruction caches may be told as late as here."""
    return [f"cpu0.{guest} mmu off", "cpu0.el2 ic ialluis", f"cpu0.{guest} read {page:#x} 8"]


def observed(lines: Sequence[str], builder: str = "dom0") -> HostModel:
    events = [event for _, event in TextReader(io.StringIO("\n".join([*BOOT, *lines]) + "\n"))]
    middle = len(events) // 2

    def run(sink: Sink) -> None:
        for part in (events[:middle], events[middle:]):
            sink(Batch.of(part))

    return observe(run, "seen", builder, "run")


def bare(model: HostModel) -> dict[str, Any]:
    """What a model says, without its sources."""
    return {
        "types": model.mapping_types,
        "aliases": [(alias.agent, alias.memory_type, alias.lifetime) for alias in model.aliases],
        "allocation": model.allocation and model.allocation.steps,
        "flush": model.flush and model.flush.steps,
        "set_way": model.set_way and model.set_way.steps,
    }


WB, NC = MemoryType.NORMAL_WB, MemoryType.NORMAL_NC
CLEANED = (Op.WRITE, Op.DC_CIVAC, Op.IC_IALLUIS)
XEN = ("xen", WB, AliasLifetime.ALWAYS)
LINEAR = ("dom0-linear", WB, AliasLifetime.WHILE_MAPPED)


def test_a_build_by_xl() -> None:
    lines = [*allocated(PAGE), *built(PAGE, uncached=False), *flushed(PAGE), *runs("dom1", PAGE)]
    assert bare(observed(lines)) == {
        "types": (WB,),
        "aliases": [XEN],
        "allocation": CLEANED,
        "flush": (Op.DC_CIVAC, Op.IC_IALLUIS),
        "set_way": None,
    }


def trapped(page: int) -> list[str]:
    """What Xen does as a guest maintains by set/way, and what the guest does then."""
    return [*flushed(page), "cpu0.el2 ic ialluis", f"cpu0.dom1 read {page + 64:#x} 8"]


def test_both_builds_are_xens_own_model() -> None:
    lines = [
        *allocated(PAGE), *built(PAGE, uncached=False), *flushed(PAGE), *runs("dom1", PAGE),
        *allocated(PAGE), *built(PAGE, uncached=True), *runs("dom1.2", PAGE),
    ]  # fmt: skip
    ours = HOST_MODELS["xen-4.17-arm64"]
    assert bare(observed(lines)) == bare(ours) | {"set_way": None}


def test_maintenance_while_the_guest_runs_is_for_set_way() -> None:
    first = [*allocated(PAGE), *built(PAGE, uncached=True), *runs("dom1", PAGE)]
    second = [*allocated(PAGE), *built(PAGE, uncached=True), *runs("dom1.2", PAGE)]
    model = observed([*first, *trapped(PAGE), *second])
    assert bare(model)["set_way"] == HOST_MODELS["xen-4.17-arm32"].set_way.steps  # type: ignore[union-attr]
    assert model.set_way is not None
    assert model.set_way.source == "1 of 2 pages"
    # the next guest's allocation is none, nor is what a guest does itself
    own = [line.replace("el2", "dom1") for line in trapped(PAGE)]
    assert observed([*first, *own, *second]).set_way is None


def test_an_invalidation_at_each_entry_of_the_hypervisor_may_stand_for_the_one_before() -> None:
    """Xen for arm32 on Cortex-A15 has ICIALLU in its vectors, and a trace has the last one of several."""
    lines = [*allocated(PAGE), *built(PAGE, uncached=False), *flushed(PAGE), *runs("dom1", PAGE)]
    model = observed([line.replace("ic ialluis", "ic iallu") for line in lines])
    assert bare(model) == bare(observed(lines))


def test_an_order_of_scrub_and_cleaning_and_no_scrub() -> None:
    """As Xen 4.22 does, and as a Xen does with pages that were never used."""
    lines = allocated(PAGE)
    later = [*lines[64:128], *lines[:64], lines[-1], *built(PAGE, uncached=True), *runs("dom1", PAGE)]
    assert bare(observed(later))["allocation"] == HOST_MODELS["xen-4.22-arm64"].allocation.steps  # type: ignore[union-attr]
    never = [*allocated(PAGE, scrub=False), *built(PAGE, uncached=True), *runs("dom1", PAGE)]
    assert bare(observed(never))["allocation"] == (Op.DC_CIVAC, Op.IC_IALLUIS)


def test_what_was_done_for_an_earlier_guest_does_not_count() -> None:
    lines = [
        *allocated(PAGE), *built(PAGE, uncached=True), *flushed(PAGE), *runs("dom1", PAGE),
        *built(PAGE, uncached=True), *runs("dom1.2", PAGE),
        *built(PAGE, uncached=True), *runs("dom1.3", PAGE),
    ]  # fmt: skip
    seen = bare(observed(lines))
    assert seen["allocation"] is None
    assert seen["flush"] == (Op.DC_CIVAC, Op.IC_IALLUIS)  # of the first one
    assert seen["aliases"] == [XEN, LINEAR]


def test_most_pages_decide() -> None:
    pages = [PAGE + 0x1000 * index for index in range(5)]
    lines = [
        *(line for index, page in enumerate(pages) for line in allocated(page, scrub=index != 2)),
        *(line for page in pages for line in built(page, uncached=True)),
        *(line for page in pages for line in runs("dom1", page)),
    ]
    model = observed(lines)
    assert model.allocation is not None
    assert model.allocation.steps == CLEANED
    assert model.allocation.source == "4 of 5 pages; dc civac, ic ialluis on 1"


def test_an_alias_lives_as_on_most_pages(cli: Cli, tmp_path: Path) -> None:
    """Dom0 may still have one page mapped when the guest begins, as a ring that they share."""
    pages = [PAGE, OTHER, OTHER + 0x1000]
    shared = built(pages[2], uncached=True)
    lines = [
        *(line for page in pages for line in allocated(page)),
        *(line for page in pages[:2] for line in built(page, uncached=True)), *shared[:-1],
        *(line for page in pages for line in runs("dom1", page)),
    ]  # fmt: skip
    model = observed(lines)
    assert bare(model)["aliases"] == [XEN, LINEAR]
    assert [alias.source for alias in model.aliases] == ["3 of 3 pages", "2 of 3 pages; always on 1"]
    file = tmp_path / "seen.json"
    file.write_text(model_text(model))
    assert cli("boot", "--sample", "midway-arm64", "--host", file, "--strategy", "uncached").status == HAZARD


@pytest.mark.parametrize(
    "lines", [[], runs("dom1", PAGE), [*built(OTHER, uncached=False), *runs("dom1", PAGE)]]
)
def test_nothing_to_see(lines: list[str]) -> None:
    with pytest.raises(UsageError, match="run: no guest uses a page that dom0 wrote"):
        observed(lines)


@pytest.mark.parametrize("name", [name for name, model in HOST_MODELS.items() if model.has_strategies])
def test_a_file_has_the_model(name: str, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(model_text(HOST_MODELS[name]))
    assert host_model(str(file)) == dataclasses.replace(
        HOST_MODELS[name], covers=(), options=(), watches_caches=False, forced_write_back=False
    )


GOOD = json.loads(model_text(HOST_MODELS["xen-4.17-arm64"]))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": "coldline.host-model/2"}, "'schema' is not coldline.host-model/1"),
        ({"name": ""}, "'name' is not a line of text"),
        ({"summary": "two\nlines"}, "'summary' is not a line of text"),
        ({"builder": "dom 0"}, "'builder' has a space"),
        ({"architectures": "arm64"}, "'architectures' is not a short list"),
        ({"architectures": ["mips"]}, "'architectures' has \"mips\": choose from arm64, arm32"),
        ({"mapping_types": [7]}, "'mapping_types' has 7: choose from device, normal-nc"),
        ({"aliases": [[]]}, "'aliases' has what is no object"),
        ({"aliases": [GOOD["aliases"][0] | {"lives": "never"}]}, "'lives' has \"never\": choose from before"),
        ({"aliases": [GOOD["aliases"][0] | {"executable": 1}]}, "'executable' is not true or false"),
        ({"flush": []}, "'flush' is no object"),
        (
            {"flush": GOOD["flush"] | {"steps": ["dc isw"]}},
            "'steps' has \"dc isw\": choose from write, dc civac",
        ),
    ],
)
def test_a_file_that_is_no_model(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps(GOOD | change))
    with pytest.raises(UsageError) as caught:
        read_model(str(file))
    assert caught.value.message.startswith(f"{file}: {complaint}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (1 << 20) + b"1", "has more than"),
        (b"\xff", "not JSON"),
    ],
)
def test_a_file_that_is_not_json(content: bytes, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=complaint):
        read_model(str(file))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_model(str(tmp_path / "missing.json"))


def test_a_boot_on_the_host_that_was_seen(cli: Cli, tmp_path: Path) -> None:
    trace, file = tmp_path / "run.trace", tmp_path / "xen.json"
    lines = [
        *BOOT, *allocated(PAGE), *built(PAGE, uncached=False), *flushed(PAGE), *runs("dom1", PAGE),
        *allocated(PAGE), *built(PAGE, uncached=True), *runs("dom1.2", PAGE),
    ]  # fmt: skip
    trace.write_text("\n".join(lines) + "\n")
    done = cli("host-model", "--observed", trace, "--name", "xen-seen", file)
    assert done.status == 0, done
    assert read_model(str(file)).architectures == ("arm64",)
    assert cli("boot", "--sample", "midway-arm64", "--host", file, "--strategy", "uncached").status == HAZARD
    rfc = tmp_path / "rfc.json"
    rfc.write_text(model_text(HOST_MODELS["rfc"]))
    assert cli("boot", "--sample", "midway-arm64", "--host", rfc, "--strategy", "uncached").status == COHERENT


def test_the_model_is_of_the_architecture_that_is_said(cli: Cli, tmp_path: Path) -> None:
    trace, file = tmp_path / "run.trace", tmp_path / "xen.json"
    lines = [*BOOT, *allocated(PAGE), *built(PAGE, uncached=True), *runs("dom1", PAGE)]
    trace.write_text("\n".join(lines) + "\n")
    assert cli("host-model", "--observed", trace, "--arch", "arm32", file).status == 0
    assert read_model(str(file)).architectures == ("arm32",)
    assert cli("boot", "--sample", "midway-arm32", "--host", file, "--strategy", "uncached").status == HAZARD
    refused = cli("boot", "--sample", "midway-arm64", "--host", file, "--strategy", "uncached")
    assert (refused.status, "arm32" in refused.err) == (2, True)
