"""Waits that end by something outside the event loop: threads, sockets, processes, signals, another loop."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.support.waits.kinds import app, closers, legitimate, never, spawn

_open: list[Any] = []
"""What is closed afterwards; nothing of a task."""


def _thread(run: Callable[[threading.Event], None]) -> None:
    """Start a thread that runs until the end."""
    end = threading.Event()
    closers.append(end.set)
    threading.Thread(target=run, args=(end,), daemon=True).start()


@legitimate()
async def future_of_a_thread() -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def answers(end: threading.Event) -> None:
        end.wait()
        loop.call_soon_threadsafe(future.cancel)

    _thread(answers)
    spawn(_awaits(future))


@legitimate()
async def concurrent_future_of_a_thread() -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()

    def answers(end: threading.Event, future: concurrent.futures.Future[int] = future) -> None:
        end.wait()
        future.cancel()

    _thread(answers)
    spawn(_awaits(asyncio.wrap_future(future)))


@legitimate()
async def call_in_an_executor() -> None:
    end = threading.Event()
    closers.append(end.set)
    executor = concurrent.futures.ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()
    spawn(_awaits(loop.run_in_executor(executor, end.wait)))
    spawn(_awaits(loop.run_in_executor(executor, end.wait)))  # it has not begun


@legitimate()
async def call_in_a_thread() -> None:
    if (
        sum(isinstance(one, threading.Event) for one in _open) < 3
    ):  # the threads of the default executor are few
        end = threading.Event()
        closers.append(end.set)
        _open.append(end)
        spawn(asyncio.to_thread(end.wait))


@legitimate()
async def task_that_a_thread_cancels() -> None:
    loop = asyncio.get_running_loop()

    async def gathers() -> None:
        await asyncio.gather(never(), never())

    task = spawn(gathers())

    def cancels(end: threading.Event) -> None:
        mine = task
        end.wait()
        loop.call_soon_threadsafe(mine.cancel)

    _thread(cancels)


@legitimate()
async def loop_of_another_thread() -> None:
    if not any(isinstance(one, asyncio.AbstractEventLoop) for one in _open):
        other = asyncio.new_event_loop()
        _open.append(other)
        thread = threading.Thread(target=other.run_forever, daemon=True)
        thread.start()
        closers.append(lambda: other.call_soon_threadsafe(other.stop))
    other = next(one for one in _open if isinstance(one, asyncio.AbstractEventLoop))
    future = asyncio.run_coroutine_threadsafe(asyncio.sleep(3600), other)
    spawn(_awaits(asyncio.wrap_future(future)))


@legitimate()
async def reader_of_a_stream() -> None:
    ours, theirs = socket.socketpair()
    app.append(theirs)
    reader, writer = await asyncio.open_connection(sock=ours)

    async def reads() -> None:
        await reader.readline()
        writer.close()

    spawn(reads())


@legitimate()
async def writer_of_a_full_stream() -> None:
    ours, theirs = socket.socketpair()
    app.append(theirs)
    _, writer = await asyncio.open_connection(sock=ours)
    writer.write(bytes(4 << 20))
    spawn(writer.drain())


@legitimate()
async def connection_of_a_server() -> None:
    async def serves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    address = f"\0waits-{os.getpid()}-{len(app)}"
    server = await asyncio.start_unix_server(serves, address)
    spawn(server.serve_forever())
    client = socket.socket(socket.AF_UNIX)
    client.connect(address)
    app.append(client)


@legitimate()
async def bytes_of_a_socket() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    app.append(theirs)
    spawn(asyncio.get_running_loop().sock_recv(ours, 1))


@legitimate()
async def readable_descriptor() -> None:
    ours, theirs = socket.socketpair()
    app.append(theirs)
    _open.append(ours)
    event = asyncio.Event()
    asyncio.get_running_loop().add_reader(ours.fileno(), event.set)
    spawn(event.wait())


@legitimate()
async def writable_descriptor() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    app.append(theirs)
    _open.append(ours)
    try:
        while True:
            ours.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    event = asyncio.Event()
    asyncio.get_running_loop().add_writer(ours.fileno(), event.set)
    spawn(event.wait())


@legitimate()
async def datagram_of_a_protocol() -> None:
    class Protocol(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.answer = asyncio.get_running_loop().create_future()

    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        Protocol, local_addr=("127.0.0.1", 0)
    )
    spawn(_awaits(protocol.answer))
    del transport


@legitimate()
async def pipe_of_a_protocol() -> None:
    read, write = os.pipe()
    app.append(os.fdopen(write, "wb"))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader),
        os.fdopen(read, "rb"),
    )
    spawn(reader.read())


@legitimate()
async def end_of_a_process() -> None:
    if sum(type(one) is int for one in _open) < 2:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-S",
            "-c",
            "input()",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        spawn(process.wait())
        assert process.stdout is not None
        spawn(process.stdout.read())
        _open.append(process.pid)
        closers.append(process.kill)


@legitimate()
async def signal_of_the_loop() -> None:
    number = signal.SIGRTMIN + sum(one is signal.SIGRTMIN for one in _open)
    if number <= signal.SIGRTMAX - 5:
        _open.append(signal.SIGRTMIN)
        event = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(number, event.set)
        spawn(event.wait())


@legitimate()
async def signal_of_the_process() -> None:
    event = asyncio.Event()
    if not isinstance(signal.getsignal(signal.SIGUSR2), signal.Handlers):
        return
    signal.signal(signal.SIGUSR2, lambda *_: event.set())
    spawn(event.wait())


@legitimate()
async def call_at_exit() -> None:
    event = asyncio.Event()
    atexit.register(event.set)
    spawn(event.wait())


@legitimate()
async def object_of_c() -> None:
    event = asyncio.Event()
    box = ctypes.py_object(event)
    app.append(box)
    spawn(event.wait())


async def _awaits(future: Any) -> None:
    await future
