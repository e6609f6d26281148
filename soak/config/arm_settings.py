"""An arm in a profile: a command, an image that podman or docker runs, or the URL of what runs elsewhere."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from soak.config.values import (
    ImageName,
    Port,
    ProfileTable,
    Ready,
    Seconds,
    Url,
    UrlPath,
    VariableName,
    WordList,
    Words,
)
from soak.contract.protocol import LOOPBACK

OF_AN_IMAGE: Final = ("args", "options", "network", "listens", "engine")
"""Keys of an arm that is an image alone."""
OF_WHAT_IS_STARTED: Final = ("cwd", "env", "port", "ready", "stop_timeout_s")
"""Keys of an arm that is started: a command or an image."""
SET_BY_US: Final = {
    ("d", "detach"): "the container stays in the foreground",
    ("e", "env", "env-file"): "write arms.NAME.env, which stays out of command lines and recordings",
    ("m", "memory", "memory-swap"): "set limit.memory",
    ("p", "publish"): "set arms.NAME.listens",
    ("name", "log-driver", "pull", "rm"): "soakproof sets it",
    ("net", "network"): "set arms.NAME.network",
    ("restart",): "soakproof starts the next life",
    ("t", "tty"): "signals would not reach the container",
}
"""Options of ``run`` that an arm may not have, without their dashes, with the reason or the fix."""
SWITCHES: Final = "iPq"
"""Letters of ``run`` without a value that an arm may have: behind one dash, another option follows them."""


class ArmSettings(ProfileTable):
    """One build of the target: any command that listens on ``{port}``, an image, or what runs elsewhere."""

    command: WordList = ()
    """Command of the arm, a list of words; this, `image` or `url`"""
    image: ImageName | None = None
    """Image of the arm, which is on this machine, instead of `command`"""
    url: Url | None = None
    """Where the arm runs that is not started here ("http://10.0.0.7:8000"), instead of `command`"""
    metrics: UrlPath = "/metrics"
    """Path at which the process at `url` exports its own memory, for Prometheus"""
    args: Words = ()
    """Arguments of the container, a list of words, instead of the image's CMD"""
    options: Words = ()
    """More options of `podman run` or `docker run`, a list of words, such as volumes; with absolute paths"""
    network: Literal["published", "host"] = "published"
    """Network of the container: "published", which publishes one port of it, or "host", which `{upstreams}` needs"""
    listens: Port | None = None
    """Port at which the image listens inside the container"""
    engine: Literal["podman", "docker", ""] = ""
    """Engine, "podman" or "docker", that runs the image"""
    role: Literal["before", "after", ""] = ""
    """Role of the arm in the comparison: "before", "after", or none"""
    optional: bool = False
    """Whether the arm runs only when named: `soak run mine.toml --arms old,new`"""
    cwd: Path | None = None
    """Working directory of the arm, relative to the profile"""
    env: Annotated[dict[VariableName, str], Field(default_factory=dict)]
    """Environment variables, added to the inherited ones or the image's; recorded by name only"""
    port: Port | None = None
    """Port on which the arm listens, or where the container's port is published"""
    ready: Ready = "/healthz"
    """Condition for readiness: "port", "log: words", or a path"""
    ready_timeout_s: Seconds = 30.0
    """Seconds for the arm to get ready"""
    stop_timeout_s: Seconds = 10.0
    """Seconds from SIGTERM to SIGKILL when the arm is stopped; after Ctrl-C counted from there, and 2 s less"""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of an arm that runs elsewhere, the same for each way to write them; None of every other arm."""
        if self.url is None:
            return None
        url = urlsplit(self.url)
        host = (url.hostname or "").rstrip(".")
        with suppress(ValueError):  # a name
            host = str(ip_address(host))
        return LOOPBACK if host == "localhost" else host, url.port or 80

    @model_validator(mode="after")
    def _is_one_of_three(self) -> ArmSettings:
        kinds = {"command": bool(self.command), "image": bool(self.image), "url": bool(self.url)}
        if sum(kinds.values()) != 1:
            fix = "keep one of them" if any(kinds.values()) else "give one of them"
            raise ValueError(f"an arm has a command, an image or a url: {fix}")
        kind = next(name for name, given in kinds.items() if given)
        if self.image is None:
            self._lacks(OF_AN_IMAGE, f"belongs to an arm with an image; this one has a {kind}")
        elif self.cwd is not None:
            raise ValueError(
                'cwd belongs to an arm with a command; an image has options = ["--workdir", "/srv"]'
            )
        if self.url is None:
            self._lacks(("metrics",), f"belongs to an arm with a url; this one has a {kind}")
        else:
            self._lacks(OF_WHAT_IS_STARTED, "belongs to an arm that is started; this one has a url")
        return self

    def _lacks(self, keys: tuple[str, ...], why: str) -> None:
        """Raise ValueError where one of the keys is given."""
        for key in keys:
            default = type(self).model_fields[key].get_default(call_default_factory=True, validated_data={})
            if getattr(self, key) != default:
                raise ValueError(f"{key} {why}")

    @model_validator(mode="after")
    def _fits_an_engine(self) -> ArmSettings:
        """A line of an env file is a variable; what an option of ours is given twice for, the engine decides."""
        if self.image is None:
            return self
        for name, value in self.env.items():
            if "\n" in value or "\r" in value:
                raise ValueError(
                    f"env.{name} has a line break, which no container's env file holds; use a file"
                )
            if re.search(r"\s|^#", name):
                raise ValueError(f"env: the name of a container's variable has no spaces and no # ({name!r})")
        for option in self.options:
            if (found := re.match(rf"--(\w[\w-]*)|-[{SWITCHES}]*(\w)", option)) is None:
                continue
            for names, why in SET_BY_US.items():
                if (found[1] or found[2]) in names:
                    raise ValueError(f"options may not have {found[0]}: {why}")
        return self
