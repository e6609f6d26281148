"""Our end of the probe's socket, without a socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.sampling.probe_client import ProbeClient, ProbeError


class Overlapping(ProbeClient):
    """Asks a second question while the first one waits for its answer."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), 1)
        self.second: dict[str, object] | ProbeError | None = None

    def _exchange(self, request: str, timeout_s: float) -> bytes:  # noqa: ARG002 - nothing is sent
        if self.second is None:
            try:
                self.second = self.ask("sample", 0.01)
            except ProbeError as error:
                self.second = error
        return b'{"ok": true}'


def test_a_question_behind_a_long_one_waits_no_longer_than_it_may() -> None:
    """The sampler's row is written without the probe while a search for holders goes on; the search has its answer."""
    probe = Overlapping()
    assert probe.ask("who", 10.0) == {"ok": True}
    assert str(probe.second) == "probe: sample: it is still busy with another question"
    assert probe.ask("sample", 0.01) == {"ok": True}


def test_no_probe_is_an_error_that_names_the_question() -> None:
    """And the next question is asked again."""
    probe = ProbeClient(Path("nowhere"), 1)
    for _ in range(2):
        with pytest.raises(ProbeError, match=r"^probe: hello: "):
            probe.ask("hello", 0.01)
