"""The HTTP routes and their error responses."""

import json
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import closing

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from redis import RedisError
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable
from werkzeug.routing import BaseConverter

from chatproof.reference_server.chat_request import ChatRequest, read_chat_request, read_user
from chatproof.reference_server.config import Config
from chatproof.reference_server.event_stream import encode_event
from chatproof.reference_server.generation import CLOSING, NOT_REACHED, Events, Replies
from chatproof.reference_server.hangup import killed_on_hangup, said_in_silence
from chatproof.reference_server.rate_limits import CHAT, STREAM, RateLimits
from chatproof.reference_server.redis_sessions import Sessions
from chatproof.reference_server.sessions import SessionName

MAX_BODY_BYTES = 1_000_000
NO_SESSION = "The session does not exist."
COMMENT = b": still here\n\n"


class AnyText(BaseConverter):
    """Matches the rest of a path, line breaks included: Flask's own converter stops there."""

    regex = "(?s:.+)"
    part_isolating = False


def add_http_api(app: Flask, config: Config, replies: Replies, sessions: Sessions, limits: RateLimits) -> None:
    """Add all routes and the error responses to the application."""
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, PROPAGATE_EXCEPTIONS=False)
    app.url_map.converters["any_text"] = AnyText
    app.url_map.merge_slashes = False  # a session id may hold several slashes in a row
    _add_error_answers(app)

    def user() -> str | None:
        return read_user(request.headers.get("Authorization"), config.jwt_secret)

    def start_reply(route: str, limit: int) -> Events:
        limits.check(route, request.remote_addr or "", limit)
        asker = user()  # before the body is read: an invalid token needs no body
        ask = _read_request()
        return replies.start(SessionName(asker, ask.session_id or uuid.uuid4().hex), ask.message)

    @app.post("/api/chat/stream")
    def stream() -> Response:
        reply = start_reply(STREAM, config.stream_limit)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return Response(_stream_events(reply, request.environ), mimetype="text/event-stream", headers=headers)

    @app.post("/api/chat")
    def chat() -> ResponseReturnValue:
        with killed_on_hangup(request.environ), closing(start_reply(CHAT, config.chat_limit)) as reply:
            last = deque(reply, 1)[0][-1]
        if "error" in last:
            return jsonify(last), 503 if last["error"] in (NOT_REACHED, CLOSING) else 502
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


def _read_request() -> ChatRequest:
    if not request.is_json:  # any page may send the other types, without asking first
        abort(415, "The Content-Type must be application/json.")
    try:
        body = request.get_data(cache=False)
    except OSError:  # cut short, or malformed chunks
        raise BadRequest("The request body is incomplete or malformed.") from None
    if len(body) >= MAX_BODY_BYTES:  # Flask cuts a chunked body there instead of refusing it
        abort(413)
    try:
        payload = json.loads(body.decode())
    except (ValueError, RecursionError):  # RecursionError: JSON that is nested too deeply
        raise BadRequest("The request body must be JSON in UTF-8.") from None
    return read_chat_request(payload)


def _stream_events(reply: Events, environ: dict[str, object]) -> Iterator[bytes]:
    with killed_on_hangup(environ), closing(reply), said_in_silence(COMMENT, environ) as is_heard:
        yield COMMENT  # sends the headers before the first token
        for events in reply:
            is_heard()
            yield b"".join(map(encode_event, events))


def _add_error_answers(app: Flask) -> None:
    @app.errorhandler(RedisError)
    def redis_is_away(error: RedisError) -> ResponseReturnValue:
        return http_error(ServiceUnavailable(NOT_REACHED))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> ResponseReturnValue:
        # do not read the rest of a body that is late or too large
        headers = {"Connection": "close"} if error.code in (408, 413) else {}
        response = Response.force_type(error.get_response(), request.environ)  # keeps Allow, Retry-After and the like
        response.data = json.dumps({"error": error.description})
        response.content_type = "application/json"
        response.headers.update(headers)
        return response
