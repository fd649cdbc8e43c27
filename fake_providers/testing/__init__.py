"""The fakes inside a test's own process, and the guard that keeps its traffic on this machine.

`says`, `says_json`, `thinks`, `refuses`, `calls` and `fails` write a reply in one line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatproof.fake_providers.scripting.one_line_reply import calls, fails, refuses, says, says_json, thinks

__all__ = ["calls", "fails", "refuses", "says", "says_json", "thinks"]


def __getattr__(name: str) -> Any:
    # On first use: a run that has the guard only must not load the tokenizer.
    if name in __all__:
        return getattr(import_module("chatproof.fake_providers.scripting.one_line_reply"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
