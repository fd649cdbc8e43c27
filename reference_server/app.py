"""Puts the parts together."""

from flask import Flask

from reference_server.config import MAX_HISTORY, MAX_SESSIONS
from reference_server.http_api import add_http_api
from reference_server.provider import Provider
from reference_server.sessions import Sessions
from reference_server.socket_api import add_socket_api


def create_app(provider: Provider, allowed_origins: tuple[str, ...] = ()) -> Flask:
    """The whole application, as WSGI; both transports share the sessions."""
    app = Flask("reference_server", static_folder=None)
    sessions = Sessions(MAX_SESSIONS, MAX_HISTORY)
    add_http_api(app, provider, sessions)
    add_socket_api(app, provider, sessions, allowed_origins)
    return app
