"""Prometheus's own programs, where the machine has them."""

from __future__ import annotations

import os
import shutil

import pytest


def promtool() -> str:
    """Return the path of promtool; skips the test where there is none, and fails it where there must be one."""
    return _needed("promtool")


def prometheus() -> str:
    """Return the path of the server; the same."""
    return _needed("prometheus")


def _needed(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        reason = f"no {name} on this machine; on Debian: apt-get install prometheus"
        assert "SOAKPROOF_REQUIRE_PROMETHEUS" not in os.environ, reason
        pytest.skip(reason)
    return path
