"""The mix: what is drawn from the seed, and what of it is sent."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest

from locustfiles.schedule.arrivals import next_pause_s, schedule
from locustfiles.schedule.plan_file import parse_traffic
from soak.contract import Traffic, TrafficRequest
from soak.errors import UsageError

MakeTraffic = Callable[..., Traffic]

ADD = TrafficRequest(
    name="add",
    method="POST",
    path="/items",
    headers={"X-Request-Id": "{uuid}", "Authorization": "Bearer {env:TOKEN}"},
    body='{"name": "{choice:ä|b}", "number": {n}, "of": {"id": "{uuid}"}}',
    weight=3.0,
)
FIND = TrafficRequest(
    name="find",
    method="GET",
    path="/items/{service}?v=1",
    query={"q": "{choice:a b|c&d}", "n": "{n}", "plain text": "ü"},
)
MIX = (ADD, FIND)
ENVIRONMENT = {"TOKEN": "secret"}


def test_the_short_form_is_one_kind(make_traffic: MakeTraffic) -> None:
    """A path is a POST of a generated JSON object, under the path's name."""
    first = next(iter(schedule(make_traffic(), 0.0)))
    assert (first.method, first.name, first.headers) == (
        "POST",
        "/api/{service}",
        {"Content-Type": "application/json"},
    )
    assert (first.client, first.read_s) == ("", None)


def test_the_short_form_is_the_stream_of_earlier_versions(make_traffic: MakeTraffic) -> None:
    """Paths and bodies of a seed did not change: two runs of different versions get the same load."""
    shown = [
        (request.path, request.body[-6:].decode()) for request in islice(schedule(make_traffic(), 0.0), 3)
    ]
    assert shown == [
        ("/api/orders-000", 'YyTI"}'),
        ("/api/orders-001", 'EwqE"}'),
        ("/api/orders-000", 'fXDv"}'),
    ]


def test_the_same_seed_gives_the_same_requests(make_traffic: MakeTraffic) -> None:
    """For every arm, share and time-out, and in a second run; another seed gives others."""
    traffic = make_traffic(requests=MIX)
    whole = list(schedule(traffic, 3.0, ENVIRONMENT))
    again = replace(traffic, arms={"only": "http://127.0.0.1:9"}, network_timeout_s=1.0)
    assert list(schedule(again, 3.0, ENVIRONMENT)) == whole
    assert list(schedule(parse_traffic(traffic.to_json()), 3.0, ENVIRONMENT)) == whole
    shares = [list(islice(schedule(traffic, 3.0, ENVIRONMENT), share, None, 2)) for share in (0, 1)]
    assert [request for pair in zip(*shares, strict=True) for request in pair] == whole
    other = list(schedule(replace(traffic, seed=8), 3.0, ENVIRONMENT))
    assert not {request.body for request in whole if request.body} & {request.body for request in other}


def test_the_mix_does_not_move_the_instants(make_traffic: MakeTraffic) -> None:
    """The instants are those of the short form."""
    mixed = [request.planned_s for request in schedule(make_traffic(requests=MIX), 3.0, ENVIRONMENT)]
    assert mixed == [request.planned_s for request in schedule(make_traffic(), 3.0)]


def test_weights(make_traffic: MakeTraffic) -> None:
    """Of 3 to 1, three quarters are of the first kind."""
    requests = schedule(make_traffic(requests=MIX, load_s=100.0), 0.0, ENVIRONMENT)
    counts = Counter(request.name for request in requests)
    assert counts["add"] / counts.total() == pytest.approx(0.75, abs=0.03)


def test_a_mix_that_rotates(make_traffic: MakeTraffic) -> None:
    """In each 10 s of the load one kind in turn is sent 5 : 1; warm-up and instants are those of a random mix."""
    kinds = tuple(TrafficRequest(name=name, method="GET", path="/") for name in "abc")
    traffic = make_traffic(requests=kinds, warmup_s=100.0, load_s=90.0, rate_rps=100.0, mix="rotate")
    requests = list(schedule(parse_traffic(traffic.to_json()), 3.0))
    random_mix = list(schedule(replace(traffic, mix="random"), 3.0))
    assert [request.planned_s for request in requests] == [request.planned_s for request in random_mix]
    warm = sum(request.planned_s < 103.0 for request in requests)
    assert requests[:warm] == random_mix[:warm]
    for period in range(9):
        sent = Counter(
            request.name for request in requests[warm:] if (request.planned_s - 103.0) // 10 == period
        )
        assert sent.most_common(1)[0][0] == "abc"[period % 3]
        assert sent["abc"[period % 3]] / sent.total() == pytest.approx(5 / 7, abs=0.05)


def test_what_rotates_keeps_its_weight(make_traffic: MakeTraffic) -> None:
    """Over all turns a kind of three times the weight is sent more often than the other, in its turn 15 : 1."""
    traffic = make_traffic(requests=MIX, warmup_s=0.0, load_s=80.0, rate_rps=100.0, mix="rotate")
    turns = [
        Counter(
            request.name
            for request in schedule(traffic, 0.0, ENVIRONMENT)
            if request.planned_s // 10 % 2 == turn
        )
        for turn in (0, 1)
    ]
    assert turns[0]["add"] / turns[0].total() == pytest.approx(15 / 16, abs=0.02)
    assert turns[1]["add"] / turns[1].total() == pytest.approx(3 / 8, abs=0.03)


def test_what_is_filled_in(make_traffic: MakeTraffic) -> None:
    """Numbers are those of the requests, UUIDs are unlike each other, choices all come, queries are encoded."""
    requests = list(schedule(make_traffic(requests=MIX), 0.0, ENVIRONMENT))
    added = [request for request in requests if request.name == "add"]
    bodies = [json.loads(request.body) for request in added]
    assert [body["number"] for body in bodies] == [request.index for request in added]
    assert {body["name"] for body in bodies} == {"ä", "b"}
    ids = [body["of"]["id"] for body in bodies] + [request.headers["X-Request-Id"] for request in added]
    assert len(set(ids)) == 2 * len(added)
    assert {uuid.UUID(one).version for one in ids} == {4}
    assert {request.headers["Authorization"] for request in added} == {"Bearer secret"}
    found = [request for request in requests if request.name == "find"]
    assert all(not request.body for request in found)
    for request in found:
        path, query, number, plain = request.path.split("&")
        assert path.partition("?")[0].startswith(("/items/orders-", "/items/users-", "/items/stock-"))
        assert path.endswith("?v=1")
        assert query in {"q=a+b", "q=c%26d"}
        assert number == f"n={request.index}"
        assert plain == "plain+text=%C3%BC"
    assert {request.path.split("&")[1] for request in found} == {"q=a+b", "q=c%26d"}


CHAT = TrafficRequest(
    name="chat",
    method="WEBSOCKET",
    path="/chat/{n}",
    body='{"id": "{uuid}", "size": "{choice:S|M}", "n": {n}}',
    open_s=5.0,
    send_every_s=0.5,
    echo=True,
)


def test_messages_of_a_websocket(make_traffic: MakeTraffic) -> None:
    """Each connection has its own texts, each of them filled in anew, the same whenever they are asked for."""
    traffic = make_traffic(requests=(CHAT, ADD))
    planned = list(schedule(traffic, 0.0, ENVIRONMENT))
    chats = [request for request in planned if request.lane == "websockets"]
    assert 0 < len(chats) < len(planned)
    first = chats[0]
    assert (first.path, first.body, first.open_s) == (f"/chat/{first.index}", b"", 5.0)
    assert (first.send_every_s, first.echo) == (0.5, True)
    assert first.messages is not None
    texts = [json.loads(text) for text in islice(first.messages, 20)]
    assert [json.loads(text) for text in islice(first.messages, 20)] == texts
    assert {text["n"] for text in texts} == {first.index}
    assert {text["size"] for text in texts} == {"S", "M"}
    ids = [json.loads(text)["id"] for chat in chats for text in islice(chat.messages or (), 20)]
    assert len(set(ids)) == 20 * len(chats)
    again = [request for request in schedule(traffic, 0.0, ENVIRONMENT) if request.lane == "websockets"]
    assert again == chats
    assert list(islice(again[0].messages or (), 20)) == list(islice(first.messages, 20))


def test_the_length_of_a_connection_does_not_move_what_follows(make_traffic: MakeTraffic) -> None:
    """However many messages a connection sends, the requests after it are the same."""
    requests = [
        [one.body for one in schedule(make_traffic(requests=(chat, ADD)), 0.0, ENVIRONMENT)]
        for chat in (CHAT, replace(CHAT, open_s=0.1, send_every_s=0.01))
    ]
    assert requests[0] == requests[1]


def test_a_websocket_without_messages(make_traffic: MakeTraffic) -> None:
    """Without a body it sends nothing."""
    traffic = make_traffic(requests=(replace(CHAT, body="", send_every_s=None, echo=False),))
    assert next(schedule(traffic, 0.0)).messages is None


def test_lanes(make_traffic: MakeTraffic) -> None:
    """Users, bad clients and WebSockets wait apart; a WebSocket that is reset is none of the bad clients."""
    kinds = (ADD, replace(ADD, client="slow"), CHAT, replace(CHAT, client="abort"))
    lanes = [next(schedule(make_traffic(requests=(kind,)), 0.0, ENVIRONMENT)).lane for kind in kinds]
    assert lanes == ["users", "bad clients", "websockets", "websockets"]


def test_a_secret_is_in_no_text_of_a_request(make_traffic: MakeTraffic) -> None:
    """Neither in traffic.json, which is recorded, nor where a request is printed with an error."""
    traffic = make_traffic(requests=MIX)
    assert "secret" not in traffic.to_json()
    assert not any("secret" in repr(request) for request in schedule(traffic, 0.0, ENVIRONMENT))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (replace(ADD, path="/{what}"), "unknown placeholder {what}"),
        (replace(ADD, headers={"Authorization": "{env:NOT_SET}"}), "NOT_SET is not set"),
    ],
)
def test_what_cannot_be_filled_in_is_a_usage_error(
    make_traffic: MakeTraffic, kind: TrafficRequest, message: str
) -> None:
    """Before the first request."""
    with pytest.raises(UsageError, match=message):
        next(schedule(make_traffic(requests=(kind,)), 0.0, ENVIRONMENT))


def test_a_bad_client_in_a_plan_file_is_checked(make_traffic: MakeTraffic) -> None:
    """A kind of client that no version has is refused with its key."""
    text = make_traffic(requests=(ADD,)).to_json().replace('"client": ""', '"client": "rude"')
    with pytest.raises(ValueError, match=r"requests\.0\.client"):
        parse_traffic(text)


@pytest.mark.parametrize(("offset_s", "pause_s"), [(0.0, 4.0), (3.9, 4.0), (5.0, 9.0), (14.0, 14.0)])
def test_the_next_pause(make_traffic: MakeTraffic, offset_s: float, pause_s: float) -> None:
    """Every five seconds for one; without pauses there is none."""
    paused = make_traffic(quiesce_every_s=5.0)
    assert next_pause_s(paused, offset_s) == pause_s
    assert next_pause_s(make_traffic(), offset_s) == float("inf")


def test_no_request_may_last_into_a_pause(make_traffic: MakeTraffic) -> None:
    """Each knows when the pause after it begins."""
    traffic = make_traffic(quiesce_every_s=5.0)
    for request in schedule(traffic, 3.0):
        assert request.planned_s <= request.until_s <= request.planned_s + 5.0
        assert (request.until_s - 3.0 + 1.0) % 5.0 == pytest.approx(0.0)


LIVE = TrafficRequest(
    name="live", method="GET", path="/live", body='{"id": "{uuid}"}', open_s=2.0, send_every_s=1.0
)


@pytest.mark.parametrize("mix", ["weights", "rotate"])
@pytest.mark.parametrize("shares", [2, 5])
def test_shares_are_those_of_the_whole_stream(make_traffic: MakeTraffic, mix: str, shares: int) -> None:
    """A worker that makes its own requests alone sends what it would send of all of them, whatever is drawn."""
    traffic = make_traffic(requests=(*MIX, LIVE), mix=mix)
    whole = list(schedule(traffic, 0.0, ENVIRONMENT))
    for share in range(shares):
        made = list(schedule(traffic, 0.0, ENVIRONMENT, share=share, shares=shares))
        assert [repr(one) for one in made] == [repr(one) for one in whole[share::shares]]
        assert [one.headers for one in made] == [one.headers for one in whole[share::shares]]
