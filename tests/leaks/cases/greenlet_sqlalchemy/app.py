"""One query by SQLAlchemy's asyncio engine, which runs each call in a greenlet."""

from serve import serve
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
QUERY = text("select :n")


async def answer(n):
    async with engine.connect() as connection:
        return {"n": (await connection.execute(QUERY, {"n": n})).scalar()}


serve(answer)
