"""The probe is imported as its targets import it: from a directory of its own on the path."""

from __future__ import annotations

import sys

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "soak" / "probe"))
