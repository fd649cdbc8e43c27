"""The HTTP routes and their error responses."""

import json
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import closing

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from flask_cors import CORS
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from redis import RedisError
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge, ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from chatproof.reference_server.chat_request import ChatRequest, read_chat_request, read_user
from chatproof.reference_server.config import Config
from chatproof.reference_server.event_stream import encode_event
from chatproof.reference_server.generation import NOT_REACHED, Events, Replies
from chatproof.reference_server.hangup import killed_on_hangup
from chatproof.reference_server.redis_sessions import Sessions
from chatproof.reference_server.sessions import SessionName

NO_SESSION = "The session does not exist."
COMMENT = b": still here\n\n"


class AnyText(BaseConverter):
    """Matches the rest of a path, line breaks included: Flask's own converter stops there."""

    regex = "(?s:.+)"
    part_isolating = False


def add_http_api(app: Flask, config: Config, replies: Replies, sessions: Sessions) -> None:
    """Add all routes and the error responses to the application."""
    app.config.update(MAX_CONTENT_LENGTH=config.max_body_bytes, PROPAGATE_EXCEPTIONS=False)
    app.url_map.converters["any_text"] = AnyText
    app.url_map.merge_slashes = False  # a session id may hold several slashes in a row
    if config.trusted_proxies:  # without a trusted proxy, clients could forge X-Forwarded-For
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.trusted_proxies)  # type: ignore[method-assign]
    if origins := config.allowed_origins:
        CORS(
            app,
            resources={r"/api/*": {"origins": list(origins)}},
            methods=["GET", "POST", "DELETE"],
            allow_headers=["Content-Type", "Authorization"],
            expose_headers=["Retry-After"],
            send_wildcard="*" in origins,
            supports_credentials="*" not in origins,  # with credentials, `*` would let any page act as its visitor
            max_age=600,
        )
    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri=config.redis_url or "memory://",
        strategy="fixed-window",  # the window begins with the first request; expired windows take no memory
        in_memory_fallback_enabled=bool(config.redis_url),  # while Redis is unavailable, each process limits for itself
    )
    _add_error_answers(app, limiter)

    def user() -> str | None:
        return read_user(request.headers.get("Authorization"), config.jwt_secret)

    def start_reply() -> Events:
        asker = user()  # before the body is read: an invalid token needs no body
        ask = _read_request(config)
        return replies.generate(SessionName(asker, ask.session_id or uuid.uuid4().hex), ask.message)

    @app.post("/api/chat/stream")
    @limiter.limit(f"{config.stream_limit} per minute", methods=["POST"])
    def stream() -> Response:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return Response(_stream_events(start_reply(), request.environ), mimetype="text/event-stream", headers=headers)

    @app.post("/api/chat")
    @limiter.limit(f"{config.chat_limit} per minute", methods=["POST"])
    def chat() -> ResponseReturnValue:
        with killed_on_hangup(request.environ), closing(start_reply()) as reply:
            last = deque(reply, 1)[0][-1]
        if "error" in last:
            return jsonify(last), 502
        del last["done"]
        return jsonify({"response": last.pop("full_response"), **last})

    @app.get("/api/chat/sessions/<any_text:session_id>")
    def show_session(session_id: str) -> Response:
        if not (session := sessions.get(SessionName(user(), session_id))):
            abort(404, NO_SESSION)
        return jsonify(session_id=session_id, messages=session.messages, timestamp=session.updated)

    @app.delete("/api/chat/sessions/<any_text:session_id>")
    def delete_session(session_id: str) -> Response:
        if not sessions.delete(SessionName(user(), session_id)):
            abort(404, NO_SESSION)
        return jsonify(success=True, message="Session deleted")

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="ok", provider=config.llm_provider, offline=config.offline)


def _read_request(config: Config) -> ChatRequest:
    try:
        body = request.get_data(cache=False)
    except OSError:  # cut short, or malformed chunks
        raise BadRequest("The request body is incomplete or malformed.") from None
    if len(body) >= config.max_body_bytes:  # Flask cuts a chunked body there instead of refusing it
        raise RequestEntityTooLarge
    try:
        payload = json.loads(body.decode())
    except (ValueError, RecursionError):  # RecursionError: JSON that is nested too deeply
        raise BadRequest("The request body must be JSON in UTF-8.") from None
    return read_chat_request(payload, config.max_message_chars)


def _stream_events(reply: Events, environ: dict[str, object]) -> Iterator[bytes]:
    with killed_on_hangup(environ), closing(reply):
        yield COMMENT  # sends the headers before the first token
        for events in reply:
            yield b"".join(map(encode_event, events)) or COMMENT  # none: the provider is silent, and proxies hang up


def _add_error_answers(app: Flask, limiter: Limiter) -> None:
    @app.errorhandler(RedisError)  # from the limiter, too, when Redis goes away during a request
    def redis_is_away(error: RedisError) -> ResponseReturnValue:
        return http_error(ServiceUnavailable(NOT_REACHED))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> ResponseReturnValue:
        # do not read the rest of a body that is late or too large
        text, headers = error.description, {"Connection": "close"} if error.code in (408, 413) else {}
        if error.code == 429 and limiter.current_limit:
            text = f"Too many requests: the limit is {text}."
            headers["Retry-After"] = str(min(int(limiter.current_limit.reset_at - time.time()) + 1, 60))
        response = Response.force_type(error.get_response(), request.environ)  # keeps Allow and similar headers
        response.data = json.dumps({"error": text})
        response.content_type = "application/json"
        response.headers.update(headers)
        return response
