# SPDX-License-Identifier: GPL-2.0-or-later
"""Event channels, by libxenevtchn: interrupts between domains."""

from typing import Final

from coldline.hypervisor.xen.bindings.prototypes import failed, functions

EVENT_CHANNEL_PROTOTYPES: Final = """\
xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *, unsigned int);
int xenevtchn_close(xenevtchn_handle *);
int xenevtchn_fd(xenevtchn_handle *);
xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *, uint32_t, evtchn_port_t);
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *);
int xenevtchn_unmask(xenevtchn_handle *, evtchn_port_t);
int xenevtchn_notify(xenevtchn_handle *, evtchn_port_t);
"""


class EventChannel:
    """dom0's end of an event channel to another domain.

    Parameters
    ----------
    domid, port : int
        The domain, and its port. A port can be bound once.

    Raises
    ------
    OSError
        If the port cannot be bound.
    """

    def __init__(self, domid: int, port: int) -> None:
        self._functions = functions("libxenevtchn.so.1", "libxenevtchn1", EVENT_CHANNEL_PROTOTYPES)
        self._handle = self._functions["xenevtchn_open"](None, 0)
        if not self._handle:
            raise failed("xenevtchn_open")
        self._port = self._functions["xenevtchn_bind_interdomain"](self._handle, domid, port)
        if self._port < 0:
            error = failed("xenevtchn_bind_interdomain")
            self.close()
            raise error

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the other end notifies."""
        descriptor: int = self._functions["xenevtchn_fd"](self._handle)
        return descriptor

    def acknowledge(self) -> None:
        """Consume one notification, once `fileno` is readable; more may be pending."""
        port = self._functions["xenevtchn_pending"](self._handle)
        if port < 0 or self._functions["xenevtchn_unmask"](self._handle, port):
            raise failed("xenevtchn_pending")

    def notify(self) -> None:
        """Notify the other end."""
        if self._functions["xenevtchn_notify"](self._handle, self._port):
            raise failed("xenevtchn_notify")

    def close(self) -> None:
        """Unbind the channel."""
        self._functions["xenevtchn_close"](self._handle)
