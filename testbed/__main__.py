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

from coldline.builder import strategy_for
from coldline.errors import ColdlineError, UsageError
from testbed import bench
from testbed.arguments import parser
from testbed.builds import checkpatch, modules, native, rfc_v2
from testbed.machines import image, machine, pace
from testbed.packages.cache import cache_folder
from testbed.packages.debian import MissingError
from testbed.packages.sources import ARCHITECTURES, Sources, sources
from testbed.watched import guest, kvm, verdicts, xen
from testbed.watched.running import Watching

_TESTS = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:faulthandler",
    "-q",
    "--tb=short",
    "--junitxml=/host/results.xml",
)
_KEPT = ("results.xml", "output", "console", "console-boot", "subcommands.json")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status: 1 if a test failed, 2 if there was an error."""
    options = parser(_COMMANDS).parse_args(arguments)
    try:
        status: int = options.run(options)
    except ColdlineError as error:
        _say(str(error))
        return 2
    except OSError as error:
        _say(f"{error.filename or 'testbed'}: {error.strerror}")
        return 2
    return status


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
            left_out = [*(["one_xen"] if options.brief else []), *([] if options.long else ["long"])]
            if left_out:
                words += ["-m", " and ".join(f"not {each}" for each in left_out)]
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
        if options.xen_source:
            raise UsageError("--xen-source is for --rfc-v2")
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


def _keep(folder: Path, target: Path, names: tuple[str, ...] = _KEPT) -> None:
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
    on_kvm = options.host != "xen"
    if on_kvm and options.architecture != "arm64":
        raise UsageError("Linux has no KVM for arm32: only arm64 can be watched with --host kvm-…")
    builders = tuple(options.by or (kvm.STRATEGIES[0] if on_kvm else guest.XL,))
    if on_kvm and (options.guest or not set(builders) <= set(kvm.STRATEGIES)):
        raise UsageError(f"on KVM the guest is a small Linux, and it is built by {', '.join(kvm.STRATEGIES)}")
    for each in builders:
        if each != guest.XL:
            strategy_for(each, guest.KIND[options.architecture])
    used = _sources(options.architecture, options)
    wanted = Watching(
        builders=builders,
        start=options.start,
        hazards=options.hazards,
        until=options.until,
        timeout_s=options.timeout,
        more=("--trace", str(options.trace.absolute())) if options.trace else (),
    )
    with tempfile.TemporaryDirectory(prefix="coldline-testbed-") as temporary:
        folder = Path(temporary)
        _fill(used, folder)
        host = "KVM" if on_kvm else f"Xen {used.xen_version}"
        _say(f"{host} with Linux {used.release}")
        initrd = image.initrd(used, start="watched-kvm" if on_kvm else "watched-dom0")
        try:
            if on_kvm:
                report = kvm.watch(used, initrd, folder, wanted, options.host, _say)
            else:
                guest.write_guest(folder / "guest", options.guest)
                report = xen.watch(used, initrd, folder, wanted, _say)
        finally:
            if options.results:
                _keep(folder, options.results, ("report", "report.json", "console", "watched"))
        sys.stdout.write((folder / "report").read_text())
    print(verdicts.table(report))
    whole = all(each.verdict != "inconclusive" for each in verdicts.verdicts(report))
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


_COMMANDS = {
    "test": _test,
    "shell": _shell,
    "driver": _driver,
    "bench": _bench,
    "watch": _watch,
    "checkpatch": _checkpatch,
}


if __name__ == "__main__":
    sys.exit(main())
