"""Which arms of a run are compared, and which one is to be signed off."""

from __future__ import annotations

from collections.abc import Mapping

from soak.contract.injection import CONTROL_ROLE


def compared_arms(roles: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the names of the arms before and after; ``roles`` holds the role of each arm, in the run's order.

    Of one or two arms without roles they are the first and the second. The copy of the candidate is not compared.
    """
    roles = {name: role for name, role in roles.items() if role != CONTROL_ROLE}
    if len(roles) <= 2 and not any(roles.values()):
        before, after = (*roles, None, None)[:2]
        return before, after
    by_role = {role: name for name, role in roles.items()}
    return by_role.get("before"), by_role.get("after")


def candidate_arm(roles: Mapping[str, str], chosen: str = "") -> str | None:
    """Return the name of the arm to sign off: the chosen one, else the one after, else the only one without a role.

    The copy of the candidate counts as none.
    """
    roles = {name: role for name, role in roles.items() if role != CONTROL_ROLE}
    before, after = compared_arms(roles)
    return chosen or after or (before if len(roles) == 1 and not any(roles.values()) else None)
