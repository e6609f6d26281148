"""What can go wrong with a request, its status code, and its bounded log."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

logger = logging.getLogger("gateway")


class RequestFailedError(Exception):
    """A request that gets an error status; the message becomes the body ``{"error": message}``."""

    status = 500


class UnknownServiceError(RequestFailedError):
    """The name is neither a configured service nor an instance of one."""

    status = 404


class TooLargeError(RequestFailedError):
    """The request body is longer than the gateway takes."""

    status = 413


class InvalidBodyError(RequestFailedError):
    """The request body is not a JSON object, or is nested too deep."""

    status = 422


class UpstreamFailedError(RequestFailedError):
    """The service could not be reached, or gave no usable answer."""

    status = 502


class OverloadedError(RequestFailedError):
    """The gateway holds as much work as it may; the client should come back after ``retry_after_s``."""

    status = 503
    retry_after_s = 1


class UpstreamTimeoutError(RequestFailedError):
    """The service did not answer in time."""

    status = 504


REFUSALS: Final[tuple[type[RequestFailedError], ...]] = (
    UnknownServiceError,
    TooLargeError,
    InvalidBodyError,
    UpstreamFailedError,
    OverloadedError,
    UpstreamTimeoutError,
)


class FailureLog:
    """Counts failures by kind and logs the 1st, 10th, 100th, ... of each: days of them stay a page."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def record(self, failure: BaseException) -> None:
        """Count ``failure`` under its class; what is no RequestFailedError is logged with its traceback."""
        kind = type(failure).__name__
        self._counts[kind] += 1
        count = self._counts[kind]
        if count == 10 ** (len(str(count)) - 1):
            unforeseen = None if isinstance(failure, RequestFailedError) else failure
            logger.warning("%s, number %d: %s", kind, count, failure, exc_info=unforeseen)
