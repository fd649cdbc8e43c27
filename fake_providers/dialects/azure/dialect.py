"""Azure's addresses of OpenAI's models: `/openai/deployments/{name}/…`, `/openai/responses` and `/openai/v1/…`.

The API is OpenAI's, so its dialect reads and writes; this one knows what Azure does otherwise: the deployment in place
of the model, the key in `api-key`, the version in the query, the content filter's results, headers and errors.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference, and what the class AzureOpenAI of the official
clients sends and reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from chatproof.fake_providers.dialects.azure import azure_errors as errors
from chatproof.fake_providers.dialects.azure.azure_reply import headers_of, rendered
from chatproof.fake_providers.dialects.azure.deployments import dated, model_behind
from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Recall, Reply, TimedFrame
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai.error_bodies import JSON
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue, listed
from chatproof.fake_providers.scripting.script import Script

NAME: Final = "openai"
"""Scripts and journals see OpenAI: these are its models."""

ANSWERS: Final = (
    "POST /openai/deployments/{name}/chat/completions?api-version=…", "…/completions", "…/embeddings", "…/responses",
    "POST /openai/responses?api-version=…", "GET /openai/models?api-version=…", "and the same below /openai/v1",
)  # fmt: skip
"""What there is, for errors about what there is not."""

_ROOT: Final = "/openai"
_PATH: Final = re.compile(r"/openai(?P<v1>/v1)?(?:/deployments/(?P<deployment>[^/]+))?(?P<rest>/.*)")
_POSTED: Final = ("/chat/completions", "/completions", "/embeddings", "/responses")
_VERSION: Final = re.compile(r"\d{4}-\d\d-\d\d(?:-preview|-alpha)?")
_VERSIONS_OF_V1: Final = ("", "v1", "preview", "latest")
_NO_VERSION: Final = "Does the URL have ?api-version=, such as 2024-10-21? Only the paths below /openai/v1 need none."


class _Address(NamedTuple):
    """What a path names. `own`: OpenAI's path of the same API."""

    own: str
    deployment: str
    v1: bool


def answers(request: IncomingRequest) -> bool:
    """Every path below /openai, unknown ones included: Azure has its own 404."""
    return request.path.startswith(f"{_ROOT}/") or request.path == _ROOT


def read(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue = LENIENT
) -> Ask | Reply | Recall:
    address = _address(request.path)
    if address is None:
        return errors.no_resource(f"{request.method} {request.path[:200]} is not here: {', '.join(ANSWERS)}.")
    if not _has_key(request):
        return errors.no_access()
    version = (parse_qs(request.query).get("api-version") or [""])[-1]
    if not (_VERSION.fullmatch(version) or (address.v1 and version in _VERSIONS_OF_V1)):
        return errors.no_resource(_NO_VERSION)
    if address.own.startswith("/v1/models"):
        return _models(request, address)
    body, model = request.json, ""
    if isinstance(body, dict):
        deployment = address.deployment or body.get("model")
        if isinstance(deployment, str) and deployment:
            if (behind := model_behind(deployment, address.own)) is None:
                return errors.no_deployment()
            model = behind
            body = {**body, "model": model}
    headers = {**request.headers, "authorization": "Bearer azure"}
    found = openai.read(replace(request, path=address.own, json=body, headers=headers), scripts, catalogue)
    if not isinstance(found, Recall):
        return _own(found, request, address, model, catalogue)
    return Recall(lambda archive: _own(found.answer(archive), request, address, model, catalogue))


def render(ask: Ask) -> Reply:
    return rendered(ask, _deployment(ask))


form = openai.form


def refuse(ask: Ask, text: str) -> Reply:
    return openai.refuse(ask, text)


def _address(path: str) -> _Address | None:
    if (found := _PATH.fullmatch(path)) is None:
        return None
    v1, deployment, rest = found["v1"], found["deployment"] or "", found["rest"]
    if rest in _POSTED or rest.startswith("/responses/"):
        # Without a deployment in its path, the request names it as its model.
        return _Address(f"/v1{rest}", deployment, v1 is not None) if not (v1 and deployment) else None
    is_models = (rest == "/models" or rest.startswith("/models/")) and not deployment
    return _Address(f"/v1{rest}", "", v1 is not None) if is_models else None


def _has_key(request: IncomingRequest) -> bool:
    """A key in `api-key`, or a token of Microsoft Entra ID."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return bool(request.headers.get("api-key", "").strip() or (scheme.lower() == "bearer" and token.strip()))


def _own(
    found: Ask | Reply, request: IncomingRequest, address: _Address, model: str, catalogue: Catalogue
) -> Ask | Reply:
    """What OpenAI's dialect made of the request, as Azure has it."""
    if isinstance(found, Ask):
        # The deployment is a part of the request that decides the ids.
        return replace(found, model=dated(found.model), request=request.identity)
    if found.status in (403, 404) and address.own in tuple(f"/v1{rest}" for rest in _POSTED):
        return errors.wrong_operation(address.own, model, catalogue.hint)
    return replace(found, headers=headers_of(found.headers, request.path, address.deployment))


def _deployment(ask: Ask) -> str:
    address = _address(ask.request[0])
    return address.deployment if address is not None else ""


def _models(request: IncomingRequest, address: _Address) -> Reply:
    """The models that a resource can deploy; deployments themselves are no part of this API."""
    if request.method != "GET":
        return errors.no_resource(f"{request.path[:200]} takes GET.")
    name = address.own.removeprefix("/v1/models").removeprefix("/")
    models = {model.name: _model(model.name, model.can) for model in listed("openai")}
    if name and name not in models:
        return errors.resource_error(404, "ModelNotFound", f"The model '{name[:100]}' does not exist.")
    shown: Any = models[name] if name else {"data": list(models.values()), "object": "list"}
    headers = headers_of((), request.path, "")
    return Reply(200, (JSON, *headers), (TimedFrame(json.dumps(shown).encode(), 0.0),))


def _model(name: str, can: tuple[str, ...]) -> dict[str, Any]:
    abilities = {
        "fine_tune": False,
        "inference": True,
        "completion": "completions" in can,
        "chat_completion": "chat" in can,
        "embeddings": "embedding" in can,
    }
    times = {"created_at": 1_700_000_000, "updated_at": 1_700_000_000}
    ids = {"id": name, "object": "model", "status": "succeeded", "lifecycle_status": "generally-available"}
    return {**ids, **times, "capabilities": abilities}
