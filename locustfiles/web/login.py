"""The login of Locust's web UI: Locust's own form, one user, and a password from the environment."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping
from typing import Final, cast

import gevent
from flask import Flask, Response, redirect, request, session, url_for
from flask_login import LoginManager, UserMixin, login_user
from gevent.lock import BoundedSemaphore
from locust.web import WebUI

from soak.contract import WEB_PASSWORD, WEB_USER

LOGIN_ADDRESS: Final = "/soak/login"
WRONG_DELAY_S: Final = 1.0
"""Delay of the answer to a wrong password, seconds; one at a time, so that passwords cannot be tried fast."""


class _User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


class WebLogin:
    """Asks for user and password where Locust was started with ``--web-login``."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Take the user and password; raises KeyError when one is not set."""
        self._user = environment[WEB_USER]
        self._password = environment[WEB_PASSWORD]
        self._one_at_a_time = BoundedSemaphore(1)

    def register(self, web_ui: WebUI) -> None:
        """Add the check to the web UI; its sessions end with the process."""
        app = cast(Flask, web_ui.app)
        app.secret_key = secrets.token_bytes(32)
        app.config.update(SESSION_COOKIE_SAMESITE="Strict", SESSION_COOKIE_HTTPONLY=True)
        cast(LoginManager, web_ui.login_manager).user_loader(self._load)
        web_ui.auth_args = {"username_password_callback": LOGIN_ADDRESS}
        app.add_url_rule(LOGIN_ADDRESS, "soak_login", self._log_in, methods=["POST"])

    def accepts(self, user: str, password: str) -> bool:
        """Return whether user and password are right; takes the same time whichever is wrong."""
        same_user = hmac.compare_digest(user.encode(), self._user.encode())
        return hmac.compare_digest(password.encode(), self._password.encode()) and same_user

    def _load(self, name: str) -> _User | None:
        return _User(name) if name == self._user else None

    def _log_in(self) -> Response:
        with self._one_at_a_time:  # else whoever does not wait for an answer could try many at a time
            is_right = self.accepts(request.form.get("username", ""), request.form.get("password", ""))
            if not is_right:
                gevent.sleep(WRONG_DELAY_S)
        if is_right:
            login_user(_User(self._user))
            return cast(Response, redirect(url_for("locust.index")))
        session["auth_error"] = "Wrong user or password"
        return cast(Response, redirect(url_for("locust.login")))
