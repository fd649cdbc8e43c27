"""Requests for which a test has planned no reply: what they get, and how the test is shown them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest
from chatproof.fake_providers.scripting.script import Script, script_of
from chatproof.harness.common.redaction import clipped, clipped_middle, redacted_path

Why = Literal["unscripted", "exhausted", "unknown", "unrecorded"]
Unscripted = Literal["answer", "error"]
"""What a request gets that has no script: a short reply derived from its text, or HTTP 400."""

_TEXT: Final = 300  # characters shown
_BODY: Final = 1_500
_WORDS: Final[dict[Why, str]] = {
    "unscripted": 'no script is planned for this request (unscripted = "error")',
    "exhausted": 'every planned script has been played, and one more request came (exhausted = "error")',
    "unknown": 'the message names a scenario that does not exist (unscripted = "error")',
    "unrecorded": "this request has no recorded reply",
}


def _refusal(why: Why) -> Script:
    message = f"chatproof: {_WORDS[why]}"
    fault = {"fault": "status", "status": 400, "should_retry": False, "code": f"{why}_request", "message": message}
    return script_of(f"({why})", {"about": message, "steps": [fault]}, why)


REFUSALS: Final[Mapping[Why, Script]] = {why: _refusal(why) for why in get_args(Why)}
"""HTTP 400 in the provider's own shape: no official client asks again after it."""


@dataclass(frozen=True, slots=True)
class UnplannedRequest:
    """One such request, secrets hidden. `str` gives a few lines."""

    why: Why
    method: str
    path: str
    body: str
    provider: str = ""
    model: str = ""
    stream: bool = False
    asked: str = ""
    detail: str = ""

    @classmethod
    def of(cls, why: Why, request: IncomingRequest, ask: Ask | None = None, detail: str = "") -> UnplannedRequest:
        """`ask`: the request as its dialect read it."""
        path = redacted_path(request.path, request.query)
        seen = (why, request.method, path, clipped_middle(json.dumps(request.json, ensure_ascii=False), _BODY))
        if ask is None:
            return cls(*seen)
        return cls(*seen, ask.provider, ask.model, ask.stream, clipped(ask.text, _TEXT), detail)

    def __str__(self) -> str:
        about = [self.provider, f"model {self.model}" * bool(self.model), "streamed" * self.stream]
        shown = ", ".join(filter(None, about))
        lines = [_WORDS[self.why] + f": {self.detail}" * bool(self.detail)]
        lines.append(f"  {self.method} {self.path}" + f" ({shown})" * bool(shown))
        lines += [f"  asked: {self.asked!r}"] if self.asked else []
        return "\n".join([*lines, f"  body: {self.body}"])
