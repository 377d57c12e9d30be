# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes which agents have begun: whose switches no longer say how they start."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.page_classes import PageClasses
from coldline.events import Op
from coldline.events.agent_names import is_one_agent
from coldline.events.beginning import begins

if TYPE_CHECKING:
    from numpy.typing import NDArray


_BEGINS = np.array([begins(op) for op in Op])


def note_begun(page_classes: PageClasses, names: Sequence[str], rows: "NDArray[np.void]") -> None:
    """Note that agents have begun by some events, of which `page_classes` need not have heard.

    Parameters
    ----------
    page_classes : PageClasses
        The agents.
    names : sequence of str
        The names by which the events number agents.
    rows : ndarray of EVENT_DTYPE, shape (events,)
        The events.
    """
    if not page_classes.vocabulary.barriers:
        return
    waiting = [
        (number, page_classes.agents[page_classes.agent(name)])
        for number, name in enumerate(names)
        if is_one_agent(name)
    ]
    waiting = [(number, agent) for number, agent in waiting if not agent.begun]
    if not waiting:
        return
    counts = np.bincount(rows["agent"], minlength=len(names))
    for number, agent in waiting:
        if counts[number]:
            agent.begun = bool(_BEGINS[rows["op"][rows["agent"] == number]].any())
