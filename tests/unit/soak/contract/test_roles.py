"""Which arms are compared, and which one is signed off."""

from __future__ import annotations

import pytest

from soak.contract import candidate_arm, compared_arms


@pytest.mark.parametrize(
    ("roles", "before", "after", "candidate"),
    [
        ({"app": ""}, "app", None, "app"),
        ({"old": "", "new": ""}, "old", "new", "new"),
        ({"new": "after", "old": "before"}, "old", "new", "new"),
        ({"old": "before"}, "old", None, None),
        ({"one": "", "two": "", "three": ""}, None, None, None),
        ({"one": "", "two": "", "three": "after"}, None, "three", "three"),
        ({"app": "", "app.leak": "control"}, "app", None, "app"),
        ({"old": "", "new": "", "new.leak": "control"}, "old", "new", "new"),
        ({"old": "before", "new": "after", "new.leak": "control"}, "old", "new", "new"),
    ],
)
def test_roles_decide_and_without_them_the_order_of_at_most_two(
    roles: dict[str, str], before: str | None, after: str | None, candidate: str | None
) -> None:
    """Of three arms without roles nobody can say which is the new one; the copy of the candidate is no build."""
    assert compared_arms(roles) == (before, after)
    assert candidate_arm(roles) == candidate


def test_a_chosen_candidate_is_the_candidate() -> None:
    """Whatever the roles."""
    assert candidate_arm({"old": "before", "new": "after"}, "old") == "old"
