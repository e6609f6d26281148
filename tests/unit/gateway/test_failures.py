import pytest

from gateway.failures import FailureLog, TooLargeError, UpstreamFailedError


def test_the_log_stays_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand failures of a kind are four lines, each with the count; another kind has its own count."""
    log = FailureLog()
    for number in range(1, 1001):
        log.record(UpstreamFailedError(f"failure {number}"))
    log.record(TooLargeError("too large"))
    assert caplog.messages == [
        "UpstreamFailedError, number 1: failure 1",
        "UpstreamFailedError, number 10: failure 10",
        "UpstreamFailedError, number 100: failure 100",
        "UpstreamFailedError, number 1000: failure 1000",
        "TooLargeError, number 1: too large",
    ]


def test_only_a_defect_has_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """A refused request is logged as a line; an exception nobody foresaw with its traceback."""
    log = FailureLog()
    log.record(TooLargeError("too large"))
    log.record(KeyError("planted"))
    assert [record.exc_info is not None for record in caplog.records] == [False, True]
