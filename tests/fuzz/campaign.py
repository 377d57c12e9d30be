# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of one target in a separate process, and their outcome."""

import contextlib
import hashlib
import importlib.util
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from .bounds import MEBIBYTES
from .ledger import Counts, Ledger
from .target import Target

CRASHES = Path(__file__).parent / "crashes"

_SECONDS_OF_A_HANG = 20
"""Wall-clock time, generous as the machine may be busy. Each run checks its own processor time."""


class Outcome(NamedTuple):
    """The outcome of a campaign.

    Attributes
    ----------
    counts : Counts
        The counts of its runs.
    seconds : float
        Its duration, in wall-clock time.
    failed : bool
        Whether it ended too early.
    crash : Path or None
        The input at which it then ended, if there was one.
    """

    counts: Counts
    seconds: float
    failed: bool
    crash: Path | None


def can_be_guided() -> bool:
    """Whether a coverage-guided fuzzer is installed."""
    return importlib.util.find_spec("atheris") is not None


def run(name: str, target: Target, runs: int, *, guided: bool) -> Outcome:
    """Make `runs` runs of a target; messages about a failure go to standard error."""
    with tempfile.TemporaryDirectory(prefix="coldline-fuzz-") as temporary:
        folder = Path(temporary)
        ledger = Ledger(folder / "ledger")
        start = time.monotonic()
        status, left = 0, runs
        while not status and left > 0:
            make = _guided if guided else _mutants
            status = make(name, target, min(left, target.round), folder)
            left = runs - ledger.counts.runs
        seconds = time.monotonic() - start
        crash = _keep(name, ledger.input) if status and ledger.started else None
        return Outcome(ledger.counts, seconds, status != 0, crash)


def _keep(name: str, data: bytes) -> Path:
    CRASHES.mkdir(exist_ok=True)
    path = CRASHES / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def _guided(name: str, target: Target, runs: int, folder: Path) -> int:
    corpus = folder / "corpus"
    if not corpus.exists():  # else what was found so far is in it
        corpus.mkdir()
        for number, data in enumerate(target.seeds()):
            (corpus / f"seed-{number}").write_bytes(data)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*target.words, b"\0")))
    return _worker(
        "guided", name, folder, f"-runs={runs}", f"-max_len={target.most_bytes}", f"-rss_limit_mb={MEBIBYTES}",
        f"-timeout={_SECONDS_OF_A_HANG}", "-verbosity=0", f"-dict={words}", f"-artifact_prefix={folder}/",
        "-len_control=20", str(corpus),
    )  # fmt: skip


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _mutants(name: str, target: Target, runs: int, folder: Path) -> int:
    return _worker("mutants", name, folder, str(runs), str(random.SystemRandom().randrange(1 << 32)))


def _worker(kind: str, name: str, folder: Path, *arguments: str) -> int:
    """Its exit status; being stuck for long counts as a failure."""
    command = [sys.executable, "-m", "tests.fuzz.worker", kind, name, str(folder / "ledger"), *arguments]
    ledger = Ledger(folder / "ledger")
    with (folder / "errors").open("w+b") as errors:
        process = subprocess.Popen(command, stdout=errors, stderr=errors)
        try:
            before, since = -1, time.monotonic()
            while process.poll() is None:
                now = ledger.counts.runs
                if now != before:
                    before, since = now, time.monotonic()
                elif now and time.monotonic() - since > 3 * _SECONDS_OF_A_HANG:
                    process.send_signal(signal.SIGABRT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        except BaseException:
            process.kill()
            process.wait()
            raise
        status = process.returncode
        if status:
            errors.seek(0)
            print(_what_matters(errors.read().decode(errors="replace")), file=sys.stderr)
    return status


def _what_matters(said: str) -> str:
    """The end of a fuzzer's output, without the input, which is in a file, and without its usual lines."""
    lines = said.partition("\nSUMMARY: libFuzzer")[0].splitlines()
    return "\n".join(line for line in lines if not line.startswith(("INFO:", "WARNING: Failed to find")))[
        -4000:
    ]
