"""What the guard advises: it depends on the host that was tried, and on the fakes that the test has already."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from chatproof.fake_providers.dialects.provider_variables import (
    HOSTS,
    REAL_DOMAINS,
    REAL_HOSTS,
    URL_VARIABLES,
)

SERVED: Final = "fake_server"

# https://docs.litellm.ai/docs/proxy/custom_model_cost_map, https://github.com/openai/tiktoken (load.py),
# https://huggingface.co/docs/huggingface_hub (environment variables)
_DOWNLOADS: Final = {
    "raw.githubusercontent.com": "litellm fetches its price list there at its import: set"
    " LITELLM_LOCAL_MODEL_COST_MAP=True before it is imported",
    "openaipublic.blob.core.windows.net": "tiktoken fetches its vocabularies there: set TIKTOKEN_CACHE_DIR to a folder"
    " that has them",
    "huggingface.co": "Hugging Face libraries fetch models there: set HF_HUB_OFFLINE=1, and fetch what the test needs"
    " before the run",
}


def advice(tried: Collection[str], fakes: Collection[str]) -> str:
    """What to do, for the "host:port"s that were tried. `fakes`: the fixtures of fakes that the test has."""
    hosts = (re.sub(r":\d+$", "", one) for one in tried)
    return "; ".join(dict.fromkeys(_advice(host.strip("[]").lower(), fakes) for host in hosts))


def _advice(host: str, fakes: Collection[str]) -> str:
    if host in _DOWNLOADS:
        return _DOWNLOADS[host]
    provider = next(_providers_of(host), None)
    if provider is None:
        return (
            f'no fake answers for {host}: mock the call, or set offline_allow = ["{host}"] in the pytest configuration'
        )
    mine = f"fake_{provider}"
    if SERVED in fakes:
        return (
            f"{SERVED} is there, but this client does not ask it: it was made before the test began (at import, or by a"
            f" wider fixture), or its library does not read {URL_VARIABLES[provider]}. Make the client in the test, or"
            f' give it the address: {SERVED}.base_url_of("{provider}"), which litellm calls api_base'
        )
    if mine in fakes:
        return (
            f"{mine} answers httpx and httpx2 in this process only, and this client is another one (aiohttp, requests):"
            f" take the fixture {SERVED}, and make the client in the test"
        )
    others = f"{' and '.join(sorted(fakes))} does not answer for it: " if fakes else ""
    return f"{others}take the fixture {mine} for httpx and httpx2, or {SERVED} for every client"


def _providers_of(host: str) -> Iterator[str]:
    for provider, fake in HOSTS.items():
        if host in (fake, *REAL_HOSTS[provider]) or host.endswith(REAL_DOMAINS.get(provider, ())):
            yield provider
