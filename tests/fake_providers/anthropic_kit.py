"""Requests of Anthropic's Messages API, and what a planner answers."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.scripting.script import BUILT_IN, load_scripts, parse_script
from chatproof.fake_providers.scripting.script_library import ScriptLibrary

PATH: Final = "/v1/messages"
COUNT: Final = "/v1/messages/count_tokens"
KEYS: Final = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
MODEL: Final = "claude-haiku-4-5"
THINKS: Final = {"type": "enabled", "budget_tokens": 1_024}
_BASE: Final = load_scripts(BUILT_IN)


class Replied(NamedTuple):
    """A reply: its status, its headers, and its body."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """The status, the error's type and its message, up to what only fakes say."""
        inner = self.json["error"]
        return self.status, inner["type"], inner["message"].partition(" (The fakes are strict")[0]

    @property
    def events(self) -> list[tuple[str, Any]]:
        """(name, data) of each event."""
        found = []
        for event in self.body.strip().split("\n\n"):
            name, data = event.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        return found


def asked(text: str = "Hi", **more: Any) -> dict[str, Any]:
    """The body of a request with that message."""
    return {"model": MODEL, "max_tokens": 2_048, "messages": [{"role": "user", "content": text}], **more}


def talk(*contents: Any, **more: Any) -> dict[str, Any]:
    """The body of a request with these messages, of the user and the assistant in turn."""
    roles = ("user", "assistant")
    said = [{"role": roles[number % 2], "content": content} for number, content in enumerate(contents)]
    return asked(messages=said, **more)


def replied(
    body: Any = None,
    path: str = PATH,
    *,
    script: str = "",
    strict: bool = True,
    headers: dict[str, str] | None = None,
    method: str = "",
) -> Replied:
    """What the fakes answer. `script`: the TOML of the script `mine`."""
    base = {**_BASE, "mine": parse_script("mine", f'about = "x"\n{script}')} if script else _BASE
    sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    given = KEYS if headers is None else headers
    request = as_request(method or ("GET" if body is None else "POST"), path, dict(given), sent)
    plan = Planner(ScriptLibrary(base=base), strict=strict).answer(request, chunks_allowed=False, keep_alive=True).plan
    raw = b"".join(write.payload for write in plan.writes).decode()
    head, _, text = raw.partition("\r\n\r\n")
    lines = (line.partition(": ") for line in head.split("\r\n")[1:])
    return Replied(plan.status or 0, {name: value for name, _, value in lines}, text)


def problem(body: Any, **more: Any) -> str:
    """The message with which a request is refused as invalid."""
    status, kind, message = replied(body, **more).error
    assert (status, kind) == (400, "invalid_request_error")
    return message
