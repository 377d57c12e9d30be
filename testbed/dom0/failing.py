# SPDX-License-Identifier: GPL-2.0-or-later
"""A world in which one call fails: every hypercall, ioctl, mapping, write and entry in turn."""

import errno
from pathlib import Path

from coldline.errors import ColdlineError
from coldline.guest import GuestOptions
from coldline.hypervisor.xen.furnish import Furnishing
from coldline.image import load_kernel
from coldline.launch import Launch, launch
from coldline.samples import sample
from coldline.wholefile import WholeFile

NAME = "to-fail"


class Failing:
    """Another world, whose call number `at` fails before it does anything; calls are counted from 0.

    Attributes
    ----------
    made : list of str
        The calls that were made.
    """

    def __init__(self, world, at, error=None):
        self._world = world
        self._at = at
        self._error = error
        self.made = []

    @property
    def failed(self):
        """The call that failed, or None."""
        return self.made[self._at] if self._at < len(self.made) else None

    def count(self, name):
        self.made.append(name)
        if len(self.made) == self._at + 1:
            raise self._error or OSError(errno.EIO, name)

    calls = property(lambda self: _Door(self, self._world.calls, ""))
    foreign = property(lambda self: _Door(self, self._world.foreign, "foreign memory: "))
    driver = property(lambda self: _Door(self, self._world.driver, "driver: "))
    memory = property(lambda self: _Door(self, self._world.memory, "memory: "))
    store = property(lambda self: _Door(self, self._world.store, "store: "))


class _Door:
    def __init__(self, world, inner, prefix):
        self._world, self._inner, self._prefix = world, inner, prefix

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments):
            self._world.count(self._prefix + (arguments[0] if name == "call" else name))
            return found(*arguments)

        return call


def build(world, strategy, trace: Path, architecture="arm64"):
    """Have a small guest with all that there is, and a trace of it."""
    kernel = load_kernel(str(sample(f"midway-{architecture}").image))
    guest = GuestOptions(memory=16 << 20, vcpus=1, bootargs="", initrd=memoryview(b"initrd" * 1000))
    wanted = Launch(strategy=strategy, furnishing=Furnishing(NAME, vuart=True))
    with WholeFile(str(trace), "a trace") as whole:
        events = []
        return launch(
            world,
            kernel,
            guest,
            wanted,
            lambda model, plan: events.append,
            lambda: whole.file.write("".join(f"{event}\n" for event in events).encode()),
        )


def every_failure(world, strategy, trace, architecture, check, error=None):
    """Build with each call failing, one after another; return the calls of a build that went well.

    `check` is called after each failure with the name of the call. The domain of the last build is left.
    """
    at = 0
    while True:
        failing = Failing(world, at, error)
        caught = domain = None
        try:
            domain = build(failing, strategy, trace, architecture)
        except (ColdlineError, KeyboardInterrupt) as raised:
            caught = raised
        if caught is None:
            assert failing.failed is None, f"{failing.failed} failed, and nobody said so"
            return failing.made, domain
        assert failing.failed is not None, f"no call was made to fail, and yet: {caught}"
        if error is None:
            assert failing.failed in str(caught), f"{caught} does not name {failing.failed}"
            assert ":" in str(caught).partition(failing.failed)[0], f"{caught} does not name the step"
        assert not trace.exists(), f"a trace is left after {failing.failed} failed"
        check(failing.failed)
        at += 1
