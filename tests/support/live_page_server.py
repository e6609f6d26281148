"""The page /soak of a recording that grows as it is told: ``python -m tests.support.live_page_server DIRECTORY``.

Prints its port; each line of its input, ``START_S STOP_S``, adds the rows of those seconds and is answered by its
resident memory in bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from locust.web import WebUI  # first of all: it replaces the sockets of all that is imported after it

# isort: split
from flask import Flask
from gevent.fileobject import FileObject
from gevent.pywsgi import WSGIServer
from psutil import Process

from locustfiles.web.live_page import SoakPage
from tests.unit.locustfiles.web.live_run import GrowingRun


def main(runs: str) -> None:
    """Serve until the input ends."""
    recording = GrowingRun(Path(runs)).recording
    recording.read_new()
    app = Flask("live")
    web_ui = SimpleNamespace(app=app, auth_required_if_enabled=lambda view: view)
    SoakPage(recording).register(cast(WebUI, web_ui))
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    print(server.server_port, flush=True)
    for line in FileObject(sys.stdin.buffer):
        for second in range(*map(int, line.split())):
            for arm in recording.arms.values():
                arm.readings.add([float(second), 1.0, 512e6 + second, 500e6, 3e6 + second, 30_000.0, 300.0])
                arm.requests.add([float(second), 300.0, 0.0, 7.9, 27.3])
        print(Process().memory_info().rss, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
