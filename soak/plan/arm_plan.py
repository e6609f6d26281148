"""The arms of a run before anything is started: the process of each, the container whose client that is, or a URL."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter

from soak import contract
from soak.config.arm_settings import ArmSettings
from soak.config.profile import JudgeSettings, Profile
from soak.containers.engine import Image
from soak.containers.spec import ContainerSpec
from soak.errors import UsageError
from soak.plan.ports import Ports
from soak.process.probe_injection import INJECT_VARIABLE, PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.process.spec import ProcessSpec

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - of a container's own network
"""What an app in a container of a network of its own must listen at, for its port to be published."""


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """The process of an arm, and its part in the comparison."""

    name: str
    role: str
    process: ProcessSpec
    """Its command, or the client of an engine that runs its container, as in its first life; of an arm that runs
    elsewhere where it listens, and no command."""
    injected: contract.InjectedLeak | None = None
    """The leak that is injected into the copy of the candidate; None of every other arm."""
    container: ContainerSpec | None = None
    """The container of an arm that is an image; None of every other arm."""
    metrics: str = ""
    """Path of the metrics of an arm that runs elsewhere; "" of an arm that is started."""

    @property
    def environment_names(self) -> list[str]:
        """Names of the variables that are set for it."""
        return sorted(self.process.env if self.container is None else self.container.environment())


@dataclass(frozen=True, slots=True)
class Place:
    """What the arms of one run have in common, beside the profile."""

    run_id: str
    private: Path
    """Directory of the run that nobody else may read: of the probes' sockets and the containers' env files."""
    upstreams: str | None
    """What ``{upstreams}`` stands for; None without stubs."""
    images: Mapping[str, Image]
    """The images of the arms that are one, by the arm's name."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """One arm that is planned, under the name of an arm of the profile or of its copy."""

    name: str
    key: str
    """The arm of the profile, as its keys begin: ``arms.new``."""
    settings: ArmSettings
    image: Image | None
    injects: bool = False


def plan_arms(profile: Profile, ports: Ports, place: Place) -> Iterator[ArmPlan]:
    """Yield the arms of the profile, then the copy of the candidate where that is the control.

    Raises UsageError for a port that cannot be used or is not known, and for an unknown placeholder.
    """
    for name, settings in profile.arms.items():
        arm = _Arm(name, f"arms.{name}", settings, _image(name, settings, place))
        yield _plan_arm(arm, settings.role, profile, ports, place)
    candidate = contract.candidate_arm(
        {name: arm.role for name, arm in profile.arms.items()}, profile.judge.candidate
    )
    injected, original = _injected_leak(profile.judge), profile.arms.get(candidate or "")
    if candidate and original and injected:
        if original.url is not None:
            raise UsageError(
                f"arms.{candidate} runs elsewhere, so no leak can be injected into a copy of it: name an arm with a "
                'known leak as judge.control, or leave it out instead of "inject"; then the gates decide alone.'
            )
        if original.network == "host" or original.image is None:
            _check_port_is_free(candidate, original)
        copy = original.model_copy(update={"port": None})
        image = _image(candidate, original, place)
        arm = _Arm(contract.copy_name(candidate), f"arms.{candidate}", copy, image, injects=True)
        yield replace(_plan_arm(arm, contract.CONTROL_ROLE, profile, ports, place), injected=injected)


def _image(name: str, settings: ArmSettings, place: Place) -> Image | None:
    return None if settings.image is None else place.images[name]


def _plan_arm(arm: _Arm, role: str, profile: Profile, ports: Ports, place: Place) -> ArmPlan:
    if arm.settings.url is not None:
        return _elsewhere(arm, role, profile, arm.settings.url)
    plan = _command if arm.image is None else _container
    return plan(arm, role, profile, ports, place)


def _elsewhere(arm: _Arm, role: str, profile: Profile, url: str) -> ArmPlan:
    """Return an arm that is not started, whose memory limit is not known."""
    margin_by_limit = profile.judge.min_time_to_oom is not None
    is_candidate = arm.name == contract.candidate_arm(
        {name: one.role for name, one in profile.arms.items()}, profile.judge.candidate
    )
    if margin_by_limit or (is_candidate and profile.gates.min_time_to_oom is not None):
        key, instead = (
            ("judge", "give judge.max_leak instead") if margin_by_limit else ("gates", "leave it out")
        )
        raise UsageError(
            f"{key}.min_time_to_oom: {arm.key} runs elsewhere, and its memory limit is not known; {instead}."
        )
    process = replace(_process(arm, profile, "", 0), url=url, ready="")
    return ArmPlan(arm.name, role, process, metrics=arm.settings.metrics)


def _command(arm: _Arm, role: str, profile: Profile, ports: Ports, place: Place) -> ArmPlan:
    settings, host = arm.settings, str(profile.traffic.bind_host)
    port = ports.take(settings.port, f"{arm.key}.port", host)
    words = {"python": sys.executable, "host": host, **_upstreams(place), "port": str(port), "arm": arm.name}
    env = _filled_env(arm, words)
    python_path = [str(PROBE_PATH), settings.env.get("PYTHONPATH") or os.environ.get("PYTHONPATH", "")]
    process = _process(arm, profile, host, port)
    process = replace(
        process,
        argv=tuple(_fill(word, words, f"{arm.key}.command") for word in settings.command),
        env={
            **env,
            "PYTHONPATH": os.pathsep.join(path for path in python_path if path),
            PROBE_DIRECTORY_VARIABLE: str(place.private),
        },
    )
    return ArmPlan(arm.name, role, process)


def _container(arm: _Arm, role: str, profile: Profile, ports: Ports, place: Place) -> ArmPlan:
    settings, image, host = arm.settings, arm.image, str(profile.traffic.bind_host)
    assert image is not None  # noqa: S101 - it is planned as a container for that
    is_published = settings.network == "published"
    if is_published and _uses(settings, "upstreams"):
        raise UsageError(
            f'{arm.key}: {{upstreams}} needs network = "host": the stubs listen at an address of this machine alone.'
        )
    wanted, listens = settings.port, _listens(arm, image)
    if not is_published and not _has_port(settings):
        wanted = settings.port or listens
    port = ports.take(wanted, f"{arm.key}.{'port' if settings.port else 'listens'}", host, by_engine=True)
    listens = listens if is_published else port
    words = {"host": EVERY_ADDRESS if is_published else host, "port": str(listens), "arm": arm.name}
    if not is_published:
        words |= _upstreams(place)
    container = ContainerSpec(
        image,
        arm.name,
        place.run_id,
        unique=place.private.name.removeprefix("soak-"),
        env_file=place.private / f"{arm.name}.env",
        listens=listens,
        published_at=(host, port) if is_published else None,
        limit_bytes=profile.limit.memory,
        env=_filled_env(arm, words),
        options=settings.options,
        args=tuple(_fill(word, words, f"{arm.key}.args") for word in settings.args),
    )
    process = replace(
        _process(arm, profile, host, port),
        argv=container.argv(1),
        container=(image.engine, container.name(1)),
    )
    return ArmPlan(arm.name, role, process, container=container)


def _listens(arm: _Arm, image: Image) -> int:
    """Return the port at which an image listens; raises UsageError where that is not known."""
    settings = arm.settings
    if settings.listens is not None:
        return settings.listens
    if len(image.ports) == 1:
        return image.ports[0]
    if settings.network == "host" and (settings.port or _has_port(settings)):
        return settings.port or 0
    exposed = ", ".join(map(str, image.ports)) or "none"
    or_else = "{port} in args or env" if settings.network == "host" else 'network = "host"'
    raise UsageError(
        f"{arm.key}.listens: give the port at which {image.name} listens (it exposes {exposed}), or {or_else}."
    )


def _process(arm: _Arm, profile: Profile, host: str, port: int) -> ProcessSpec:
    """Return what a command and an engine's client have in common."""
    settings, directory = arm.settings, profile.directory
    return ProcessSpec(
        name=arm.name,
        argv=(),
        cwd=(directory / settings.cwd) if settings.cwd else directory,
        url=f"http://{host}:{port}",
        ready=settings.ready,
        ready_timeout_s=settings.ready_timeout_s,
        stop_timeout_s=settings.stop_timeout_s,
    )


def _filled_env(arm: _Arm, words: Mapping[str, str]) -> dict[str, str]:
    filled = {key: _fill(value, words, f"{arm.key}.env.{key}") for key, value in arm.settings.env.items()}
    return {**filled, INJECT_VARIABLE: "1"} if arm.injects else filled


def _upstreams(place: Place) -> dict[str, str]:
    return {} if place.upstreams is None else {"upstreams": place.upstreams}


def _injected_leak(judge: JudgeSettings) -> contract.InjectedLeak | None:
    """Return the leak of the control that is a copy of the candidate; None where no such control is asked for."""
    if judge.control != contract.INJECT or judge.margin is None:
        return None
    per_request, per_s = judge.margin.per_request, judge.margin.per_s or 0.0
    rates: dict[str, float] = {kind: times * (per_request or per_s) for kind, times in judge.inject.items()}
    return contract.InjectedLeak("request" if per_request else "s", rates)


def _check_port_is_free(candidate: str, settings: ArmSettings) -> None:
    """Raise UsageError where two of the arm cannot run beside each other."""
    if _has_port(settings):
        return
    what = "command" if settings.image is None else "image"
    raise UsageError(
        f"arms.{candidate}: its {what} fixes its port, and the control is a copy of it on a port of its own. "
        'Write {port} for the port, or name an arm with a known leak as judge.control instead of "inject".'
    )


def _has_port(settings: ArmSettings) -> bool:
    """Whether the arm is told its port."""
    return _uses(settings, "port")


def _uses(settings: ArmSettings, word: str) -> bool:
    """Whether a placeholder is in the words or variables of an arm; a text that cannot be filled in has none."""
    for text in (*settings.command, *settings.args, *settings.env.values()):
        with suppress(ValueError):
            if any(name == word for _, name, _, _ in Formatter().parse(text)):
                return True
    return False


def _fill(text: str, words: Mapping[str, str], key: str) -> str:
    """Replace placeholders such as ``{port}``; other braces must be doubled."""
    filled = []
    try:
        for literal, name, form, conversion in Formatter().parse(text):
            filled += [literal, "" if name is None else words[name]]
            if form or conversion:
                raise ValueError("with a format")  # noqa: TRY301 - as Formatter's own
    except (KeyError, ValueError) as error:
        known = ", ".join(f"{{{word}}}" for word in words)
        # The text is not shown, since it may hold a secret.
        raise UsageError(
            f"{key}: cannot fill in the placeholder {error}; known here: {known}. Write a literal brace twice."
        ) from None
    return "".join(filled)
