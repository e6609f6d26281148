"""The container of an arm, before it is started: the words of ``run`` and the lines of its env file."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from soak.containers.engine import Image
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE, PROBE_PATH

PROBE_INSIDE: Final = "/soakproof/probe"
"""Directory of the probe's code in the container: ours, mounted read-only."""
SOCKETS_INSIDE: Final = "/soakproof/run"
"""Directory of the probes' sockets in the container: a tmpfs of it, of mode 1777, since its user may be any."""
RAW_INSIDE: Final = "/soakproof/raw"
"""Directory in the container into which a replay writes what is live at its points."""
RUN_ID_AT_MOST: Final = 100
"""Characters of the run's id in the name of a container."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What to start: all that is known of an arm's container before it exists."""

    image: Image
    arm: str
    run_id: str
    unique: str
    """What sets its name apart from that of another run with the same id."""
    env_file: Path
    listens: int
    """Port at which it listens, in its own network."""
    published_at: tuple[str, int] | None
    """Address and port of this machine at which that port is published; None: its network is that of the host."""
    limit_bytes: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables on top of the image's own. Their values are never recorded."""
    options: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    raw: Path | None = None
    """Directory of ours that is RAW_INSIDE in a replay, of mode 1777, since its user may be any; else None."""

    def name(self, life: int) -> str:
        """Return the name of the container of a life."""
        run_id = re.sub(r"[^A-Za-z0-9_.-]", "_", self.run_id[:RUN_ID_AT_MOST])
        return f"soakproof-{run_id}-{self.unique}-{self.arm}-{life}"

    def argv(self, life: int) -> tuple[str, ...]:
        """Return the command line that runs a life's container in the foreground; both engines take the same."""
        limit = (
            ()
            if self.limit_bytes is None
            else ("--memory", str(self.limit_bytes), "--memory-swap", str(self.limit_bytes))
        )
        network: tuple[str, ...] = ("--network", "host")
        if self.published_at is not None:
            address, port = self.published_at
            network = ("--publish", f"{address}:{port}:{self.listens}")
        raw: tuple[str, ...] = ()
        if self.raw is not None:
            raw = ("--mount", _mount("type=bind", f"source={self.raw}", f"destination={RAW_INSIDE}"))
        return (
            self.image.engine, "run", "--name", self.name(life),
            "--label", f"soakproof.run={self.run_id}", "--label", f"soakproof.arm={self.arm}",
            "--pull", "never", "--log-driver", "none", *limit, *network,
            "--mount", _mount("type=bind", f"source={PROBE_PATH}", f"destination={PROBE_INSIDE}", "readonly"),
            "--mount", _mount("type=tmpfs", f"destination={SOCKETS_INSIDE}", "tmpfs-mode=1777"),
            *raw,
            "--env-file", str(self.env_file), *self.options,
            self.image.id.removeprefix("sha256:"), *self.args,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return the variables of its env file: its own, and those that bring in the probe.

        The image's PYTHONPATH stays, behind ours.
        """
        path = self.env.get("PYTHONPATH") or self.image.env.get("PYTHONPATH", "")
        return {
            **self.env,
            "PYTHONPATH": os.pathsep.join(filter(None, (PROBE_INSIDE, path))),
            PROBE_DIRECTORY_VARIABLE: SOCKETS_INSIDE,
        }

    def write_env_file(self) -> None:
        """Write the env file anew, for us alone to read; raises OSError."""
        self.env_file.unlink(missing_ok=True)
        lines = "".join(f"{name}={value}\n" for name, value in self.environment().items())
        descriptor = os.open(self.env_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(lines)


def _mount(*fields: str) -> str:
    """Return the value of ``--mount``, which is a line of CSV: a path may have a comma."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
