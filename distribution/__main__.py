# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the generated files, or say which of them are not current.

From a shell, at the top of the tree: ``python -m distribution [--check]``.
"""

import argparse
import sys
from pathlib import Path

from distribution.completions import completions
from distribution.manual import manual

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Return what each generated file holds, by its path from the top of the tree."""
    files = {Path("distribution/coldline.1"): manual()}
    return files | {Path("coldline/completions") / name: text for name, text in completions().items()}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 1 if a file that is to be checked is not current."""
    parser = argparse.ArgumentParser(prog="python -m distribution", description="Write the generated files.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; name the files that are not current"
    )
    options = parser.parse_args(arguments)
    stale = [
        (path, text)
        for path, text in generated().items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != text
    ]
    for path, text in stale:
        if options.check:
            print(f"distribution: {path} is not current: scripts/generate writes it", file=sys.stderr)
        else:
            (ROOT / path).write_text(text)
            print(f"distribution: wrote {path}", file=sys.stderr)
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
