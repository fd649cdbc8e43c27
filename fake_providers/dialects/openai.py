"""OpenAI's chat completions as the API itself writes them: requests, replies, streams and errors.

Source: https://platform.openai.com/docs/api-reference/chat, and what the official clients read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fake_providers.choice import UnknownScenario, case_of, choose, scenario_of
from fake_providers.dialects._openai_request import last_user_text, problem, prompt_tokens
from fake_providers.exchange import Ask, Headers, Reply, Request
from fake_providers.frames import Frame
from fake_providers.script import Fail, Script
from fake_providers.timeline import Timeline, play

NAME = "openai"

_CHAT: Final = "/v1/chat/completions"
_MODELS: Final = "/v1/models"
_CREATED: Final = 1_700_000_000  # fixed: the same request has the same bytes on every day
_FINGERPRINT: Final = "fp_chatproof"
_MODEL_IDS: Final = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-3.5-turbo")
_JSON: Final = ("content-type", "application/json")
_STREAM: Final = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
_GARBAGE: Final = b"\x00\x17\xfe\xed 5 fathoms of line, no protocol here\n\xff\xff"

# status: (type, code, message)
_ERRORS: Final[dict[int, tuple[str, str | None, str]]] = {
    401: (
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again later.",
    ),
    500: (
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}


def answers(method: str, path: str) -> bool:
    return path in (_CHAT, _MODELS)


def read(request: Request, scripts: Mapping[str, Script]) -> Ask | Reply:
    expected = "POST" if request.path == _CHAT else "GET"
    if request.method != expected:
        hint = "Perhaps you meant to make your HTTP request using a different HTTP method?"
        return _refusal(405, f"Not allowed to {request.method} on {request.path}. (HINT: {hint})")
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return _refusal(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using"
            " Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if request.path == _MODELS:
        return _models()
    if request.json_error is not None or not isinstance(request.json, dict):
        reason = request.json_error or "the body is not an object"
        return _refusal(400, f"We could not parse the JSON body of your request. (HINT: {reason})")
    body: dict[str, Any] = request.json
    wrong = problem(body)
    if wrong is not None:
        return _refusal(400, *wrong)
    text = last_user_text(body["messages"])
    try:
        script = choose(text, scripts)
    except UnknownScenario as unknown:
        return replace(_refusal(400, str(unknown), "messages", "unknown_scenario"), case=case_of(text))
    stream = body.get("stream") is True
    usage = not stream or (body.get("stream_options") or {}).get("include_usage") is True
    return Ask(
        script=script,
        scenario=scenario_of(text),
        case=case_of(text),
        text=text,
        model=body["model"],
        stream=stream,
        usage=usage,
        prompt_tokens=prompt_tokens(body["messages"]) if usage else 0,
    )


def render(ask: Ask) -> Reply:
    script = ask.script
    chunks = _Chunks(ask)
    line = play(script, chunks)
    headers: Headers = (("x-request-id", f"req_{_digest(ask)}"), ("openai-version", "2020-10-01"))
    fail = line.fail
    if fail is not None and fail.fault == "status":
        return _status(fail, line.end_due, headers)
    if fail is not None and fail.fault == "garbage":
        return Reply(None, (), (Frame(_GARBAGE, line.end_due),), "close", 0.0, line.end_due, faulted=True)
    if line.end in ("close", "cut", "reset") and not line.frames:
        return Reply(None, (), (), line.end, 0.0, line.end_due, faulted=True)
    if not ask.stream:
        return _whole(ask, line, headers)
    return Reply(
        status=200,
        headers=(*_STREAM, *headers),
        frames=tuple(line.frames),
        end=line.end,
        end_due=line.end_due,
        chunked=True,
        torn=chunks.broken()[:-2] if line.end == "cut" else b"",
        faulted=fail is not None,
    )


class _Chunks:
    """Encodes the parts of a stream; everything that stays the same from chunk to chunk is made once."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        head = {
            "id": f"chatcmpl-{_digest(ask)}",
            "object": "chat.completion.chunk",
            "created": _CREATED,
            "model": ask.model,
            "service_tier": "default",
            "system_fingerprint": _FINGERPRINT,
        }
        self._head = f"data: {_dumps(head, ask)[:-1]}"
        self._tail = ',"usage":null}\n\n' if ask.usage else "}\n\n"

    def opening(self) -> bytes:
        return self._choice('{"role":"assistant","content":"","refusal":null}', "null")

    def token(self, text: str) -> bytes:
        return self._choice(f'{{"content":{_dumps(text, self._ask)}}}', "null")

    def broken(self) -> bytes:
        return f'{self._head},"choices":[{{"index":0,"delta":{{"content":"brok\n\n'.encode()

    def error(self, fail: Fail) -> bytes:
        return b"data: %s\n\n" % _error_body(500, fail)

    def closing(self) -> bytes:
        ask = self._ask
        end = self._choice("{}", f'"{ask.script.finish_reason}"')
        if ask.usage:
            usage = _dumps(_usage(ask), ask)
            end += f'{self._head},"choices":[],"usage":{usage}}}\n\n'.encode()
        return end + b"data: [DONE]\n\n"

    def _choice(self, delta: str, finish_reason: str) -> bytes:
        choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}'
        return f'{self._head},"choices":[{choice}]{self._tail}'.encode()


def _whole(ask: Ask, line: Timeline, headers: Headers) -> Reply:
    """The reply in one piece, when the script is over; what breaks a stream breaks its body."""
    fail, due = line.fail, line.end_due
    if line.end == "stall":
        return Reply(None, end="stall", end_due=due, faulted=True)
    if fail is not None and fail.fault == "error":
        return Reply(500, (_JSON, *headers), (Frame(_error_body(500, fail), due),), "complete", due, due, faulted=True)
    message: dict[str, Any] = {"role": "assistant", "content": ask.script.text, "refusal": None, "annotations": []}
    completion = {
        "id": f"chatcmpl-{_digest(ask)}",
        "object": "chat.completion",
        "created": _CREATED,
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": ask.script.finish_reason}],
        "usage": _usage(ask),
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }
    body = _dumps(completion, ask).encode()
    if fail is None:
        frame = Frame(body, due, len(ask.script.tokens), ask.script.text)
        return Reply(200, (_JSON, *headers), (frame,), "complete", due, due)
    half = body[: len(body) // 2]
    torn = line.end == "cut"
    return Reply(
        status=200,
        headers=(_JSON, *headers),
        frames=() if torn else (Frame(half, due),),
        end=line.end,
        head_due=due,
        end_due=due,
        chunked=line.end != "complete",
        torn=half if torn else b"",
        faulted=True,
    )


def _status(fail: Fail, due: float, headers: Headers) -> Reply:
    if fail.retry_after_s is not None:
        headers += (("retry-after", f"{fail.retry_after_s:g}"),)
    if fail.retry_after_ms is not None:
        headers += (("retry-after-ms", f"{fail.retry_after_ms:g}"),)
    body = b""
    if fail.body == "json":
        headers, body = (_JSON, *headers), _error_body(fail.status, fail)
    elif fail.body == "html":
        headers = (("content-type", "text/html"), *headers)
        body = b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>\n" % ((fail.status,) * 2)
    return Reply(fail.status, headers, (Frame(body, due),), "complete", due, due, faulted=True)


def _error_body(status: int, fail: Fail) -> bytes:
    default = ("server_error" if status >= 500 else "invalid_request_error", None, f"Request failed: {status}.")
    kind, code, message = _ERRORS.get(status, default)
    return _error(fail.message or message, fail.type or kind, None, fail.code or code)


def _error(message: str, kind: str, param: str | None, code: str | None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def _refusal(status: int, message: str, param: str | None = None, code: str | None = None) -> Reply:
    body = _error(message, "invalid_request_error", param, code)
    return Reply(status, (_JSON,), (Frame(body, 0.0),))


def _models() -> Reply:
    data = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "openai"} for name in _MODEL_IDS]
    return Reply(200, (_JSON,), (Frame(json.dumps({"object": "list", "data": data}).encode(), 0.0),))


def _usage(ask: Ask) -> dict[str, Any]:
    said = len(ask.script.tokens)
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": said,
        "total_tokens": ask.prompt_tokens + said,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _digest(ask: Ask) -> str:
    source = f"{ask.script.name}\n{ask.script.seed}\n{ask.text}"
    return hashlib.sha256(source.encode()).hexdigest()[:29]


def _dumps(value: object, ask: Ask) -> str:
    return json.dumps(value, ensure_ascii=ask.script.ascii, separators=(",", ":"))
