"""Formats a date by a pattern that holds the request's number."""

from datetime import UTC, datetime

from babel.dates import format_datetime
from serve import serve

WHEN = datetime(2023, 3, 1, 12, 30, tzinfo=UTC)


async def answer(n):
    return {"date": format_datetime(WHEN, f"yyyy-MM-dd 'ticket {n}'", locale="en")}


serve(answer)
