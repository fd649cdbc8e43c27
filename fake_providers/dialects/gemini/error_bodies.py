"""Gemini's errors: {"error": {code, message, status, details}}, after google.rpc.Status.

Source: https://cloud.google.com/apis/design/errors and recorded answers of the API.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from chatproof.fake_providers.dialects.gemini.google_json import duration
from chatproof.fake_providers.scripting.script import Fail

SERVICE: Final = "generativelanguage.googleapis.com"

_RPC: Final = "type.googleapis.com/google.rpc."
_CANONICAL: Final = re.compile("[A-Z][A-Z_]+")

_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MESSAGES: Final = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid"
    " authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    429: "You exceeded your current quota, please check your plan and billing details. For more information on this"
    " error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.",
    499: "The operation was cancelled.",
    500: "An internal error has occurred. Please retry or report in"
    " https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    504: "Deadline expired before operation could complete.",
}
# A script's `code`, as OpenAI has it: (status, message).
_BY_CODE: Final = {
    "context_length_exceeded": (400, "The input token count exceeds the maximum number of tokens allowed 1048576."),
    "model_not_found": (
        404,
        "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels"
        " to see the list of available models and their supported methods.",
    ),
}
_BAD_KEY: Final = "API key not valid. Please pass a valid API key."
_NO_KEY: Final = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other"
    " form of API consumer identity to call this API."
)


def error(code: int, message: str, status: str | None = None, details: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """An error's body. `status`: by default the one of the HTTP code."""
    inner: dict[str, Any] = {"code": code, "message": message, "status": status or _status_of(code)}
    if details:
        inner["details"] = list(details)
    return {"error": inner}


def no_key() -> dict[str, Any]:
    """403: the request has no API key at all."""
    return error(403, _NO_KEY)


def bad_request(violations: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """400 for a body that does not fit the schema; each violation is (field's path, description)."""
    listed = [{"field": path, "description": text} if path else {"description": text} for path, text in violations]
    message = "\n".join(text for _, text in violations)
    return error(400, message, details=[{"@type": f"{_RPC}BadRequest", "fieldViolations": listed}])


def meant(fail: Fail, model: str, default: int | None = None) -> dict[str, Any]:
    """The error that a script asks for. `default`: the code if the script gives none.

    A wrong key is 401 elsewhere, but Google answers it with 400; a script that wants Google's own 401 says
    type = "UNAUTHENTICATED". A script's `type` is the status and its `code` the reason, where they look like
    Google's: upper case. OpenAI's codes for a spent quota, a long prompt and an unknown model are understood too.
    """
    code = default or fail.error_status
    status = fail.type if fail.type and _CANONICAL.fullmatch(fail.type) else None
    reason = fail.code if fail.code and _CANONICAL.fullmatch(fail.code) else None
    if code == 401 and status is None:
        message = fail.message or _BAD_KEY
        localized = {"@type": f"{_RPC}LocalizedMessage", "locale": "en-US", "message": message}
        return error(400, message, details=[_error_info(reason or "API_KEY_INVALID"), localized])
    details: list[dict[str, Any]] = []
    if code == 429:
        per = "Day" if fail.code == "insufficient_quota" else "Minute"
        details += [_error_info(reason or "RATE_LIMIT_EXCEEDED"), _quota(model, per), _HELP]
    elif reason:
        details.append(_error_info(reason))
    if (delay := _delay(fail)) is not None:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": duration(delay)})
    known, message = _BY_CODE.get(fail.code or "", (code, ""))
    if known != code or not message:
        message = _MESSAGES.get(code, f"The request failed with HTTP {code}.")
    message = fail.message or message.replace("{model}", model)
    return error(code, message, status, details)


def _status_of(code: int) -> str:
    return _STATUSES.get(code, "FAILED_PRECONDITION" if code < 500 else "INTERNAL")


def _delay(fail: Fail) -> float | None:
    """The retry delay in seconds. If a script gives both, milliseconds count, as in other clients."""
    return fail.retry_after_s if fail.retry_after_ms is None else fail.retry_after_ms / 1000


def _error_info(reason: str) -> dict[str, Any]:
    metadata = {"service": SERVICE}
    return {"@type": f"{_RPC}ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}


def _quota(model: str, per: str) -> dict[str, Any]:
    violation = {
        "quotaMetric": f"{SERVICE}/generate_content_free_tier_requests",
        "quotaId": f"GenerateRequestsPer{per}PerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "10",
    }
    return {"@type": f"{_RPC}QuotaFailure", "violations": [violation]}


_HELP: Final[dict[str, Any]] = {
    "@type": f"{_RPC}Help",
    "links": [
        {
            "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
        }
    ],
}
