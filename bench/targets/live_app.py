"""The targets of ``make bench-live``: one small service that leaks or, in one of several ways, only seems to.

``python -m bench.targets.live_app KIND PORT``; KIND is ``leak-200`` (bytes kept per request) or one of HEALTHY.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn

Work = Callable[[bytes], None]
"""What a request does with its body."""

ANSWER_HEADERS = [(b"content-type", b"application/json")]


def leak(size_bytes: int) -> Work:
    """Keep one object of that size from each request, for ever."""
    kept: list[bytes] = []
    overhead = sys.getsizeof(b"") + 8  # of the object, and its place in the list
    return lambda _body: kept.append(bytes(max(1, size_bytes - overhead)))


def flat() -> Work:
    """Keep nothing."""
    return lambda _body: None


def lru(entries: int = 3000) -> Work:
    """Keep the newest bodies, up to a bound: memory rises until it is met."""
    cache: OrderedDict[bytes, bytes] = OrderedDict()

    def work(body: bytes) -> None:
        cache[body] = body * 2
        if len(cache) > entries:
            cache.popitem(last=False)

    return work


def ttl(seconds: float = 20.0) -> Work:
    """Keep each body for a while."""
    queue: deque[tuple[float, bytes]] = deque()

    def work(body: bytes) -> None:
        now_s = time.monotonic()
        queue.append((now_s + seconds, body * 2))
        while queue[0][0] < now_s:
            queue.popleft()

    return work


def cycles() -> Work:
    """Leave cycles behind, which the collector finds in its own time."""

    def work(body: bytes) -> None:
        ring: list[Any] = [body + b"."]
        ring.append(ring)

    return work


def fragments(slots: int = 20_000) -> Work:
    """Replace random blocks by others of random sizes: live bytes hover while resident memory creeps."""
    draw = random.Random(1)
    blocks = [bytes(draw.randint(100, 4000)) for _ in range(slots)]

    def work(_body: bytes) -> None:
        for _ in range(5):
            blocks[draw.randrange(slots)] = bytes(draw.randint(100, 4000))

    return work


def scratch(threads: int = 16, size_bytes: int = 500_000) -> Work:
    """Let the threads of a pool keep buffers of their own: steps early on."""
    pool = ThreadPoolExecutor(threads)
    local = threading.local()

    def use() -> None:
        if not hasattr(local, "buffer"):
            local.buffer = bytearray(b"x" * size_bytes)
        time.sleep(0.005)

    def work(_body: bytes) -> None:
        pool.submit(use)

    return work


def sliding(window: int = 5000) -> Work:
    """Keep a history of fixed length."""
    history: deque[tuple[float, bytes]] = deque(maxlen=window)
    return lambda body: history.append((time.time(), body[:100]))


HEALTHY: dict[str, Callable[[], Work]] = {
    "flat": flat,
    "lru": lru,
    "ttl": ttl,
    "cycles": cycles,
    "fragments": fragments,
    "scratch": scratch,
    "sliding": sliding,
    "lru-small": lambda: lru(300),
}


def application(work: Work) -> Callable[..., Any]:
    """Return an ASGI application that does the work with each body and answers."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["method"] == "POST":
            work(body)
        await send({"type": "http.response.start", "status": 200, "headers": ANSWER_HEADERS})
        await send({"type": "http.response.body", "body": b'{"ok": true}'})

    return app


def main() -> None:
    """Serve until SIGTERM."""
    kind, port = sys.argv[1:]
    _, _, size = kind.partition("leak-")
    work = leak(int(size)) if size else HEALTHY[kind]()
    uvicorn.run(
        application(work),
        host="127.0.0.1",
        port=int(port),
        lifespan="off",
        access_log=False,
        log_level="error",
    )


if __name__ == "__main__":
    main()
