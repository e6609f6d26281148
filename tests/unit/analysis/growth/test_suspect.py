"""Which suspect comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.growth.suspect import LeakSuspect, short_name, sort_by_bytes

KEPT = LeakSuspect(
    arm="app", name="app.kept", kind="unbounded cache or list", holder="app.kept", type="builtins.list",
    address="0x1", lives="1", censuses=9, length=900, holds="", items_per_request=1.0, items_per_request_low=0.9,
    items_per_request_high=1.1, items_per_s=10.0, bytes_per_request=3.0, bytes_per_s=30.0, share=None,
    retained_bytes=None, retained_whole=None, why="",
)  # fmt: skip
UNKNOWN = replace(
    KEPT, name="objects of dict", kind="retained objects, holder unknown", holder="", address="",
    items_per_request=18.0, items_per_s=180.0, bytes_per_s=48_000.0,
)  # fmt: skip
THREADS = replace(KEPT, name="threads", kind="threads", holder="", address="", bytes_per_s=None)
LARGE = replace(KEPT, name="app.large", holder="app.large", bytes_per_s=9_000.0)
SLOW = replace(LARGE, name="app.slow", holder="app.slow", items_per_request=0.1, items_per_s=1.0)


@pytest.mark.parametrize(
    ("suspects", "first"),
    [
        ([KEPT, LARGE, SLOW], ["app.large", "app.slow", "app.kept"]),
        ([UNKNOWN, KEPT], ["app.kept", "objects of dict"]),
        ([UNKNOWN, SLOW], ["objects of dict", "app.slow"]),
        ([THREADS, KEPT], ["app.kept", "threads"]),
        ([THREADS, SLOW], ["threads", "app.slow"]),
        (
            [replace(KEPT, name="cache", items_per_s=400.0, items_per_request=40.0), THREADS],
            ["threads", "cache"],
        ),
    ],
)
def test_the_holder_that_explains_the_growth_comes_first(
    suspects: list[LeakSuspect], first: list[str]
) -> None:
    """Also where its walk saw few bytes: it gains an item for each request, or for each of what is counted."""
    assert [one.name for one in sort_by_bytes(suspects)] == first


@pytest.mark.parametrize(
    ("holder", "short"),
    [
        ("app.kept", "app.kept"),
        ("shop.app.state.cache", "…state.cache"),
        ('shop.a.b["x.y"]', '…a.b["x.y"]'),
        ("thread MainThread: serve() local config.app.state.cache", "…state.cache"),
        ("task shop.worker() local backlog", "…backlog"),
        ("shop.gen<g() local buf>", "shop.gen<g() local buf>"),
        ("shop.app.read<closure seen of make.read>", "…app.read<closure seen of make.read>"),
        (
            "thread MainThread: run() local main<main() local sem>._waiters",
            "…main<main() local sem>._waiters",
        ),
        ("", "list"),
    ],
)
def test_a_short_name_has_the_last_two_names_whole(holder: str, short: str) -> None:
    """Dots and blanks of a key, of a closure and of a coroutine's variable part none."""
    assert short_name(replace(KEPT, holder=holder)) == short
