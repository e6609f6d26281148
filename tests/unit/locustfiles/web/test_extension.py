"""The pages that are added to Locust's web UI, asked for without a socket."""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient
from locust.env import Environment
from locust.web import WebUI

from locustfiles.web import login as web_login
from locustfiles.web.downloads import PART_BYTES, find_listed
from locustfiles.web.extension import WebUi
from locustfiles.web.live_page import ASSETS, parse_have
from locustfiles.web.login import WebLogin
from locustfiles.web.series import MOST_POINTS
from soak.contract import WEB_PASSWORD, WEB_USER, ArmLive, ProcessLive, Traffic
from soak.recording.files import record_sums
from tests.unit.locustfiles.web.live_run import ARMS, GrowingRun

HOST = {"Host": "127.0.0.1:8089"}
SIGNED = {"signoff": {"decision": "signed"}, "status": "complete"}

Open = Callable[..., FlaskClient]


class Client(FlaskClient):
    """Reads an answer to its end, as a browser does, so that no file stays open."""

    def open(self, *args: Any, **options: Any) -> Any:
        return super().open(*args, **{"buffered": True, **options})


@pytest.fixture
def run(tmp_path: Path) -> GrowingRun:
    return GrowingRun(tmp_path / "runs")


@pytest.fixture
def open_ui(
    run: GrowingRun, make_traffic: Callable[..., Traffic], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Return a function that gives a browser without a window; the web server is never started."""
    monkeypatch.setattr(sys, "argv", ["locust"])  # Locust reads our options again
    opened: list[tuple[WebUi, Environment]] = []

    def make(*, login: bool = False) -> FlaskClient:
        environment = Environment(
            parsed_options=Namespace(num_users=1, spawn_rate=1, run_time=None, stats_history_enabled=False)
        )
        environment.create_local_runner()
        web_ui = WebUI(environment, "127.0.0.1", 8089, web_login=login, delayed_start=True)
        ours = WebUi(make_traffic(out_dir=str(run.directory), arms=ARMS))
        ours.register(environment)
        opened.append((ours, environment))
        ours.recording.read_new()
        app = cast(Flask, web_ui.app)
        app.test_client_class = Client
        return app.test_client()

    yield make
    for ours, environment in opened:
        ours.close()
        ours.close()
        assert environment.runner is not None
        environment.runner.quit()


def test_the_tab_has_a_row_for_each_arm(run: GrowingRun, open_ui: Open) -> None:
    """Filled by the poll of the statistics that Locust's page makes anyway, exactly as recorded."""
    run.sample(
        "leaky",
        1.5,
        rss_bytes=64_626_688,
        uss_bytes=44_818_432,
        live_blocks=276_574,
        tasks_alive=3358,
        sessions_open=121,
    )
    run.sample("leaky", 2.5)
    run.verdict(61.0, leaky=ArmLive("leak", "so", rate_per_s=100.0, rate_per_request=20.0, low=90.0,
                                    high=110.0, oom_low_s=60.0,
                                    suspect="…gateway.request_history: +1.00 items/request"))  # fmt: skip
    answer = open_ui().get("/stats/requests", headers=HOST).get_json()
    [table] = answer["extended_stats"]
    assert table["key"] == "memory"
    assert table["data"][0] == {
        "name": "leaky", "verdict": "LEAK", "rate": "20 B/request (18 B to 22 B, 95%)",
        "suspect": "…gateway.request_history: +1.00 items/request", "rss": "61.6", "uss": "42.7", "blocks": "276,574",
        "tasks": "3,358", "sessions": "121", "oom": "at least 0:01:00", "kills": "0", "life": "1",
    }  # fmt: skip
    assert [table["data"][1][key] for key in ("name", "verdict", "rss", "life")] == [
        "fixed",
        "none yet",
        "",
        "",
    ]
    assert "stats" in answer


def test_the_page_has_the_processes_of_an_arm(run: GrowingRun, open_ui: Open) -> None:
    """With what each has now and how it grows so far; an arm of one process has none."""
    for t_s in (1.5, 2.5):
        run.sample("fixed", t_s, rss_bytes=1.0)
        for life in (1, 2):
            run.sample("leaky", t_s, life, pid=300 + life, rss_bytes=2**20 * life)
    run.verdict(61.0, leaky=ArmLive("leak", "so", processes=(ProcessLive(2, "grows", 100.0, 20.0),)))
    leaky, fixed = open_ui().get("/soak/data", headers=HOST).get_json()["arms"]
    assert leaky["processes"] == [
        {
            "name": "child 302",
            "rss": "2.0",
            "growth": "grows",
            "rate": "20 B/request",
        },
        {"name": "main 301", "rss": "1.0", "growth": "", "rate": ""},
    ]
    assert (leaky["more"], fixed["processes"]) == ("", [])


def test_a_poll_sends_only_what_is_new(run: GrowingRun, open_ui: Open) -> None:
    """All to a reader that has nothing; and to two readers each its own."""
    for second in range(4):
        run.sample("leaky", float(second), rss_bytes=1000.0 + second)
    client = open_ui()
    first = client.get("/soak/data", headers=HOST).get_json()
    leaky = first["arms"][0]["readings"]
    assert (leaky["whole"], [point[0] for point in leaky["points"]]) == (True, [0.0, 1.0, 2.0])
    later = client.get(f"/soak/data?have={first['have']}", headers=HOST).get_json()
    assert (later["arms"][0]["readings"]["whole"], later["arms"][0]["readings"]["points"]) == (False, [])
    assert (
        client.get("/soak/data?have=", headers=HOST).get_json()["arms"][0]["readings"]["points"]
        == leaky["points"]
    )


def test_a_poll_has_no_spaces(run: GrowingRun, open_ui: Open) -> None:
    """Locust has Flask indent JSON: a number a line."""
    for second in range(4):
        run.sample("leaky", float(second), rss_bytes=1000.0 + second)
    answer = open_ui().get("/soak/data", headers=HOST)
    compact = json.dumps(answer.get_json(), separators=(",", ":"))
    assert answer.content_length == len(compact) + len("\n")


@pytest.mark.parametrize(
    "have", ["x", "1", "1.", ".", "-5.9999", "0.3,0.3,0.3,0.3,0.3,0.3,0.3", "9" * 30 + ".1"]
)
def test_a_reader_that_says_nonsense_gets_an_answer(run: GrowingRun, open_ui: Open, have: str) -> None:
    """Whatever stands in the address."""
    run.sample("leaky", 1.0, rss_bytes=1.0)
    run.sample("leaky", 2.0, rss_bytes=1.0)
    assert open_ui().get("/soak/data", query_string={"have": have}, headers=HOST).status_code == 200


def test_a_poll_is_bounded_after_three_days(run: GrowingRun) -> None:
    """MOST_POINTS of each series, below a megabyte for two arms."""
    for second in range(72 * 3600):
        for arm in run.recording.arms.values():
            arm.readings.add([float(second), 1.0, 512e6, 500e6, 3e6, 30_000.0, 300.0])
            arm.requests.add([float(second), 300.0, 0.0, 7.9, 27.3])
    text = json.dumps(
        [[one.readings.since(-1, 0), one.requests.since(-1, 0)] for one in run.recording.arms.values()]
    )
    assert all(len(one.readings) <= MOST_POINTS for one in run.recording.arms.values())
    assert len(text) < 1_000_000


def test_the_page_loads_nothing_from_elsewhere(open_ui: Open) -> None:
    """Its policy forbids it, and every script and style that it names is there."""
    client = open_ui()
    page = client.get("/soak", headers=HOST)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    named = re.findall(r'(?:src|href)="(/soak/assets/[^"]+)"', page.get_data(as_text=True))
    assert sorted(named) == sorted(f"/soak/assets/{name}" for name in ASSETS)
    assert [client.get(name, headers=HOST).status_code for name in named] == [200] * len(ASSETS)
    assert client.get("/soak/assets/..%2f..%2fsoak_page.py", headers=HOST).status_code == 404


def test_files_of_this_run_and_earlier_ones_can_be_had(run: GrowingRun, open_ui: Open) -> None:
    """Reports with their decision, unless it is of a load before the end; recordings, the newest run first."""
    older = GrowingRun(run.directory.parent, "20261123-090000-demo")
    older.sample("leaky", 1.0)
    (older.directory / "report").mkdir()
    (older.directory / "report" / "report.html").write_text("<h1>signed</h1>")
    (older.directory / "report" / "summary.json").write_text(json.dumps(SIGNED))
    run.event(1.0, "phase", "idle")
    client = open_ui()
    page = client.get("/soak/files", headers=HOST).get_data(as_text=True)
    assert page.index(run.directory.name) < page.index("20261123-090000-demo: signed")
    before = {**SIGNED, "status": "running"}
    (older.directory / "report" / "summary.json").write_text(json.dumps(before))
    assert "signed" not in client.get("/soak/files", headers=HOST).get_data(as_text=True)
    report = client.get("/soak/files/20261123-090000-demo/report/report.html", headers=HOST)
    assert report.get_data(as_text=True) == "<h1>signed</h1>"
    for name in ("report.html", "junit.xml"):  # a browser runs scripts in either
        (older.directory / "report" / name).write_text("<script/>")
        report = client.get(f"/soak/files/20261123-090000-demo/report/{name}", headers=HOST)
        assert "sandbox" in report.headers["Content-Security-Policy"]
    samples = client.get("/soak/files/20261123-090000-demo/leaky/samples.csv", headers=HOST)
    assert "attachment" in samples.headers["Content-Disposition"]


def test_a_run_that_was_changed_is_shown_as_inconclusive(run: GrowingRun, open_ui: Open) -> None:
    """The decision of its report does not stand, and the page names the file; the run that goes on has no hashes."""
    older = GrowingRun(run.directory.parent, "20261123-090000-demo")
    older.sample("leaky", 1.0)
    (older.directory / "report").mkdir()
    (older.directory / "report" / "summary.json").write_text(json.dumps(SIGNED))
    record_sums(older.directory, {})
    client = open_ui()
    page = client.get("/soak/files", headers=HOST).get_data(as_text=True)
    assert "20261123-090000-demo: signed" in page
    older.sample("leaky", 2.0)
    page = client.get("/soak/files", headers=HOST).get_data(as_text=True)
    assert "20261123-090000-demo: inconclusive" in page
    assert "leaky/samples.csv was changed" in page


def test_a_recording_that_grows_is_sent_as_long_as_announced(run: GrowingRun, open_ui: Open) -> None:
    """What is appended meanwhile would be taken for the head of the next answer."""
    path = run.directory / "leaky" / "samples.csv"
    path.write_bytes(b"old\n" * PART_BYTES)
    address = f"/soak/files/{run.directory.name}/leaky/samples.csv"
    answer = open_ui().get(address, headers=HOST, buffered=False)
    with path.open("ab") as file:
        file.write(b"new\n" * PART_BYTES)
    sent = answer.get_data()
    answer.close()
    assert answer.headers["Content-Length"] == str(len(sent))
    assert sent == b"old\n" * PART_BYTES


def test_a_run_directory_of_any_name_is_linked(run: GrowingRun, open_ui: Open) -> None:
    """People rename them."""
    odd = GrowingRun(run.directory.parent, "before #1 <b>?")
    odd.event(1.0, "phase", "idle")
    client = open_ui()
    page = client.get("/soak/files", headers=HOST).get_data(as_text=True)
    assert "<b>" not in page
    [address] = re.findall(r'href="([^"]*before[^"]*events.csv)"', page)
    assert client.get(address, headers=HOST).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["../../secret.txt", "..%2f..%2fsecret.txt", "20261124-101112-demo/../../secret.txt",
     "20261124-101112-demo/..%2f..%2fsecret.txt", "20261124-101112-demo/logs/locust.log",
     "20261124-101112-demo/link.csv", "latest/events.csv", "nobody/events.csv",
     "20261124-101112-demo//etc/passwd", "20261124-101112-demo/report/samples.csv",
     "20261124-101112-demo/other/samples.csv", "20261124-101112-demo/report/..%2fmanifest.json"],
)  # fmt: skip
def test_nothing_that_is_not_listed_is_opened(run: GrowingRun, open_ui: Open, address: str) -> None:
    """No way up, no link, no log, no other name for a run."""
    (run.directory.parents[1] / "secret.txt").write_text("secret")
    (run.directory / "logs").mkdir()
    (run.directory / "logs" / "locust.log").write_text("secret")
    (run.directory / "link.csv").symlink_to(run.directory.parents[1] / "secret.txt")
    (run.directory.parent / "latest").symlink_to(run.directory)
    (run.directory.parents[1] / "elsewhere").mkdir()
    (run.directory.parents[1] / "elsewhere" / "samples.csv").write_text("secret")
    for name in ("report", "other"):
        (run.directory / name).symlink_to(run.directory.parents[1] / "elsewhere")
    run.event(1.0, "phase", "idle")
    answer = open_ui().get(f"/soak/files/{address}", headers=HOST, follow_redirects=True)
    assert answer.status_code == 404
    assert "secret" not in answer.get_data(as_text=True)


def test_what_is_listed_is_found(run: GrowingRun) -> None:
    """The check that refuses the others lets this one through."""
    run.event(1.0, "phase", "idle")
    found = find_listed(run.directory.parent, run.directory.name, "events.csv")
    assert found == run.directory / "events.csv"


@pytest.mark.parametrize("path", ["/", "/soak", "/soak/data", "/soak/files", "/stats/requests", "/logs"])
def test_another_hosts_name_is_refused(open_ui: Open, path: str) -> None:
    """Else a page elsewhere could have its own name point here, and read along."""
    client = open_ui()
    for host in (
        "evil.example:8089", "127.0.0.1.evil.example", "[::1", "", "[::1].evil.example", "localhost/../x",
        "localhost:8089.evil.example", "localhost:8089:8089", "evil.example@localhost", "localhost:", "localhost?x",
        "localhost#x", "127.0.0.1:8\u0660", "localhost:999999",
    ):  # fmt: skip
        assert client.get(path, headers={"Host": host}).status_code == 403, host
    for host in ("127.0.0.1:8089", "localhost:8089", "[::1]:8089", "LOCALHOST"):
        assert client.get(path, headers={"Host": host}).status_code != 403


@pytest.mark.parametrize("path", ["/swarm", "/stop", "/stats/reset", "/user"])
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9000"},
     {"Origin": "ftp://127.0.0.1:8089"}, {"Origin": "http://127.0.0.1:8089/x"},
     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_another_sites_page_cannot_change_the_load(
    open_ui: Open, path: str, headers: Mapping[str, str]
) -> None:
    """Neither start, stop nor reset."""
    answer = open_ui().post(path, headers={**HOST, **headers})
    assert answer.status_code == 403
    assert "may neither read this web UI nor change the load" in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/soak/data", "/soak/files", "/stats/requests", "/logs"])
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://[::1"},
     {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}],
)  # fmt: skip
def test_another_sites_page_cannot_read(open_ui: Open, path: str, headers: Mapping[str, str]) -> None:
    """Neither by a script nor as a picture."""
    assert open_ui().get(path, headers={**HOST, **headers}).status_code == 403


def test_a_link_from_elsewhere_can_be_followed_but_not_to_a_change(open_ui: Open) -> None:
    """A chat or a ticket may link the page; a form there may not post."""
    client = open_ui()
    followed = {**HOST, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/soak", headers=followed).status_code == 200
    assert client.post("/stop", headers=followed).status_code == 403


def test_our_own_page_can(open_ui: Open, capfd: pytest.CaptureFixture[str]) -> None:
    """A reset of Locust's statistics is printed to the run, which records it."""
    headers = {**HOST, "Origin": "http://127.0.0.1:8089", "Sec-Fetch-Site": "same-origin"}
    assert open_ui().post("/stats/reset", headers=headers).status_code == 200
    assert capfd.readouterr().out == "soak: stats reset\n"


def test_no_answer_is_open_to_other_origins(open_ui: Open) -> None:
    """Locust opens all of its own."""
    answer = open_ui().get("/stats/requests", headers={**HOST, "Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


class TestLogin:
    """Locust's own form, with one user."""

    @pytest.fixture
    def client(self, open_ui: Open, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
        monkeypatch.setenv(WEB_USER, "soak")
        monkeypatch.setenv(WEB_PASSWORD, "correct horse")
        monkeypatch.setattr(web_login, "WRONG_DELAY_S", 0.0)
        return open_ui(login=True)

    @pytest.mark.parametrize(
        "path", ["/", "/soak", "/soak/data", "/soak/files", "/soak/assets/soak.js", "/stats/requests"]
    )
    def test_nothing_is_shown_before_the_login(self, client: FlaskClient, path: str) -> None:
        """Every page leads to the form."""
        answer = client.get(path, headers=HOST)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/login")

    def test_the_password_opens_it(self, client: FlaskClient) -> None:
        """With the user's name; then the pages are there."""
        assert self.log_in(client, "soak", "correct horse").headers["Location"] == "/"
        assert client.get("/soak/data", headers=HOST).status_code == 200

    @pytest.mark.parametrize(
        ("user", "password"), [("soak", "wrong"), ("root", "correct horse"), ("", ""), ("sö", "ü")]
    )
    def test_anything_else_does_not(self, client: FlaskClient, user: str, password: str) -> None:
        """The form says so."""
        assert self.log_in(client, user, password).headers["Location"] == "/login"
        assert "Wrong user or password" in client.get("/login", headers=HOST).get_data(as_text=True)
        assert client.get("/soak/data", headers=HOST).status_code == 302

    @staticmethod
    def log_in(client: FlaskClient, user: str, password: str) -> Any:
        return client.post(
            web_login.LOGIN_ADDRESS, data={"username": user, "password": password}, headers=HOST
        )


def test_a_login_without_a_password_is_no_login() -> None:
    """Locust must not come up open."""
    with pytest.raises(KeyError):
        WebLogin({WEB_USER: "soak"})


def test_what_a_reader_has_is_read_back() -> None:
    """Pairs of epoch and count."""
    assert parse_have("0.12,3.4") == [(0, 12), (3, 4)]
