# SPDX-License-Identifier: GPL-2.0-or-later
"""A survey: what is run, what is kept, and that a survey which was cut off ends as one that was not."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
from coldline.errors import SurveyError
from coldline.survey.digests import cell_digest
from coldline.survey.plan import read_plan
from coldline.survey.results import Results, read_results
from coldline.survey.running import Task, run_cell
from coldline.survey.scheduling import estimated
from tests.helpers.command import COHERENT, DRIVER, ERROR, INCONCLUSIVE, Cli
from tests.helpers.tiny_guests import b, code

IMAGE = """
[[image]]
name = "{name}"
file = "{name}"
hosts = ["rfc"]
options = {options}
"""


def plan_of(folder: Path, *names: str, timeout: int = 60, options: str = "[]", **survey: int) -> Path:
    path = folder / "plan.toml"
    lines = "".join(
        f"{key.replace('_', '-')} = {value}\n" for key, value in {"timeout": timeout, **survey}.items()
    )
    path.write_text(
        f"[survey]\n{lines}" + "".join(IMAGE.format(name=name, options=options) for name in names)
    )
    for name in names:
        stores = code(a64.mov(1, a64.RAM + 0x10000), [a64.store(2, 1), a64.add(2, 2, 1), b(-2)])
        image = a64.image(stores if name.startswith("endless") else code(a64.say(b"hello\n"), a64.off()))
        (folder / name).write_bytes(image)
    return path


def task_of(plan: Path, number: int = 0) -> Task:
    cell = read_plan(plan)[number]
    return Task(cell, cell_digest(cell, plan.parent), str(plan.parent))


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def alike(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The results by their digests, without what differs from run to run."""
    varies = ("seconds", "processor_seconds", "peak_bytes", "date")
    return {each["digest"]: {key: each[key] for key in each if key not in varies} for each in results}


# -- one cell ------------------------------------------------------------------------------------------------


def test_a_cell_has_a_verdict_and_what_it_cost(tmp_path: Path) -> None:
    result = run_cell(task_of(plan_of(tmp_path, "guest")))
    assert result["error"] == ""
    assert (result["verdict"], result["host"], result["end"]) == ("inconclusive", "rfc", "off")
    assert result["console"] == ["hello"]
    assert result["seconds"] > 0
    assert 0 < result["processor_seconds"] < os.cpu_count() * (result["seconds"] + 0.02)  # both are rounded
    assert result["peak_bytes"] > 1 << 20


WITH_A_CHILD = """
import resource, subprocess, sys
import coldline.cli
busy = "import time\\nwhile time.process_time() < 0.5: pass"
coldline.cli.main = lambda words: subprocess.run([sys.executable, "-c", busy, *words]).returncode
from coldline.cli.survey_cell import run_surveyed
run_surveyed([sys.argv[1], "word"])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


def test_processor_time_is_that_of_child_processes_too(tmp_path: Path) -> None:
    line = [sys.executable, "-c", WITH_A_CHILD, str(tmp_path / "usage")]
    own = float(subprocess.run(line, stdout=subprocess.PIPE, check=True, text=True).stdout)
    assert json.loads((tmp_path / "usage").read_text())["processor_seconds"] > own + 0.4


def test_a_cell_that_takes_too_long_is_a_result(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "endless", timeout=1, max_instructions=1 << 40)
    result = run_cell(task_of(plan))
    assert result["error"] == "not done after 1 s"


def test_a_cell_that_cannot_be_run_is_a_result(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "guest", options='["--initrd", "nothing"]')
    assert run_cell(task_of(plan))["error"].startswith(
        "coldline: nothing: cannot open the initrd: No such file"
    )


def test_a_worker_with_another_file_does_not_answer_for_it(tmp_path: Path) -> None:
    task = task_of(plan_of(tmp_path, "guest"))
    (tmp_path / "guest").write_bytes(b"another")
    assert run_cell(task)["error"] == "the worker has other files, or another coldline, than the survey"


# -- what is kept ----------------------------------------------------------------------------------------------


def test_a_line_that_was_cut_off_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_bytes(
        b'{"digest": "a", "n": 1}\n[]\n{"digest": 7}\n{"digest": "a", "n": 2}\n{"digest": "b", "n"'
    )
    assert read_results(path) == {"a": {"digest": "a", "n": 2}}
    with Results.opened(path) as results:
        results.add({"digest": "c"})
    assert list(read_results(path)) == ["a", "c"]


def test_two_surveys_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "results"
    said = pytest.raises(SurveyError, match=r"results: another survey writes it$")
    with Results.opened(path), said, Results.opened(path):
        pass


def test_a_full_disk(tmp_path: Path) -> None:
    said = pytest.raises(SurveyError, match=r"^/dev/full: cannot be written: No space left on device$")
    with Results.opened(Path("/dev/full")) as results, said:
        results.add({"digest": "a"})


def test_the_cost_is_that_of_the_image_or_of_the_kind(tmp_path: Path) -> None:
    cell = read_plan(plan_of(tmp_path, "guest"))[0]
    took = [
        {"image": name, "words": ["boot"], "seconds": seconds}
        for name, seconds in (("guest", 3.0), ("x", 9.0))
    ]
    assert estimated(cell, took) == 3
    assert estimated(cell, took[1:]) == 9
    assert estimated(cell, []) == 10


# -- the command -------------------------------------------------------------------------------------------------


def test_a_dry_run_runs_nothing(cli: Cli, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "one", "two")
    found = cli("survey", plan, "--dry-run", "--jobs", 2)
    assert found.status == COHERENT
    assert found.out.splitlines() == [
        "one on rfc: some 10 s",
        "two on rfc: some 10 s",
        "2 of 2 cells to run, some 10 s with 2 at once",
    ]
    assert not plan.with_name("plan.toml.jsonl").exists()


def test_shards_are_all_cells_once(cli: Cli, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *(f"guest{number}" for number in range(12)))
    parts = [
        cli("survey", plan, "--dry-run", "--shard", f"{part}/3").out.splitlines()[:-1] for part in (1, 2, 3)
    ]
    assert sorted(itertools.chain(*parts)) == sorted(
        f"guest{number} on rfc: some 10 s" for number in range(12)
    )
    assert "argument --shard: '4/3' is not K/N, such as 1/4" in cli("survey", plan, "--shard", "4/3").err


def test_what_has_a_result_is_not_run_again(cli: Cli, tmp_path: Path) -> None:
    plan, results = plan_of(tmp_path, "one", "two"), tmp_path / "kept"
    for cell, told in zip(
        read_plan(plan), ({"verdict": "hazard", "error": ""}, {"error": "boom"}), strict=True
    ):
        with Results.opened(results) as kept:
            kept.add({"digest": cell_digest(cell, tmp_path), "image": cell.image, "words": ["boot"], **told})
    found = cli("survey", plan, "--results", results)
    assert (found.status, found.out) == (ERROR, "1 hazard, 1 without a verdict\n")
    again = cli("survey", plan, "--results", results, "--retry", "--dry-run")
    assert again.out.splitlines()[0].startswith("two on rfc")
    assert again.out.splitlines()[-1].startswith("1 of 2 cells to run")


def survey(plan: Path, *words: object) -> "subprocess.Popen[str]":
    line = [sys.executable, "-c", DRIVER, "survey", str(plan), *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_a_survey_on_this_machine(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "one", "two")
    with socket.socket() as other:  # as another survey, at Dask's own port
        with contextlib.suppress(OSError):
            other.bind(("127.0.0.1", 8787))
            other.listen()
        status, out, err = done(survey(plan, "--jobs", 1, "--site", tmp_path / "site"))
    assert (status, "Port" in err) == (INCONCLUSIVE, False)
    assert out.splitlines()[-1] == "2 inconclusive"
    kept = tmp_path / "plan.toml.jsonl"
    assert [each["verdict"] for each in lines_of(kept)] == ["inconclusive", "inconclusive"]
    page = (tmp_path / "site" / "index.html").read_text()
    assert page.count('<details class="cell" id="cell-') == 2
    before = kept.read_bytes()
    assert done(survey(plan))[:2] == (INCONCLUSIVE, "2 inconclusive\n")
    assert kept.read_bytes() == before


@pytest.mark.long
def test_no_scheduler(tmp_path: Path) -> None:
    status, _, err = done(survey(plan_of(tmp_path, "one"), "--scheduler", "tcp://127.0.0.1:1"))
    assert status == ERROR
    assert err.startswith("coldline: no scheduler of Dask's at tcp://127.0.0.1:1: ")
    assert err.count("\n") == 1


# -- a real scheduler --------------------------------------------------------------------------------------------


class Cluster:
    """A scheduler of Dask's and two workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "scheduler.json"
        dask = [sys.executable, "-m", "dask"]
        self.processes = [
            self._start([*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file"])
        ]
        options = ["--nthreads", "1", "--no-dashboard", "--memory-limit", "0", "--scheduler-file"]
        self.processes += [self._start([*dask, "worker", *options], folder / str(each)) for each in range(2)]

    def _start(self, words: list[str], folder: Path | None = None) -> "subprocess.Popen[bytes]":
        line = [*words, str(self._file)] + (["--local-directory", str(folder)] if folder else [])
        return subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def address(self) -> str:
        for _ in range(600):
            if self._file.exists() and (text := self._file.read_text()).strip():
                return str(json.loads(text)["address"])
            time.sleep(0.1)
        raise TimeoutError("no scheduler after a minute")

    def kill_a_worker(self) -> None:
        """Kill the process in which a worker's tasks run, not the nanny that starts it again."""
        nanny = self.processes[1].pid
        (child, *_) = Path(f"/proc/{nanny}/task/{nanny}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


CELLS = [f"endless{number}" for number in range(6)]
LIMIT = 3_000_000


@pytest.mark.long
def test_killed_workers_and_clients_change_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *CELLS, max_instructions=LIMIT)
    assert done(survey(plan, "--results", tmp_path / "whole"))[0] == INCONCLUSIVE
    whole = alike(lines_of(tmp_path / "whole"))
    assert len(whole) == len(CELLS)
    cluster = Cluster(tmp_path)
    try:
        kept = tmp_path / "kept"
        first = survey(plan, "--results", kept, "--scheduler", cluster.address)
        assert first.stdout is not None
        assert first.stdout.readline().startswith("1 of 6: ")
        first.kill()
        first.wait()
        assert 1 <= len(lines_of(kept)) < len(CELLS)
        second = survey(plan, "--results", kept, "--scheduler", cluster.address)
        assert second.stdout is not None
        assert second.stdout.readline()
        cluster.kill_a_worker()
        assert done(second)[0] == INCONCLUSIVE
    finally:
        cluster.stop()
    assert len(lines_of(kept)) == len(CELLS)
    assert alike(lines_of(kept)) == whole


@pytest.mark.long
def test_a_scheduler_that_is_lost_is_an_error(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *CELLS, max_instructions=LIMIT)
    cluster = Cluster(tmp_path)
    try:
        running = survey(plan, "--scheduler", cluster.address)
        assert running.stdout is not None
        running.stdout.readline()
    finally:
        cluster.stop()
    status, _, err = done(running)
    assert status == ERROR
    assert err.splitlines()[-1] == "coldline: Dask's scheduler was lost; what was done is kept"
    assert lines_of(plan.with_name("plan.toml.jsonl"))
