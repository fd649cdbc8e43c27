"""Puts the parts together."""

from flask import Flask

from reference_server.config import Config
from reference_server.generation import Replies
from reference_server.http_api import add_http_api
from reference_server.pages import add_pages
from reference_server.providers.upstream import Provider
from reference_server.redis_sessions import RedisSessions
from reference_server.sessions import MemorySessions
from reference_server.socket_api import add_socket_api


def create_app(config: Config, provider: Provider, worker: int = 0) -> tuple[Flask, Replies]:
    """The whole application, as WSGI, and its replies, to be closed in the end; both transports share the sessions."""
    app = Flask("reference_server", static_folder=None)
    sessions = RedisSessions(config) if config.redis_url else MemorySessions(config)
    replies = Replies(config, provider, sessions)
    add_http_api(app, config, replies, sessions)
    add_pages(app)
    add_socket_api(app, config, replies, worker)
    return app, replies
