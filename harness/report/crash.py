"""A crash of the server under test: a finding of its own, beside the rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chatproof.harness.common.redaction import redacted


@dataclass(frozen=True, slots=True)
class Crash:
    """The server ended, or stopped answering, during a run.

    `how`: what was seen of its end. `said`: its first error line, or the end of its output; empty where nothing is
    known. `during`: what was under way. `ask`: the ask that ends the server, in words, and `row`: the row whose test
    sent it; empty where it was not found. `search`: how that is known, or why it is not. `then`: what became of the
    server. `test`: the test that sent the ask. `provider`: the one behind the server. `repeat`: lines for a shell that
    send the ask again, or nothing.
    """

    how: str
    said: str = ""
    during: str = ""
    ask: str = ""
    row: str = ""
    search: str = ""
    then: str = ""
    test: str = ""
    provider: str | None = None
    repeat: str = ""

    @property
    def title(self) -> str:
        """What happened, in one sentence without its end mark."""
        if self.ask:
            return f"the server crashed ({self.how}) because of this ask of {self.row or self.test}: {self.ask}"
        return f"the server crashed ({self.how}) during {self.during}"

    @property
    def details(self) -> str:
        """What else is known, in one line."""
        return redacted("; ".join(filter(None, (self.said, self.search, self.then))))

    @property
    def text(self) -> str:
        """All that is known, in one line."""
        return redacted("; ".join(filter(None, (self.title, self.details))))

    def to_json(self) -> dict[str, Any]:
        """Plain values, redacted: for the JSON report."""
        return {name: redacted(value) if value else None for name, value in asdict(self).items()}
