"""The extras of the package, and the one line that says which of them to install."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final, Literal

from chatproof.harness.common.errors import ChatproofError

Extra = Literal["reference", "load"]
MODULES: Final[dict[Extra, tuple[str, ...]]] = {
    "reference": (
        *("flask", "flask_socketio", "flask_cors", "gevent", "simple_websocket"),
        *("redis", "orjson", "jwt", "dotenv"),
    ),
    "load": ("locust",),
}
"""What each extra brings, by the names that are imported."""


def needs(extra: Extra, who: str) -> None:
    """Say that `who` (a command) needs an extra. Imports nothing.

    Raises:
        ChatproofError: a module of the extra is not installed; the line says what to install.
    """
    for module in MODULES[extra]:
        if find_spec(module) is None:
            # no `pip install chatproof`: nothing is released, so the name may be a stranger's
            advice = f"install chatproof with its extra, chatproof[{extra}] (see README.md)"
            raise ChatproofError(f"{who} needs {module}, which is not installed: {advice}")
