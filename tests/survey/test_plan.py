# SPDX-License-Identifier: GPL-2.0-or-later
"""The plan of a survey: its cells, what is wrong in it, and what another digest means."""

import dataclasses
import re
from pathlib import Path

import pytest

from coldline.errors import SurveyError
from coldline.hypervisor import HOST_MODELS
from coldline.support.source_files import PACKAGE
from coldline.survey import digests
from coldline.survey.digests import cell_digest
from coldline.survey.plan import SurveyCell, read_plan

PLAN = """
[survey]
timeout = 5
max-instructions = 1000

[[image]]
name = "linux"
version = "6.1"
group = "Debian 12"
origin = "linux.deb"
file = "vmlinuz"
files = ["notes"]
options = ["--initrd", "initrd.img"]
hosts = ["rfc", "xen-4.17-arm64"]
strategies = ["uncached", "hypercall"]
vcpus = [1, 2]

[[image]]
watch = ["qemu-system-aarch64", "-kernel", "vmlinuz"]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    for name in ("vmlinuz", "initrd.img", "notes"):
        (tmp_path / name).write_text(name)
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def test_the_cells(plan: Path) -> None:
    cells = read_plan(plan)
    assert [str(cell) for cell in cells] == [
        f"linux 6.1 on {host} by {strategy}{cores}"
        for host in ("rfc", "xen-4.17-arm64")
        for strategy in ("uncached", "hypercall")
        for cores in ("", ", 2 cores")
    ] + ["qemu-system-aarch64"]
    assert cells[1] == SurveyCell(
        image="linux",
        version="6.1",
        group="Debian 12",
        origin="linux.deb",
        host="rfc",
        strategy="uncached",
        vcpus=2,
        words=(
            *("boot", "vmlinuz", "--initrd", "initrd.img", "--max-instructions", "1000"),
            *("--host", "rfc", "--strategy", "uncached", "--vcpus", "2"),
        ),
        files=("vmlinuz", "initrd.img", "notes"),
        timeout=5,
    )
    assert cells[-1].words == ("watch", "--", "qemu-system-aarch64", "-kernel", "vmlinuz")
    assert cells[-1].files == ("vmlinuz",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no [[image]]"),
        ("[[image]", "is not TOML: "),
        ("x = 1", "unknown key 'x'; known: survey, image"),
        ("survey = 1", "'survey' has to be a table"),
        ("image = [1]", "image 1: is no table"),
        ("[survey]\ntimeout = 0\n[[image]]\nfile = 'a'", "[survey]: 'timeout' has to be at least 1"),
        ("[survey]\ntimeout = true\n[[image]]\nfile = 'a'", "[survey]: 'timeout' has to be a number"),
        (
            "[[image]]\nname = 'a'",
            "image 1: needs 'file' or 'options', for boot, or 'watch', a command line of QEMU's",
        ),
        ("[[image]]\nfile = 'a'\nwatch = ['q']", "image 1: 'file' is for boot, and does not go with 'watch'"),
        ("[[image]]\nwatch = []", "image 1: 'watch' is empty"),
        (
            "[[image]]\nwatch = ['q']\nhosts = ['rfc']",
            "image 1: 'hosts' is for boot, and does not go with 'watch'",
        ),
        ("[[image]]\nfile = 'a'\noptions = [1]", "image 1: 'options' has to have strings, not 1"),
        ("[[image]]\nfile = 'a'\nvcpus = [0]", "image 1: 'vcpus' has to have numbers from 1 on"),
        ("[[image]]\nfile = 'a'\nhosts = ['rcf']", "no host model 'rcf'; did you mean 'rfc'?"),
        ("[[image]]\nfile = 'a'\n[[image]]\nfile = 'a'", "image 2: 'a' is there twice"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(SurveyError, match=re.escape(f"{path}: {said}")):
        read_plan(path)


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match=r"none: cannot be read: No such file or directory$"):
        read_plan(tmp_path / "none")


@pytest.mark.parametrize("name", ["vmlinuz", "initrd.img", "notes"])
def test_a_file_that_changes_is_another_digest(plan: Path, name: str) -> None:
    cell = read_plan(plan)[0]
    before = cell_digest(cell, plan.parent)
    assert cell_digest(cell, plan.parent) == before
    (plan.parent / name).write_text("another")
    assert cell_digest(cell, plan.parent) != before


def test_each_cell_has_its_own_digest(plan: Path) -> None:
    cells = read_plan(plan)
    assert len({cell_digest(cell, plan.parent) for cell in cells}) == len(cells)


def test_a_name_is_no_part_of_it(plan: Path) -> None:
    cell = read_plan(plan)[0]
    renamed = dataclasses.replace(cell, image="x", version="y", group="z", origin="o")
    assert cell_digest(cell, plan.parent) == cell_digest(renamed, plan.parent)


def test_rules_and_models_are_a_part_of_it(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = read_plan(plan)
    before = [cell_digest(cell, plan.parent) for cell in cells[:8]]
    models = dict(HOST_MODELS)
    models["rfc"] = dataclasses.replace(models["rfc"], summary="changed")
    monkeypatch.setattr(digests, "HOST_MODELS", models)
    after = [cell_digest(cell, plan.parent) for cell in cells[:8]]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False] * 4 + [True] * 4
    monkeypatch.setattr(digests, "code_digest", lambda: "other rules")
    assert set(before) & {cell_digest(cell, plan.parent) for cell in cells[:8]} == set()


def test_the_code_digest_has_rules_and_front_ends() -> None:
    named = {str(path.relative_to(PACKAGE)) for path in digests._sources(digests._PARTS)}
    assert {"rules/automaton.py", "verdict.py", "frontends/unicorn/run.py"} <= named
    assert "hypervisor/models.py" not in named
    assert not [name for name in named if name.startswith(("report/", "cli/"))]
