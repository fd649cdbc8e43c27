"""Scripts in sequence: which one a conversation has come to."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chatproof.fake_providers.dialects.base import Request
from chatproof.fake_providers.scripting.script import Script

_MAX_COUNTS: Final = 10_000
_KEY_HEADERS: Final = ("authorization", "api-key", "x-api-key", "x-goog-api-key")


class Turns:
    """Counts the requests of each conversation: of a case, or else of an API key on a path.

    `folder`: where several processes count together, each conversation in a file of its own; without it
    the counts are this process's, the 10,000 newest conversations.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._counts: OrderedDict[str, int] = OrderedDict()

    def script(self, script: Script, request: Request, case: str | None, scripts: Mapping[str, Script]) -> Script:
        """The script that is to be played: the one given, or where its sequence stands with this request."""
        if not script.sequence:
            return script
        turn = self._next(_conversation(script, request, case))
        return scripts[script.sequence[min(turn, len(script.sequence) - 1)]]

    def clear(self) -> None:
        """Every sequence begins anew."""
        self._counts.clear()
        if self._folder is not None:
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)

    def _next(self, conversation: str) -> int:
        if self._folder is not None:
            return _counted_in(self._folder / conversation)
        turn = self._counts.pop(conversation, 0)
        self._counts[conversation] = turn + 1
        if len(self._counts) > _MAX_COUNTS:
            self._counts.popitem(last=False)
        return turn


def _conversation(script: Script, request: Request, case: str | None) -> str:
    # Model names are a part of Gemini's paths, and "key" of its queries.
    key = next((request.headers[name] for name in _KEY_HEADERS if name in request.headers), request.query)
    who = f"case {case}" if case is not None else f"key {key}\n{request.path}"
    # The names say which sequence it is: another one under the same name begins anew.
    return hashlib.sha256("\n".join([script.name, *script.sequence, who]).encode()).hexdigest()


def _counted_in(path: Path) -> int:
    """How many processes have counted in the file before: one byte each, and appending is atomic."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(number, b".")
        return os.lseek(number, 0, os.SEEK_CUR) - 1
    finally:
        os.close(number)
