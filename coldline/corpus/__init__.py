# SPDX-License-Identifier: GPL-2.0-or-later
"""Real cache-coherency bugs as traces from before and after their fixes, each with its story and expected verdict.

``bugs/`` has a folder for each bug, described in the documentation. `read_corpus` reads any
folder in the same format.
"""

from coldline.corpus.bugs import CORPUS_FOLDER, Bug, Case, CaseResult, judge_case, read_corpus, read_lines

__all__ = ["CORPUS_FOLDER", "Bug", "Case", "CaseResult", "judge_case", "read_corpus", "read_lines"]
