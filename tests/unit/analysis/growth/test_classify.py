from __future__ import annotations

import pytest

from analysis.growth.classify import kind_of_container, kind_of_type, parse_entries


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ([{"type": "_asyncio.Task", "state": "finished"}], "finished tasks still referenced"),
        ([{"type": "asyncio.tasks.Task", "state": "pending"}], "pending tasks"),
        ([{"type": "app.ImportTask"}], "unbounded cache or list"),
        ([{"type": "app.AsyncioTask", "state": "finished"}], "finished tasks still referenced"),
        ([{"type": "str"}, {"type": "aiohttp.connector.TCPConnector"}], "unclosed sessions or connectors"),
        ([{"type": "app.Order", "bytes": 48}], "unbounded cache or list"),
        ([{"state": "unreferenced"}], "reference lost in native code"),
        ([{"state": "cycle"}], "uncollected reference cycles"),
        ([{"type": "functools._lru_list_elem"}], "bounded cache, still filling"),
        ([{"state": "absent"}], "unbounded cache or list"),
        ([], "unbounded cache or list"),
    ],
)
def test_the_kind_of_a_container_is_what_it_holds(entries: list[dict[str, str]], kind: str) -> None:
    """Also among other things; where nothing is known of it, it is a container that grows."""
    assert kind_of_container("dict", entries).name == kind


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({"type": "app.Connection2", "task": "pending"}, True),
        ({"type": "_asyncio.Future"}, True),
        ({"type": "builtins.coroutine"}, True),
        ({"type": "app.Order"}, False),
    ],
)
def test_parts_of_tasks_that_leak_are_a_leak_of_tasks(entry: dict[str, str], *, part: bool) -> None:
    """What tasks hang on, or what they are made of; where tasks do not leak it is a container as any."""
    assert kind_of_container("set", [entry], "pending tasks").name == (
        "pending tasks" if part else "unbounded cache or list"
    )
    assert kind_of_container("set", [entry]).name == "unbounded cache or list"


def test_the_evidence_stands_with_the_kind() -> None:
    """Coroutine and place of a task's making, the types of entries."""
    task = {"type": "_asyncio.Task", "state": "finished", "coroutine": "audit", "created": "app.py:7"}
    assert kind_of_container("set", [task]).why == "it contains finished tasks of audit, made in app.py:7"
    assert (
        kind_of_container("dict", [{"type": "str"}, {"type": "str"}]).why == "a dict grows; it contains str"
    )


@pytest.mark.parametrize(
    ("holder", "freed", "lost", "state", "kind"),
    [
        ("", False, "", "unreferenced", "reference lost in native code"),
        ("", False, "nothing could", "untracked", "reference lost in native code"),
        ("", False, "", "untracked", "retained objects, holder unknown"),
        ("", False, "", "", "retained objects, holder unknown"),
        ("", True, "nothing could", "", "uncollected reference cycles"),
        ("app.registry", False, "nothing could", "", "unbounded cache or list"),
    ],
)
def test_the_kind_of_a_type_without_a_container(
    holder: str, state: str, kind: str, lost: str, *, freed: bool
) -> None:
    """A reference is lost where the probe has counted so, or where that follows from what else grows."""
    entries = [{"state": state}] if state else []
    found = kind_of_type("app.Node", holder, entries, freed=freed, lost=lost)
    assert found.name == kind


def test_tasks_that_someone_holds_are_tasks() -> None:
    """Also where no container that grows was found, but the type."""
    entries = [{"type": "_asyncio.Task", "state": "finished"}]
    found = kind_of_type("_asyncio.Task", "app.tasks", entries, freed=False)
    assert found.name == "finished tasks still referenced"


def test_damaged_entries_are_none() -> None:
    """A cell cut short, no list, or a list of something else."""
    assert [parse_entries(text) for text in ("", '[{"type": "st', "7", '["a", {"type": "b"}]')] == [
        [],
        [],
        [],
        [{"type": "b"}],
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[{"state": []}]',
        '[{"type": {}}]',
        '[{"state": "weak", "bytes": [1]}]',
        "[" * 100_000,
        '[{"bytes": NaN}]',
        '[{"bytes": 1' + "0" * 5_000 + "}]",
        '[{"type": "\\ud800"}]',
    ],
)
def test_forged_entries_are_none(text: str) -> None:
    """Lists where texts are, brackets without end, numbers that are none: a report is made of it all the same."""
    assert parse_entries(text) == []
    assert kind_of_container("list", parse_entries(text)).name == "unbounded cache or list"


def test_what_the_probe_leaves_empty_costs_no_entry() -> None:
    """A value may be null."""
    assert parse_entries('[{"type": "b", "created": null}]') == [{"type": "b", "created": None}]
