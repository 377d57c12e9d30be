# SPDX-License-Identifier: GPL-2.0-or-later
"""The look at the end of a build's trace: its verdict is that of the page on Debian's kernel."""

import re
from pathlib import Path

import pytest

from coldline.builder import STRATEGIES, build_domain
from coldline.cli.create import create
from coldline.cli.main import parser
from coldline.events import Event, Op
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.look import look_at
from coldline.hypervisor.simulated import SimulatedHost
from coldline.hypervisor.xen.recording import model_of
from coldline.image import load_kernel
from coldline.samples import sample
from tests.helpers.checking import check_text
from tests.helpers.command import COHERENT, HAZARD, Cli
from tests.helpers.fake_xen import FakeXen

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "verdicts.md"
ARM64 = [name for name, each in STRATEGIES.items() if "arm64" in each.architectures]
HOSTS = ["rfc", "xen-4.17-arm64", "xen-4.22-arm64"]


def is_hazard(host: str, strategy: str) -> bool:
    """What the page's table of Debian's kernel says."""
    table = (
        PAGE.read_text().partition("<!-- generated: matrix debian-arm64 -->")[2].partition("<!-- end -->")[0]
    )
    head, *rows = [
        [cell.strip() for cell in row.split("|")] for row in re.findall(r"^\| .* \|$", table, re.MULTILINE)
    ]
    (row,) = [row for row in rows if row[1] == host]
    verdict: str = row[head.index(strategy)]
    return verdict != "coherent"


@pytest.mark.parametrize("strategy", ARM64)
def test_the_trace_of_a_build_has_the_verdict_of_the_page(strategy: str, cli: Cli, tmp_path: Path) -> None:
    """Of Xen 4.17; 4.20 has the same model."""
    assert model_of((4, 20), "aarch64") is model_of((4, 17), "aarch64")
    text, binary = tmp_path / "made.trace", tmp_path / "binary.trace"
    words = ["create", "--sample", "midway-arm64", "--memory", "8", "--paused", "--trace", str(text)]
    create(parser().parse_args([*words, "--strategy", strategy]), FakeXen())
    expected = HAZARD if is_hazard("xen-4.17-arm64", strategy) else COHERENT
    assert cli("check", text, "--quiet").status == expected
    assert cli("convert", text, binary).status == 0
    assert cli("check", binary, "--quiet").status == expected


@pytest.mark.parametrize("strategy", ARM64)
@pytest.mark.parametrize("host", HOSTS)
def test_on_a_simulated_host(host: str, strategy: str) -> None:
    plan = make_plan(load_kernel(str(sample("midway-arm64").image)), GuestOptions(memory=8 << 20))
    events: list[Event] = []
    simulated = SimulatedHost(HOST_MODELS[host], events.append)
    build_domain(plan, strategy, simulated)
    events += look_at(plan)
    assert bool(check_text("".join(f"{event}\n" for event in events))) is is_hazard(host, strategy)


def test_what_a_look_is() -> None:
    """It reads what was loaded past the caches, then fetches the kernel and reads all of it through them."""
    plan = make_plan(load_kernel(str(sample("midway-arm64").image)), GuestOptions(memory=8 << 20))
    kernel, *others = plan.segments
    look = look_at(plan)
    assert {event.agent for event in look} == {"look"}
    switched = look.index(Event("look", Op.MMU_ON))
    loaded = {(each.address, each.data.nbytes) for each in plan.segments}
    assert others
    for part in (look[1:switched], look[switched:]):
        assert {event[2:4] for event in part if event.op is Op.READ} == loaded
    assert [event[2:4] for event in look if event.op is Op.FETCH] == [(kernel.address, kernel.data.nbytes)]
    assert look[0].op is Op.MMU_OFF
