# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of Debian's packages for other architectures, fetched with this host's own apt and never installed.

From a shell, at the top of the tree::

    python -m testbed.debian kernel arm64

prints the path of Debian's current arm64 kernel, fetching it the first time. `packages` gives whole packages,
unpacked. What was fetched stays in ``.cache/debian`` at the top of the tree; ``COLDLINE_CACHE`` names another
folder in place of ``.cache``.

The host's apt sources serve, so a Debian host works as it is. Ubuntu keeps most architectures on a server of
their own, which an Ubuntu host has to have in its sources; ``COLDLINE_APT_SOURCES`` names a file of apt
sources (``.list`` or ``.sources``) to use in place of the host's. A `suite` such as ``bookworm-backports`` is looked
for on the server that these have for Debian itself, whether they name it or not.
"""

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from coldline.errors import ColdlineError, UsageError

__all__ = [
    "ARCHITECTURES",
    "FetchError",
    "MissingError",
    "cache_folder",
    "current",
    "dependencies",
    "host_architecture",
    "kernel",
    "main",
    "packages",
]

META_PACKAGES = {
    # Debian's name first, then Ubuntu's
    "arm64": ("linux-image-arm64", "linux-image-generic"),
    "armhf": ("linux-image-armmp-lpae", "linux-image-generic-lpae"),
}
ARCHITECTURES = tuple(META_PACKAGES)
"""The architectures whose kernels can be had."""

_TIMEOUT_S = 1200
_KERNEL_PACKAGE = re.compile(r"^ *Depends: (linux-image-\d\S*)$", re.MULTILINE)


class FetchError(ColdlineError):
    """A package could not be found, fetched or unpacked."""


class MissingError(FetchError):
    """There is no such package."""


def cache_folder() -> Path:
    """Return the folder that keeps what was fetched; it need not exist yet."""
    root = os.environ.get("COLDLINE_CACHE") or Path(__file__).resolve().parent.parent / ".cache"
    return Path(root).absolute() / "debian"


def kernel(architecture: str = "arm64", *, refresh: bool = False) -> Path:
    """Return Debian's current kernel for an architecture, as the package has it (arm64: an Image).

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`, by Debian's name.
    refresh : bool
        Ask the package servers for a newer one. Without it a kernel fetched before is returned as it is,
        and nothing goes over the network.

    Raises
    ------
    UsageError
        If the architecture is not one of `ARCHITECTURES`.
    FetchError
        If there is no such package, or it could not be fetched.
    """
    if architecture not in META_PACKAGES:
        raise UsageError(f"no kernel for {architecture!r}; there are: {', '.join(ARCHITECTURES)}")
    folder = cache_folder() / architecture
    if not refresh and (cached := _current(folder)):
        return cached
    try:
        with _locked(folder):
            # another process may have fetched it while this one waited
            if not refresh and (cached := _current(folder)):
                return cached
            return _fetch_kernel(architecture, folder)
    except OSError as error:
        raise FetchError(f"{error.filename or folder}: {error.strerror}") from error


def current(
    architecture: str, meta_package: str, pattern: str, *, suite: str | None = None, refresh: bool = False
) -> str:
    """Return the package that a meta-package depends on now: such as the kernel, whose number moves on.

    What was found before is returned as it is, and nothing goes over the network, unless `refresh`.

    Parameters
    ----------
    architecture : str
        Debian's name of it.
    meta_package : str
        The meta-package, such as ``linux-image-arm64``.
    pattern : str
        A regular expression that the whole name of the wanted package matches.
    suite : str, optional
        Debian's suite to look in, in place of all that the sources name.
    refresh : bool
        Ask the package servers anew.

    Raises
    ------
    MissingError
        If the suite, or the apt sources, have no such meta-package, or it depends on nothing that matches.
    FetchError
        If what they have could not be fetched.
    """
    folder = _folder(architecture, suite)
    with _locked(folder):
        record = folder / f"{meta_package}.current"
        if not refresh and record.is_file():
            return record.read_text()
        options = _updated(architecture, folder, suite=suite, refresh=refresh)
        depends = _run("apt-cache", *options, "depends", "--important", meta_package, check=False)
        found = re.search(rf"^[ |]*(?:Pre)?Depends: ({pattern})$", depends.stdout, re.MULTILINE)
        if found is None:
            where = f"{suite} has" if suite else "the apt sources have"
            raise MissingError(f"{meta_package} ({architecture}): {where} none that serves")
        _write(record, found[1])
        return found[1]


def dependencies(
    architecture: str,
    names: Iterable[str],
    *,
    there: Iterable[str] = (),
    suite: str | None = None,
    refresh: bool = False,
) -> list[str]:
    """Return packages with all that they depend on, as installing them would bring; of alternatives the first.

    Parameters
    ----------
    architecture : str
        Debian's name of it.
    names : iterable of str
        The packages.
    there : iterable of str
        Packages that are installed already: neither they nor what they depend on is brought for their sake.
    suite : str, optional
        Debian's suite to look in, in place of all that the sources name.
    refresh : bool
        Ask the package servers anew. Without it that happens the first time only.

    Raises
    ------
    MissingError
        If there is none of that name.
    FetchError
        If the servers do not answer.
    """
    folder = _folder(architecture, suite)
    with _locked(folder):
        options = _updated(architecture, folder, suite=suite, refresh=refresh)
        told = _run("apt-cache", *options, "depends", "--recurse", "--important", *names, check=False).stdout
    needs: dict[str, list[str]] = {}
    package, alternative = "", False
    for line in told.splitlines():
        if not line.startswith(" "):
            package, alternative = line, False
            needs[package] = []
        elif found := re.match(r" ([ |])(?:Pre)?Depends: (\S+)$", line):
            if not alternative:
                needs[package].append(found[2])
            alternative = found[1] == "|"
    missing = [name for name in names if name not in needs]
    if missing:
        raise MissingError(f"{missing[0]} ({architecture}): there is no such package")
    installed = frozenset(there)
    found_so_far: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found_so_far and name not in installed and not name.startswith("<"):
            found_so_far[name] = None
            waiting += needs.get(name, [])
    return list(found_so_far)


def packages(
    architecture: str, names: Iterable[str], *, suite: str | None = None, refresh: bool = False
) -> dict[str, Path]:
    """Return the folder of each package, unpacked as ``dpkg -x`` does and never installed.

    Parameters
    ----------
    architecture : str
        Debian's name of it; packages for every architecture are found under each.
    names : iterable of str
        The packages, without those that they depend on. One can be alternatives, as in Debian's dependencies
        (``libssl3 | libssl3t64``): the first that there is serves, and is found by the whole name.
    suite : str, optional
        Debian's suite to take them from, in place of all that the sources name.
    refresh : bool
        Ask the package servers for newer ones. Without it what was fetched before is returned as it is, and
        nothing goes over the network.

    Raises
    ------
    FetchError
        If there is no such package, or one could not be fetched or unpacked.
    """
    wanted = {name: name.split(" | ") for name in sorted(set(names))}
    folder = _folder(architecture, suite)
    try:
        with _locked(folder):
            trees = folder / "trees"
            trees.mkdir(exist_ok=True)
            missing = [
                alternatives
                for alternatives in wanted.values()
                if refresh or not any((trees / name).is_symlink() for name in alternatives)
            ]
            if missing:
                _fetch_packages(architecture, missing, folder, suite=suite, refresh=refresh)
            there = {
                name: next(path for each in alternatives if (path := trees / each).is_symlink())
                for name, alternatives in wanted.items()
            }
            return {name: path.resolve(strict=True) for name, path in there.items()}
    except OSError as error:
        raise FetchError(f"{error.filename or folder}: {error.strerror}") from error


def _folder(architecture: str, suite: str | None) -> Path:
    if suite and not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise UsageError(f"{suite!r} is no name of a suite of Debian's")
    return cache_folder() / (f"{architecture}-{suite}" if suite else architecture)


@cache
def host_architecture() -> str:
    """Return Debian's name of this host's architecture.

    Raises
    ------
    FetchError
        If this is no Debian.
    """
    try:
        return _run("dpkg", "--print-architecture").stdout.strip()
    except OSError as error:
        raise FetchError("dpkg does not tell this host's architecture") from error


def _fetch_packages(
    architecture: str, wanted: list[list[str]], folder: Path, *, suite: str | None, refresh: bool
) -> None:
    """Fetch and unpack; each name becomes a link to a folder that has the version in its name."""
    options = _updated(architecture, folder, suite=suite, refresh=refresh)
    names = [_available(alternatives, options) for alternatives in wanted]
    trees = folder / "trees"
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
        scratch = Path(temporary)
        _say(f"fetching {len(names)} packages ({architecture})")
        _run("apt-get", *options, "download", *names, cwd=scratch)
        archives = {archive.name.partition("_")[0]: archive for archive in scratch.glob("*.deb")}
        for name in names:
            if name not in archives:
                raise FetchError(f"{name} ({architecture}): apt fetched no such package")
            target = trees / archives[name].stem
            if not target.is_dir():
                unpacked = scratch / name
                _run("dpkg-deb", "--extract", os.fspath(archives[name]), os.fspath(unpacked))
                unpacked.replace(target)
            archives[name].unlink()
            link = scratch / "link"
            link.symlink_to(target.name)
            link.replace(trees / name)


def _available(alternatives: list[str], options: list[str]) -> str:
    """Return the first of some packages that there is, or the first at all."""
    if len(alternatives) > 1:
        shown = _run("apt-cache", *options, "show", "--no-all-versions", *alternatives, check=False)
        there = set(re.findall(r"^Package: (\S+)$", shown.stdout, re.MULTILINE))
        return next((name for name in alternatives if name in there), alternatives[0])
    return alternatives[0]


def _updated(architecture: str, folder: Path, *, suite: str | None, refresh: bool) -> list[str]:
    """Return apt's options, having asked the servers what they have: the first time, or to `refresh`."""
    _need_apt()
    options = _apt_options(architecture, folder)
    if suite:
        file = folder / f"{suite}.list"
        _write(file, f"deb {_debian_server()} {suite} main\n")
        options += [f"-oDir::Etc::sourcelist={file}", "-oDir::Etc::sourceparts=/dev/null"]
    lists = folder / "apt" / "lists"
    if refresh or not any(lists.glob("*Packages*")):
        update = _run("apt-get", *options, "update", check=False)
        if not any(lists.glob("*Packages*")):  # one source of several that fails does no harm
            keys = "; a later debian-archive-keyring may have its key" if "NO_PUBKEY" in update.stderr else ""
            raise FetchError(f"{suite or 'the apt sources'} ({architecture}): {_complaint(update)}{keys}")
    return options


def _debian_server() -> str:
    """Return the URI that apt's sources have for Debian itself."""
    targets = _run(
        "apt-get", *_sources_option(), "indextargets", "--format", "$(ORIGIN) $(SUITE) $(REPO_URI)"
    )
    for line in targets.stdout.splitlines():
        origin, suite, uri = line.split(maxsplit=2)
        if origin == "Debian" and "-" not in suite:
            return uri
    raise FetchError("the apt sources have no server of Debian's")


def _need_apt() -> None:
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FetchError(f"{tool} is not installed: packages can be fetched on Debian and Ubuntu only")


def _write(path: Path, text: str) -> None:
    """Write a file so that whoever reads it sees all of it or none."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_text(text)
    scratch.replace(path)


def _fetch_kernel(architecture: str, folder: Path) -> Path:
    _need_apt()
    options = _apt_options(architecture, folder)
    # A source that has nothing for this architecture fails the update and does no other harm.
    update = _run("apt-get", *options, "update", check=False)
    package = _find_kernel_package(architecture, options, update)
    target = folder / package.replace("linux-image-", "vmlinuz-", 1)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
        scratch = Path(temporary)
        if not target.is_file():
            _say(f"fetching {package} ({architecture})")
            _run("apt-get", *options, "download", package, cwd=scratch)
            (archive,) = scratch.glob("*.deb")
            unpacked = scratch / "vmlinuz"
            _unpack(archive, f"boot/{target.name}", unpacked)
            unpacked.replace(target)
        link = scratch / "current"
        link.symlink_to(target.name)
        link.replace(folder / "current")
    return target


def _find_kernel_package(
    architecture: str, options: list[str], update: subprocess.CompletedProcess[str]
) -> str:
    """Find the package that the architecture's meta-package depends on now: its number moves on."""
    names = META_PACKAGES[architecture]
    for name in names:
        depends = _run("apt-cache", *options, "depends", "--important", name, check=False)
        if found := _KERNEL_PACKAGE.search(depends.stdout):
            return found[1]
    why = f" ({_complaint(update)})" if update.returncode else ""
    raise FetchError(
        f"the apt sources have neither {' nor '.join(names)} for {architecture}{why}; "
        "COLDLINE_APT_SOURCES can name a file of sources that do"
    )


def _apt_options(architecture: str, folder: Path) -> list[str]:
    """Return the options that give apt another architecture and state of its own, apart from the host's."""
    lists, cache = folder / "apt" / "lists", folder / "apt" / "cache"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": folder / "apt",
        "Dir::State::Lists": lists,
        "Dir::State::status": "/dev/null",
        "Dir::Cache": cache,
        "Dir::Cache::archives": cache / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
    }
    if os.geteuid() == 0:
        # apt's own user could not write to these folders
        settings["APT::Sandbox::User"] = "root"
    return ["-q", *(f"-o{name}={value}" for name, value in settings.items()), *_sources_option()]


def _sources_option() -> list[str]:
    sources = os.environ.get("COLDLINE_APT_SOURCES")
    if not sources:
        return []
    if not Path(sources).is_file():
        raise UsageError(f"COLDLINE_APT_SOURCES: no file {sources!r}")
    return [f"-oDir::Etc::sourcelist={Path(sources).absolute()}", "-oDir::Etc::sourceparts=/dev/null"]


def _unpack(archive: Path, member: str, target: Path) -> None:
    """Write one regular file of a Debian package to `target`."""
    command = ["dpkg-deb", "--fsys-tarfile", os.fspath(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                for entry in tar:
                    if entry.isfile() and entry.name.removeprefix("./") == member:
                        source = tar.extractfile(entry)
                        assert source is not None
                        with target.open("wb") as file:
                            shutil.copyfileobj(source, file, 1 << 20)
                        return
        except (tarfile.TarError, EOFError) as error:
            raise FetchError(f"{archive.name}: damaged: {error}") from error
        finally:
            process.kill()
    raise FetchError(f"{archive.name}: no file {member}")


def _current(folder: Path) -> Path | None:
    link = folder / "current"
    return link.resolve() if link.is_file() else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes, making it if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    words = [word for word in command if not word.startswith("-")]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{' '.join(words)}: not done after {_TIMEOUT_S} s") from error
    if check and done.returncode:
        raise FetchError(f"{' '.join(words)}: {_complaint(done)}")
    return done


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed command complained of: apt's first error, or the last line."""
    errors = [line.removeprefix("E: ") for line in done.stderr.splitlines() if line.startswith("E: ")]
    lines = errors[:1] or done.stderr.splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def _say(line: str) -> None:
    print(f"testbed.debian: {line}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.debian", description="Fetch files of Debian's packages."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    kernel_parser = commands.add_parser("kernel", help="print the path of Debian's current kernel")
    kernel_parser.add_argument("architecture", nargs="?", default="arm64", choices=ARCHITECTURES)
    kernel_parser.add_argument("--refresh", action="store_true", help="look for a newer one")
    options = parser.parse_args(arguments)
    try:
        print(kernel(options.architecture, refresh=options.refresh))
    except ColdlineError as error:
        _say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
