"""Exchanges with Prometheus: each has one deadline, a bounded answer, and no host but the one that was given."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from analysis.prometheus.access import Access
from analysis.prometheus.answers import MOST_ERROR, error_of, quoted
from soak.errors import RecordingError

EXCHANGE_S: Final = 120.0
"""Deadline for one exchange, from its connection to the last byte, redirects included, seconds; Prometheus itself gives
up on a query after 120 s."""
MOST_ANSWER_BYTES: Final = 256 << 20
"""Size of the largest answer that is read, bytes, as it is sent and when decompressed: a day of 1,000 series that are
scraped every 15 s has about 200 MB."""
MOST_REDIRECTS: Final = 5
"""Redirects of one exchange that are followed at most."""
CHUNK_BYTES: Final = 256 << 10
"""Bytes of an answer between two looks at its size."""


class Client:
    """Asks one Prometheus; an asynchronous context manager."""

    def __init__(
        self, access: Access, *, exchange_s: float = EXCHANGE_S, most_bytes: int = MOST_ANSWER_BYTES
    ) -> None:
        self._access = access
        self._exchange_s = exchange_s
        self._most_bytes = most_bytes

    async def __aenter__(self) -> Self:
        # Neither proxies nor .netrc of the environment: the host that was given is the only one that is asked.
        self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, endpoint: str, form: Mapping[str, str], option: str) -> bytes:
        """Return the body of a successful answer to a POST of ``form``.

        ``option`` is the one that named the query, for messages. Raises RecordingError for every failure.
        """
        url = self._access.url / "api/v1" / endpoint
        try:
            async with asyncio.timeout(self._exchange_s):
                return await self._follow(url, form, option)
        except aiohttp.ConnectionTimeoutError:
            raise RecordingError(
                f"{self._access.url}: no connection: nobody answers there; check the address."
            ) from None
        except TimeoutError:
            raise RecordingError(
                f"{self._access.url}: no whole answer to {option} within {self._exchange_s:g} s; "
                "ask for less: a shorter --since, or a narrower query."
            ) from None
        except aiohttp.ClientConnectorCertificateError as error:
            why = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
            raise RecordingError(
                f"{self._access.url}: its certificate could not be verified ({why}); name the file of the authority "
                "that signed it by --ca-file."
            ) from None
        except aiohttp.ClientSSLError as error:
            raise RecordingError(
                f"{self._access.url}: no TLS connection ({_os_reason(error)}); is it http instead of https?"
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise RecordingError(
                f"{self._access.url}: not reached ({_os_reason(error)}); does Prometheus listen there?"
            ) from None
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            raise RecordingError(
                f"{self._access.url}: no answer in HTTP ({str(error) or type(error).__name__}); does Prometheus listen "
                "there?"
            ) from None

    async def _follow(self, url: URL, form: Mapping[str, str], option: str) -> bytes:
        headers = {"Accept": "application/json"}
        if self._access.authorization:
            headers["Authorization"] = self._access.authorization
        for _ in range(MOST_REDIRECTS + 1):
            async with self._session.post(
                url, data=form, headers=headers, allow_redirects=False, ssl=self._access.ca or True
            ) as answer:
                if answer.status in {301, 302, 307, 308} and "Location" in answer.headers:
                    url = self._redirected(url, answer.headers["Location"])
                    continue
                body = await self._body(answer, option)
                self._check(answer, body, option)
                return body
        raise RecordingError(f"{self._access.url}: more than {MOST_REDIRECTS} redirects; give the last URL.")

    def _redirected(self, url: URL, location: str) -> URL:
        """Return where to ask instead: on the same host and port, or by https on its usual port."""
        there = url.join(URL(location))
        same = (there.scheme, there.host, there.port) == (url.scheme, url.host, url.port)
        if same or (there.scheme, there.host, there.port, url.scheme) == ("https", url.host, 443, "http"):
            return there
        origin = there.origin() if there.host and there.scheme else there
        raise RecordingError(
            f"{self._access.url}: redirects to another host, {origin}, which is not asked; if it is the right one, "
            "give its URL."
        )

    async def _body(self, answer: aiohttp.ClientResponse, option: str) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            body += chunk
            if len(body) > self._most_bytes:
                raise RecordingError(
                    f"{self._access.url}: the answer to {option} has more than {self._most_bytes:,} bytes; narrow the "
                    "query, for example by one job, or sum its series by (pod)."
                )
        return bytes(body)

    def _check(self, answer: aiohttp.ClientResponse, body: bytes, option: str) -> None:
        """Raise RecordingError for an answer that is no success."""
        where, status = self._access.url, answer.status
        if status == 200:
            return
        why = self._error(answer, body)
        because = f" ({why})" if why else ""
        if status in {401, 403}:
            fix = (
                f"it does not accept what {self._access.secret_option} names"
                if self._access.secret_option
                else "give --bearer-file or --basic-file"
            )
            raise RecordingError(f"{where}: refused with {status}{because}; {fix}.")
        if status in {400, 422} and why:
            raise RecordingError(f"{option}: Prometheus refused the query: {why}.")
        if status == 429 or status >= 500:
            raise RecordingError(
                f"{where}: answered {status} to {option}{because}; repeat this later, or with a shorter --since."
            )
        raise RecordingError(
            f"{where}: answered {status} ({why or answer.content_type}) to POST /api/v1; give the URL below which "
            "Prometheus's /api/v1 lies."
        )

    def _error(self, answer: aiohttp.ClientResponse, body: bytes) -> str:
        """Return the server's own error, of JSON or of a short plain text; empty without one, or with our secret.

        So is one that has the status in words alone, as Prometheus's own "Unauthorized".
        """
        why, text = error_of(body), body.decode("utf-8", "replace")
        if not why and answer.content_type == "text/plain" and len(body) <= MOST_ERROR:
            why = quoted(text)
        return "" if why == answer.reason or self._access.is_in(text) or self._access.is_in(why) else why


def _os_reason(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno or 0
    return os.strerror(number) if number in errno.errorcode else str(error.os_error)
