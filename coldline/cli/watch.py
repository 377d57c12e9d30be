# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline watch``."""

import argparse
import contextlib
import shlex
import shutil
import time

from coldline import verdict
from coldline.cli.arguments.profile import given_switches
from coldline.cli.outputs import Outputs
from coldline.cli.progress import Following, Progress
from coldline.cli.status import ERROR, INTERRUPTED, complain, status_of
from coldline.errors import QemuError, UsageError
from coldline.events.batch import Batch
from coldline.events.interruptible import Interruptible
from coldline.events.source import Sink, Source
from coldline.first_pass import check
from coldline.frontends.qemu import CommandLine, Watch, Watched, expected_agents, read_command_line
from coldline.jit import programs
from coldline.jit.code_cache import compile_missing
from coldline.report.model import MachineRun, Report, Spooled
from coldline.rules.order.ordering import ANY, COLD_START, CoreAgents, Ordering
from coldline.rules.profile import Profile
from coldline.support.units import GIB
from coldline.trace.spool import LEAST_BYTES, MOST_BYTES, Spool, spool_folder
from coldline.trace.writing import TraceWriter
from coldline.verdict import Judgement, judge


def run_watch(options: argparse.Namespace) -> int:
    """Run the machine, check its accesses and report; return the exit status."""
    started = time.perf_counter()
    outputs = Outputs(options.formats, quiet=options.quiet, hazards=options.hazards, of_run=True)
    machine = read_command_line(options.qemu)
    names = dict(options.names or ())
    cores = tuple(CoreAgents(f"cpu{each}", expected_agents(each, names)) for each in range(machine.vcpus))
    start = options.start if options.start == ANY else COLD_START
    ordering = Ordering(cores, options.order, start=start)
    profile = Profile(ordering=ordering).having(given_switches(options))
    with outputs:
        judgement, ran, kept = _judge(machine, profile, options, outputs)
        watched = MachineRun(
            release=f"QEMU {ran.release}",
            status=ran.status,
            instructions=ran.instructions,
            accesses=ran.accesses,
            maintained=ran.maintained,
            waits=ran.waits,
            start=options.start,
            spool=Spooled(spool_folder(), kept) if kept else None,
            guests=tuple(ran.guests),
            seconds=time.perf_counter() - started,
        )
        outputs.report(Report(subject=shlex.join(options.qemu), judgement=judgement, machine=watched))
    if judgement.interrupted:
        complain("interrupted")
        return INTERRUPTED
    if ran.failure:
        complain(ran.failure)
        return ERROR
    return status_of(judgement.verdict)


def _judge(
    machine: CommandLine, profile: Profile, options: argparse.Namespace, outputs: Outputs
) -> tuple[Judgement, Watched, int]:
    """Run and check the machine; stories are of the events that were kept meanwhile, of which the size is last."""
    most = outputs.hazards or 0
    with Progress(not options.quiet) as progress, contextlib.ExitStack() as stack:
        compile_missing((programs.QEMU, programs.CHECK), progress.compiled)
        following = Following(progress, outputs)
        watch = Watch(
            machine,
            start=options.start,
            only=options.only,
            barriers=options.order,
            line=profile.line,
            names=dict(options.names or ()),
            console=progress.console if outputs.for_people else lambda text: None,
            started=_tell_spool if most and not options.quiet else lambda: None,
            progress=following.ran,
        )
        stack.callback(watch.close)
        profile = profile.having(watch.begin())
        source: Source = watch
        if options.trace is not None:
            source = _Traced(watch, options.trace, TraceWriter(options.trace, profile, options.trace_format))
        spool = stack.enter_context(Spool(source, instructions=True)) if most else None
        first = Interruptible(_Ended(spool or source, watch))
        checker = check(first, profile, distinct=True, at_length=True)
        ran = watch.outcome
        for line in ran.complaints.splitlines():
            complain(f"QEMU: {line}")
        if spool is not None and spool.failure:
            complain(f"no stories: a temporary file for the events cannot be written: {spool.failure}")
        kept = spool.kept_bytes if spool is not None else 0
        if first.interrupted:
            gaps = [verdict.WAS_INTERRUPTED, *_not_followed(ran)]
            return judge(checker, first, most=most, stories=0, gaps=gaps), ran, kept
        return (
            judge(
                checker,
                spool or first,
                most=most,
                stories=most if spool is not None and not spool.failure else 0,
                gaps=[*([ran.failure] if ran.failure else []), *_not_followed(ran)],
                watcher=following,
                interruptible=True,
            ),
            ran,
            kept,
        )


def _tell_spool() -> None:
    """Say where the events are kept until their stories are told, and how large that can become."""
    folder = spool_folder()
    free = shutil.disk_usage(folder).free
    complain(
        f"events are kept in {folder} until the report: {LEAST_BYTES} to {MOST_BYTES} bytes each, and "
        f"{free / GIB:.1f} GiB are free; --hazards 0 keeps none"
    )


def _not_followed(ran: Watched) -> list[str]:
    gaps = []
    if ran.unknown:
        gaps.append(
            f"the translation of {ran.unknown:,} accesses could not be followed, the first at {ran.unknown_at:#x}"
        )
    if ran.lost:
        gaps.append(f"a stage 2 maps more than can be followed: {ran.lost:,} of its leaves were left out")
    return gaps


class _Traced:
    """A source whose events are written to a trace, too. A disk that is full ends it, and the trace is dropped."""

    repeatable = False

    def __init__(self, source: Source, path: str, writer: TraceWriter) -> None:
        self._source, self._path, self._writer = source, path, writer

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`.

        Raises
        ------
        QemuError
            If the trace cannot be written.
        """
        failed: str | None = None

        def both(batch: Batch) -> None:
            nonlocal failed
            try:
                self._writer.write(batch)
            except OSError as error:
                failed = error.strerror or str(error)
                sink(batch)
                raise QemuError(f"{self._path}: cannot write a trace: {failed}") from error
            sink(batch)

        ended: BaseException | None = None
        try:
            self._source.run(both, instructions=instructions)
        except BaseException as error:
            ended = error
            raise
        finally:
            is_whole = ended is None or isinstance(ended, KeyboardInterrupt | QemuError)
            self._close(complete=is_whole and failed is None)

    def _close(self, *, complete: bool) -> None:
        try:
            self._writer.__exit__(None if complete else OSError)
        except UsageError as error:
            if complete:
                raise QemuError(error.message) from error


class _Ended:
    """A source that also ends where the machine does what cannot be followed, once it has run for a while."""

    repeatable = False

    def __init__(self, source: Source, watch: Watch) -> None:
        self._source, self._watch = source, watch

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""
        try:
            self._source.run(sink, instructions=instructions)
        except QemuError as error:
            if not self._watch.outcome.instructions:
                raise
            self._watch.outcome.failure = error.message
