# SPDX-License-Identifier: GPL-2.0-or-later
"""The results of a survey: a JSON object in each line of a file, the last one of each digest."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coldline.errors import SurveyError

__all__ = ["Results", "read_results"]


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """Return the results in a file, by their digests; a line that was cut off is left out.

    Raises
    ------
    SurveyError
        The file cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    result = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(result, dict) and isinstance(result.get("digest"), str):
                    found[result["digest"]] = result
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SurveyError(f"{path}: cannot be read: {error.strerror}") from error
    return found


class Results:
    """A file that results are added to, each on the disk before the next."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator["Results"]:
        """Open the file for one survey at a time.

        Raises
        ------
        SurveyError
            It cannot be written, or another survey writes it.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise SurveyError(f"{path}: cannot be written: {error.strerror}") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SurveyError(f"{path}: another survey writes it") from error
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a survey was killed as it wrote
                os.write(descriptor, b"\n")
            yield cls(path, descriptor)
        finally:
            os.close(descriptor)

    def add(self, result: dict[str, Any]) -> None:
        """Append a result.

        Raises
        ------
        SurveyError
            The file cannot be written, as on a full disk.
        """
        line = json.dumps(result, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise SurveyError(f"{self._path}: cannot be written: {error.strerror}") from error
