# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong, by whose fault it is."""

from coldline.support.printable import one_line


class ColdlineError(Exception):
    """Anything that ends a command with one clear line and exit status 2.

    Parameters
    ----------
    message : str
        The line. It may quote what strangers wrote: what is not printable is written as escapes, and the middle
        of what is very long is left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UsageError(ColdlineError):
    """The caller asked for something that does not exist or does not go together."""


class ImageError(ColdlineError):
    """A file that the user gave (kernel, initrd, device tree) is not what it should be.

    Parameters
    ----------
    path : str
        The file at fault.
    reason : str
        What is wrong with it, with the offset or field where there is one.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ConfigError(ColdlineError):
    """A guest configuration file is not what it should be.

    Parameters
    ----------
    where : str
        The place at fault, such as ``guest.cfg:3:8``.
    reason : str
        What is wrong, naming the key or the word.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class PlanError(ColdlineError):
    """The guest as asked for does not fit: no RAM, an overlap, a limit."""


class TraceError(ColdlineError):
    """A trace breaks the rules of the trace format.

    Parameters
    ----------
    where : str
        The event at fault, such as ``boot.trace:12``.
    reason : str
        What is wrong, naming the word.
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
    """A file of a corpus is not what it should be.

    Parameters
    ----------
    where : str
        The file at fault, and the line where there is one, such as ``before.trace:3``.
    reason : str
        What is wrong, naming the word.
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
    """The guest's own code did something that cannot be gone on with."""


class MissingDependencyError(ColdlineError):
    """An optional part of coldline is not installed."""
