"""Scripts in sequence: which of its scripts a conversation has come to."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from chatproof.fake_providers.dialects.base import IncomingRequest
from chatproof.fake_providers.planning.http_request import key_of
from chatproof.fake_providers.scripting.script import Script

_MAX_COUNTS: Final = 10_000


class Sequences:
    """Counts the requests of each conversation: those of one case, or else of one API key on one path.

    Keeps the counts of the 10,000 newest conversations.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def script(
        self, script: Script, request: IncomingRequest, case: str | None, scripts: Mapping[str, Script]
    ) -> Script:
        """The script that the sequence of `script` has come to with this request."""
        turn = self._next(_conversation(script, request, case))
        return scripts[script.sequence[min(turn, len(script.sequence) - 1)]]

    def clear(self) -> None:
        self._counts.clear()

    def _next(self, conversation: str) -> int:
        turn = self._counts.pop(conversation, 0)
        self._counts[conversation] = turn + 1
        if len(self._counts) > _MAX_COUNTS:
            self._counts.popitem(last=False)
        return turn


def _conversation(script: Script, request: IncomingRequest, case: str | None) -> str:
    # Model names are a part of Gemini's paths.
    who = f"case {case}" if case is not None else f"key {key_of(request)}\n{request.path}"
    # The scripts' names are a part of the key: a changed sequence under the same name begins anew.
    return hashlib.sha256("\n".join([script.name, *script.sequence, who]).encode()).hexdigest()
