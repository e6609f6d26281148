"""The schedule: which request starts when, the same for every arm, from the seed alone.

It is generated twice on purpose: each worker walks ``schedule`` to send its share, and the master's ledger walks
``planned_starts`` to count what is planned. So the number planned never depends on a worker's reports.
"""

from __future__ import annotations

import math
import os
import random
import string
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice

from locustfiles.schedule.rates import Segment, segments
from locustfiles.schedule.requests import Mix, PlannedRequest
from soak.contract import WARMUP, Traffic

PAYLOAD_OFFSETS = 1 << 16
"""Number of places at which one random text is cut for payloads: enough to keep them different."""
MADE_AHEAD = 16
"""Number of requests, bodies included, that are made in a row and held until they are due."""


def schedule(
    traffic: Traffic,
    start_s: float,
    environment: Mapping[str, str] = os.environ,
    *,
    share: int = 0,
    shares: int = 1,
) -> Iterator[PlannedRequest]:
    """Yield the requests of a warm-up that starts at ``start_s`` (``t_s``) and of the load, in order of planned start.

    Memory does not depend on the length of the run. The draws depend on the traffic's seed and kinds alone, so another
    set of arms or a slow one gets the same stream. Only requests whose index modulo ``shares`` is ``share`` are made.
    Raises UsageError as ``Mix``.
    """
    draw = random.Random(f"{traffic.seed} requests")
    mix = Mix(traffic, environment)
    longest_bytes = max(traffic.request_bytes, traffic.warmup_request_bytes)
    text = bytes(draw.choices(string.ascii_letters.encode(), k=longest_bytes + PAYLOAD_OFFSETS)).decode()
    for index, (offset_s, segment) in enumerate(_offsets(traffic)):
        load_s = offset_s - traffic.warmup_s
        if index % shares != share:
            draw.random(), draw.random()  # those of its service and payload
            mix.skip(load_s)
            continue
        live = live_instances(traffic, load_s)
        service = instance_name(traffic.services, live[int(draw.random() * len(live))])
        cut = int(draw.random() * PAYLOAD_OFFSETS)
        payload = partial(request_body, f"{traffic.seed}-{index}", segment.request_bytes, text, cut)
        until_s = start_s + next_pause_s(traffic, offset_s)
        yield mix.next(index, start_s + offset_s, until_s, service, payload, load_s)


def made_ahead(requests: Iterable[PlannedRequest], many: int = MADE_AHEAD) -> Iterator[PlannedRequest]:
    """Yield the requests, of which ``many`` are made in a row when the one after the last of them is asked for.

    One by one, between two waits, each takes ten times as long: by then the processor's caches hold other code.
    """
    rest = iter(requests)
    while made := list(islice(rest, many)):
        yield from made


def planned_starts(traffic: Traffic, start_s: float) -> Iterator[float]:
    """Yield the planned start (``t_s``) of each request of ``schedule``, without making the requests."""
    for offset_s, _ in _offsets(traffic):
        yield start_s + offset_s


def _offsets(traffic: Traffic) -> Iterator[tuple[float, Segment]]:
    for offset_s, segment in arrivals(segments(traffic), random.Random(f"{traffic.seed} arrivals")):
        yield around_pauses(traffic, offset_s, segment.phase), segment


def around_pauses(traffic: Traffic, offset_s: float, phase: str) -> float:
    """Return a start, seconds into the warm-up, moved out of the pauses; order, phase and period stay as they are.

    Of each period the stretch that belongs to the phase is squeezed evenly into its part before the pause.
    """
    every_s = traffic.quiesce_every_s
    if every_s is None:
        return offset_s
    load_s = traffic.warmup_s
    phase_start_s, phase_end_s = (0.0, load_s) if phase == WARMUP else (load_s, load_s + traffic.load_s)
    period = math.floor(offset_s / every_s + 1e-9)  # 0.6 / 0.2 is a little less than 3
    start_s = max(period * every_s, phase_start_s)
    end_s = min((period + 1) * every_s, phase_end_s)
    open_s = min(end_s, (period + 1) * every_s - traffic.quiesce_pause_s) - start_s
    return start_s + max(0.0, offset_s - start_s) * open_s / (end_s - start_s)


def next_pause_s(traffic: Traffic, offset_s: float) -> float:
    """Return the start of the pause after a planned start; both are seconds into the warm-up. Without pauses: inf."""
    every_s = traffic.quiesce_every_s
    if every_s is None:
        return math.inf
    return (math.floor(offset_s / every_s + 1e-9) + 1) * every_s - traffic.quiesce_pause_s


def arrivals(plan: Iterable[Segment], draw: random.Random) -> Iterator[tuple[float, Segment]]:
    """Yield (start in seconds, its segment) of each request of a plan.

    Request i starts where the plan's cumulative count reaches i + u, u uniform in [0, 1): the inverse of the cumulative
    rate at jittered points. So counts are exact within one request, and neighbours are random.
    """
    index = 0
    mark = draw.random()
    before = 0.0
    for segment in plan:
        after = before + segment.rate_rps * (segment.end_s - segment.start_s)
        while mark < after:
            yield segment.start_s + (mark - before) / segment.rate_rps, segment
            index += 1
            mark = index + draw.random()
        before = after


def live_instances(traffic: Traffic, load_s: float) -> range:
    """Return the numbers of the instances in use ``load_s`` seconds into the load; the first ones before it."""
    first = int(max(load_s, 0.0) / traffic.hour_s * traffic.instances_per_hour)
    return range(first, first + traffic.instances_live)


def instance_name(services: tuple[str, ...], number: int) -> str:
    """Return the name of an instance; numbers go round the services: orders-000, users-000, orders-001."""
    of_service, service = divmod(number, len(services))
    return f"{services[service]}-{of_service:03d}"


def request_body(request_id: str, size_bytes: int, text: str, cut: int = 0) -> str:
    """Return a JSON object of ``size_bytes`` with an id and a payload cut from ``text``, which needs no escaping.

    A size too small for the id gives an empty payload.
    """
    head = f'{{"id": "{request_id}", "payload": "'
    tail = '"}'
    return head + text[cut : cut + max(0, size_bytes - len(head) - len(tail))] + tail
