"""Odd timestamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.servers.legal.variant import legal
from tests.servers.plain_server import ChatServer


@legal("far-local-time", only="END-11 END-08 SES-01")
class FarLocalTime(ChatServer):
    """The local time of Kiritimati, in whole seconds and without an offset."""

    def timestamp(self) -> Any:
        return (datetime.now(UTC) + timedelta(hours=14)).strftime("%Y-%m-%dT%H:%M:%S")
