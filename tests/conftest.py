"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell that starts the tests in the background has SIGINT ignored, and so would every run that they start: those
# that press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
