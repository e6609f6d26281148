"""A commented profile to fill in, for `soak init`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from soak.config.values import IMAGE_NAME
from soak.errors import UsageError

PROFILE_TEMPLATE = Path(__file__).parent / "template.toml"
IMAGES: Final = """\
[phases]
load_s = "4h"             # the judged part, after a minute of warm-up
[limit]
memory = "1 GiB"          # of each container; the kernel kills above it. Use the limit of production
[traffic]
path = "/orders"          # POST of a JSON object; also rate_rps and request_bytes, or a locustfile
"""
"""The profile of images above its arms."""
ARM: Final = """\
[arms.{}]
role = "{}"
image = "{}"
"""
"""An arm of that profile: name, role, image. Its other keys, such as ready and listens, have defaults."""
INJECTED: Final = """\
[judge]
control = "inject"        # a copy of the image beside it, into which a known leak is injected
"""
"""The control of a profile of one image, which nothing is compared with."""
TRIAL: Final = (
    "phases.warmup_s=60",
    "phases.load_s=300",
    "sampling.quiesce_every_s=10",
    "sampling.quiesce_pause_s=1",
    "sampling.census_every_s=10",
    "judge.max_leak=200 B/request",
)
"""Settings of a trial of minutes: a margin per request that it can decide, and enough quiesce points and censuses."""


def trial_command(path: Path) -> str:
    """Return the command of a trial of minutes, indented, in lines of at most 120 columns."""
    settings = [f"--set {shlex.quote(setting)}" for setting in TRIAL]
    return (
        f"    soak run {shlex.quote(str(path))} {' '.join(settings[:3])} \\\n        {' '.join(settings[3:])}"
    )


def profile_of_images(images: Sequence[str]) -> str:
    """Return the profile of one or two images, the one of today first; raises UsageError for another number or name."""
    for image in images:
        if re.fullmatch(IMAGE_NAME, image) is None:
            raise UsageError(f'--image {image}: give the name of an image, such as "shop:2.1".')
    if len(images) > 2:
        raise UsageError(
            f"--image is given {len(images)} times: give the image of today, then the candidate."
        )
    arms = zip(("old", "new"), ("before", "after"), images, strict=False)
    if len(images) == 1:
        return IMAGES + ARM.format("new", "after", images[0]) + INJECTED
    return IMAGES + "".join(ARM.format(*arm) for arm in arms)


def write_profile(path: Path, images: Sequence[str] = ()) -> None:
    """Write the commented profile, or that of images where there are some.

    Raises UsageError when the file exists or cannot be written, and as ``profile_of_images``.
    """
    text = profile_of_images(images) if images else PROFILE_TEMPLATE.read_text(encoding="utf-8")
    if path.suffix != ".toml":
        raise UsageError(f"{path}: a profile's name ends in .toml, for example soak.toml.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} already exists and was not changed; give another name: soak init other.toml."
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); give another path.") from error
