"""[[traffic.requests]]: what is read, and what is refused with its key and without a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.contract import TrafficRequest
from soak.errors import UsageError

ARM = '[arms.only]\ncommand = ["serve"]\n'
Read = Callable[[str], tuple[TrafficRequest, ...]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads the requests of a profile, given without its arm."""

    def load(text: str) -> tuple[TrafficRequest, ...]:
        path = tmp_path / "mine.toml"
        path.write_text(text + ARM)
        return tuple(request.planned() for request in load_profile(str(path)).traffic.requests or ())

    return load


def test_defaults(read: Read) -> None:
    """A path is enough: a GET under its own name."""
    assert read('[[traffic.requests]]\npath = "/a"\n') == (
        TrafficRequest(name="GET /a", method="GET", path="/a"),
    )


def test_bodies_and_their_types(read: Read) -> None:
    """A table is JSON, a text is text, the payload is JSON, and a type that is given stays."""
    requests = read(
        """
        [[traffic.requests]]
        name = "table"
        method = "POST"
        path = "/"
        body = { name = "{uuid}", deep = { list = [1, 2.5, true, "ü"] } }
        [[traffic.requests]]
        name = "list"
        path = "/"
        body = ["{n}"]
        [[traffic.requests]]
        name = "text"
        path = "/"
        body = '{"n": {n}}'
        [[traffic.requests]]
        name = "payload"
        path = "/"
        body = "{payload}"
        [[traffic.requests]]
        name = "typed"
        path = "/"
        body = "<a/>"
        headers = { content-type = "text/xml" }
        """
    )
    assert json.loads(requests[0].body) == {"name": "{uuid}", "deep": {"list": [1, 2.5, True, "ü"]}}
    types = [{name.lower(): value for name, value in one.headers.items()}["content-type"] for one in requests]
    of_json, of_text = "application/json", "text/plain; charset=utf-8"
    assert types == [of_json, of_json, of_text, of_json, "text/xml"]
    assert requests[2].body == '{"n": {n}}'


@pytest.mark.parametrize(("body", "sent"), [("{}", "{}"), ("[]", "[]"), ("5", "5"), ("false", "false")])
def test_an_empty_body_of_json_is_a_body(read: Read, body: str, sent: str) -> None:
    """Only the empty text is none."""
    (request,) = read(f'[[traffic.requests]]\npath = "/"\nbody = {body}\n')
    assert (request.body, request.headers) == (sent, {"Content-Type": "application/json"})
    assert read('[[traffic.requests]]\npath = "/"\nbody = ""\n')[0].headers == {}


def test_query_values(read: Read) -> None:
    """Numbers, truth values and texts become text."""
    (request,) = read(
        '[[traffic.requests]]\npath = "/"\nquery = { a = 1, b = 2.5, c = true, d = "x y", e = "1" }\n'
    )
    assert request.query == {"a": "1", "b": "2.5", "c": "true", "d": "x y", "e": "1"}


WEBSOCKET = '[[traffic.requests]]\nmethod = "WEBSOCKET"\npath = "/ws"\n'


def test_websockets(read: Read) -> None:
    """A time is enough; a table is sent as JSON, without a type; the end is a close or a reset."""
    seldom = f"[traffic]\nrate_rps = 0.1\n{WEBSOCKET}"
    assert read(seldom + "open_s = 30\n") == (
        TrafficRequest(name="WEBSOCKET /ws", method="WEBSOCKET", path="/ws", open_s=30.0),
    )
    (request,) = read(
        seldom + 'client = "abort"\nopen_s = "1m"\nbody = { n = "{n}" }\nsend_every_s = 0.5\necho = true\n'
        'headers = { Sec-WebSocket-Protocol = "graphql-transport-ws" }\n'
    )
    assert (request.name, request.client, request.body) == ("abort WEBSOCKET /ws", "abort", '{"n": "{n}"}')
    assert (request.open_s, request.send_every_s, request.echo) == (60.0, 0.5, True)
    assert request.headers == {"Sec-WebSocket-Protocol": "graphql-transport-ws"}


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("", "a WebSocket needs open_s"),
        ('open_s = 5\nclient = "slow"', "the bad client of a WebSocket is client = \"abort\""),
        ('open_s = 5\nclient = "half"\nbody = "ab"', "the bad client of a WebSocket is"),
        ("open_s = 5\nread_s = 1", "read_s is for the answer to a request"),
        ("open_s = 5\nsend_every_s = 1", "give body, the text of each message"),
        ("open_s = 5\necho = true", "give body, the text of each message"),
        ('open_s = 5\nbody = "a"\nsend_every_s = 0.001', "'traffic.requests.0.send_every_s': must be at least 0.01"),
        ("open_s = 0", "'traffic.requests.0.open_s': must be above 0"),
        ('open_s = 5\nbody = "{id}"', "'traffic.requests.0.body': unknown placeholder {id}"),
        ('open_s = 5\nheaders = { Sec-WebSocket-Key = "x" }', "the load sets the header Sec-WebSocket-Key itself"),
        ("open_s = 10", ""),
        ("open_s = 10.5", "about 52 WebSockets would be open at a time"),
        ("open_s = 10.5\n[sampling]\nquiesce_every_s = 5", ""),
        ("open_s = 10.5\n[phases]\nload_s = 5", ""),
    ],
)  # fmt: skip
def test_websockets_that_cannot_be_planned(read: Read, keys: str, sentence: str) -> None:
    """One line with the fix, also where their number is above that which may be open at a time."""
    text = f"[traffic]\nrate_rps = 5\n{WEBSOCKET}{keys}\n"
    if not sentence:
        assert len(read(text)) == 1
        return
    with pytest.raises(UsageError) as refused:
        read(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_turn_of_the_mix_needs_room(read: Read) -> None:
    """With mix = "rotate" five times as many are open in their turn."""
    other = '[[traffic.requests]]\npath = "/"\nweight = 3\n'
    phases = "[phases]\nload_s = 100\n"
    for mix in ("random", "rotate"):
        text = f'[traffic]\nmix = "{mix}"\nrate_rps = 10\n{WEBSOCKET}open_s = 10\n{other}{phases}'
        if mix == "random":
            assert len(read(text)) == 2
        else:
            with pytest.raises(UsageError, match="about 62 WebSockets would be open at a time"):
                read(text)


def test_what_earlier_turns_opened_needs_room_too(read: Read) -> None:
    """Two kinds, half of the requests each, open for 60 s: 10 s of a turn's share, and 50 s of half the requests."""
    kinds = "".join(f'{WEBSOCKET}name = "{open_s}"\nopen_s = {open_s}\n' for open_s in (60, 1))
    text = f'[traffic]\nmix = "rotate"\nrate_rps = 10\n{kinds}[phases]\nload_s = 100\n'
    with pytest.raises(UsageError, match="about 335 WebSockets would be open at a time"):
        read(text)


@pytest.mark.parametrize(("shape", "at_once"), [("steady", 30), ("diurnal", 52)])
def test_the_peak_of_a_day_needs_room(read: Read, shape: str, at_once: int) -> None:
    """Its rate is 1.75 times the mean."""
    phases = "[scale]\nhour_s = 10\n[phases]\nload_s = 240\n"
    text = f'{phases}[traffic]\nshape = "{shape}"\nrate_rps = 10\n{WEBSOCKET}open_s = 3\n'
    assert len(read(text.replace("rate_rps", f"users_per_arm = {at_once + 1}\nrate_rps"))) == 1
    with pytest.raises(UsageError, match=f"about {at_once} WebSockets would be open at a time"):
        read(text.replace("rate_rps", f"users_per_arm = {at_once - 1}\nrate_rps"))


@pytest.mark.parametrize("key", ["open_s = 1", "send_every_s = 1", "echo = true"])
def test_keys_of_websockets_alone(read: Read, key: str) -> None:
    """They are refused of any other request."""
    with pytest.raises(UsageError, match=f"{key.split(maxsplit=1)[0]} is for a WebSocket: give method"):
        read(f'[[traffic.requests]]\npath = "/"\nbody = "x"\n{key}\n')


HEADERS = '[[traffic.requests]]\npath = "/"\nheaders = { %s }\n'


@pytest.mark.parametrize(
    "header",
    [
        'Authorization = "Bearer {env:TOKEN}"',
        'Cookie = "session={env:SESSION}; theme=dark"',
        'X-Api-Key = "{env:KEY}"',
        'Accept = "text/event-stream"',
        'X-Request-Id = "{uuid}"',
    ],
)
def test_headers_that_may_be_written(read: Read, header: str) -> None:
    """Values from the environment, and those of headers that carry no credentials."""
    assert len(read(HEADERS % header)[0].headers) == 1


@pytest.mark.parametrize(
    "header",
    [
        'Authorization = "Bearer hush"',
        'Cookie = "session=hush"',
        'X-Api-Key = "hush"',
        'X-Token = "hush{n}"',
        'Authorization = "hush {token}"',
        'Host = "hush"',
        'Content-Length = "hush"',
        'Authorization = "hush\\r\\nX: y"',
        'Authorization = "hüsh"',
        "Authorization = 5",
        '"X Y" = "hush"',
        '"X:" = "hush"',
        'accept = "hush", Accept = "hush"',
    ],
)
def test_headers_that_are_refused_without_their_values(read: Read, header: str) -> None:
    """A secret in a profile is refused, and neither it nor any other value is printed."""
    with pytest.raises(UsageError, match=r"mine\.toml: 'traffic\.requests\.0\.headers") as refused:
        read(HEADERS % header)
    assert "hush" not in str(refused.value)
    assert "h\\xfcsh" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('path = "/a/{id}"', "'traffic.requests.0.path': unknown placeholder {id}; known here: {n}, {uuid}, "),
        ('path = "/"\nquery = { a = "{id}" }', "'traffic.requests.0.query.a': unknown placeholder {id}"),
        ('path = "/"\nquery = { a = [1] }', "'traffic.requests.0.query.a': give a text in quotes"),
        ('path = "/"\nquery = { a = nan }', "'traffic.requests.0.query.a': give a text in quotes"),
        ('path = "/"\nbody = { a = "{id}" }', "'traffic.requests.0.body': unknown placeholder {id}"),
        ('path = "/{env:TOKEN}"', "'traffic.requests.0.path': unknown placeholder {env:}"),
        ('path = "/"\nbody = 2026-11-28', "'traffic.requests.0.body': the body has a value that JSON does not"),
        ('path = "/"\nbody = { a = nan }', "'traffic.requests.0.body': the body has a value that JSON does not"),
        ('path = "a"', "'traffic.requests.0.path': give a URL path"),
        ('method = "GET"', "'traffic.requests.0.path' is missing."),
        ('path = "/"\nmethod = "FETCH"', "'traffic.requests.0.method': give 'GET', 'POST'"),
        ('path = "/"\nweight = 0', "'traffic.requests.0.weight': must be above 0"),
        ('path = "/"\nclient = "rude"', "'traffic.requests.0.client': give '', 'abort', 'slow' or 'half'"),
        ('path = "/"\nclient = "half"', "client = \"half\" sends half of a body"),
        ('path = "/"\nclient = "slow"\nread_s = 1', "read_s is for a client that reads"),
        ('path = "/"\nread_s = 6', "read_s of 'GET /' (6) is above network_timeout_s (5)"),
        ('path = "/"\nname = " a"', "'traffic.requests.0.name': a request's name has 1 to 80 printable"),
        ('path = "/"\nwieght = 1', "unknown key 'traffic.requests.0.wieght': did you mean 'weight'?"),
        ('path = "/"\n[[traffic.requests]]\npath = "/"', "requests has 'GET /' twice"),
        ('path = "/"\n[traffic]\npath = "/b"', "path is short for one of the requests"),
        ('path = "/"\n[traffic]\nlocustfile = "a.py"', "requests plans requests, and with traffic.locustfile"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(read: Read, text: str, sentence: str) -> None:
    """One line, with the key and the fix."""
    table, _, rest = text.partition("[traffic]\n")
    with pytest.raises(UsageError) as refused:
        read(
            f"[traffic]\n{rest}\n[[traffic.requests]]\n{table}\n"
            if rest
            else f"[[traffic.requests]]\n{table}\n"
        )
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("requests=[]", "give at least one"),
        ("requests=3", "give a list"),
        ("requests=[3]", "give a table of keys"),
        ("path=/a/{id}", "unknown placeholder {id}; known here: {n}, {uuid}, {choice:a|b|c}, {service}"),
    ],
)
def test_a_setting_that_is_wrong(setting: str, sentence: str) -> None:
    """The list and the short form are checked alike."""
    with pytest.raises(UsageError) as refused:
        load_profile("release", [f"traffic.{setting}"])
    assert sentence in str(refused.value)


TWO = '[[traffic.requests]]\npath = "/a"\n[[traffic.requests]]\npath = "/b"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[traffic]\nmix = "rotate"\n', "give at least two [[traffic.requests]], or leave mix out"),
        (
            '[traffic]\nmix = "rotate"\n[[traffic.requests]]\npath = "/"\n',
            "give at least two [[traffic.requests]], or leave mix out",
        ),
        (
            f'[phases]\nload_s = 79\n[traffic]\nmix = "rotate"\n{TWO}',
            "needs phases.load_s of at least 80 s for 2 kinds of requests, in turns of 10 s; it is 79",
        ),
        (
            '[phases]\nload_s = 80\n[traffic]\nmix = "rotate"\n'
            + "".join(f'[[traffic.requests]]\npath = "/{n}"\n' for n in range(9)),
            "needs phases.load_s of at least 120 s for 9 kinds",
        ),
        ('[traffic]\nmix = "rotate"\nlocustfile = "a.py"\n', "mix plans requests, and with traffic.locustfile"),
        (f'[traffic]\nmix = "rotating"\n{TWO}', "'traffic.mix': give 'random' or 'rotate'"),
    ],
)  # fmt: skip
def test_a_mix_that_cannot_rotate(read: Read, text: str, sentence: str) -> None:
    """Refused where it could not tell endpoints apart, with the fix."""
    with pytest.raises(UsageError) as refused:
        read(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_mix_that_rotates(read: Read) -> None:
    """Two kinds and eight periods are enough."""
    assert len(read(f'[phases]\nload_s = 80\n[traffic]\nmix = "rotate"\n{TWO}')) == 2


def test_at_most_a_hundred(read: Read) -> None:
    """A list is bounded."""
    with pytest.raises(UsageError, match="give at most 100"):
        read("".join(f'[[traffic.requests]]\npath = "/{number}"\n' for number in range(101)))
