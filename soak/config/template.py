"""A commented profile to fill in, for `soak init`."""

from __future__ import annotations

from pathlib import Path

from soak.errors import UsageError

PROFILE_TEMPLATE = Path(__file__).parent / "template.toml"
NEXT = """Wrote {path}. Enter your two commands, their directories and your load, then:

    soak run {path} --dry-run    # print the plan, start nothing
    soak run {path} --set phases.warmup_s=30 --set phases.load_s=120 --set sampling.census_every_s=10    # a trial
    soak run {path}"""


def write_profile(path: Path) -> None:
    """Write the commented profile; raises UsageError when the file exists or cannot be written."""
    if path.suffix != ".toml":
        raise UsageError(f"{path}: a profile's name ends in .toml, for example soak.toml.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(PROFILE_TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UsageError(
            f"{path} already exists and was not changed; give another name: soak init other.toml."
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); give another path.") from error
