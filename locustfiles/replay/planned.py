"""The planned load of a replay: the users of one arm take requests from a stream as soon as they are free."""

from __future__ import annotations

import math
import os
import time
from typing import BinaryIO

from locustfiles.answers import fast_http
from locustfiles.answers.bounds import AnswerBounds
from locustfiles.locust_process import LocustProcess
from locustfiles.replay.gate import Gate
from locustfiles.replay.orders import ReplayOrders
from locustfiles.replay.stream import ReplayQueue, replayed
from locustfiles.schedule.requests import Mix
from locustfiles.worker.sender import lane_clients
from locustfiles.worker.user import user_class
from soak.contract import Traffic


def replay_planned(process: LocustProcess, traffic: Traffic, arm: str, orders: BinaryIO) -> None:
    """Let the process send the planned requests of an arm as ordered; raises UsageError where it cannot."""
    Mix(traffic, os.environ)  # raises here what would otherwise end the load
    now_s, most = time.monotonic, traffic.users_per_arm
    gate = Gate(now_s)
    queue = ReplayQueue(replayed(traffic), gate, most, now_s)
    for clients in lane_clients(arm, traffic, queue, now_s, lambda: math.inf, lambda **_: None):
        clients.begin()
    environment = process.environment
    environment.user_classes = [user_class(arm, traffic, queue, now_s)]
    if environment.parsed_options is not None:
        environment.parsed_options.num_users = environment.parsed_options.spawn_rate = most
    fast_http.bound_answers(AnswerBounds(traffic.max_response, traffic.network_timeout_s))
    ordered = ReplayOrders(
        orders, process, gate, lambda: not gate.in_flight and not len(queue), traffic.network_timeout_s
    )
    environment.events.spawning_complete.add_listener(ordered.follow)
