"""Keys and tokens taken out of what servers said, before it is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SECRETS: Final = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic)\s+)[^\s\"',;]+"  # Authorization
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"  # JWTs
    r"|\b(?:sk|rk|pk)-[A-Za-z0-9_-]{4,}"  # provider keys
    r"|\bAIza[A-Za-z0-9_-]{10,}"
    r"|(?P<user>//[^/\s:@]*):[^/\s@]+(?=@)",  # a URL's password
    re.IGNORECASE,
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without secrets: those that look like one, and those that are given."""
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return _SECRETS.sub(lambda match: f"{match['scheme'] or ''}{match['user'] or ''}[redacted]", text)
