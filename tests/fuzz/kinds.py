"""What is fuzzed: each kind makes one input from its randomness, gives it to the real entry point, and complains."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Protocol


class Kind(Protocol):
    """One kind of input."""

    name: str
    inputs: int
    """Number of inputs of a long run."""

    def try_one(self, random: Random) -> str:
        """Make one input and use it; return what is wrong, empty where nothing is."""

    def close(self) -> None:
        """Stop what it started."""


class Opens(Protocol):
    """Makes a kind that may write into a directory of its own."""

    def __call__(self, scratch: Path) -> Kind: ...
