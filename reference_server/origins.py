"""Which web pages may use the server: its own and those of ALLOWED_ORIGINS. Other clients send no Origin.

A browser sends some requests of any page without asking the server first, such as forms and text/plain. It also lets
a page read what comes from the page's own host, and whoever owns that name may point it at this machine (DNS
rebinding). So Origin and Host are checked before any route, for HTTP and Socket.IO alike.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response
from flask_cors import CORS

from chatproof.reference_server.config import Config

log = logging.getLogger(__name__)

# This machine, by names that nobody else can give it: browsers do not look `localhost` up.
LOCAL = re.compile(r"((.+\.)?localhost\.?|127(\.[0-9]+){3}|\[::1\]|::1)(:[0-9]*)?")
NO_HOST = (
    "This server listens on {} and answers to local names, not to {!r}. Behind a proxy, set TRUSTED_PROXIES, or add "
    "the origin of its pages to ALLOWED_ORIGINS."
)
NO_ORIGIN = "Pages of {!r} may not use this server. To allow them, add their origin to ALLOWED_ORIGINS."


def add_origins(app: Flask, config: Config) -> None:
    """Check the pages of all requests to the application, and grant CORS to those of ALLOWED_ORIGINS."""
    is_open = "*" in config.allowed_origins
    if config.allowed_origins:
        CORS(
            app,
            resources=r"/api/*",
            origins="*",  # those that come this far: the check below refuses all others
            methods=["GET", "POST", "DELETE"],
            allow_headers=["Content-Type", "Authorization"],
            expose_headers=["Retry-After"],
            send_wildcard=is_open,
            supports_credentials=not is_open,  # with credentials, `*` would let any page act as its visitor
            max_age=600,
        )
    application: Any = app.wsgi_app

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = application
        if why := why_refused(environ.get("HTTP_ORIGIN", ""), environ.get("HTTP_HOST", ""), config):
            log.warning("Refused: %s", why)
            answer = Response(json.dumps({"error": why}), 403, {"Vary": "Origin"}, content_type="application/json")
        pieces: Iterable[bytes] = answer(environ, start_response)
        return pieces

    app.wsgi_app = checked  # type: ignore[method-assign]  # as Flask documents it


def why_refused(origin: str, host: str, config: Config) -> str:
    """Why a request with these headers, each perhaps empty, is refused; or nothing."""
    origin, host, allowed = origin.lower(), host.lower(), config.allowed_origins
    # A proxy checks the host itself. What listens for other machines has names that the server does not know.
    is_checked = host and LOCAL.fullmatch(config.host) and not config.trusted_proxies
    if is_checked and not LOCAL.fullmatch(host) and host not in {one.partition("://")[2] for one in allowed}:
        return NO_HOST.format(config.host, host[:80])
    is_own = host and origin.partition("://")[2] == host
    return "" if not origin or is_own or origin in allowed or "*" in allowed else NO_ORIGIN.format(origin[:80])
