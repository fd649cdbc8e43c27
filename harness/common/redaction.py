"""Hides API keys, tokens and passwords, wherever a text is kept or shown: the one place that knows how they look.

Hide first, then cut: half a secret no longer looks like one. `clipped` and its like do both in that order.
Texts that come here already cut end (or begin) with `…` at the cut, and what is left of a secret there is hidden too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from chatproof.harness.protocol.excerpts import CUT

HIDDEN: Final = "[redacted]"
SHELL_SECRET: Final = "$JWT"  # stands for a credential in a line for a shell, where the reader sets it
SHORTEST: Final = 6  # characters: a shorter secret would be found everywhere
_AHEAD: Final = 4_096  # characters behind a cut that are looked at: a secret may go on there

# -- how secrets look. A pattern runs only on a text that holds one of its words (in lower case), since most hold none.

# What stands between a name and its value: `: `, `=`, `": "`, `', '`, with any quoting and escaping.
_IS = r"(?:['\"\\]*[ \t]*[:=][ \t]*|['\"\\]+[ \t]*,[ \t]*b?(?=['\"\\]))['\"\\]*"
_NEW = r"(?!\[redacted|\$JWT\b)"  # the value is not hidden yet
_TOKENS = ("access", "refresh", "id", "auth", "api", "session", "security", "csrf", "xsrf")
_WORD = r"[^\s'\"\\,;&<>\[\]{}]+"
_RANDOM = r"(?-i:(?=[\w.~+/-]*(?:[\d=_~+/]|[a-z][A-Z]|[A-Z]{2})))"  # has digits, signs or capitals, unlike a plain word
_HERE = rf"(?=['\"]?{CUT})"  # the text is cut here
_KINDS: Final = tuple(
    (words, re.compile(rf"(?i)(?P<keep>{keep}){_NEW}(?:{secret})"))
    for words, keep, secret in (
        # headers whose value goes on to the end of the line, or of the text that quotes it
        (
            ("authorization", "cookie"),
            rf"(?:authorization|cookie2?){_IS}(?:(?:bearer|basic)\s+)?+",
            r"[^'\"\\\r\n\s][^'\"\\\r\n]*",
        ),
        # other headers, fields and variables: one word
        (("key",), rf"(?:api|secret|access|private|subscription|signing|x-[\w-]+)[-_]?key{_IS}", _WORD),
        (("key",), r"api[-_]?key\s+", rf"{_RANDOM}[\w.~+/=-]{{6,}}"),
        (("secret", "x-auth"), rf"(?:[-_]secret|\bx-auth){_IS}", _WORD),
        (
            ("x-", *(f"{kind}{mark}token" for kind in _TOKENS for mark in "-_")),
            rf"(?:{'|'.join(_TOKENS)}|\bx-[\w-]+)[-_]token{_IS}",
            _WORD,
        ),
        # query parameters
        (("?", "&"), r"[?&](?:[\w-]*(?:key|token|secret|signature|password)|sig|auth)=", r"[^&\s'\"\\#;<>]+"),
        # schemes without a header's name
        (("bearer",), r"\bbearer\s+", rf"[\w.~+/=-]{{6,}}|{_RANDOM}[\w.~+/=-]+|[\w.~+/=-]+{_HERE}"),
        (("basic",), r"\bbasic\s+", rf"{_RANDOM}[\w.~+/=-]{{4,}}"),
        # a URL's password; where the URL is cut before its `@`: what is no port
        (("//",), r"//[^/\s:@'\"]*:", rf"[^/\s'\"]+(?=@)|(?!\d+\b)[^/\s'\"@]+{_HERE}"),
        # keys and tokens by their own form; `*`: providers repeat keys like that
        (("sk-", "sk_", "rk-", "rk_", "pk-", "pk_"), r"\b", r"[srp]k[-_][\w*-]{4,}[\w.~+/=*-]*"),
        (("gsk", "hf_", "hf-", "xai-", "xai_"), r"\b", rf"(?-i:(?:gsk|hf|xai)[-_](?:[\w*-]{{8,}}|[\w*-]+{_HERE}))"),
        (("aiza",), r"\b", rf"(?-i:AIza(?:[\w*-]{{10,}}|[\w*-]*{_HERE}))"),
        (("eyj",), r"\b", rf"(?-i:eyJ(?:[\w-]{{6,}}(?:\.[\w-]*){{0,4}}|[\w-]*(?:\.[\w-]+){{1,4}}\.?|[\w-]*{_HERE}))"),
    )
)
# headers that hold a secret, by name: in lower case
_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "key", "apikey", "api-key", "token"}
    | {"sig", "signature", "secret", "password", "auth", "x-auth"}
)
_HEADER_ENDINGS: Final = (
    *("-key", "_key", "-token", "_token", "-secret", "_secret"),
    *("-signature", "_signature", "-password", "_password", "-apikey", "_apikey", "-authorization"),
)
_FIELD: Final = re.compile(
    r"(?i)(?:.*[-_.])?(?:(?:api|secret|access|private|subscription|signing)[-_]?key|(?:client[-_]?)?secret|password"
    r"|passwd|passphrase|authorization|x[-_]auth|(?:set[-_])?cookie"
    r"|(?:access|refresh|id|auth|api|bearer|session|csrf)[-_]?token)"
)
# control characters except tab and line feed, and characters that change the direction of writing
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_known: dict[str, None] = {}  # every written form of each secret given to `conceal`, the longest first


def conceal(secrets: Iterable[str | None]) -> None:
    """Hide these texts in everything that this process reports, whatever they look like.

    Their escaped forms (Python, JSON, URL) are hidden too. Texts of under `SHORTEST` characters are ignored.
    """
    told = {form for secret in secrets if secret and len(secret) >= SHORTEST for form in _forms(secret)}
    together = sorted({*_known, *told}, key=len, reverse=True)
    _known.clear()
    _known.update(dict.fromkeys(together))
    _clean_header.cache_clear()


def redacted(text: str) -> str:
    """The text without secrets, and with control characters as escapes: for reports and terminals."""
    return printable(without_secrets(text))


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace secrets with `[redacted]`: those given to `conceal`, those in `secrets`, and what looks like one."""
    told = [*secrets, *_known] if secrets else _known
    for secret in told:
        text = text.replace(secret, HIDDEN)
    if CUT in text:
        for secret in told:
            text = _without_pieces(text, secret)
    low = text.lower()
    for words, pattern in _KINDS:
        for word in words:  # no `any(…)`: this runs for each word of each picture
            if word in low:
                text = pattern.sub(_hide, text)
                break
    return text


def printable(text: str) -> str:
    """The text with control characters as escapes, so that what a server sends cannot control the terminal."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def clipped(text: str, limit: int) -> str:
    """`redacted(text)`, its first `limit` characters and `…` where it is longer."""
    clean = redacted(text if len(text) <= limit + _AHEAD else text[: limit + _AHEAD] + CUT)
    return clean if len(clean) <= limit else clean[:limit] + CUT


def clipped_middle(text: str, limit: int) -> str:
    """`redacted(text)`; of a longer one than `limit` characters the beginning and the end, with `…` between them."""
    long = len(text) > 2 * (limit + _AHEAD)
    clean = redacted(f"{text[: limit + _AHEAD]}{CUT}{text[-limit - _AHEAD :]}" if long else text)
    return clean if len(clean) <= limit else f"{clean[: limit - limit // 3]}{CUT}{clean[-(limit // 3) :]}"


def clipped_start(text: str, limit: int) -> str:
    """`redacted(text)`, its last `limit` characters, after `…` where it is longer."""
    clean = redacted(text if len(text) <= limit + _AHEAD else CUT + text[-limit - _AHEAD :])
    return clean if len(clean) <= limit else CUT + clean[-limit:]


def redacted_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers without their secrets; the schemes Bearer and Basic stay visible. Fast: for every request."""
    return {name: _clean_header(name, value) for name, value in headers.items()}


def redacted_path(path: str, query: str) -> str:
    """Path and query, without the values of `key=` and its like."""
    path = _clean_header("", path)
    if not query:
        return path
    parts = [part.partition("=") for part in query.split("&")]
    shown = (f"{name}={HIDDEN}" if _is_secret(name) else name + equals + value for name, equals, value in parts)
    return f"{path}?{without_secrets('&'.join(shown))}"


def redacted_json(value: Any) -> Any:
    """A JSON value as a copy without secrets: fields whose name says that they hold one, and what looks like one."""
    try:
        return _clean_value("", value)
    except RecursionError:
        return f"{HIDDEN}: nested too deeply to look for secrets"


def _clean_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {without_secrets(key): _clean_value(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean_value(name, inner) for inner in value]
    if isinstance(value, str):
        return HIDDEN if value and _is_secret_field(name) else without_secrets(value)
    return value


@lru_cache(maxsize=1_000)
def _is_secret_field(name: str) -> bool:
    """Whether a field of a JSON body holds a secret. More words are harmless there than in a header's name."""
    return _FIELD.fullmatch(name) is not None


def _hide(match: re.Match[str]) -> str:
    return f"{match['keep']}{HIDDEN}"


def _forms(secret: str) -> Iterable[str]:
    return secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")


def _without_pieces(text: str, secret: str) -> str:
    """Hide what a cut left of a secret: its beginning before a `…`, its end behind one."""
    parts = text.split(CUT)
    for number, part in enumerate(parts):
        if number < len(parts) - 1:
            bare = part.rstrip("'\"")
            for size in range(min(len(secret) - 1, len(bare)), SHORTEST - 1, -1):
                if bare.endswith(secret[:size]):
                    part = f"{bare[:-size]}{HIDDEN}{part[len(bare) :]}"
                    break
        if number > 0:
            bare = part.lstrip("'\"")
            for size in range(min(len(secret) - 1, len(bare)), SHORTEST - 1, -1):
                if bare.startswith(secret[-size:]):
                    part = f"{part[: len(part) - len(bare)]}{HIDDEN}{bare[size:]}"
                    break
        parts[number] = part
    return CUT.join(parts)


@lru_cache(maxsize=500)  # most of a client's headers are the same in each of its requests
def _clean_header(name: str, value: str) -> str:
    if not _is_secret(name):
        return without_secrets(value)
    scheme = value.partition(" ")[0].capitalize()
    return f"{scheme} {HIDDEN}" if scheme in ("Bearer", "Basic") else HIDDEN


@lru_cache(maxsize=1_000)
def _is_secret(name: str) -> bool:
    name = name.lower()
    return name in _HEADERS or name.endswith(_HEADER_ENDINGS)
