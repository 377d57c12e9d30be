# SPDX-License-Identifier: GPL-2.0-or-later
"""The testbed's commands: ``scripts/testbed --help``."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from coldline.errors import ColdlineError
from testbed import image, machine, modules
from testbed.debian import cache_folder
from testbed.sources import ARCHITECTURES, Sources, sources

_TESTS = (
    "export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1\n"
    "exec python3 -m pytest -p no:cacheprovider -p no:faulthandler -q --tb=short --junitxml=/host/results.xml "
    "-o junit_suite_name={architecture} tests"
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
        prog="scripts/testbed", description="Try coldline on a real Xen, emulated."
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
        added.add_argument("--refresh", action="store_true", help="look for newer packages")
        return added

    tests = command("test", _test, "boot Xen and dom0, and run the tests in dom0", several=True)
    tests.add_argument("--results", type=Path, metavar="FOLDER", help="keep results and consoles there")
    tests.add_argument(
        "--timeout", type=float, default=300.0, metavar="SECONDS", help="for each machine (default: 300)"
    )
    command("shell", _shell, "boot Xen, and give dom0's shell on this terminal")
    command("driver", _driver, "build the driver for dom0's kernel, and print its path")
    return parser


def _architecture(word: str) -> str:
    # not argparse's choices: those refuse a list that is empty by default (Python 3.11)
    if word not in ARCHITECTURES:
        raise argparse.ArgumentTypeError(f"no architecture {word!r}; there are: {', '.join(ARCHITECTURES)}")
    return word


def _test(options: argparse.Namespace) -> int:
    failed = 0
    for architecture in options.architectures or ARCHITECTURES:
        used = sources(architecture, refresh=options.refresh)
        driver = modules.build(used)
        with tempfile.TemporaryDirectory(prefix="coldline-testbed-") as temporary:
            initrd, folder = Path(temporary) / "initrd", Path(temporary) / "host"
            folder.mkdir()
            image.build(used, driver, initrd)
            _say(f"{architecture}: booting Xen with Linux {used.release}")
            try:
                outcome = machine.run(
                    used,
                    initrd,
                    folder,
                    _TESTS.format(architecture=architecture),
                    timeout_s=options.timeout,
                )
            finally:
                if options.results:
                    _keep(folder, options.results / architecture)
            if outcome.status:
                failed += 1
                print((folder / "output").read_text(errors="replace"), end="")
            verdict = f"failed (exit status {outcome.status})" if outcome.status else "passed"
            last = (folder / "output").read_text(errors="replace").rstrip().rpartition("\n")[2]
            _say(f"{architecture}: {verdict} after {outcome.seconds:.1f} s: {last}")
    return 1 if failed else 0


def _keep(folder: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in ("results.xml", "output", "console"):
        (target / name).unlink(missing_ok=True)
        if (folder / name).is_file():
            shutil.copy(folder / name, target)


def _shell(options: argparse.Namespace) -> int:
    used = sources(options.architecture, refresh=options.refresh)
    driver = modules.build(used)
    with tempfile.TemporaryDirectory(prefix="coldline-testbed-") as temporary:
        initrd = Path(temporary) / "initrd"
        image.build(used, driver, initrd)
        folder = cache_folder().parent / "testbed" / "host"
        folder.mkdir(parents=True, exist_ok=True)
        _say(f"dom0's /host is {os.path.relpath(folder)}; Ctrl-a x ends QEMU")
        return machine.shell(used, initrd, folder)


def _driver(options: argparse.Namespace) -> int:
    used: Sources = sources(options.architecture, refresh=options.refresh)
    print(modules.build(used))
    return 0


def _say(line: str) -> None:
    print(f"testbed: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
