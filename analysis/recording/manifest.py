"""Reading the manifest of a run, as far as a report needs it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from soak.contract import (
    GATES,
    MANIFEST,
    MOST_REASON,
    READABLE_SCHEMAS,
    GateLimit,
    InjectedLeak,
    candidate_arm,
    compared_arms,
)
from soak.contract.units import DEFAULT_MAX_LEAK
from soak.errors import RecordingError
from soak.regular_files import read_json

LONGEST_KIND: Final = 200
"""Characters of the method and path of a kind of request that are shown, at most."""


def _plausible(amount: float) -> float:
    """Return the amount; raises ValueError where figures that are made of it would not be finite."""
    if amount and not 1e-9 <= amount <= 1e18:
        raise ValueError("it must be between 1e-9 and 1e18")
    return amount


Amount = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_plausible)]
"""A duration, a scale or a margin."""


def _in_calendar(moment: datetime) -> datetime:
    """Return the moment in UTC; raises ValueError where hours of a run before or after it would be in no calendar."""
    if not 1970 <= moment.year <= 9000:
        raise ValueError("its year must be between 1970 and 9000")
    return moment.astimezone(UTC)


class ManifestImage(BaseModel):
    """What an arm that is an image was run by."""

    model_config = ConfigDict(frozen=True)

    engine: str = Field(max_length=100)
    name: str = Field(max_length=300)
    """As the profile asked for it; what it was at that time is the arm's build."""


class ManifestArm(BaseModel):
    """One target build of the run."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[^./\x00][^/\x00]{0,99}$")
    """The name of its directory."""
    role: Literal["before", "after", "control", ""]
    """``control`` is the copy of the candidate into which a leak was injected."""
    memory_limit_bytes: int | None = Field(ge=1, le=1 << 63)
    build: str | None = Field(default=None, max_length=200)
    """What was soaked: the git revision of its directory, or the id of its image; None where neither is known."""
    image: ManifestImage | None = None
    """The image that was soaked; None of an arm that was a command."""
    url: str = Field(default="", max_length=300)
    """Where an arm ran that was not started, and stated its own readings; "" of every other arm."""
    injected: InjectedLeak | None = None
    """The injected leak; None of every arm but that copy."""


class ManifestMargin(BaseModel):
    """The leak that would matter, by exactly one of the three."""

    model_config = ConfigDict(frozen=True)

    max_leak_bytes_per_s: Amount | None = None
    max_leak_bytes_per_request: Amount | None = None
    min_time_to_oom_s: Amount | None = None
    """The leak that would meet the memory limit sooner is one that matters."""

    @model_validator(mode="after")
    def _is_one(self) -> ManifestMargin:
        margins = (self.max_leak_bytes_per_s, self.max_leak_bytes_per_request, self.min_time_to_oom_s)
        if sum(margin is not None for margin in margins) != 1:
            raise ValueError("exactly one of the three must set the margin")
        return self


class ManifestJudge(BaseModel):
    """The keys of the profile's [judge] beside the margin and the candidate."""

    model_config = ConfigDict(frozen=True)

    control: str = ""
    """The arm whose leak must be detected; empty: none."""


class ManifestPrometheus(BaseModel):
    """What Prometheus was asked."""

    model_config = ConfigDict(frozen=True)

    url: str
    """Its address, without secrets."""
    query: str = ""
    """The query of the memory; empty where only the requests are from Prometheus."""
    requests_query: str = ""
    start_query: str = ""


class ManifestReplay(BaseModel):
    """What the replay of an arm came to; it is no evidence."""

    model_config = ConfigDict(frozen=True)

    status: Literal["done", "refused", "interrupted"]
    reason: str = Field(default="", max_length=MOST_REASON)
    seconds: float = Field(ge=0, le=1e9)
    requests: int = Field(ge=0, le=1 << 63)
    passes: tuple[str, ...] = ()


class ReplayedRun(BaseModel):
    """A run that was replayed after it had ended."""

    model_config = ConfigDict(frozen=True)

    run: str
    sha256: str
    """Digest of its SHA256SUMS."""


class RunFacts(BaseModel):
    """The keys of ``manifest.json`` that ``summary.json`` repeats."""

    model_config = ConfigDict(frozen=True)

    schema_version: int
    """Schema version of the recording's files."""
    run_id: str
    profile: str
    started_wall_time: Annotated[AwareDatetime, AfterValidator(_in_calendar)]
    status: Literal["running", "complete", "interrupted", "failed"]
    status_detail: str
    limit_mechanism: str
    hour_s: Amount
    """Seconds that an hour of the incident takes."""
    memory_scale: Amount
    """The incident's bytes are divided by this."""
    incident: bool = Field(validation_alias=AliasChoices("incident", "article"))
    """Whether the profile reproduces the published incident; ``article`` in recordings of older versions."""
    planned_load_s: Annotated[float, AfterValidator(_plausible)]
    """Planned duration of the load, seconds; 0 where it is ended by hand."""
    every_s: Amount
    """Seconds between two samples."""
    missed_readings: dict[str, dict[str, int]]
    """Number of readings that were missed, by arm and reading; empty until the run has ended."""
    python: str
    attached: bool = False
    """Whether the processes were there before, under a load that is not ours and not recorded."""
    replay_of: ReplayedRun | None = None
    """The run whose recording this is, with a replay that was made later; None: a run of its own."""


class Manifest(RunFacts):
    """The keys of ``manifest.json`` that a report uses; others are let through unread."""

    arms: tuple[ManifestArm, ...] = Field(min_length=1)
    judge: ManifestJudge = ManifestJudge()
    candidate: str | None
    """The arm to sign off, which may not have been among those that ran; None: none."""
    baseline: str | None
    """The arm that limits with ``x before`` refer to; None: none."""
    margin: ManifestMargin
    gates: tuple[GateLimit, ...] = ()
    injected_bytes: dict[str, dict[str, int]] = {}
    """Bytes that were injected, by arm and kind, over all lives; empty without an injected control."""
    host: dict[str, Any] = {}
    seed: int | None = None
    config: dict[str, Any] = {}
    """The profile."""
    replay: dict[str, ManifestReplay] = {}
    """What the replay of each arm that was replayed, or refused to be, came to."""
    prometheus: ManifestPrometheus | None = None
    """What Prometheus was asked; None where it was not."""
    locustfile_sha256: str | None = None
    """Hash of the content of ``traffic.locustfile``; None where the profile names none."""

    @property
    def candidate_arm(self) -> ManifestArm | None:
        """The arm to sign off; None where there is none, or it did not run."""
        return next((arm for arm in self.arms if arm.name == self.candidate), None)

    @property
    def limit_source(self) -> str:
        """What sets the memory limit, in words: a mechanism of soak's, or whoever started an attached process."""
        return "set externally" if self.limit_mechanism == "its owner" else self.limit_mechanism

    @property
    def from_prometheus(self) -> bool:
        """Whether the memory itself is Prometheus's, and there is no run directory."""
        return self.prometheus is not None and bool(self.prometheus.query)

    @property
    def closed_loop(self) -> bool:
        """Whether users of a locustfile decided what was sent, instead of a plan."""
        traffic = self.config.get("traffic")
        return isinstance(traffic, dict) and bool(traffic.get("locustfile"))

    @property
    def only_kind(self) -> str:
        """Method and path of the only kind of request that was planned; empty where there were several, or no plan."""
        traffic = self.config.get("traffic")
        if self.closed_loop or not isinstance(traffic, dict):
            return ""
        kinds = traffic.get("requests")
        if not kinds:
            return f"POST {traffic['path']}" if isinstance(traffic.get("path"), str) else ""
        if not isinstance(kinds, list) or len(kinds) > 1 or not isinstance(kinds[0], dict):
            return ""
        return f"{kinds[0].get('method', '')} {kinds[0].get('path', '')}".strip()[:LONGEST_KIND]

    @property
    def rotates(self) -> bool:
        """Whether the kinds of requests were sent in turn, so that growth is told apart by their names."""
        traffic = self.config.get("traffic")
        return isinstance(traffic, dict) and traffic.get("mix") == "rotate"

    @field_validator("replay", mode="wrap")
    @classmethod
    def _is_no_evidence(cls, content: Any, check: ValidatorFunctionWrapHandler) -> Any:
        """Leave out what is damaged: a verdict does not depend on it."""
        try:
            return check(content)
        except ValidationError:
            return {}

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, content: Any) -> Any:
        """Resolve candidate, baseline and margin as a run does, where an older version did not write them."""
        try:
            roles = {arm["name"]: arm["role"] for arm in content["arms"]}
            judge = content.get("judge") or {"max_leak_bytes_per_s": DEFAULT_MAX_LEAK.per_s}
            resolved = {
                "candidate": candidate_arm(roles, judge.get("candidate", "")),
                "baseline": compared_arms(roles)[0],
                "margin": {key: judge.get(key) for key in ManifestMargin.model_fields},
            }
        except (AttributeError, LookupError, TypeError):
            return content  # the checks of the fields name what is wrong
        return resolved | content

    @model_validator(mode="after")
    def _arms_have_names_of_their_own(self) -> Manifest:
        names = [arm.name for arm in self.arms]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"arms: the name {twice!r} is there twice")
        return self

    @model_validator(mode="after")
    def _gates_are_known(self) -> Manifest:
        for limit in self.gates:
            if limit.gate not in GATES:
                raise ValueError(f"gates: unknown gate {limit.gate!r}, known are {', '.join(GATES)}")
        return self


def read_manifest(run_dir: Path) -> Manifest:
    """Read ``manifest.json``; raises RecordingError when it is missing, damaged or of another schema."""
    path = run_dir / MANIFEST
    if not run_dir.is_dir():
        raise RecordingError(
            f"{run_dir}: no such run directory; give one that `soak run` made, or runs/latest."
        )
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise RecordingError(
            f"{path}: missing, so {run_dir} is no run directory; give one that `soak run` made."
        ) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RecordingError(f"{path}: not readable ({why}); restore it or repeat the run.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in READABLE_SCHEMAS:
        raise RecordingError(
            f"{path}: schema_version is {version!r}, this version reads "
            f"{' and '.join(str(one) for one in READABLE_SCHEMAS)}; "
            "make the report with the version that made the recording."
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordingError(
            f"{path}: key {key}: {first['msg']}; restore the file or repeat the run."
        ) from None
