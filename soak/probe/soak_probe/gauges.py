"""Figures that the target itself registers, such as the length of its cache."""

from __future__ import annotations

from math import isfinite

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_GAUGES = 32
LONGEST_NAME = 40
MOST = 1 << 63
"""Largest figure, and the negative of the least."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_NAME_CHARACTERS = _LETTERS | frozenset("0123456789_")

REGISTERED: dict[str, Callable[[], float]] = {}


def gauge(name: str, read: Callable[[], float]) -> None:
    """Report ``read()`` as the gauge ``name`` in every sample; the same name again replaces it.

    ``read`` returns a finite int or float, between -2**63 and 2**63. It is called about once a second in the probe's
    thread, so it must be quick and safe to call from there; the probe keeps it, and what it refers to, alive until the
    process ends.

    Raises ValueError for a name that is not ``[a-z][a-z0-9_]{0,39}`` and for the 33rd gauge.
    """
    if not (name[:1] in _LETTERS and len(name) <= LONGEST_NAME and _NAME_CHARACTERS.issuperset(name)):
        raise ValueError(f"gauge {name!r}: a name is up to {LONGEST_NAME} of a-z, 0-9 and _, a letter first")
    if name not in REGISTERED and len(REGISTERED) >= MOST_GAUGES:
        raise ValueError(
            f"gauge {name!r}: {MOST_GAUGES} gauges are registered, which is the most there can be"
        )
    REGISTERED[name] = read


def read_all(registered: Mapping[str, Callable[[], float]]) -> tuple[dict[str, float], list[str]]:
    """Return the figures by name, and the names of the gauges that raised or gave no finite number."""
    figures: dict[str, float] = {}
    failed: list[str] = []
    for name, read in list(registered.items()):
        try:
            figures[name] = _finite(read())
        except BaseException:  # noqa: BLE001 - the target's code may raise anything; the sample goes on
            failed.append(name)
    return figures, failed


def _finite(figure: float) -> float:
    """Return the figure; raises ValueError for what is none, as a proxy that says it is of the class of a number."""
    kind = type(figure)
    if kind is bool or not issubclass(kind, (int, float)) or not isfinite(figure):
        raise ValueError("no finite number")
    if not -MOST <= figure <= MOST:
        raise ValueError("larger than a gauge may be")
    return figure
