from __future__ import annotations

import sys
import threading
import types
from inspect import signature
from typing import Any

import pytest
from soak_probe.sessions import AIOHTTP_CLIENT, Sessions


def planted_client() -> Any:
    """Return a module that stands for aiohttp.client."""

    class ClientSession:
        def __init__(self, base_url: str = "", *, fail: bool = False) -> None:
            if fail:
                raise ValueError(base_url)
            self.closed = False

    module: Any = types.ModuleType(AIOHTTP_CLIENT)
    module.ClientSession = ClientSession
    return module


class TestSessions:
    def test_sessions_alive_and_open_are_counted(self) -> None:
        """Sessions count while they live, closed ones too, whichever thread makes them; dropped ones do not."""
        sessions, client = Sessions(), planted_client()
        sessions.watch_module(client)
        kept = [client.ClientSession() for _ in range(5)]
        thread = threading.Thread(target=lambda: kept.append(client.ClientSession("http://a")))
        thread.start()
        thread.join()
        client.ClientSession()
        kept[0].closed = True
        assert sessions.count() == (6, 5)
        kept.clear()
        assert sessions.count() == (0, 0)

    def test_subclasses_count_even_if_they_cannot_be_hashed(self) -> None:
        """A subclass that defines equality and no hash is counted, and made without an error."""
        sessions, client = Sessions(), planted_client()
        sessions.watch_module(client)

        class Equal(client.ClientSession):  # type: ignore[misc, name-defined]
            def __eq__(self, other: object) -> bool:
                return True

            __hash__ = None  # type: ignore[assignment]

        kept = [Equal(), Equal()]
        assert sessions.count() == (len(kept), 2)

    def test_the_wrapped_class_looks_and_fails_as_before(self) -> None:
        """Signature and exceptions of the constructor are the original's; a session that failed is not counted."""
        sessions, client = Sessions(), planted_client()
        before = signature(client.ClientSession)
        sessions.watch_module(client)
        assert signature(client.ClientSession) == before
        with pytest.raises(ValueError, match="http://b"):
            client.ClientSession("http://b", fail=True)
        assert sessions.count() == (0, 0)

    def test_without_aiohttp_there_is_nothing_to_count(self) -> None:
        """A target that never imported aiohttp has no number of sessions, not 0 of them."""
        assert Sessions().count() is None

    def test_aiohttp_that_is_already_there_is_watched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where aiohttp was imported before the probe, sessions count from now on, and no finder is left behind."""
        client, finders = planted_client(), list(sys.meta_path)
        monkeypatch.setitem(sys.modules, AIOHTTP_CLIENT, client)
        sessions = Sessions()
        sessions.watch()
        kept = client.ClientSession()
        assert (sessions.count(), kept.closed) == ((1, 1), False)
        assert sys.meta_path == finders
