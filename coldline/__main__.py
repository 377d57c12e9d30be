# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m coldline``."""

import sys

from coldline.cli import main

sys.exit(main())
