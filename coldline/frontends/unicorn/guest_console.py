# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest prints, by whatever device."""

from coldline.frontends.unicorn.outcome import CONSOLE_LIMIT, End, Listener, Outcome, Until


class GuestConsole:
    """Keeps what a guest prints, hands it on, and looks for the text that ends the run.

    Parameters
    ----------
    outcome : Outcome
        Keeps the text.
    listener : Listener
        Gets each byte.
    """

    def __init__(self, outcome: Outcome, listener: Listener) -> None:
        self._outcome, self._listener = outcome, listener
        self._tail = b""

    def prints(self, character: int, until: Until) -> bool:
        """Take a byte; return whether it is the last one of the text that is awaited."""
        if len(self._outcome.console) < CONSOLE_LIMIT:
            self._outcome.console.append(character)
        self._listener.console(bytes((character,)))
        if until.end is not End.CONSOLE:
            return False
        self._tail = (self._tail + bytes((character,)))[-len(until.text) :]
        return self._tail == until.text
