"""What no report may show: API keys, tokens, secrets, and what would drive a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "[redacted]"
SHORTEST = 6  # characters of a secret that is looked for: shorter ones would be found everywhere

_JWT = re.compile(r"\beyJ[\w-]{6,}(?:\.[\w-]*){0,2}")
_KEY = re.compile(r"(?i)(bearer\s+|\bsk-|api[_-]?key[^\w\[]{1,4}|\bjwt[_-]?secret[^\w\[]{1,4})[\w.~+/=-]{6,}")
_GOOGLE = re.compile(r"\bAIza[\w-]{20,}")
# the value of a header, up to the end of its line or of the text that quotes it
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)"
    r"((?:['\"\\]*\s*[:=]\s*|['\"]\s*,\s*b?(?=['\"]))['\"\\]*)"
    r"([^'\"\\\r\n\[\s][^'\"\\\r\n]*)"
)
# C0 but tab and line feed, DEL, C1, and what turns the direction of writing
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_known: set[str] = set()


def conceal(secrets: Iterable[str | None]) -> None:
    """Hide these texts in all reports of this process, whatever they look like."""
    _known.update(secret for secret in secrets if secret and len(secret) >= SHORTEST)


def redacted(text: str) -> str:
    """The text without keys and tokens, and without control characters: they are shown as escapes."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _KEY.sub(lambda match: f"{match[1]}{HIDDEN}", text)
    text = _GOOGLE.sub(HIDDEN, _JWT.sub(HIDDEN, text))
    text = _HEADER.sub(lambda match: f"{match[1]}{match[2]}{HIDDEN}", text)
    return printable(text)


def printable(text: str) -> str:
    """The text with control characters as escapes: a server's words must not drive the reader's terminal."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)
