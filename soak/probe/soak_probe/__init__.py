"""The probe: answers questions about this process on a Unix socket, from one background thread.

It is started by the ``sitecustomize.py`` beside it, uses the standard library alone, and runs on Python 3.9 to 3.15.
Every Python child of the target starts it too, so what is imported here is kept to C modules; the rest is imported
when the first question comes.

The socket is ``<SOAK_PROBE_DIR>/<pid>.sock``, or as ``start`` has it; ``visit`` is for a process that has run without
the probe. A request is one line of JSON with its ``op``, the answer one line with ``ok``: true and the figures, or
false and ``error``. The ops are the methods of ``answers.Answers``.

A target registers figures of its own with ``gauge``, without depending on the probe::

    probe = sys.modules.get("soak_probe")
    if probe is not None:
        probe.gauge("cache_entries", lambda: len(cache))
"""

from __future__ import annotations

from .gauges import gauge
from .lifecycle import start, visit

__all__ = ["gauge", "start", "visit"]
