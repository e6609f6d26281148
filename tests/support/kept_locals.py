"""A program whose functions keep what ``locals()`` gave them; prints, as JSON, what the probe has made of it.

python -m tests.support.kept_locals
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "soak" / "probe"))

from soak_probe.holders.who import Suspect, who
from soak_probe.stuck.prove import Asked, prove

MANY = 25
"""Tasks that pile up: more than are at hand in a registry."""
parameters: dict[str, dict[str, Any]] = {}
"""What each function keeps, by its name."""
addresses: dict[str, int] = {}
"""Of the list that each function has in a variable."""
iterators: list[Any] = []
background: set[Any] = set()
ready, end = threading.Event(), threading.Event()


async def never() -> None:
    """Wait for what nothing sets."""
    await asyncio.Event().wait()


async def lost() -> None:
    """Wait for what nothing sets, in a task that nothing has at hand."""
    await asyncio.Event().wait()


async def coroutine(client: str, limit: int = 10) -> None:
    """Take its arguments as parameters, and wait."""
    kept = locals()
    kept.pop("client")
    parameters["coroutine"] = kept
    secret, items = "later", [[limit]]
    addresses["coroutine"] = id(items)
    await asyncio.sleep(3600)
    del secret


async def coroutine_by_vars(client: str, limit: int = 10) -> None:  # noqa: ARG001
    """Take its arguments by another name of the same."""
    kept = vars()
    kept.pop("client")
    parameters["coroutine_by_vars"] = kept
    secret = "later"
    await asyncio.sleep(3600)
    del secret


async def coroutine_by_eval(client: str, limit: int = 10) -> None:  # noqa: ARG001
    """Take its arguments in a text."""
    kept = eval("locals()")  # noqa: S307
    kept.pop("client")
    parameters["coroutine_by_eval"] = kept
    secret = "later"
    await asyncio.sleep(3600)
    del secret


async def coroutine_by_frame(client: str, limit: int = 10) -> None:  # noqa: ARG001
    """Take its arguments from its frame."""
    kept = dict(sys._getframe().f_locals) if sys.version_info >= (3, 13) else sys._getframe().f_locals
    kept.pop("client")
    parameters["coroutine_by_frame"] = kept
    secret = "later"
    await asyncio.sleep(3600)
    del secret


async def coroutine_by_inspect(client: str, limit: int = 10) -> None:  # noqa: ARG001
    """Take its arguments as the module inspect gives them."""
    frame: Any = inspect.currentframe()
    kept: Any = inspect.getargvalues(frame).locals
    kept = dict(kept) if sys.version_info >= (3, 13) else kept
    del kept["client"], frame
    parameters["coroutine_by_inspect"] = kept
    secret = "later"
    await asyncio.sleep(3600)
    del secret


def generator(client: str, limit: int = 10) -> Iterator[None]:
    """Take its arguments, and stop."""
    kept = locals()
    kept.pop("client")
    parameters["generator"] = kept
    secret, items = "later", [[limit]]
    addresses["generator"] = id(items)
    yield
    del secret


async def asynchronous_generator(client: str, limit: int = 10) -> AsyncIterator[None]:
    """Take its arguments, and stop."""
    kept = locals()
    kept.pop("client")
    parameters["asynchronous_generator"] = kept
    secret, items = "later", [[limit]]
    addresses["asynchronous_generator"] = id(items)
    yield
    del secret


def thread(client: str, mine: list[Any], limit: int = 10) -> None:
    """Take its arguments, and run until the end."""
    kept = locals()
    kept.pop("client")
    parameters["thread"] = kept
    secret, items = "later", [[limit]]
    addresses["thread"] = id(items)
    ready.set()
    end.wait()
    del secret


async def plain_coroutine() -> None:
    """Have a list, and no ``locals()``."""
    items = [[1]]
    addresses["plain_coroutine"] = id(items)
    await asyncio.sleep(3600)


def plain_generator() -> Iterator[None]:
    """Have a list, and no ``locals()``."""
    items = [[1]]
    addresses["plain_generator"] = id(items)
    yield


def plain_thread() -> None:
    """Have a list, and no ``locals()``."""
    items = [[1]]
    addresses["plain_thread"] = id(items)
    ready.set()
    end.wait()


def start_thread(function: Any, *arguments: Any) -> None:
    """Return when it waits."""
    ready.clear()
    threading.Thread(target=function, args=arguments, name="pump", daemon=True).start()
    ready.wait()


async def set_up() -> None:
    """Have all of it wait; nothing of it stays in a variable of the caller."""
    background.update(asyncio.ensure_future(lost()) for _ in range(MANY))
    for function in (
        coroutine,
        coroutine_by_vars,
        coroutine_by_eval,
        coroutine_by_frame,
        coroutine_by_inspect,
    ):
        background.add(asyncio.ensure_future(function("client")))
    background.add(asyncio.ensure_future(plain_coroutine()))
    iterators.extend((generator("client"), plain_generator(), asynchronous_generator("client")))
    next(iterators[0])
    next(iterators[1])
    await iterators[2].__anext__()
    start_thread(thread, "client", [asyncio.ensure_future(never())])
    start_thread(plain_thread)
    await asyncio.sleep(0)


def names() -> dict[str, list[str]]:
    """Return the names of what each function keeps."""
    return {function: sorted(kept) for function, kept in parameters.items()}


def look(found: dict[str, Any]) -> None:
    """Ask the probe, as its own thread does."""
    found["before"] = names()
    answer = who([Suspect(address, "builtins.list", 1) for address in addresses.values()], 20.0)
    found["after_who"] = names()
    found["holders"] = {name: one["holder"] for name, one in zip(addresses, answer["holders"])}  # noqa: B905
    found["states"] = {name: one.get("state") for name, one in zip(addresses, answer["holders"])}  # noqa: B905
    proof = prove(Asked(30.0, None))
    found["after_stuck"] = names()
    found["refused"] = proof["refused"]
    found["stuck"] = {group["coroutine"]: group["stuck"] for group in proof["groups"]}


async def main() -> dict[str, Any]:
    """Return what was found."""
    found: dict[str, Any] = {}
    await set_up()
    await asyncio.to_thread(look, found)
    end.set()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.new_event_loop().run_until_complete(main())))
    sys.stdout.flush()
    os._exit(0)  # what still waits is no error
