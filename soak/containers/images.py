"""The images of a profile's arms, found before anything is planned."""

from __future__ import annotations

from soak.config.profile import Profile
from soak.containers.engine import Image, find_image


def images_of(profile: Profile) -> dict[str, Image]:
    """Return the image of each arm that is one, by the arm's name; raises UsageError where no engine has it."""
    return {
        name: find_image(arm.image, f"arms.{name}.image", arm.engine)
        for name, arm in profile.arms.items()
        if arm.image is not None
    }
