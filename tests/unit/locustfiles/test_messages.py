from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from locust.rpc import Message

from locustfiles.counts import Second
from locustfiles.messages import BEGIN, SECOND_REPORT, Begin, SecondReport, fingerprint
from soak.contract import Traffic


def test_messages_survive_locusts_wire() -> None:
    """What a message carries is read back on the other side."""
    begin = Begin(seed=7, start_s=12.5, in_s=1.25, share=1, shares=3)
    report = SecondReport(12, {"leaky": Second(sent=3, ok=3)}, last=True)
    sent = [Message(BEGIN, asdict(begin), "worker"), Message(SECOND_REPORT, report.pack(), "worker")]
    first, second = (Message.unserialize(message.serialize()).data for message in sent)
    assert Begin(**first) == begin
    read = SecondReport.unpack(second)
    assert (read.second, read.last, read.arms["leaky"].cells()) == (12, True, report.arms["leaky"].cells())


def test_a_copy_of_the_plan_is_known(make_traffic: Callable[..., Traffic]) -> None:
    """Directory, clock and URLs may differ on another machine; anything else is another plan."""
    ours = fingerprint(make_traffic())
    elsewhere = {"leaky": "http://10.0.0.1:1", "fixed": "http://10.0.0.1:2"}
    assert fingerprint(make_traffic(out_dir="/elsewhere", t0_monotonic_s=99.0, arms=elsewhere)) == ours
    assert fingerprint(make_traffic(seed=8)) != ours
    assert fingerprint(make_traffic(arms={"leaky": "http://127.0.0.1:1"})) != ours
    assert fingerprint(make_traffic(rate_rps=41.0)) != ours
