"""From a request to its answer: which dialect, which script. The same for every player."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, Dialect, Reply, Request
from chatproof.fake_providers.planning.router import dialect_for
from chatproof.fake_providers.planning.sequences import Turns
from chatproof.fake_providers.scripting.faults import Frame
from chatproof.fake_providers.scripting.library import Library
from chatproof.fake_providers.scripting.script import Script


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request is answered: by rendering `ask`, or, where that is None, by `refusal`."""

    dialect: Dialect
    ask: Ask | None
    refusal: Reply | None

    @property
    def case(self) -> str | None:
        source = self.ask or self.refusal
        return source.case if source is not None else None

    def render(self) -> Reply:
        """The reply; equal asks have equal ones."""
        if self.refusal is not None:
            return self.refusal
        assert self.ask is not None
        return self.dialect.render(self.ask)


class Answering:
    """Chooses dialect and script; it remembers where each sequence stands."""

    def __init__(self, library: Library, turns: Turns | None = None) -> None:
        self.library: Final = library
        self.turns: Final = turns if turns is not None else Turns()
        self._nowhere: Dialect = _Nowhere()

    def answer(self, request: Request) -> Answer:
        scripts = self.library.current()
        dialect = dialect_for(request) or self._nowhere
        found = dialect.read(request, scripts)
        if isinstance(found, Reply):
            return Answer(dialect, None, found)
        if found.script.sequence:
            found = replace(found, script=self.turns.script(found.script, request, found.case, scripts))
        return Answer(dialect, found, None)


class _Nowhere:
    """Answers what no provider answers: most often a base URL that lacks its /v1."""

    NAME = "none"

    def answers(self, method: str, path: str) -> bool:
        return True

    def read(self, request: Request, scripts: Mapping[str, Script]) -> Ask | Reply:
        message = (
            f"Invalid URL ({request.method} {request.path[:200]}): no fake provider answers there."
            " Is the base URL right? OPENAI_BASE_URL ends in /v1."
        )
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}
        return Reply(404, (("content-type", "application/json"),), (Frame(json.dumps({"error": error}).encode(), 0.0),))

    def render(self, ask: Ask) -> Reply:
        raise AssertionError("there is nothing to ask here")
