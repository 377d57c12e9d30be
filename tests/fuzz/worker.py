# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that runs one target: ``python -m tests.fuzz.worker guided|mutants TARGET LEDGER …``."""

import random
import sys
from pathlib import Path

_WATCHED = {
    "check": [f"coldline.checker.{name}" for name in ("interpreter", "state.aliases", "state.page_classes")]
}
"""The modules whose coverage guides a target, where not all do: what atheris makes of compared arrays it keeps."""

_MACHINE_CODE = "coldline.checker.compiled"
"""Is compiled from its bytecode, so that nothing may be put into that."""


def main(arguments: list[str]) -> int:
    """Run the fuzzer and the target that the arguments name."""
    kind, name, ledger, *rest = arguments
    return (_guided if kind == "guided" else _mutants)(name, Path(ledger), rest)


def _guided(name: str, ledger: Path, options: list[str]) -> int:
    """Coverage-guided, with libFuzzer's options. Ends the process."""
    import atheris

    with atheris.instrument_imports(
        include=_WATCHED.get(name, ["coldline"]), exclude=[_MACHINE_CODE, "coldline.jit.intrinsics"]
    ):
        from .targets import TARGETS
    from .bounds import MEBIBYTES, limit_memory
    from .ledger import Ledger

    target = TARGETS[name]
    run = Ledger(ledger).counted(target.run)
    atheris.Setup([sys.argv[0], *options], run)
    if not target.reserves:
        limit_memory(MEBIBYTES)
    atheris.Fuzz()
    return 0


def _mutants(name: str, ledger: Path, rest: list[str]) -> int:
    """Run a target on random changes of seeds; `rest` is the number of runs, and the seed of the random choices."""
    from . import mutate
    from .bounds import MEBIBYTES, limit_memory, peak_memory
    from .ledger import Ledger
    from .targets import TARGETS

    runs, number = map(int, rest)
    target = TARGETS[name]
    seeds, run = target.seeds(), Ledger(ledger).counted(target.run)
    if not target.reserves:
        limit_memory(MEBIBYTES)
    source = random.Random(number)
    for _ in range(runs):
        run(mutate.mutant(seeds, source, target.most_bytes))
        if peak_memory() > MEBIBYTES:
            raise MemoryError(f"a peak of {peak_memory()} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
