"""Templates: placeholders are found, others are refused, and braces of JSON stay."""

from __future__ import annotations

import pytest

from soak.contract.templates import (
    EVERYWHERE,
    FORMS,
    IN_BODIES,
    IN_HEADERS,
    Part,
    header_from,
    parse_template,
)


def test_placeholders_and_text() -> None:
    """A template is its literal text and its placeholders, in order."""
    assert parse_template("/a/{n}/{choice:x|y z|}-{uuid}{service}", EVERYWHERE) == (
        Part("", "/a/"),
        Part("n"),
        Part("", "/"),
        Part("choice", "x|y z|"),
        Part("", "-"),
        Part("uuid"),
        Part("service"),
    )
    assert Part("choice", "x|y z|").choices == ("x", "y z", "")


@pytest.mark.parametrize(
    "text", ["", "plain", "{}", "{ n }", '{"a": {"b": 1}}', "{1,2}", "{", "}", "}{", '{"a":[{}]}']
)
def test_braces_around_no_name_are_literal(text: str) -> None:
    """JSON needs no escapes."""
    assert "".join(part.text for part in parse_template(text, IN_BODIES)) == text


def test_doubled_braces_are_literal() -> None:
    """The text of a placeholder can be sent."""
    assert parse_template("{{n}}-{n}", EVERYWHERE) == (Part("", "{n}"), Part("", "-"), Part("n"))


@pytest.mark.parametrize(
    ("text", "known", "named"),
    [
        ("/a/{id}", EVERYWHERE, "{id}"),
        ("{user-id}", EVERYWHERE, "{user-id}"),
        ("{payload}", EVERYWHERE, "{payload}"),
        ("{env:TOKEN}", EVERYWHERE, "{env:}"),
        ("{env:TOKEN}", IN_BODIES, "{env:}"),
        ("{choice}", IN_BODIES, "{choice}"),
        ("{choice:}", IN_BODIES, "{choice:}"),
        ("{n:3}", IN_BODIES, "{n:}"),
        ("{env}", IN_HEADERS, "{env}"),
        ('{"a": {"b": "{what}"}}', IN_BODIES, "{what}"),
    ],
)
def test_unknown_placeholders_are_refused_with_the_known_ones(
    text: str, known: tuple[str, ...], named: str
) -> None:
    """The message names the placeholder and every known form, and nothing else of the text."""
    with pytest.raises(ValueError, match="unknown placeholder") as refused:
        parse_template(text, known)
    message = str(refused.value)
    assert message.startswith(f"unknown placeholder {named};")
    assert all(FORMS[one] in message for one in known)
    assert "TOKEN" not in message


@pytest.mark.parametrize("value", ["", "tok\nen", "tok\ren", "schlüssel", "a\0b", "\x7f"])
def test_a_variable_that_no_header_can_have(value: str) -> None:
    """It is refused by its name, without its value."""
    with pytest.raises(ValueError, match="TOKEN") as refused:
        header_from({"TOKEN": value}, "TOKEN")
    assert not value or value not in str(refused.value)
    assert header_from({"TOKEN": "abc def"}, "TOKEN") == "abc def"
