# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's own apt, for other architectures and suites, with separate state.

It uses the host's apt sources, so a Debian host needs no configuration. Ubuntu has most architectures on a separate
server, which must be in an Ubuntu host's sources; ``COLDLINE_APT_SOURCES`` names a file of apt
sources (``.list`` or ``.sources``) to use instead of the host's. A suite such as ``bookworm-backports`` is
fetched from the server of Debian itself in these sources, even if they do not name the suite.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from coldline.errors import ColdlineError, UsageError
from testbed.packages.cache import write

__all__ = [
    "FetchError",
    "complaint",
    "host_architecture",
    "options",
    "run",
    "say",
    "updated",
    "with_sources",
]

_TIMEOUT_S = 1200


class FetchError(ColdlineError):
    """A package could not be found, fetched or unpacked."""


@cache
def host_architecture() -> str:
    """Return Debian's name of this host's architecture.

    Raises
    ------
    FetchError
        If this host has no dpkg.
    """
    try:
        return run("dpkg", "--print-architecture").stdout.strip()
    except OSError as error:
        raise FetchError("dpkg does not report this host's architecture") from error


def updated(architecture: str, folder: Path, *, suite: str | None, refresh: bool) -> list[str]:
    """Return apt's options, after updating its package lists the first time, or to `refresh`.

    Parameters
    ----------
    architecture : str
        Debian's name of the architecture.
    folder : Path
        Where apt's state for that architecture and suite is kept.
    suite : str or None
        Debian's suite; None for all suites in the sources.
    refresh : bool
        Update the lists again.

    Raises
    ------
    FetchError
        If the servers do not answer, or their files are not signed with a key of this host.
    """
    words = options(architecture, folder)
    if suite:
        file = folder / f"{suite}.list"
        write(file, f"deb {_debian_server()} {suite} main\n")
        words += [f"-oDir::Etc::sourcelist={file}", "-oDir::Etc::sourceparts=/dev/null"]
    lists = folder / "apt" / "lists"
    if refresh or not any(lists.glob("*Packages*")):
        update = run("apt-get", *words, "update", check=False)
        if not any(lists.glob("*Packages*")):  # one source of several that fails does no harm
            keys = "; a later debian-archive-keyring may have its key" if "NO_PUBKEY" in update.stderr else ""
            raise FetchError(f"{suite or 'the apt sources'} ({architecture}): {complaint(update)}{keys}")
    return words


def with_sources(folder: Path, *, suite: str | None) -> list[str]:
    """Return apt's options for source packages, which the host's apt sources need not have; state is in `folder`.

    The first time, the package lists are updated.

    Parameters
    ----------
    folder : Path
        Where apt's state is kept.
    suite : str or None
        Debian's suite; None for all of Debian's suites in the sources.

    Raises
    ------
    FetchError
        If the servers do not answer, or their files are not signed with a key of this host.
    """
    file = folder / "sources.list"
    suites = [(_debian_server(), suite, "main")] if suite else _debian_suites()
    write(file, "".join(f"deb-src {' '.join(each)}\n" for each in suites))
    words = options(host_architecture(), folder)
    words += [f"-oDir::Etc::sourcelist={file}", "-oDir::Etc::sourceparts=/dev/null"]
    lists = folder / "apt" / "lists"
    if not any(lists.glob("*Sources*")):
        update = run("apt-get", *words, "update", check=False)
        if not any(lists.glob("*Sources*")):
            raise FetchError(f"{suite or 'the apt sources'} (source packages): {complaint(update)}")
    return words


def options(architecture: str, folder: Path) -> list[str]:
    """Return the options that make apt use another architecture, with state in `folder`.

    Raises
    ------
    FetchError
        If this host has no apt.
    UsageError
        If ``COLDLINE_APT_SOURCES`` is not a file.
    """
    _need_apt()
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


def run(*command: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of apt's or dpkg's programs, without a terminal, in English.

    Raises
    ------
    FetchError
        If it fails and `check` is true, or does not end in time.
    """
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
        raise FetchError(f"{' '.join(words)}: {complaint(done)}")
    return done


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the error message of a failed command: apt's first error, or the last line."""
    errors = [line.removeprefix("E: ") for line in done.stderr.splitlines() if line.startswith("E: ")]
    lines = errors[:1] or done.stderr.splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def say(line: str) -> None:
    """Print a progress or error message on standard error."""
    print(f"testbed.packages.debian: {line}", file=sys.stderr, flush=True)


def _debian_server() -> str:
    """Return the URI of Debian itself in apt's sources."""
    targets = run("apt-get", *_sources_option(), "indextargets", "--format", "$(ORIGIN) $(SUITE) $(REPO_URI)")
    for line in targets.stdout.splitlines():
        origin, suite, uri = line.split(maxsplit=2)
        if origin == "Debian" and "-" not in suite:
            return uri
    raise FetchError("the apt sources have no Debian server")


def _debian_suites() -> list[tuple[str, str, str]]:
    """Return the URI, the suite and the component of each of Debian's in apt's sources."""
    form = "$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)"
    targets = run("apt-get", *_sources_option(), "indextargets", "--format", form, "Created-By: Packages")
    rows = [line.split(maxsplit=3) for line in targets.stdout.splitlines()]
    found = sorted({(uri, suite, part) for origin, suite, part, uri in rows if origin == "Debian"})
    if not found:
        raise FetchError("the apt sources have no Debian server")
    return found


def _need_apt() -> None:
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FetchError(f"{tool} is not installed: packages can be fetched on Debian and Ubuntu only")


def _sources_option() -> list[str]:
    sources = os.environ.get("COLDLINE_APT_SOURCES")
    if not sources:
        return []
    if not Path(sources).is_file():
        raise UsageError(f"COLDLINE_APT_SOURCES: no file {sources!r}")
    return [f"-oDir::Etc::sourcelist={Path(sources).absolute()}", "-oDir::Etc::sourceparts=/dev/null"]
