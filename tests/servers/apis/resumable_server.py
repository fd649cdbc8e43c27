"""A server of the AI SDK's api that keeps a reply running when its client goes.

`GET {path}/{id}/stream` gives a reply that runs from its beginning, else 204; `POST {path}/{id}/stop` stops it.
Source: https://ai-sdk.dev/docs/ai-sdk-ui/chatbot-resume-streams
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.servers.apis.good_servers import DONE, AiSdkServer
from tests.servers.apis.kept_runs import KeptRuns
from tests.servers.apis.stream_server import Frame
from tests.servers.parts import Refused


class ResumableServer(KeptRuns, AiSdkServer):
    resumed_at, stopped_at = "/api/chat/{id}/stream", "/api/chat/{id}/stop"

    def name_of(self, request: web.Request, body: dict[str, Any]) -> str:
        if not isinstance(name := body.get("id"), str):
            raise Refused(400, "id: the chat's id is needed.")
        return name

    def last_words(self) -> Iterable[Frame]:
        return [self.frame({"type": "abort"}), DONE]
