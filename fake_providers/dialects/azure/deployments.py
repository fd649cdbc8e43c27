"""Azure's deployments: names that the owner of a resource chose, and the models behind them.

A deployment is named as its owner likes, so every name is one, in strict tests too; apart from names that say that
there is no such deployment (`missing-chat`). A name with a model's name in it (`gpt-4o`, `team-gpt-4o-prod`) is that
model, any other one the usual model of the endpoint.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from chatproof.fake_providers.models.catalogue import listed, says_absent

_USUAL: Final = {
    "/v1/embeddings": "text-embedding-3-small",
    "/v1/completions": "gpt-3.5-turbo-instruct",
}
_USUAL_CHAT: Final = "gpt-4o"


@lru_cache(maxsize=1024)
def model_behind(deployment: str, path: str) -> str | None:
    """The model of OpenAI's that the deployment serves; None where there is no such deployment. `path`: OpenAI's."""
    if says_absent(deployment):
        return None
    name = deployment.lower().replace("gpt-35", "gpt-3.5")
    within = [model.name for model in listed("openai") if model.name in name]
    return max(within, key=len, default=_USUAL.get(path, _USUAL_CHAT))


@lru_cache(maxsize=1024)
def dated(model: str) -> str:
    """The model's name with the date of its version, as Azure's replies have it; as it is where it has none."""
    return next((one.name for one in listed("openai") if one.name.startswith(f"{model}-20")), model)
