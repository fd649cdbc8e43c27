"""OpenAI's error bodies by status, and the headers of its replies."""

from __future__ import annotations

import json
from typing import Final

from chatproof.fake_providers.dialects.base import Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.endings import retry_after
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.models.catalogue import model_of
from chatproof.fake_providers.scripting.script import Fail
from chatproof.fake_providers.scripting.selection import UnknownScenario

JSON: Final = ("content-type", "application/json")
STREAM: Final = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))

ALWAYS: Final[Headers] = (("openai-version", "2020-10-01"), ("openai-organization", "org-chatproof"))
"""The headers of every reply, besides its request id."""

_LIMITS: Final[Headers] = (("x-ratelimit-limit-requests", "10000"), ("x-ratelimit-limit-tokens", "2000000"))
WITHIN_LIMITS: Final[Headers] = (
    *_LIMITS,
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "1999000"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("x-ratelimit-reset-tokens", "30ms"),
)
"""The API's rate limit headers, as after a client's first request: the limit, and how much of it is left."""

_QUOTA: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this"
    " error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
_TOKENS: Final = (
    "Rate limit reached on tokens per min (TPM): Limit 2000000, Used 2000000, Requested 1000."
    " Please try again later. Visit https://platform.openai.com/account/rate-limits to learn more."
)

_INPUT_TOO_LONG: Final = "Your input exceeds the context window of this model. Please adjust your input and try again."
_CONTEXT: Final = 128_000  # tokens of a model that the catalogue does not know

# status: (type, code, message)
_ERRORS: Final[dict[int, tuple[str, str | None, str]]] = {
    400: ("invalid_request_error", None, "Your request was malformed or missing some required parameters."),
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
    404: (
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    408: ("timeout", None, "Request timed out."),
    409: ("invalid_request_error", None, "The resource was updated by another request."),
    413: ("invalid_request_error", None, "The request body is too large."),
    422: ("invalid_request_error", None, "Unable to process the request despite the format being correct."),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again later.",
    ),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    502: ("server_error", None, "Bad gateway."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
    504: ("server_error", None, "The server took too long to answer."),
}


def details(status: int, fail: Fail, model: str, flavour: str = "chat") -> tuple[str, str, str | None, str | None]:
    """(message, type, code, param) of the fault: the script's, else the API's for that status, code and model.

    `flavour`: "responses" for that endpoint, whose texts differ.
    """
    default = ("server_error" if status >= 500 else "invalid_request_error", None, f"Request failed: {status}.")
    kind, code, message = _ERRORS.get(status, default)
    if fail.code == "insufficient_quota":
        kind, message = "insufficient_quota", _QUOTA
    elif status == 429 and fail.type == "tokens":
        message = _TOKENS
    param = None
    if fail.code == "context_length_exceeded":
        kind, param = "invalid_request_error", "input" if flavour == "responses" else "messages"
        message = _INPUT_TOO_LONG if flavour == "responses" else _too_long(model)
    message = fail.message or message.replace("{model}", model)
    return message, fail.type or kind, fail.code or code, fail.param or param


def _too_long(model: str) -> str:
    """What the API says of messages that are one token too long for the model."""
    limit = model_of("openai", model).context or _CONTEXT
    return (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {limit + 1} tokens."
        " Please reduce the length of the messages."
    )


def error_body(message: str, kind: str | None, param: str | None, code: str | None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def failure(status: int, fail: Fail, model: str, flavour: str = "chat") -> bytes:
    message, kind, code, param = details(status, fail, model, flavour)
    return error_body(message, kind, param, code)


def refusal(status: int, problem: Problem, headers: Headers = ()) -> Reply:
    """The API's reply to an invalid request."""
    body = error_body(problem.message, "invalid_request_error", problem.param, problem.code)
    return Reply(status, (JSON, *ALWAYS, *headers), (TimedFrame(body, 0.0),))


def too_deep() -> Reply:
    """The reply to a request that cannot be read together with what was kept, since that is nested too deeply."""
    text = "We could not parse the JSON body of your request. (HINT: it is nested too deeply)"
    return refusal(400, Problem(text, None, None))


def unknown_scenario(unknown: UnknownScenario, param: str) -> Reply:
    """The reply to a request whose text names no script of these fakes. `param`: where its text is."""
    return refusal(400, Problem(str(unknown), param, "unknown_scenario"), (unknown.header,))


def retry_headers(fail: Fail) -> Headers:
    """The retry headers that the script asks for."""
    seconds, milliseconds = fail.retry_after_s, fail.retry_after_ms
    headers = retry_after(fail)
    # Waiting does not help a spent quota: the one 429 that clients are told not to try again, unless a script says so.
    should_retry = False if fail.should_retry is None and fail.code == "insufficient_quota" else fail.should_retry
    if should_retry is not None:
        headers += (("x-should-retry", str(should_retry).lower()),)
    if fail.status != 429:
        return headers
    wait = milliseconds if milliseconds is not None else None if seconds is None else seconds * 1000
    reset = "20s" if wait is None else f"{wait:g}ms" if wait < 1000 else f"{wait / 1000:g}s"
    spent = "tokens" if fail.type == "tokens" else "requests"
    left = {"requests": "9999", "tokens": "1999000", spent: "0"}
    resets = {"requests": "6ms", "tokens": "30ms", spent: reset}
    headers += _LIMITS
    headers += tuple((f"x-ratelimit-remaining-{of}", left[of]) for of in ("requests", "tokens"))
    return headers + tuple((f"x-ratelimit-reset-{of}", resets[of]) for of in ("requests", "tokens"))
