"""Answers lines on a Unix socket, from a thread that can be stopped for a fork and started again."""

from __future__ import annotations

import errno
import os
import time
from _signal import SIG_BLOCK, pthread_sigmask, valid_signals  # type: ignore[import-not-found]
from _socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socketpair
from _socket import socket as RawSocket  # noqa: N812 - the class of the C module; socket itself costs 10 ms to import
from _thread import RLock, allocate_lock, get_native_id, stack_size, start_new_thread
from select import POLLIN, poll

from .pause import make_haste, pause
from .report import report

TYPE_CHECKING = False  # importing typing would cost every child of the target milliseconds
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

LONGEST_LINE = 64 * 1024
MOST_ADDRESS_BYTES = 107
"""Longest path that a Unix socket can be bound to, bytes."""
MOST_CLIENTS = 8
SEND_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 1.0
THREAD_GONE_TIMEOUT_S = 0.1
NO_DESCRIPTOR_PAUSE_S = 0.1
STACK_BYTES = 1 << 20


class Socket:
    """A socket whose number may have been closed, and taken by another file, behind our back.

    Programs that turn into daemons close every descriptor they did not open. Reading, writing or closing the number
    afterwards would hit a file of the target.
    """

    def __init__(self, raw: RawSocket) -> None:
        self.raw = raw
        self.fd = raw.fileno()
        self._identity = os.fstat(self.fd)[:3]  # mode, inode, device

    def is_ours(self) -> bool:
        """Return whether the number still means the socket."""
        try:
            return os.fstat(self.fd)[:3] == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Close the socket; leave the number alone when it means another file by now."""
        if self.is_ours():
            self.raw.close()
        else:
            self.raw.detach()


class Client(Socket):
    """A connection, and what it has sent of its next line."""

    def __init__(self, raw: RawSocket) -> None:
        super().__init__(raw)
        raw.settimeout(SEND_TIMEOUT_S)
        self._received = b""

    def serve(self, answer: Callable[[bytes], bytes]) -> bool:
        """Answer the lines that have arrived; return False when the connection is over."""
        if not self.is_ours():
            return False
        try:
            data = self.raw.recv(LONGEST_LINE)
            *lines, self._received = (self._received + data).split(b"\n")
            for line in lines:
                self.raw.sendall(answer(line))
            if len(self._received) > LONGEST_LINE:
                self.raw.sendall(b'{"ok": false, "error": "a request is one line of at most 64 KiB"}\n')
                return False
        except OSError:  # it has gone, or it does not read its answers
            return False
        return bool(data)


class Server:
    """Listens on ``path`` (mode 0600) and answers each line a client sends with ``answer(line)``.

    Only clients of our own user or root are served, ``MOST_CLIENTS`` at a time: one more and the oldest is dropped.
    ``on_idle`` is called, in a thread of its own, when nobody has been connected for ``idle_s`` seconds; None: never.
    Raises OSError when ``path`` cannot be bound; a socket left there by an earlier process is replaced.
    """

    def __init__(
        self,
        path: str,
        answer: Callable[[bytes], bytes],
        idle_s: float | None = None,
        on_idle: Callable[[], None] | None = None,
    ) -> None:
        self._path = path
        self._answer = answer
        self._idle_s = idle_s
        self._on_idle = on_idle
        self._alone_since_s = time.monotonic()
        self._listener = Socket(_listen(path))
        self._wake, self._waker = (Socket(end) for end in socketpair())
        self._clients: dict[int, Client] = {}  # by descriptor, oldest first
        self._poller = poll()
        self._poller.register(self._listener.fd, POLLIN)
        self._poller.register(self._wake.fd, POLLIN)
        self._wake.raw.setblocking(False)
        self._waker.raw.setblocking(False)
        self._ended = allocate_lock()
        self._native_id = 0
        self._state = RLock()  # a signal handler may fork while its own thread does
        self._runs = False
        """Whether the thread is to serve."""
        self._alive = False
        """Whether it is there, and not about to end."""

    def start(self) -> None:
        """Start the thread, unless it runs. Raises RuntimeError when the system gives no thread.

        One that was busy when it was stopped, and still is, goes on.
        """
        with self._state:
            if not self._alive:
                self._ended = allocate_lock()
                self._ended.acquire()
                self._alive = self._runs = True  # before a signal handler may fork
                try:
                    # Not a threading.Thread: the target would count it among its own, trace it, and patch it.
                    start_thread(self._run, (self._ended,))
                except RuntimeError:
                    self._alive = self._runs = False
                    raise
            self._runs = True
            make_haste(on=False)

    def stop(self) -> None:
        """Stop the thread and wait until it is gone, for ``STOP_TIMEOUT_S`` at most; connections stay open."""
        with self._state:
            if not self._runs:
                return
            self._runs = False
            make_haste(on=True)
        if self._waker.is_ours():
            try:
                self._waker.raw.send(b"s")
            except BlockingIOError:
                pass  # a thread that is busy has yet to take in what was sent before
        if self._ended.acquire(timeout=STOP_TIMEOUT_S):
            _wait_until_gone(self._native_id)

    def close(self) -> None:
        """Close the descriptors of a stopped server, or of one inherited through a fork; the file stays."""
        for held in (self._listener, self._wake, self._waker, *self._clients.values()):
            held.close()
        self._clients.clear()

    def remove(self) -> None:
        """Remove the socket's file, if it can be removed."""
        try:
            os.unlink(self._path)
        except OSError:
            pass  # its directory is gone, or the target has given up the rights to it

    def _run(self, ended: LockType) -> None:
        try:
            # A signal the target waits for with sigwait must not be delivered here instead, and a client that has gone
            # must not end a target that restored SIGPIPE.
            pthread_sigmask(SIG_BLOCK, valid_signals())
            self._native_id = get_native_id()
            self._serve()
        except BaseException as error:  # noqa: BLE001 - an error of ours must not reach the target's hooks
            report(error)
            self.close()
        finally:
            with self._state:
                if self._ended is ended:  # else there is another thread by now
                    self._alive = False
            ended.release()

    def _serve(self) -> None:
        while True:
            found = self._poller.poll(self._wait_ms())
            if not found and self._on_idle is not None:
                start_thread(self._on_idle, ())  # it waits for the end of this one
                return
            for fd, _events in found:
                if fd == self._wake.fd and self._is_stopped():
                    return
                if fd == self._listener.fd:
                    if not self._listener.is_ours():
                        return
                    self._accept()
                elif fd in self._clients and not self._clients[fd].serve(self._answer):
                    self._drop(fd)

    def _is_stopped(self) -> bool:
        """Take in what ``stop`` sent; return whether it still holds, and then be counted as gone."""
        if not self._wake.is_ours():
            return True
        try:
            while self._wake.raw.recv(4096):
                pass
        except BlockingIOError:
            pass
        with self._state:
            self._alive = self._runs
            return not self._runs

    def _wait_ms(self) -> float | None:
        """Return how long nobody has to connect until this is idle; None: there is somebody, or it never is."""
        if self._clients or self._idle_s is None:
            return None
        return max(0.0, self._alone_since_s + self._idle_s - time.monotonic()) * 1000

    def _accept(self) -> None:
        try:
            fd, _address = self._listener.raw._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                pause(NO_DESCRIPTOR_PAUSE_S)  # the client waits in line until the target has closed something
            return
        raw = RawSocket(fileno=fd)
        if not _may_ask(raw):
            raw.close()
            return
        if len(self._clients) == MOST_CLIENTS:
            self._drop(next(iter(self._clients)))
        self._clients[fd] = Client(raw)
        self._poller.register(fd, POLLIN)

    def _drop(self, fd: int) -> None:
        self._poller.unregister(fd)
        self._clients.pop(fd).close()
        self._alone_since_s = time.monotonic()


def start_thread(run: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """Start a thread that has room for our code: a target may give its own threads stacks of a few pages.

    Raises RuntimeError when the system gives no thread.
    """
    own = stack_size()
    try:
        if own:
            stack_size(STACK_BYTES)
        start_new_thread(run, arguments)
    finally:
        stack_size(own)


def _listen(path: str) -> RawSocket:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listener = RawSocket(AF_UNIX, SOCK_STREAM)
    try:
        # the file gets it, and no link that another may put there meanwhile
        os.fchmod(listener.fileno(), 0o600)
        _at_address(path, listener.bind)
    except OSError:
        listener.close()
        raise
    listener.listen(MOST_CLIENTS)
    listener.setblocking(False)
    return listener


def is_served(path: str) -> bool:
    """Return whether somebody listens at a socket, whose process need not be one that we see."""
    client = RawSocket(AF_UNIX, SOCK_STREAM)
    client.setblocking(False)
    try:
        _at_address(path, client.connect)
    except OSError as error:
        return error.errno not in (errno.ECONNREFUSED, errno.ENOENT)
    finally:
        client.close()
    return True


def _at_address(path: str, step: Callable[[str], None]) -> None:
    """Take a step with the address of a path: by its open directory where it is longer than an address may be."""
    if len(os.fsencode(path)) <= MOST_ADDRESS_BYTES:
        step(path)
        return
    directory, name = os.path.split(path)
    held = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    try:
        step(f"/proc/self/fd/{held}/{name}")
    finally:
        os.close(held)


def _may_ask(client: RawSocket) -> bool:
    _pid, uid, _gid = memoryview(client.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)).cast("I")
    return uid in (0, os.geteuid())


def _wait_until_gone(native_id: int) -> None:
    """Wait until the kernel has ended the thread: Python 3.12 counts the kernel's threads at a fork, and warns."""
    deadline = time.monotonic() + THREAD_GONE_TIMEOUT_S
    while os.path.exists(f"/proc/self/task/{native_id}") and time.monotonic() < deadline:
        pause(0.0001)
