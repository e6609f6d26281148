"""What an answer of the probe may be: whatever else the target writes on its socket is refused, whole.

The target can bind that socket itself, so an answer is its own word. Only the fields that are listed here are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from soak.contract import PROBE_COLUMNS, Column
from soak.errors import SoakError

MOST: Final = 2**63
"""Largest amount that is taken, in the unit of the column."""
LONGEST_TEXT: Final = 4_000
"""Longest text that is taken, characters: a path to a holder."""
MOST_GAUGES: Final = 32
"""Largest number of gauges of a process, as the probe registers them."""
MOST_HOLDERS: Final = 256
"""Largest number of holders of an answer: that of the suspects of a question."""
MOST_ENTRIES: Final = 100
"""Largest number of entries that are described of a holder."""
MOST_GROUPS: Final = 51
"""Largest number of groups of pending tasks, that of the others included."""
LONGEST_REASON: Final = 300
"""Longest text of the target within an error, characters."""


class ProbeError(SoakError):
    """The probe did not answer, or could not do what it was asked."""


def _shown(text: str) -> str:
    """Return what may be printed, control characters as escapes."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


Amount = Annotated[int | float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=MOST)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_shown)]
GaugeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Gauges = Annotated[
    dict[GaugeName, Annotated[int | float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)]],
    Field(max_length=MOST_GAUGES),
]


class _Answer(BaseModel):
    """An answer; what it has beside its fields is dropped."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    ok: Literal[True]


class _Refusal(_Answer):
    ok: Literal[False]  # type: ignore[assignment]
    error: str


class _Problems(BaseModel):
    model_config = _Answer.model_config
    malloc: Text | None = None


class _Trim(_Answer):
    trimmed: bool | None


class _Inject(_Answer):
    held: Count


class _TracePoint(_Answer):
    traces: Annotated[int, Field(ge=0, le=MOST)] | None
    traced_bytes: Annotated[int, Field(ge=0, le=MOST)] | None
    capture_bytes: Annotated[int, Field(ge=0, le=MOST)] | None = None


class _Holder(BaseModel):
    model_config = _Answer.model_config
    holder: Text
    state: Text | None = None
    retained_bytes: Amount | None = None
    retained_whole: Annotated[int, Field(ge=0, le=1)] | None = None
    entries: (
        Annotated[
            list[Annotated[dict[Text, Amount | Text | None], Field(max_length=MOST_ENTRIES)]],
            Field(max_length=MOST_ENTRIES),
        ]
        | None
    ) = None


class _Who(_Answer):
    holders: Annotated[list[_Holder], Field(max_length=MOST_HOLDERS)]


class _WaitingTasks(BaseModel):
    model_config = _Answer.model_config
    coroutine: Text
    waits_at: Text
    source: Text
    waits_in: Text
    created: Text
    stuck: Count
    pending: Count

    @model_validator(mode="after")
    def _is_a_part(self) -> _WaitingTasks:
        if self.stuck > self.pending:
            raise ValueError("more tasks are stuck than pending")
        return self


class _Stuck(_Answer):
    refused: Text
    groups: Annotated[list[_WaitingTasks], Field(max_length=MOST_GROUPS)]


_KINDS: Final[Mapping[str, Any]] = {"number": Amount, "text": Text, "json": Gauges}


def _field(column: Column) -> Any:
    """Return the field of a column: null where it cannot be read, and missing where earlier probes lack it."""
    return (_KINDS[column.kind] | None, None if column.optional else ...)


_Sample = create_model(
    "_Sample",
    __base__=_Answer,
    problems=(_Problems, _Problems()),
    heap_s=(Amount | None, None),
    gauge_errors=(Annotated[list[GaugeName], Field(max_length=MOST_GAUGES)], []),
    **{column.name: _field(column) for column in PROBE_COLUMNS},
)
_ANSWERS: Final[Mapping[str, type[_Answer]]] = {
    "sample": _Sample,
    "collect": _Answer,
    "trim": _Trim,
    "inject": _Inject,
    "trace_begin": _Answer,
    "trace_point": _TracePoint,
    "trace_end": _Answer,
    "who": _Who,
    "stuck": _Stuck,
}
"""The answer to each op."""


def read_answer(op: str, line: bytes) -> dict[str, Any]:
    """Return the fields of an answer to ``op``, all of which are known and in their bounds.

    Raises ProbeError for an error that the probe reports, and for a line that is no answer to ``op``.
    """
    try:
        return _ANSWERS[op].model_validate_json(line).model_dump()
    except ValidationError as invalid:
        try:
            reason = _Refusal.model_validate_json(line).error
        except ValidationError:
            first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            reason = f"not an answer: {place and f'{place}: '}{first['msg']}"
        raise ProbeError(f"probe: {op}: {_shown(reason[:LONGEST_REASON])}") from None
