"""Logs in by SSH with a wrong password and closes the connection; its client is closed, too, or is not."""

import asyncio
import socket
import sys
import threading

import paramiko
from fabric import Connection
from serve import HOST, serve

KEEPS = sys.argv[2] == "1"
WRONG = {"password": "wrong", "look_for_keys": False, "allow_agent": False}
key = paramiko.ECDSAKey.generate()
listener = socket.create_server((HOST, 0), backlog=100)


def refuse_all():
    while True:
        transport = paramiko.Transport(listener.accept()[0])
        transport.add_server_key(key)
        transport.start_server(
            event=threading.Event(), server=paramiko.ServerInterface()
        )  # which refuses everybody


def log_in():
    connection = Connection(HOST, user="nobody", port=listener.getsockname()[1], connect_kwargs=WRONG)
    try:
        connection.open()
    except paramiko.AuthenticationException:
        return "refused"
    finally:
        connection.close()
        if not KEEPS:
            connection.client.close()
    return "let in"


async def answer(n):
    return {"n": n, "login": await asyncio.to_thread(log_in)}


threading.Thread(target=refuse_all, daemon=True).start()
serve(answer)
