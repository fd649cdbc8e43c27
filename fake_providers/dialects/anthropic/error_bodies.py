"""Anthropic's errors, and the headers of its replies.

Sources: https://platform.claude.com/docs/en/api/errors and …/api/rate-limits; headers of recorded answers in
whoz-oss/coday#110 (429) and Tarquinen/opencode-dynamic-context-pruning#520 (400); an error in the stream:
karthink/gptel#1512.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Headers, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.dialects.endings import retry_after
from chatproof.fake_providers.models.catalogue import model_of
from chatproof.fake_providers.scripting.script import Fail

JSON: Final = ("content-type", "application/json")
STREAM: Final = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))

_ORGANIZATION: Final = ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")
_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"
_NOW: Final = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # fixed: the same request has the same bytes every day
_RESET_S: Final = 60.0
_LIMITS: Final = {"requests": 4_000, "tokens": 480_000, "input-tokens": 400_000, "output-tokens": 80_000}
_CONTEXT: Final = 200_000  # tokens of a model that the catalogue does not know
_AGAIN: Final = (408, 409, 425, 429)

# status: (type, message)
_ERRORS: Final = {
    400: ("invalid_request_error", "Invalid request data"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is an issue with your billing or payment information."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: {model}"),
    405: ("invalid_request_error", "Method Not Allowed"),
    408: ("timeout_error", "Request timeout"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: (
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 4,000 requests per minute. For details, refer to:"
        " https://docs.claude.com/en/api/rate-limits.",
    ),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
_BY_TYPE: Final = dict(_ERRORS.values())
_NO_CREDIT: Final = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase"
    " credits."
)
_TOO_MANY_TOKENS: Final = (
    "This request would exceed your organization's rate limit of 400,000 input tokens per minute. For details, refer"
    " to: https://docs.claude.com/en/api/rate-limits."
)
_OWN_TYPES: Final = frozenset({*_BY_TYPE, "conflict_error"})


def letters(seed: str, count: int) -> str:
    """Letters and digits without those that look alike, as the API's ids have them."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in hashlib.shake_256(seed.encode()).digest(count))


def request_id(seed: str) -> str:
    return f"req_011C{letters(seed, 20)}"


def error(kind: str, message: str, name: str = "") -> dict[str, Any]:
    """An error's body. `name`: the request's id."""
    body: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}}
    return {**body, "request_id": name} if name else body


def always(name: str) -> Headers:
    """The headers of every reply. `name`: the request's id."""
    return (("request-id", name), _ORGANIZATION)


def refusal(request: IncomingRequest, status: int, message: str, headers: Headers = (), kind: str = "") -> Reply:
    """The API's answer to a request that it refuses. `kind`: its error's type, else the usual one of the status."""
    name = request_id(f"{request.path}\n{hashlib.sha256(request.body).hexdigest()}")
    body = json.dumps(error(kind or _ERRORS[status][0], message, name), ensure_ascii=False).encode()
    return Reply(status, (JSON, *always(name), *should_retry(status), *headers), (TimedFrame(body, 0.0),))


def meant(fail: Fail, status: int, model: str) -> tuple[int, str, str]:
    """(status, type, message) of the error that a script asks for, with that status.

    A script's `type` counts if it is one of Anthropic's. An overloaded API answers with 529, which is 503 elsewhere;
    spent credit is a 400. OpenAI's codes for a spent quota, a long prompt and an unknown model are understood too.
    """
    kind = fail.type if fail.type in _OWN_TYPES else None
    if kind is None and status == 503:
        status = 529
    usual, message = _ERRORS.get(status, ("api_error" if status >= 500 else "invalid_request_error", f"HTTP {status}"))
    if kind is not None:
        usual, message = kind, _BY_TYPE.get(kind, message)
    elif fail.code == "insufficient_quota":
        status, usual, message = 400, "invalid_request_error", _NO_CREDIT
    elif fail.code == "context_length_exceeded":
        limit = model_of("anthropic", model).context or _CONTEXT
        message = f"prompt is too long: {limit + 1} tokens > {limit} maximum"
    elif status == 429 and fail.type == "tokens":
        message = _TOO_MANY_TOKENS
    return status, usual, fail.message or message.replace("{model}", model)


def should_retry(status: int) -> Headers:
    """What the API advises its clients to do after an error."""
    return (("x-should-retry", "true" if status >= 500 or status in _AGAIN else "false"),)


def retry_headers(fail: Fail, status: int) -> Headers:
    """The headers of a scripted error that say whether and when to ask again."""
    advice = (
        should_retry(status) if fail.should_retry is None else (("x-should-retry", str(fail.should_retry).lower()),)
    )
    headers = (*retry_after(fail), *advice)
    if status != 429:
        return headers
    wait = fail.retry_after_s if fail.retry_after_ms is None else fail.retry_after_ms / 1000
    spent = ("tokens", "input-tokens") if fail.type == "tokens" else ("requests",)
    return headers + limits(spent, _RESET_S if wait is None else wait)


def limits(spent: tuple[str, ...] = (), reset: float = 0.0) -> Headers:
    """The rate limit headers, as after a client's first request; `spent`: the limits of which nothing is left for
    `reset` seconds.

    Their clock stands still, in November 2023: equal requests get equal bytes. `retry-after` says how long to wait.
    """
    found: Headers = ()
    for name, limit in _LIMITS.items():
        until = _NOW + timedelta(seconds=reset if name in spent else 0)
        left = 0 if name in spent else limit - (1 if name == "requests" else 1_000)
        for what, value in (("limit", limit), ("remaining", left), ("reset", f"{until:%Y-%m-%dT%H:%M:%SZ}")):
            found += ((f"anthropic-ratelimit-{name}-{what}", str(value)),)
    return found
