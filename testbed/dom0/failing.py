# SPDX-License-Identifier: GPL-2.0-or-later
"""Bindings in which one call fails: each hypercall, ioctl, mapping, write and xenstore entry in turn.

A failing call either does nothing, or it does its work and then its result is lost or an interrupt follows.
"""

import errno
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from signal import Signals
from typing import Any

from coldline.errors import ColdlineError
from coldline.events import Event
from coldline.guest import GuestOptions
from coldline.hypervisor.xen import XenDomain, XenHost
from coldline.hypervisor.xen.bindings.protocols import Bindings
from coldline.hypervisor.xen.bindings.watched import WatchedBindings
from coldline.hypervisor.xen.domain_setup import DomainSetup
from coldline.hypervisor.xen.interrupts import interrupts_between_calls
from coldline.image import load_kernel
from coldline.samples import sample
from coldline.support.whole_file import WholeFile
from coldline.xen_launch import Launch, launch

NAME = "to-fail"


Choice = Callable[[list[str]], Iterable[int]]
"""Chooses the calls that shall fail, from those of a successful build."""


class Failing(WatchedBindings):
    """Bindings whose call number `at` fails; calls count from 0.

    Parameters
    ----------
    bindings : Bindings
        The bindings that do the work.
    at : int
        Which call fails.
    how : Exception or signal.Signals, optional
        The exception to raise, or a signal to send to this process, which coldline must handle. By default an OSError
        that names the call.
    acts : bool
        Whether the call does its work first; otherwise it does nothing.

    Attributes
    ----------
    made : list of str
        The names of the calls so far.
    """

    def __init__(
        self, bindings: Bindings, at: int, how: Exception | Signals | None = None, *, acts: bool = False
    ) -> None:
        super().__init__(bindings, self._one)
        self._at = at
        self._how = how
        self._acts = acts
        self.made: list[str] = []

    @property
    def failed(self) -> str | None:
        """The call that failed, or None."""
        return self.made[self._at] if self._at < len(self.made) else None

    def count(self, name: str) -> None:
        self.made.append(name)
        if len(self.made) == self._at + 1:
            if isinstance(self._how, signal.Signals):
                signal.raise_signal(self._how)
            else:
                raise self._how or OSError(errno.EIO, name)

    def _one(self, name: str, call: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        if not self._acts:
            self.count(name)
            return call(*arguments)
        result = call(*arguments)
        self.count(name)
        return result


def build(bindings: Bindings, strategy: str, trace: Path, architecture: str = "arm64") -> XenDomain:
    """Build a small guest with every optional part, and a trace of the build."""
    kernel = load_kernel(str(sample(f"midway-{architecture}").image))
    guest = GuestOptions(memory=16 << 20, vcpus=1, bootargs="", initrd=memoryview(b"initrd" * 1000))
    wanted = Launch(strategy=strategy, setup=DomainSetup(NAME, vuart=True))
    with interrupts_between_calls(bindings) as interruptible, WholeFile(str(trace), "a trace") as whole:
        events: list[Event] = []

        def write_trace() -> None:
            whole.file.write("".join(f"{event}\n" for event in events).encode())

        return launch(interruptible, kernel, guest, wanted, lambda model, plan: events.append, write_trace)


def all_of(made: list[str]) -> Iterable[int]:
    """Choose every call."""
    return range(len(made))


def a_few_of(made: list[str]) -> list[int]:
    """Choose, of the calls with the same name, the first, the last and some in between."""
    places: dict[str, list[int]] = {}
    for at, name in enumerate(made):
        places.setdefault(name, []).append(at)
    return sorted({at for same in places.values() for at in (*same[::7], same[-1])})


def told_to_have_failed(made: list[str]) -> list[int]:
    """Choose the calls that can have acted although they report an error: those that a daemon or Xen answers.

    Other calls undo their work before they report an error: the creation of a domain (its answer goes to a locked
    page, so it cannot be lost), and mappings.
    """
    return [
        at
        for at in a_few_of(made)
        if not made[at].startswith(("foreign memory: ", "driver: ", "XEN_DOMCTL_createdomain"))
    ]


def of_loading(made: list[str]) -> list[int]:
    """Choose the calls in which strategies differ: one of each kind that maps, writes or maintains segments."""
    names = [name for name in made if name.startswith(("foreign memory: ", "driver: ", "memory: "))]
    return sorted({made.index(name) for name in (*names, "XEN_DOMCTL_cacheflush") if name in made})


def every_failure(
    bindings: Bindings,
    strategy: str,
    trace: Path,
    architecture: str,
    check: Callable[[str], None],
    how: Exception | Signals | None = None,
    *,
    acts: bool = False,
    chosen: Choice = all_of,
) -> tuple[list[str], list[str], XenDomain]:
    """Build once for each chosen call, which fails; return the calls of a successful build, and the chosen ones.

    `how` and `acts` are those of `Failing`; `chosen` chooses the calls, by their numbers. `check` is called after
    each failure with the name of the call. The domain of the last build, which succeeds, is left.
    """

    def all_goes_well() -> tuple[list[str], XenDomain]:
        failing = Failing(bindings, sys.maxsize)
        domain = build(failing, strategy, trace, architecture)
        return failing.made, domain

    def destroy(domain: XenDomain) -> None:
        XenHost(bindings).destroy(domain)
        trace.unlink()

    made, domain = all_goes_well()
    destroy(domain)
    numbers = list(chosen(made))
    for at in numbers:
        failing = Failing(bindings, at, how, acts=acts)
        caught: BaseException | None = None
        built: XenDomain | None = None
        try:
            built = build(failing, strategy, trace, architecture)
        except (ColdlineError, KeyboardInterrupt) as raised:
            caught = raised
        assert failing.failed == made[at], f"{failing.failed} failed in place of {made[at]}: {caught}"
        if caught is None:
            assert at == len(made) - 1, f"{made[at]} failed without an error"
            assert isinstance(how, signal.Signals), f"{made[at]} failed without an error"
            assert built is not None
            destroy(built)  # an interrupt after everything was done
        elif how is None:
            assert made[at] in str(caught), f"{caught} does not name {made[at]}"
            assert ":" in str(caught).partition(made[at])[0], f"{caught} does not name the step"
        else:
            assert isinstance(caught, KeyboardInterrupt)
        assert not trace.exists(), f"a trace is left after {made[at]} failed"
        check(made[at])
    again, domain = all_goes_well()
    assert again == made
    return made, [made[at] for at in numbers], domain
