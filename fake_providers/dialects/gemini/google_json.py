"""JSON as Google's frontend writes it: its spaces, its escapes, and durations as text.

Source: recorded answers of the API, and the rules of Protocol Buffers' JSON writer, which it shares.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Final, Literal

Escapes = Literal["google", "ascii", "raw"]
"""google: what the API escapes; ascii: all non-ASCII characters as well; raw: only what JSON requires."""

_UNSAFE: Final = re.compile(
    "[<>\x7f-\x9f\u00ad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e\u2060-\u2064\u206a-\u206f"
    "\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
"""HTML's brackets and invisible characters: line ends for some readers, formatting for others."""


def compact(value: object, escapes: Escapes = "google") -> str:
    """One line, as in server-sent events: a space after each colon, none after commas."""
    return _escaped(json.dumps(value, ensure_ascii=escapes == "ascii", separators=(",", ": ")), escapes)


def pretty(value: object, escapes: Escapes = "google") -> str:
    """Indented by two spaces, as everywhere else; ends with a newline."""
    return _escaped(json.dumps(value, ensure_ascii=escapes == "ascii", indent=2), escapes) + "\n"


def quoted(text: str, escapes: Escapes = "google") -> str:
    """One string, as `compact` and `pretty` write it, but faster: every frame has one."""
    return _escaped(encode_basestring_ascii(text) if escapes == "ascii" else encode_basestring(text), escapes)


def duration(seconds: float) -> str:
    """google.protobuf.Duration: "26s", "0.050s"; down to milliseconds."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole}.{milliseconds:03}s" if milliseconds else f"{whole}s"


def _escaped(text: str, escapes: Escapes) -> str:
    # None of these characters has a meaning in JSON itself: they can only stand inside strings.
    return text if escapes == "raw" or not _UNSAFE.search(text) else _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if not found[0].isascii() else f"\\u{ord(found[0]):04x}"
