# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU with the plugin, their ring and the machine's RAM, from its start to its end."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

from coldline.arm.cores import Ctr
from coldline.errors import QemuError
from coldline.frontends.qemu.command_line import CommandLine, rewritten
from coldline.frontends.qemu.plugin import plugin_code
from coldline.frontends.qemu.process import Qemu
from coldline.frontends.qemu.records import PluginState
from coldline.frontends.qemu.ring import RecordRing, memory_file, path_of

_NAP_S: Final = 0.0002


class Session:
    """A machine that stops before its first instruction, until its RAM was seen.

    Parameters
    ----------
    machine : CommandLine
        The command line.
    plugin_arguments : sequence of str
        What the plugin is told besides the ring and RAM.
    console : callable
        Gets what QEMU writes on standard output, in a thread.

    Attributes
    ----------
    ring : RecordRing
        What the plugin writes into.
    ram : int
        The descriptor of the file that is RAM.
    qemu : Qemu
        The process.

    Raises
    ------
    QemuError
        If QEMU cannot be started with the plugin.
    """

    def __init__(
        self, machine: CommandLine, plugin_arguments: Sequence[str], console: Callable[[bytes], None]
    ) -> None:
        compiled = plugin_code()
        self._plugin = memory_file("coldline-plugin", 0)
        os.write(self._plugin, compiled)
        self.ring, self.ram = RecordRing(), memory_file("coldline-ram", machine.ram_size)
        arguments = [f"ring={self.ring.path}", "ram=memfd:coldline-ram", *plugin_arguments]
        plugin = ",".join([path_of(self._plugin), *arguments])
        try:
            self.qemu = Qemu(rewritten(machine, ram=path_of(self.ram), plugin=plugin), console)
        except BaseException:
            self._give_back()
            raise

    def await_start(self) -> None:
        """Wait until the machine is about to execute its first instruction.

        Raises
        ------
        QemuError
            If QEMU ends before that.
        """
        while (state := self.ring.state) != PluginState.RUNS:
            if state == PluginState.ENDED or self.qemu.status is not None:
                if self.ring.state == PluginState.NO_VCPU:
                    raise QemuError(
                        "this build of QEMU does not let a plugin see which vCPU executes: use -smp 1"
                    )
                raise QemuError(f"QEMU did not start the machine: {self.qemu.complaint}")
            time.sleep(_NAP_S)

    @property
    def promises(self) -> tuple[str, ...]:
        """What CTR_EL0 promises, by the names of `coldline.rules.profile.SWITCHES`."""
        ctr = self.ring.ctr
        return tuple(name for name, field in (("idc", Ctr.IDC), ("dic", Ctr.DIC)) if field.get(ctr))

    def close(self) -> None:
        """End QEMU, if it runs."""
        self.ring.close()
        self.qemu.close()
        self._give_back(ring=False)

    def _give_back(self, *, ring: bool = True) -> None:
        if ring:
            self.ring.close()
        os.close(self.ram)
        os.close(self._plugin)
