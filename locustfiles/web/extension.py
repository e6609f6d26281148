"""The additions to Locust's web UI: a guard, a login, the Memory tab, the page /soak and downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import gevent
from locust.env import Environment

from locustfiles.web.downloads import FILES_ADDRESS, Downloads
from locustfiles.web.guard import WebGuard
from locustfiles.web.live_page import PAGE_ADDRESS, SoakPage
from locustfiles.web.live_recording import LiveRecording
from locustfiles.web.login import WebLogin
from locustfiles.web.memory_tab import MemoryTab
from soak.contract import STATS_RESET, Traffic

READ_EVERY_S: Final = 1.0


class WebUi:
    """Registers the additions, and reads the run directory once a second, whether or not a page is open."""

    def __init__(self, traffic: Traffic) -> None:
        self.recording = LiveRecording(Path(traffic.out_dir), traffic.arms)
        self._greenlet: gevent.Greenlet | None = None

    def register(self, environment: Environment) -> None:
        """Extend the environment's web UI; without one nothing happens."""
        web_ui = environment.web_ui
        if web_ui is None:
            return
        WebGuard(PAGE_ADDRESS).register(web_ui)
        if web_ui.web_login:
            WebLogin().register(web_ui)
        MemoryTab(self.recording).register(web_ui)
        SoakPage(self.recording).register(web_ui)
        Downloads(self.recording.directory).register(web_ui)
        web_ui.template_args["extended_csv_files"] = [
            {"href": PAGE_ADDRESS, "title": "Memory and verdict, live"},
            {"href": FILES_ADDRESS, "title": "Reports and recordings of this run and earlier ones"},
        ]
        environment.events.reset_stats.add_listener(_print_reset)
        self._greenlet = gevent.spawn(self._follow)
        environment.events.quitting.add_listener(self.close)

    def close(self, **_: object) -> None:
        """Stop reading; idempotent."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def _follow(self) -> None:
        while True:
            self.recording.read_new()
            gevent.sleep(READ_EVERY_S)


def _print_reset(**_: object) -> None:
    # The recording is unaffected; the reset itself is recorded as an event of the run.
    print(STATS_RESET, flush=True)
