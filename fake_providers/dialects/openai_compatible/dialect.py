"""Local servers: Ollama's own API, and the OpenAI-compatible paths of Ollama, vLLM, llama.cpp and LM Studio.

`LOCAL_LLM_URL` is the fakes' root, which is an Ollama; or that root with /vllm, /llamacpp or /lmstudio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chatproof.fake_providers.dialects.base import Ask, Reply, Request
from chatproof.fake_providers.dialects.ollama import dialect as _local_api
from chatproof.fake_providers.dialects.openai_compatible import flavours as _local_flavours
from chatproof.fake_providers.scripting.script import Script

NAME = "local"


def answers(method: str, path: str) -> bool:
    """Ollama's paths, everything under a product's name, and OpenAI's where the request is one that we claim."""
    product, _ = _local_flavours.split(path)
    return product != "" or _local_api.answers(path) or path in _local_flavours.SHARED


def claims(request: Request) -> bool:
    """OpenAI's paths are only ours for some requests."""
    return request.path not in _local_flavours.SHARED or _local_flavours.is_local(request)


def read(request: Request, scripts: Mapping[str, Script]) -> Ask | Reply:
    product, path = _local_flavours.split(request.path)
    if product in ("", "ollama") and _local_api.answers(path):
        return _local_api.read(replace(request, path=path), scripts)
    return _local_flavours.read(request, product or "ollama", path, scripts)


def render(ask: Ask) -> Reply:
    return _local_api.render(ask) if ask.flavour.startswith("/") else _local_flavours.render(ask)
