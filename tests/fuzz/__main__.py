# SPDX-License-Identifier: GPL-2.0-or-later
"""``scripts/fuzz [TARGET] [RUNS]``: run one fuzzer, or each; a crash is an error, with the file that made it."""

import hashlib
import importlib
import importlib.util
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import mutate
from .targets import SECONDS, TARGETS

_MEBIBYTES = 512
_CRASHES = Path(__file__).parent / "crashes"


def main(arguments: list[str]) -> int:
    """Run what the arguments name; 1 if anything was found."""
    guided = importlib.util.find_spec("atheris") is not None
    if arguments[:1] == ["--guided"]:
        return _guided(arguments[1], arguments[2:])
    if arguments[:1] == ["--mutants"]:
        guided, arguments = False, arguments[1:]
    names = [each for each in arguments if not each.isdigit()]
    runs = next((int(each) for each in arguments if each.isdigit()), 100_000)
    if len(names) > 1 or any(each not in TARGETS for each in names):
        print(
            f"usage: scripts/fuzz [--mutants] [TARGET] [RUNS]\ntargets: {', '.join(TARGETS)}", file=sys.stderr
        )
        return 2
    _CRASHES.mkdir(exist_ok=True)
    found = 0
    for name in names or TARGETS:
        start = time.monotonic()
        bad = _with_atheris(name, runs) if guided else _with_mutants(name, runs)
        found += bad
        how = "guided by coverage" if guided else "mutants"
        print(f"{name}: {runs} runs, {how}: {'FAILED' if bad else 'nothing found'}; "
              f"{time.monotonic() - start:.0f} s", flush=True)  # fmt: skip
    return 1 if found else 0


def _with_mutants(name: str, runs: int) -> bool:
    target = TARGETS[name]
    seeds = target.seeds()
    if not seeds:
        print(f"{name}: no tool to make seeds with", file=sys.stderr)
        return True
    number = random.SystemRandom().randrange(1 << 32)
    source = random.Random(number)
    for _ in range(runs):
        data = mutate.mutant(seeds, source)
        try:
            target.run(data)
        except BaseException:
            path = _CRASHES / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
            path.write_bytes(data)
            print(f"{name}: {path}", file=sys.stderr)
            raise
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    if peak > _MEBIBYTES:
        print(f"{name}: a peak of {peak} MiB (seed {number})", file=sys.stderr)
    return peak > _MEBIBYTES


def _with_atheris(name: str, runs: int) -> bool:
    """In a process of its own: it ends the process that it runs in."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        for number, data in enumerate(TARGETS[name].seeds()):
            (corpus / f"seed-{number}").write_bytes(data)
        done = subprocess.run(
            [
                sys.executable, "-m", "fuzz", "--guided", name, f"-runs={runs}", f"-max_len={mutate.MOST_BYTES}",
                f"-rss_limit_mb={_MEBIBYTES}", f"-timeout={int(10 * SECONDS)}", "-verbosity=0",
                "-print_final_stats=1", f"-artifact_prefix={_CRASHES}/{name}-", folder,
            ],
            capture_output=True, text=True,
        )  # fmt: skip
        stats = [line for line in done.stderr.splitlines() if line.startswith("stat::")]
        if done.returncode:
            print(done.stderr[-4000:], file=sys.stderr)
        else:
            print(f"{name}: {'; '.join(' '.join(line[6:].split()) for line in stats[:1] + stats[-1:])}")
        return done.returncode != 0


def _guided(name: str, options: list[str]) -> int:
    import atheris

    for module in [each for each in sys.modules if each.startswith("coldline.image")]:
        del sys.modules[module]
    with atheris.instrument_imports(include=["coldline.image"]):
        for module in ("compression", "recognise", "load"):
            importlib.import_module(f"coldline.image.{module}")
        from importlib import reload

        from . import targets

        reload(targets)
    atheris.Setup([sys.argv[0], *options], targets.TARGETS[name].run)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
