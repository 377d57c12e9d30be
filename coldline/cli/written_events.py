# SPDX-License-Identifier: GPL-2.0-or-later
"""The events of a judgement's stories as the trace's text has them."""

import os

from coldline.support.whole_file import STANDARD
from coldline.trace.as_written import as_written
from coldline.verdict import Judgement


def written_events(path: str, judgement: Judgement) -> dict[int, str]:
    """Return the words of the events of all stories, by line; none of a trace that is not a text in a file."""
    events = {
        step.line_event.where: step.line_event.event
        for hazard in judgement.hazards
        for step in hazard.story
        if step.line_event is not None and step.line_event.where
    }
    events |= {hazard.entry.where: hazard.entry.event for hazard in judgement.hazards if hazard.entry.where}
    if not events or path == STANDARD or not os.path.isfile(path):
        return {}
    return as_written(path, events)
