"""The sibling of a target, when its program is no Python after all."""

from __future__ import annotations

import subprocess
import time

import pytest

from soak.heap.cpython import self_check


def _sibling(script: str) -> self_check.Sibling:
    return self_check.Sibling(
        subprocess.Popen(
            ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    )


@pytest.mark.parametrize(
    ("script", "ready"),
    [
        ("echo soak_canary; exec sleep 60", True),
        ("printf soak_; sleep 0.1; echo canary; exec sleep 60", True),
        ("printf soak; exec sleep 60", False),
        ("while :; do printf soak_canary; done", False),
        ("exec sleep 60", False),
        ("true", False),
    ],
)
def test_a_sibling_is_waited_for_until_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, script: str, *, ready: bool
) -> None:
    """Whatever it says, or half says, or never ceases to say."""
    monkeypatch.setattr(self_check, "START_TIMEOUT_S", 1.0)
    began_s = time.monotonic()
    sibling = _sibling(script)
    try:
        assert sibling.ready() is ready
    finally:
        sibling.close()
    assert time.monotonic() - began_s < 10


def test_what_a_sibling_has_started_is_not_waited_for() -> None:
    """It may hold the pipe for as long as it likes."""
    sibling = _sibling("sleep 20 & echo soak_canary; exec sleep 60")
    assert sibling.ready()
    began_s = time.monotonic()
    sibling.close()
    assert time.monotonic() - began_s < 10
