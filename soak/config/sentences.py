"""What is wrong with a profile, as a sentence with its key and the fix."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterator, Sequence
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from soak.config.profile import Profile
from soak.config.request_settings import HEADER_NAME, HEADER_VALUE, REQUEST_NAME
from soak.config.values import ARM_NAME, IMAGE_NAME, SERVICE_NAME, URL_PATH, VARIABLE_NAME

FROM_THE_FILE: Final = ("name", "directory")
"""Fields of a profile that its path sets, not its text."""
NEAR_SHARE: Final = 0.75
"""Share of its characters by which a key of another table must resemble an unknown one to be suggested."""
SENTENCES: Final = {
    "greater_than": "must be above {gt:,.10g}",
    "greater_than_equal": "must be at least {ge:,.10g}",
    "less_than_equal": "must be at most {le:,.10g}",
    "finite_number": "must be a finite number",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    "string_type": "give a text in quotes",
    "path_type": "give a path in quotes",
    "tuple_type": 'give a list, such as ["a", "b"]',
    "dict_type": 'give a table, such as {{ NAME = "value" }}',
    "model_type": "give a table of keys",
    "model_attributes_type": "give a table of keys",
    "literal_error": "give {expected}",
    "too_short": "give at least one",
    "too_long": "give at most {max_length}",
    "ip_v4_address": 'give an IPv4 address, such as "10.0.0.5"',
}
"""The sentence of an invalid value by pydantic's type of error; the braces are its figures."""
PATTERNS: Final = {
    ARM_NAME: "an arm's name has lower-case letters, digits and _, at most 32, and begins with a letter",
    URL_PATH: "give a URL path that begins with / and has no spaces",
    SERVICE_NAME: "a service's name is 1 to 63 letters, digits, '.', '_' or '-', and begins with a letter or digit",
    IMAGE_NAME: 'give the name of an image, such as "shop:2.1"',
    REQUEST_NAME: "a request's name has 1 to 80 printable characters of ASCII and no space at its ends",
    HEADER_NAME: "a header's name has letters, digits and '-', at most 64",
    HEADER_VALUE: "a header's value has printable characters of ASCII only",
    VARIABLE_NAME: "the name of an environment variable is not empty and has no '='",
}
"""The sentence of a text that does not match, by the pattern."""
SHORT: Final = reprlib.Repr()
"""Shortens a value to about 120 characters."""
SHORT.maxstring = SHORT.maxother = 120
UNION_TAG: Final = re.compile(r"constrained-\w+|dict\[.*\]")
"""Parts that pydantic adds to the place of a value that may be of several types."""


def first_sentence(error: ValidationError) -> str:
    """Return the first fault with its key and, for an unknown key, the nearest valid one."""
    first = _first(error)
    location = [str(part) for part in first["loc"] if not UNION_TAG.fullmatch(str(part)) and part != "[key]"]
    if "env" in location:  # what follows '=' is the value
        location[-1] = location[-1].partition("=")[0]
    place = ".".join(location)
    more = f" ({error.error_count() - 1} more like this.)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key '{place}': {_near_keys(location)}{more}"
    if first["type"] == "missing":
        return f"'{place}' is missing.{more}"
    # an environment, headers and a URL may hold a secret
    given = "" if {"env", "headers", "url"} & set(location) else _given(first["input"])
    at = f"'{place}': " if place else ""
    return f"{at}{_sentence(first)}{given}.{more}"


def without_count(sentence: str) -> str:
    """Return the sentence of a first fault without the number of further ones."""
    return re.sub(r" \(\d+ more like this\.\)$", "", sentence)


def _given(value: object) -> str:
    """Return a value as it was given, shortened; a table is left out, since an environment may be in it."""
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(one, dict | list) for one in value)
    ):
        return ""
    return f" (it is {SHORT.repr(value)})"


def _first(error: ValidationError) -> ErrorDetails:
    """Return the first fault; of a value that may be of several types, the one that lies deepest in it."""
    errors = error.errors()
    place = list(map(str, errors[0]["loc"]))
    tag = next((at for at, part in enumerate(place) if UNION_TAG.fullmatch(part)), None)
    if tag is None:
        return errors[0]
    return max(
        (one for one in errors if one["loc"][:tag] == errors[0]["loc"][:tag]), key=lambda one: len(one["loc"])
    )


def _sentence(fault: ErrorDetails) -> str:
    if fault["type"] == "string_pattern_mismatch":
        return PATTERNS[fault["ctx"]["pattern"]]
    if fault["type"] in SENTENCES:
        return SENTENCES[fault["type"]].format(**fault.get("ctx", {}))
    return fault["msg"].removeprefix("Value error, ")


def _near_keys(location: Sequence[str]) -> str:
    """Return what an unknown key may have been meant to be: a key of its table, else one of another table."""
    model: type[BaseModel] = Profile
    for part in location[:-1]:
        if (field := model.model_fields.get(part)) is not None:
            model = table_within(field.annotation) or model
    known = [key for key in model.model_fields if key not in FROM_THE_FILE]
    unknown = location[-1]
    if near := difflib.get_close_matches(unknown, known, n=1):
        return f"did you mean '{near[0]}'?"
    elsewhere = {key.rpartition(".")[2]: key for key in keys_of(Profile)}
    if near := difflib.get_close_matches(unknown, elsewhere, n=1, cutoff=NEAR_SHARE):
        return f"did you mean '{elsewhere[near[0]]}'?"
    return f"valid here: {', '.join(known)}."


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the keys of a profile with their tables: ``phases.load_s``, ``arms.NAME.command``."""
    for name, field in model.model_fields.items():
        table = table_within(field.annotation)
        if table is not None:
            yield from keys_of(table, f"{prefix}{name}." + ("NAME." if name == "arms" else ""))
        elif prefix or name not in FROM_THE_FILE:
            yield f"{prefix}{name}"


def table_within(annotation: object) -> type[BaseModel] | None:
    """Return the model in the type of a field: of a table, of one that may be left out, or of a table of tables."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for part in get_args(annotation) if (table := table_within(part))), None)
