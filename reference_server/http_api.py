"""The HTTP routes."""

import json
import math
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import closing

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import BaseConverter

from reference_server.asks import Ask, BadAsk, read_ask
from reference_server.config import MAX_BODY_BYTES
from reference_server.generation import Event, generate
from reference_server.hangup import killed_on_hangup
from reference_server.provider import Provider
from reference_server.sessions import Sessions
from reference_server.sse import encode_event

STREAM_LIMIT = "30 per minute"
CHAT_LIMIT = "60 per minute"


class AnyText(BaseConverter):
    """Matches the rest of a path, whatever it holds: Flask's own stops at a line break."""

    regex = "(?s:.+)"
    part_isolating = False


def add_http_api(app: Flask, provider: Provider, sessions: Sessions) -> None:
    """Add all routes and the error answers to the application."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map.converters["any_text"] = AnyText
    app.url_map.merge_slashes = False  # slashes in a session's id are its own
    # Counts by the connection's address: X-Forwarded-For is anyone's to write.
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", strategy="moving-window")
    _add_error_answers(app, limiter)

    def generate_reply(ask: Ask) -> Generator[Event, None, None]:
        return generate(provider, sessions, ask.session_id or uuid.uuid4().hex, ask.message)

    @app.post("/api/chat/stream")
    @limiter.limit(STREAM_LIMIT, methods=["POST"])
    def stream() -> Response:
        events = generate_reply(_read_request())
        return Response(
            _stream_events(events, request.environ),
            mimetype="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    @app.post("/api/chat")
    @limiter.limit(CHAT_LIMIT, methods=["POST"])
    def chat() -> ResponseReturnValue:
        last: Event = {}
        with killed_on_hangup(request.environ), closing(generate_reply(_read_request())) as events:
            for event in events:
                last = event
        if "error" in last:
            return jsonify(last), 502
        del last["done"]
        return jsonify({"response": last.pop("full_response"), **last})

    @app.get("/api/chat/sessions/<any_text:session_id>")
    def show_session(session_id: str) -> ResponseReturnValue:
        session = sessions.get(session_id)
        if session is None:
            return jsonify(error="There is no such session."), 404
        return jsonify(session_id=session_id, messages=session.messages, timestamp=session.updated)

    @app.delete("/api/chat/sessions/<any_text:session_id>")
    def delete_session(session_id: str) -> ResponseReturnValue:
        if not sessions.delete(session_id):
            return jsonify(error="There is no such session."), 404
        return jsonify(success=True, message="Session deleted")

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="ok", provider=provider.name)


def _read_request() -> Ask:
    try:
        body = request.get_data(cache=False)
    except OSError:  # cut short, or not in the chunks it promised
        raise BadAsk("The request's body could not be read.") from None
    if len(body) >= MAX_BODY_BYTES:  # a body without a Content-Length is cut there, not refused
        raise RequestEntityTooLarge
    try:
        payload = json.loads(body.decode())
    except (ValueError, RecursionError):  # RecursionError: brackets nested beyond all reason
        raise BadAsk("The request's body must be JSON in UTF-8.") from None
    return read_ask(payload)


def _stream_events(events: Generator[Event, None, None], environ: dict[str, object]) -> Iterator[bytes]:
    with killed_on_hangup(environ), closing(events):
        yield b": here it comes\n\n"  # sends the headers now, however long the first token takes
        for event in events:
            yield encode_event(event)


def _add_error_answers(app: Flask, limiter: Limiter) -> None:
    @app.errorhandler(BadAsk)
    def bad_ask(error: BadAsk) -> ResponseReturnValue:
        return jsonify(error=str(error)), 400

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> ResponseReturnValue:
        response = Response.force_type(error.get_response(), request.environ)  # keeps Allow and its like
        response.data = json.dumps({"error": error.description})
        response.content_type = "application/json"
        if error.code == 413:
            response.headers["Connection"] = "close"  # the rest of the body is not worth reading
        if error.code == 429:
            response.data = json.dumps({"error": f"Too many requests: the limit is {error.description}."})
            wait = limiter.current_limit.reset_at - time.time() if limiter.current_limit else 60
            response.headers["Retry-After"] = str(min(max(math.ceil(wait), 0), 60))
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> ResponseReturnValue:
        app.logger.error("Request failed", exc_info=error)
        return jsonify(error="The server could not answer."), 500
