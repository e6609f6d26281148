"""A command that puts memory where only its keeper finds it."""

from __future__ import annotations

from typing import Final

DETACHED: Final = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        kept = bytearray(os.urandom(1)) * (32 << 20)
        print(os.getpid(), flush=True)
        time.sleep(300)
    os._exit(0)
os.wait()
time.sleep(300)
"""
"""Puts 32 MiB into a daemon, in a session of its own, and prints its pid: for ``python -c``."""
