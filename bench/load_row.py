"""What was measured of one load-test client at one number of streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

BUSY: Final = 0.005
"""Seconds (p99). If the server itself wrote later than this, the machine was busy, and the row says nothing."""


@dataclass(frozen=True, slots=True)
class LoadRow:
    """The result of one client at one level. `found` is None if the client failed; `why` has the reason."""

    client: str
    streams: int
    found: dict[str, Any] | None
    why: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether the machine was too busy for these figures."""
        late = (self.found or {}).get("server_late")
        return late is not None and late > BUSY
