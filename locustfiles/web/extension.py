"""What is added to Locust's web UI: a guard, a login, the Memory tab, the page /soak and downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import gevent
from locust.env import Environment

from locustfiles.web import downloads
from locustfiles.web import live_page as soak_page
from locustfiles.web.downloads import Downloads
from locustfiles.web.guard import WebGuard
from locustfiles.web.live_page import SoakPage
from locustfiles.web.live_recording import LiveRecording
from locustfiles.web.login import WebLogin
from locustfiles.web.memory_tab import MemoryTab
from soak.contract import STATS_RESET, Traffic

LOOK_EVERY_S: Final = 1.0


class WebUi:
    """Registers all of it, and looks into the run's directory once a second, whether or not anybody watches."""

    def __init__(self, traffic: Traffic) -> None:
        self._recording = LiveRecording(Path(traffic.out_dir), traffic.arms)
        self._greenlet: gevent.Greenlet | None = None

    def register(self, environment: Environment) -> None:
        """Extend the environment's web UI; without one nothing happens."""
        web_ui = environment.web_ui
        if web_ui is None:
            return
        WebGuard(soak_page.ADDRESS).register(web_ui)
        if web_ui.web_login:
            WebLogin().register(web_ui)
        MemoryTab(self._recording).register(web_ui)
        SoakPage(self._recording).register(web_ui)
        Downloads(self._recording.directory).register(web_ui)
        web_ui.template_args["extended_csv_files"] = [
            {"href": soak_page.ADDRESS, "title": "Memory and verdict, live"},
            {"href": downloads.ADDRESS, "title": "Reports and recordings of this run and earlier ones"},
        ]
        environment.events.reset_stats.add_listener(_tell_reset)
        self._greenlet = gevent.spawn(self._follow)
        environment.events.quitting.add_listener(self.close)

    def close(self, **_: object) -> None:
        """Stop looking; idempotent."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def _follow(self) -> None:
        while True:
            self._recording.look()
            gevent.sleep(LOOK_EVERY_S)


def _tell_reset(**_: object) -> None:
    # What is recorded stays as it is: that somebody began to count anew is part of the run.
    print(STATS_RESET, flush=True)
