"""Templates of planned requests: text with placeholders such as ``{n}``, filled in for each request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NUMBER: Final = "n"
UUID: Final = "uuid"
CHOICE: Final = "choice"
SERVICE: Final = "service"
PAYLOAD: Final = "payload"
ENV: Final = "env"
EVERYWHERE: Final = (NUMBER, UUID, CHOICE, SERVICE)
"""Placeholders of paths, queries, headers and bodies."""
IN_BODIES: Final = (*EVERYWHERE, PAYLOAD)
"""Placeholders of bodies."""
IN_HEADERS: Final = (*EVERYWHERE, ENV)
"""Placeholders of the values of headers."""
FORMS: Final = {
    NUMBER: "{n}",
    UUID: "{uuid}",
    CHOICE: "{choice:a|b|c}",
    SERVICE: "{service}",
    PAYLOAD: "{payload}",
    ENV: "{env:NAME}",
}
"""How each placeholder is written."""
_NAME: Final = r"[A-Za-z_][\w.-]*(?::[^{}]*)?"
_PLACEHOLDER: Final = re.compile(rf"\{{\{{({_NAME})\}}\}}|\{{({_NAME})\}}")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a template: literal text, or a placeholder and what follows its colon."""

    placeholder: str
    """One of FORMS; empty for literal text."""
    text: str = ""
    """The literal text, or the argument of the placeholder."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts of a choice."""
        return tuple(self.text.split("|"))


def parse_template(text: str, known: tuple[str, ...]) -> tuple[Part, ...]:
    """Return the parts of a template; raises ValueError for a placeholder that is not among the known ones.

    ``{{n}}`` is the literal text ``{n}``. Braces around anything but a name, as those of JSON, are literal. The message
    names the placeholder and no other part of the text.
    """
    parts, end = [], 0
    for found in _PLACEHOLDER.finditer(text):
        parts.append(Part("", text[end : found.start()]))
        end = found.end()
        if found[1] is not None:
            parts.append(Part("", f"{{{found[1]}}}"))
            continue
        name, colon, argument = found[2].partition(":")
        takes = name in (CHOICE, ENV)
        if name not in known or takes != bool(colon) or (takes and not argument):
            forms = ", ".join(FORMS[one] for one in known)
            raise ValueError(
                f"unknown placeholder {{{name}{colon}}}; known here: {forms}. "
                f"Literal text is written {{{{{name}}}}}"
            )
        parts.append(Part(name, argument))
    parts.append(Part("", text[end:]))
    return tuple(part for part in parts if part.placeholder or part.text)


def header_from(environment: Mapping[str, str], variable: str) -> str:
    """Return the part of a header that a variable holds.

    Raises ValueError, without the value, where it is not set, is empty or cannot be sent.
    """
    value = environment.get(variable, "")
    if not value:
        raise ValueError(
            f"the environment variable {variable} is not set or empty; set it where the load is started"
        )
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"the environment variable {variable} has characters that no header can have")
    return value
