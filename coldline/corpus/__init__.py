# SPDX-License-Identifier: GPL-2.0-or-later
"""Real bugs of this class, each as traces before and after its fix, with its story and the verdict that it tells.

``bugs/`` has a folder a bug; ``docs/corpus.md`` says what is in it. `read` takes any folder of that form.
"""

from coldline.corpus.bugs import CORPUS_FOLDER, Bug, Case, CaseResult, judge_case, read, read_lines

__all__ = ["CORPUS_FOLDER", "Bug", "Case", "CaseResult", "judge_case", "read", "read_lines"]
