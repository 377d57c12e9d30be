# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs cells on Dask's workers, those that probably take longest first."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final

from coldline.errors import MissingDependencyError, SurveyError
from coldline.survey.plan import SurveyCell
from coldline.survey.running import Task, head_of, run_cell

__all__ = ["estimated", "run_tasks"]

_SECONDS: Final = {"boot": 10.0, "watch": 120.0}
"""What a cell takes if nothing like it was ever run."""

_RETRIES: Final = 2
"""How often a cell is tried again after its worker died; Dask's own number is that of a cell which kills workers."""


def estimated(cell: SurveyCell, results: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds that a cell probably takes: as runs of this image did, or of its kind."""
    took = [(each.get("image"), each["words"][0], each["seconds"]) for each in results if each.get("seconds")]
    of_image = [seconds for image, _, seconds in took if image == cell.image]
    of_kind = [seconds for _, kind, seconds in took if kind == cell.words[0]]
    return float(median(of_image or of_kind or [_SECONDS[cell.words[0]]]))


def run_tasks(
    tasks: Sequence[tuple[Task, float]],
    done: Callable[[Task, dict[str, Any]], None],
    *,
    scheduler: str | None,
    jobs: int,
) -> None:
    """Run all tasks; hand each result over as it comes.

    Parameters
    ----------
    tasks : sequence of (Task, float)
        The tasks, and the seconds that each probably takes.
    done : callable
        Takes a task and its result.
    scheduler : str or None
        The address of Dask's scheduler, such as ``tcp://host:8786``; None for workers of this machine.
    jobs : int
        How many workers this machine has.

    Raises
    ------
    MissingDependencyError
        Dask's distributed is not installed.
    SurveyError
        The scheduler cannot be reached, or is lost.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingDependencyError("a survey needs Dask: install coldline[survey]") from error
    with _client(distributed, scheduler, jobs) as client:
        futures = {}
        for task, seconds in tasks:
            future = client.submit(
                run_cell, task, key=f"coldline-{task.digest}", priority=seconds, retries=_RETRIES, pure=False
            )
            futures[future.key] = task, future
        try:
            for future in distributed.as_completed([future for _, future in futures.values()]):
                task, _ = futures.pop(future.key)
                done(task, _result(distributed, task, future))
                future.release()
        finally:
            if futures:
                with contextlib.suppress(Exception):
                    client.cancel([future for _, future in futures.values()], force=True)


@contextlib.contextmanager
def _client(distributed: Any, scheduler: str | None, jobs: int) -> Iterator[Any]:
    import dask

    for name in ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.worker"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.comm.retry.count": 2}))
        try:
            if scheduler is None:
                cluster = distributed.LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port, not 8787
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                )
                scheduler = stack.enter_context(cluster)
            client = stack.enter_context(distributed.Client(scheduler, timeout=10))
        except (OSError, ValueError) as error:
            raise SurveyError(f"no scheduler of Dask's at {scheduler}: {error}") from error
        yield client


def _result(distributed: Any, task: Task, future: Any) -> dict[str, Any]:
    try:
        result: dict[str, Any] = future.result()
    except distributed.scheduler.KilledWorker:
        return head_of(task, "its worker died each time")
    except (distributed.CancelledError, OSError) as error:
        raise SurveyError("Dask's scheduler was lost; what was done is kept") from error
    except Exception as error:
        return head_of(task, f"{type(error).__name__}: {error}"[:200])
    return result
