"""Keeps web pages away from the control API: a browser on the same machine reaches 127.0.0.1 for any page it shows.

A page reaches it as another origin, which the browser names in `Origin` and `Sec-Fetch-Site`, or by DNS rebinding: its
own host name then leads to 127.0.0.1, and stands in `Host`. Sources: https://fetch.spec.whatwg.org (Origin header, and
the content types that need no preflight), https://www.w3.org/TR/fetch-metadata/, and Chrome's writing on DNS rebinding.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_HOST: Final = re.compile(r"\[([^\]]*)\](?::\d+)?|([^:]*)(?::\d+)?")
_FORMS: Final = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
"""The content types that any page can send without being asked: those of HTML's forms."""


def is_loopback(name: str) -> bool:
    """Whether a host name or an address is this machine's own: localhost, 127.0.0.0/8, ::1."""
    name = name.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def web_page_problem(method: str, headers: Mapping[str, str], bound: str) -> str:
    """Why a control request is refused: one line, or nothing.

    `bound`: the address that the fakes listen on. On another one than loopback, they are meant to be reached by other
    names, and only pages of other hosts are refused.
    """
    host = _name(headers.get("host", ""))
    if is_loopback(bound) and host and not is_loopback(host):
        return f"the control API answers to localhost and 127.0.0.1 only, not to the host name {host[:100]!r}"
    origin = headers.get("origin")
    if origin is not None and not _is_own(origin, host):
        return f"the control API takes no requests from web pages ({origin[:100]!r})"
    if headers.get("sec-fetch-site") == "cross-site":
        return "the control API takes no requests from web pages of other sites"
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if method == "POST" and kind in _FORMS:
        return f"the control API takes application/json, not {kind}, which any web page can send"
    return ""


def _name(host: str) -> str:
    found = _HOST.fullmatch(host.strip())
    return host if found is None else found[1] or found[2] or ""


def _is_own(origin: str, host: str) -> bool:
    """Whether a page of the fakes' own host, or of this machine, asks. A page without an origin says `null`."""
    try:
        name = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return name != "" and (is_loopback(name) if is_loopback(host) or not host else name == host.lower())
