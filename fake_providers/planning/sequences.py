"""Scripts in sequence: which of its scripts a conversation has come to."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from chatproof.fake_providers.dialects.base import IncomingRequest
from chatproof.fake_providers.planning.http_request import key_of
from chatproof.fake_providers.scripting.script import PLAYED, Script

_MAX_COUNTS: Final = 10_000


class SequenceOver(LookupError):
    """All scripts of a sequence have been played, and the last one does not repeat."""


class Sequences:
    """Counts the requests of each conversation: those of one case, or else of one API key on one path. What a test
    plays counts all requests without a case together.

    Keeps the counts of the 10,000 newest conversations.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._furthest: dict[str, int] = {}

    def script(
        self,
        script: Script,
        request: IncomingRequest,
        case: str | None,
        scripts: Mapping[str, Script],
        *,
        after_tool: bool = False,
    ) -> Script:
        """The script that the sequence of `script` has come to with this request. SequenceOver.

        `after_tool`: the request ends with a tool's result. Only the last script looks at that, since it repeats: the
        others are played as the sequence lists them.
        """
        count, last = self._next(_conversation(script, request, case)), len(script.sequence) - 1
        self._furthest[script.name] = max(self._furthest.get(script.name, 0), count + 1)
        if count > last and script.exhausted == "error":
            raise SequenceOver
        return scripts[script.sequence[min(count, last)]].reply(after_tool and count >= last)

    def unplayed(self, script: Script) -> tuple[str, ...]:
        """What no conversation has come to yet."""
        return script.sequence[self._furthest.get(script.name, 0) :]

    def clear(self) -> None:
        self._counts.clear()
        self._furthest.clear()

    def _next(self, conversation: str) -> int:
        turn = self._counts.pop(conversation, 0)
        self._counts[conversation] = turn + 1
        if len(self._counts) > _MAX_COUNTS:
            self._counts.popitem(last=False)
        return turn


def _conversation(script: Script, request: IncomingRequest, case: str | None) -> str:
    # Model names are a part of Gemini's paths.
    unnamed = "" if script.name == PLAYED else f"key {key_of(request)}\n{request.path}"
    who = unnamed if case is None else f"case {case}"
    # The scripts' names are a part of the key: a changed sequence under the same name begins anew.
    return hashlib.sha256("\n".join([script.name, *script.sequence, who]).encode()).hexdigest()
