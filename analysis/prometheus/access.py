"""How Prometheus is reached: its URL, the header that identifies us, and the authorities that its certificate needs."""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from yarl import URL

from soak.errors import UsageError
from soak.regular_files import read_regular

MOST_SECRET_BYTES: Final = 64 << 10
"""Size of the largest file of a token or password that is read, bytes."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where Prometheus is, and as whom it is asked; its text has no secret."""

    url: URL
    """The address below which ``/api/v1`` lies; without user, password, query and fragment."""
    authorization: str = field(default="", repr=False)
    """The value of the header ``Authorization``; empty: none is sent."""
    secret_option: str = ""
    """The option that named the file of the secret; empty without one."""
    ca: ssl.SSLContext | None = field(default=None, repr=False)
    """The authorities of ``--ca-file``; None: those of the system."""

    def is_in(self, text: str) -> bool:
        """Return whether a text repeats the secret: the token, the password, or the header that has either."""
        kind, _, secret = self.authorization.partition(" ")
        password = base64.b64decode(secret).decode().partition(":")[2] if kind == "Basic" else ""
        return any(one and one in text for one in (secret, password))


def read_access(
    url: str, bearer_file: Path | None = None, basic_file: Path | None = None, ca_file: Path | None = None
) -> Access:
    """Return how to reach Prometheus; raises UsageError for a bad URL and for a file that cannot be used."""
    if bearer_file is not None and basic_file is not None:
        raise UsageError("--bearer-file and --basic-file exclude each other: give one.")
    option, header = "", ""
    if bearer_file is not None:
        option, header = "--bearer-file", f"Bearer {_secret('--bearer-file', bearer_file)}"
    elif basic_file is not None:
        secret = _secret("--basic-file", basic_file)
        if ":" not in secret:
            raise UsageError(f"--basic-file {basic_file}: write user:password on its one line.")
        option, header = "--basic-file", f"Basic {base64.b64encode(secret.encode()).decode()}"
    return Access(_url(url), header, option, None if ca_file is None else _authorities(ca_file))


def _url(text: str) -> URL:
    """Return the URL; no message repeats a password or a query, which may have a token."""
    try:
        url = URL(text)
        has_host = url.scheme in {"http", "https"} and bool(url.host) and url.port is not None
    except ValueError:
        has_host = False
    if not has_host:
        shown = "" if "@" in text else f" {re.split('[?#]', text)[0]}"
        raise UsageError(
            f"--prometheus{shown}: give an http or https URL, for example http://127.0.0.1:9090."
        )
    if url.user is not None or url.password is not None:
        raise UsageError(
            "--prometheus: the URL has a user or password in it, and URLs are recorded; use --basic-file."
        )
    if url.query_string or url.fragment:
        raise UsageError(
            f"--prometheus {url.origin()}{url.path}: give the URL without what begins with ? or #."
        )
    return url


def _secret(option: str, path: Path) -> str:
    """Return the one line of a file."""
    try:
        text = read_regular(path, MOST_SECRET_BYTES, follow=True).decode("ascii").strip()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be read ({error.strerror or error}).") from None
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        raise UsageError(f"{option} {path}: it must have one line of printable ASCII.")
    return text


def _authorities(path: Path) -> ssl.SSLContext:
    try:
        pem = read_regular(path, follow=True).decode("ascii")
        return ssl.create_default_context(cadata=pem)
    except OSError as error:  # also ssl.SSLError
        why = "it has no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"--ca-file {path}: cannot be used ({why or error}).") from None
    except ValueError:
        raise UsageError(f"--ca-file {path}: cannot be used (it has no certificate in PEM form).") from None
