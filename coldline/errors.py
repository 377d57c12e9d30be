# SPDX-License-Identifier: GPL-2.0-or-later
"""Exceptions, by who is at fault: the caller, a file, the hypervisor, the guest or a back end."""

from typing import Any

from coldline.support.printable import one_line


class ColdlineError(Exception):
    """Base of all errors that end a command with one line on standard error and exit status 2.

    Parameters
    ----------
    message : str
        The line. It may quote untrusted text: unprintable characters are escaped, and a very long line loses its
        middle.

    Attributes
    ----------
    message : str
        The message as it was given, for formats that escape text themselves.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        """As an error of another process is passed on."""
        return _with_attributes, (type(self), self.args, vars(self))


def _with_attributes(
    kind: type[ColdlineError], words: tuple[Any, ...], attributes: dict[str, Any]
) -> ColdlineError:
    error = kind.__new__(kind)
    error.args = words
    vars(error).update(attributes)
    return error


class UsageError(ColdlineError):
    """The caller asked for something that does not exist, or for a contradiction."""


class ImageError(ColdlineError):
    """A kernel, initrd or device tree of the user is unreadable or invalid: the file is at fault.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        What is wrong, with the offset or field if there is one.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ConfigError(ColdlineError):
    """A guest configuration file is invalid.

    Parameters
    ----------
    where : str
        The location, such as ``guest.cfg:3:8``.
    reason : str
        What is wrong, with the key or the value.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class PlanError(ColdlineError):
    """The requested guest is impossible: not enough RAM, an overlap, or an option out of range."""


class TraceError(ColdlineError):
    """A trace breaks the rules of the trace format.

    Parameters
    ----------
    where : str
        The location, such as ``boot.trace:12``.
    reason : str
        What is wrong, with the word.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.where = where
        self.reason = reason


class RepeatError(ColdlineError):
    """A source of events did not give the same events in a second pass over them.

    The fault is the source's: a trace file that was changed meanwhile, or a run of coldline's own that is not
    deterministic.
    """


class CorpusError(ColdlineError):
    """A file of a corpus is invalid.

    Parameters
    ----------
    where : str
        The file, and the line if there is one, such as ``before.trace:3``.
    reason : str
        What is wrong, with the word.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class ReportError(ColdlineError):
    """A JSON report, a baseline or a file of suppressions is invalid.

    Parameters
    ----------
    where : str
        The file, and the place in it if there is one, such as ``report.json:2``.
    reason : str
        What is wrong.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class HypervisorError(ColdlineError):
    """The hypervisor refused or failed an operation."""


class ConformanceError(ColdlineError):
    """A back end does not do what its protocol demands: the back end is at fault."""


class GuestError(ColdlineError):
    """The guest's own code did something that the simulation cannot continue."""


class SurveyError(ColdlineError):
    """A survey cannot be made: its plan is wrong, its results cannot be kept, or its scheduler is lost."""


class QemuError(ColdlineError):
    """QEMU, or its plugin, cannot be started, or failed while it was watched."""


class LostEventsError(ColdlineError):
    """Events of a run were lost, so that it cannot be judged: a limit of coldline's."""


class MissingDependencyError(ColdlineError):
    """An optional dependency is not installed."""


class CompilationError(ColdlineError):
    """A program could not be compiled to machine code: the fault is the compiler's or the machine's."""
