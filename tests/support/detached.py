"""A command that puts memory where only its keeper finds it."""

from __future__ import annotations

from typing import Final

DETACHED: Final = """
import os, time
told, telling = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        kept = bytearray(os.urandom(1)) * (32 << 20)
        os.write(telling, str(os.getpid()).encode())
        time.sleep(300)
    os._exit(0)
os.wait()
print(int(os.read(told, 20)), flush=True)
time.sleep(300)
"""
"""For ``python -c``: puts 32 MiB into a daemon in a session of its own and prints its pid once its parent has ended."""
