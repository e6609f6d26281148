"""A real Prometheus with data of days that are made at once."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.monitoring import prometheus, promtool
from tests.support.ports import free_port

PATIENCE_S = 60.0


def block_of(text: Iterable[str], place: Path) -> Path:
    """Make a data directory of lines in the OpenMetrics format, without the last line; return it."""
    source, data = place / "metrics.txt", place / "data"
    with source.open("w") as file:
        file.writelines(text)
        file.write("# EOF\n")
    command = [
        promtool(),
        "tsdb",
        "create-blocks-from",
        "--max-block-duration=744h",
        "openmetrics",
        str(source),
        str(data),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    source.unlink()
    return data


@contextmanager
def serving(data: Path, place: Path, *arguments: str) -> Iterator[str]:
    """Run Prometheus on a data directory until the end of the block; yield its URL."""
    config, port = place / "prometheus.yml", free_port()
    config.write_text("global: {scrape_interval: 1h}\n")
    argv = [
        prometheus(), f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=warn",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=1000d", *arguments,
    ]  # fmt: skip
    with (
        (place / "prometheus.log").open("wb") as log,
        subprocess.Popen(argv, stdout=log, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not _is_ready(port):
                assert process.poll() is None, (place / "prometheus.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _is_ready(port: int) -> bool:
    """Return whether the server answers anything, be it that it wants TLS or a password."""
    url = f"http://127.0.0.1:{port}/-/ready"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code in {400, 401}
    except OSError:
        return False
