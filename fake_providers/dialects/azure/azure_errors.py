"""Azure's errors. A request's own errors have OpenAI's shape; those of the resource, and of its limits, have Azure's.

Source: answers that public issues quote: SciSharp/BotSharp#386 (401), and Microsoft's pages on errors, quotas and
content filters under https://learn.microsoft.com/azure/ai-foundry/openai/.
"""

from __future__ import annotations

import json
from typing import Any, Final

from chatproof.fake_providers.dialects.azure.content_filter import FILTERED
from chatproof.fake_providers.dialects.base import Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.openai.error_bodies import JSON
from chatproof.fake_providers.scripting.script import Fail

NO_DEPLOYMENT: Final = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes,"
    " please wait a moment and try again."
)
_NO_ACCESS: Final = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an"
    " active subscription and use a correct regional API endpoint for your resource."
)
_LIMIT: Final = (
    "Requests to the {operation} Operation under Azure OpenAI API have exceeded {what} rate limit of your current"
    " pricing tier. Please retry after {seconds:g} seconds. Please contact Azure support service if you would like to"
    " further increase the default rate limit."
)
_FILTERED: Final = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify"
    " your prompt and retry. To learn more about our content filtering policies please read our documentation:"
    " https://go.microsoft.com/fwlink/?linkid=2198766"
)
_OPERATIONS: Final = {
    "chat": "ChatCompletions_Create",
    "completions": "Completions_Create",
    "embeddings": "Embeddings_Create",
    "responses": "Responses_Create",
}
_WORKS_WITH: Final = {
    "/v1/chat/completions": "chatCompletion",
    "/v1/completions": "completion",
    "/v1/embeddings": "embeddings",
    "/v1/responses": "responses",
}
# status: (code, message)
_ERRORS: Final[dict[int, tuple[str, str]]] = {
    401: ("401", _NO_ACCESS),
    403: ("403", "Access denied due to Virtual Network/Firewall rules."),
    404: ("DeploymentNotFound", NO_DEPLOYMENT),
    408: ("Timeout", "The operation was timeout."),
    500: ("InternalServerError", "The server had an error while processing your request. Sorry about that!"),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."),
}


def resource_error(status: int, code: str, message: str, headers: Headers = ()) -> Reply:
    """An error of the resource: `{"error": {"code", "message"}}`."""
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return Reply(status, (JSON, *headers), (TimedFrame(body, 0.0),))


def no_access() -> Reply:
    """401: the request has no key."""
    return resource_error(401, "401", _NO_ACCESS)


def no_resource(hint: str) -> Reply:
    """404 for a path, or a version of the API, that Azure does not have."""
    return resource_error(404, "404", f"Resource not found. {hint}")


def no_deployment() -> Reply:
    return resource_error(404, "DeploymentNotFound", NO_DEPLOYMENT)


def wrong_operation(path: str, model: str, hint: str) -> Reply:
    """400: the deployment's model cannot do what the path asks for."""
    text = (
        f"The {_WORKS_WITH.get(path, 'requested')} operation does not work with the specified model, {model}. Please"
        " choose different model and try again. You can learn more about which models can be used with each operation"
        f" here: https://go.microsoft.com/fwlink/?linkid=2197993.{hint}"
    )
    return resource_error(400, "OperationNotSupported", text)


def failure_body(fail: Fail, flavour: str) -> bytes | None:
    """The body of an error that a script asks for; None where it has OpenAI's shape, as a request's own errors do."""
    status = fail.error_status
    if fail.code == "content_filter":
        return filtered_body()
    if status == 429:
        wait = fail.retry_after_s if fail.retry_after_ms is None else fail.retry_after_ms / 1000
        what = "token" if fail.type == "tokens" else "call"
        usual = _LIMIT.format(operation=_OPERATIONS.get(flavour, ""), what=what, seconds=60 if wait is None else wait)
        code: str | None = "429"
    elif status in _ERRORS:
        code, usual = _ERRORS[status]
    else:
        return None
    return json.dumps({"error": {"code": fail.code or code, "message": fail.message or usual}}).encode()


def filtered_body() -> bytes:
    """400 for a prompt that the content filter blocks."""
    inner: dict[str, Any] = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {**FILTERED, "jailbreak": {"filtered": False, "detected": False}},
    }
    error = {"message": _FILTERED, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return json.dumps({"error": {**error, "innererror": inner}}).encode()
