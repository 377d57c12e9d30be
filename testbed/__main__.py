# SPDX-License-Identifier: GPL-2.0-or-later
"""The testbed's commands: ``scripts/testbed --help``."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from coldline.errors import ColdlineError, UsageError
from testbed import (
    bench,
    checkpatch,
    image,
    machine,
    modules,
    native,
    pace,
    rfc_v2,
    watch_verdicts,
    watched_guest,
    watched_xen,
)
from testbed.cache import cache_folder
from testbed.debian import MissingError
from testbed.sources import ARCHITECTURES, BACKPORTS, Sources, sources

_TESTS = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:faulthandler",
    "-q",
    "--tb=short",
    "--junitxml=/host/results.xml",
)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status: 1 if a test failed, 2 if there was an error."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ColdlineError as error:
        _say(str(error))
        return 2
    except OSError as error:
        _say(f"{error.filename or 'testbed'}: {error.strerror}")
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/testbed", description="Test coldline on a real Xen in an emulated machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: object, purpose: str, *, several: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        added.set_defaults(run=run)
        added.add_argument(
            "architectures" if several else "architecture",
            nargs="*" if several else "?",
            type=_architecture,
            metavar="ARCHITECTURE",
            default=None if several else ARCHITECTURES[0],
            help="arm64 or armhf; by default " + ("both" if several else "arm64"),
        )
        added.add_argument(
            "--suite",
            help=f"use another Debian release, such as trixie; {BACKPORTS} changes only the kernel",
        )
        added.add_argument("--refresh", action="store_true", help="check for newer packages")
        return added

    tests = command("test", _test, "boot Xen and dom0, and run the tests in dom0", several=True)
    tests.add_argument("--results", type=Path, metavar="FOLDER", help="store results and consoles in FOLDER")
    tests.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"time limit for each machine (default: {pace.LIMIT_S:.0f}, times how slow this machine is now)",
    )
    tests.add_argument("--select", metavar="EXPRESSION", help="only tests whose names match, as pytest's -k")
    tests.add_argument(
        "--brief",
        action="store_true",
        help="leave out what takes long and hardly differs by release and architecture: keepers, xl's subcommands, "
        "calls that fail, and commands that are killed",
    )
    tests.add_argument(
        "--rfc-v2",
        action="store_true",
        help="build Linux's privcmd, Xen's libraries and xl with the patches in driver/rfc-v2, and test these",
    )
    tests.add_argument(
        "--xen-source",
        type=Path,
        metavar="FOLDER",
        help="with --rfc-v2: Xen's source, of dom0's version, instead of Debian's source package",
    )
    tests.add_argument("--boot", action="store_true", help="boot instead of restoring a snapshot")
    command("shell", _shell, "boot Xen, and connect this terminal to dom0's shell")
    driver = command("driver", _driver, "build the driver for dom0's kernel, and print its path")
    driver.add_argument(
        "--native",
        action="store_true",
        help="build and test it in dom0 with its own compiler; takes minutes",
    )
    measured = command("bench", _bench, "compare coldline's builder with xl's, in dom0", several=True)
    measured.add_argument(
        "--turns", type=int, default=2, help="number of guests after the first (default: 2)"
    )
    measured.add_argument(
        "--initrd",
        type=int,
        nargs="+",
        default=[64, 128],
        metavar="MIB",
        help="sizes of the initrd (default: 64 128)",
    )
    measured.add_argument("--results", type=Path, metavar="FOLDER", help="store the figures in FOLDER")
    watched = command(
        "watch", _watch, "watch Xen and dom0 under QEMU while dom0 builds guests, and judge each guest"
    )
    watched.add_argument(
        "guest",
        nargs="?",
        type=Path,
        metavar="GUEST.cfg",
        help="xl's configuration file (default: a small Linux)",
    )
    watched.add_argument(
        "--by",
        action="append",
        choices=(watched_guest.XL, *watched_guest.STRATEGIES),
        metavar="BUILDER",
        help="xl, or a strategy of coldline create; once for each guest (default: xl)",
    )
    watched.add_argument(
        "--start",
        choices=("clean", "cold", "dirty", "any"),
        default="cold",
        help="what caches may hold at the first instruction, as coldline watch has it (default: cold)",
    )
    watched.add_argument(
        "--until",
        default=watched_xen.UNTIL,
        metavar="TEXT",
        help=f"a guest is up when its console says this (default: {watched_xen.UNTIL!r})",
    )
    watched.add_argument(
        "--hazards", type=int, default=10, metavar="N", help="how many hazards get a story (default: 10)"
    )
    watched.add_argument(
        "--timeout", type=float, default=3600.0, metavar="SECONDS", help="time limit (default: 3600)"
    )
    watched.add_argument(
        "--trace", type=Path, metavar="FILE", help="write all events to a trace, for coldline check"
    )
    watched.add_argument(
        "--results", type=Path, metavar="FOLDER", help="store the report and the console in FOLDER"
    )
    command("checkpatch", _checkpatch, "check the driver with the kernel's checkpatch.pl")
    return parser


def _architecture(word: str) -> str:
    # argparse's choices would refuse a list that is empty by default (Python 3.11)
    if word not in ARCHITECTURES:
        raise argparse.ArgumentTypeError(f"no architecture {word!r}; choose from: {', '.join(ARCHITECTURES)}")
    return word


def _test(options: argparse.Namespace) -> int:
    failed = 0
    for used in _all_sources(options):
        architecture = used.architecture
        with tempfile.TemporaryDirectory(prefix="coldline-testbed-") as temporary:
            folder = Path(temporary)
            initrd, tests = _prepare(options, used, folder)
            _say(f"{architecture}: Xen {used.xen_version} with Linux {used.release}")
            words = [*_TESTS, "-o", f"junit_suite_name={architecture}", tests]
            if options.select:
                words += ["-k", options.select]
            if options.brief:
                words += ["-m", "not one_xen"]
            try:
                outcome = machine.run(
                    used,
                    initrd,
                    folder,
                    words,
                    timeout_s=options.timeout or pace.LIMIT_S * pace.slowness(),
                    snapshots=not options.boot,
                    say=partial(_say_of, architecture),
                )
            finally:
                if options.results:
                    _keep(folder, options.results / architecture)
            if outcome.status:
                failed += 1
                print((folder / "output").read_text(errors="replace"), end="")
            verdict = f"failed (exit status {outcome.status})" if outcome.status else "passed"
            last = (folder / "output").read_text(errors="replace").rstrip().rpartition("\n")[2]
            how = ", from a snapshot" if outcome.restored else ""
            _say(f"{architecture}: {verdict} after {outcome.seconds:.1f} s{how}: {last}")
    return 1 if failed else 0


def _sources(architecture: str, options: argparse.Namespace) -> Sources:
    return sources(architecture, suite=options.suite, refresh=options.refresh)


def _all_sources(options: argparse.Namespace) -> Iterator[Sources]:
    """Yield the sources of the named architectures, or of all that have a Xen."""
    for architecture in options.architectures or ARCHITECTURES:
        try:
            yield _sources(architecture, options)
        except MissingError as error:
            if options.architectures:
                raise
            _say(f"skipped: {error}")


def _prepare(options: argparse.Namespace, used: Sources, folder: Path) -> tuple[Path, str]:
    """Fill the folder that dom0 mounts; return dom0's initramfs, and the tests."""
    if not options.rfc_v2:
        _fill(used, folder)
        return image.initrd(used), "testbed/dom0"
    _say(f"{used.architecture}: building what driver/rfc-v2 changes, which takes minutes the first time")
    module = rfc_v2.module(used, suite=options.suite)
    with tempfile.TemporaryDirectory(prefix="coldline-rfc-v2-") as temporary:
        installed = Path(temporary) / "installed"
        rfc_v2.install(used, installed, source=options.xen_source)
        _fill(used, folder, {rfc_v2.INSTALLED: installed})
    return image.initrd(used, {rfc_v2.PRIVCMD_MODULE: module}), "testbed/dom0/test_rfc_v2.py"


def _fill(used: Sources, folder: Path, added: Mapping[str, Path] | None = None) -> None:
    with tempfile.TemporaryDirectory(prefix="coldline-testbed-") as built:
        library = modules.build_preloaded(used, Path(built))
        image.fill(used, modules.build(used), folder, library, added)


def _keep(
    folder: Path, target: Path, names: tuple[str, ...] = ("results.xml", "output", "console", "console-boot")
) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        (target / name).unlink(missing_ok=True)
        if (folder / name).is_file():
            shutil.copy(folder / name, target)


def _shell(options: argparse.Namespace) -> int:
    used = _sources(options.architecture, options)
    folder = cache_folder().parent / "testbed" / "host"
    folder.mkdir(parents=True, exist_ok=True)
    _fill(used, folder)
    _say(f"dom0's /host is {os.path.relpath(folder)}; press Enter to continue, Ctrl-a x to end QEMU")
    return machine.shell(used, image.initrd(used), folder)


def _driver(options: argparse.Namespace) -> int:
    used = _sources(options.architecture, options)
    if options.native:
        path, said = native.build(used, suite=options.suite, refresh=options.refresh)
        print(said, end="", file=sys.stderr)
        if path is None:
            return 1
    else:
        path = modules.build(used)
    print(path)
    return 0


def _bench(options: argparse.Namespace) -> int:
    for used in _all_sources(options):
        with tempfile.TemporaryDirectory(prefix="coldline-testbed-") as temporary:
            folder = Path(temporary)
            _fill(used, folder)
            measured = bench.measure(
                used, image.initrd(used), folder, sizes=options.initrd, turns=options.turns, say=_say
            )
        if options.results:
            options.results.mkdir(parents=True, exist_ok=True)
            (options.results / f"{used.architecture}.json").write_text(json.dumps(measured))
        print(bench.table(measured))
    return 0


def _watch(options: argparse.Namespace) -> int:
    if options.architecture != "arm64":
        raise UsageError("only arm64 can be watched: coldline watch does not follow AArch32 code")
    used = _sources(options.architecture, options)
    wanted = watched_xen.Watching(
        builders=tuple(options.by or (watched_guest.XL,)),
        start=options.start,
        hazards=options.hazards,
        until=options.until,
        timeout_s=options.timeout,
        more=("--trace", str(options.trace.absolute())) if options.trace else (),
    )
    with tempfile.TemporaryDirectory(prefix="coldline-testbed-") as temporary:
        folder = Path(temporary)
        _fill(used, folder)
        watched_guest.write_guest(folder / "guest", options.guest)
        _say(f"Xen {used.xen_version} with Linux {used.release}")
        try:
            report = watched_xen.watch(used, image.initrd(used, small=True), folder, wanted, _say)
        finally:
            if options.results:
                _keep(folder, options.results, ("report", "report.json", "console", "watched"))
        sys.stdout.write((folder / "report").read_text())
    print(watch_verdicts.table(report))
    whole = all(each.verdict != "inconclusive" for each in watch_verdicts.verdicts(report))
    return 1 if report["verdict"] == "hazard" else 0 if whole and report["verdict"] == "coherent" else 3


def _checkpatch(options: argparse.Namespace) -> int:
    used = _sources(options.architecture, options)
    complaints = checkpatch.check(used.release, suite=options.suite)
    print(complaints or "no complaints")
    return 1 if complaints else 0


def _say_of(architecture: str, line: str) -> None:
    _say(f"{architecture}: {line}")


def _say(line: str) -> None:
    print(f"testbed: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
