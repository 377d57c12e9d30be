# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes trace files of either form, each as a whole or not at all."""

from coldline.errors import MissingDependencyError
from coldline.events.batch import Batch
from coldline.rules.profile import Profile
from coldline.support.whole_file import WholeFile
from coldline.trace.binary_writing import BinaryWriter
from coldline.trace.compression import compressed, form_by_name
from coldline.trace.text_writing import TextWriter


class TraceWriter:
    """Writes a trace; a context manager that leaves the whole file, or none.

    Parameters
    ----------
    path : str
        The file; ``-`` for standard output. An existing file is replaced once the trace is complete.
    profile : Profile
        The promises that the trace relies on.
    form : str, optional
        ``text`` or ``binary``; by default, what the file's name says (`form_by_name`). A name that ends in ``.gz`` or
        ``.zst`` says that the file is compressed.

    Raises
    ------
    UsageError
        If the file cannot be created.
    MissingDependencyError
        If the library for its compression is not installed.
    """

    def __init__(self, path: str, profile: Profile, form: str | None = None) -> None:
        self._whole = WholeFile(path, "a trace")
        try:
            self._file = compressed(path, self._whole.file)
        except MissingDependencyError:
            self._whole.close(complete=False)
            raise
        writer = BinaryWriter if (form or form_by_name(path)) == "binary" else TextWriter
        self._writer = writer(self._file, profile)

    def write(self, batch: Batch) -> None:
        """Append the events of `batch`.

        Raises
        ------
        TraceError
            If the binary form is written and an event cannot be in a trace.
        """
        self._writer.write(batch)

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._writer.close()
        self._whole.close(complete=kind is None, finish=self._finish)

    def _finish(self) -> None:
        self._writer.finish()
        if self._file is not self._whole.file:
            self._file.close()
