"""A planner and no socket: requests go in, and the bytes of their answers come out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.planner import Answer, Planner
from chatproof.fake_providers.scripting.script_library import ScriptLibrary

AZURE = ("api-key", "azure-secret")
OPENAI = ("authorization", "Bearer sk-test")
GOOGLE = ("x-goog-api-key", "google-secret")


@dataclass
class Answered:
    """An answer: `body` without HTTP framing."""

    answer: Answer
    status: int | None
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of each server-sent event; `[DONE]` as it is."""
        lines = self.body.decode().splitlines()
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [one if one == "[DONE]" else json.loads(one) for one in data]


@dataclass
class Provider:
    """Sends requests with one key. `strict`: see `Planner`."""

    key: tuple[str, str]
    strict: bool = True
    planner: Planner = field(init=False)

    def __post_init__(self) -> None:
        self.planner = Planner(ScriptLibrary(), strict=self.strict)

    def send(self, method: str, target: str, body: Any = None, **headers: str) -> Answered:
        data = b"" if body is None else json.dumps(body).encode()
        sent = dict([("host", "127.0.0.1:8089"), self.key]) | {name.replace("_", "-"): v for name, v in headers.items()}
        request = as_request(method, target, sent, data)
        answer = self.planner.answer(request, chunks_allowed=False, keep_alive=True)
        head, _, rest = b"".join(write.payload for write in answer.plan.writes).partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
        return Answered(answer, answer.plan.status, {name: value for name, _, value in lines}, rest)

    def post(self, target: str, body: Any, **headers: str) -> Answered:
        return self.send("POST", target, body, **headers)

    def get(self, target: str, **headers: str) -> Answered:
        return self.send("GET", target, **headers)
