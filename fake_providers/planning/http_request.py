"""Builds a IncomingRequest from the parts of an HTTP request, and reads its JSON strictly."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, unquote

from chatproof.fake_providers.dialects.base import IncomingRequest
from chatproof.fake_providers.planning.packed_body import CannotUnpack, unpacked

_NUMBERS: Final = 2**52


def as_request(method: str, target: str, headers: dict[str, str], body: bytes) -> IncomingRequest:
    """The request with its JSON body, or with the reason why the body is not JSON. Packed bodies are unpacked."""
    path, _, query = target.partition("?")
    value, error = None, None
    if body and "content-encoding" in headers:
        try:
            body = unpacked(body, headers["content-encoding"])
        except CannotUnpack as problem:
            error = str(problem)
    if body and error is None:
        value, error = _json(body)
    return IncomingRequest(method, unquote(path), query, headers, body, value, error)


def key_of(request: IncomingRequest) -> str:
    """The API key with which the request came, as it stands in a header or in the query."""
    given = request.headers.get  # spelled out, since every request comes here: a loop takes four times as long
    return given("authorization") or given("api-key") or given("x-api-key") or given("x-goog-api-key") or request.query


def key_number(request: IncomingRequest) -> int:
    """The same number for the same API key, whether a header or the query brought it; see `number_of_key`."""
    given = key_of(request)
    if given == request.query:
        given = dict(parse_qsl(given)).get("key", "")
    scheme, _, rest = given.partition(" ")
    return number_of_key(rest if scheme.lower() == "bearer" else given)


def number_of_key(key: str) -> int:
    """A number that tells keys apart and cannot be turned back into one: it is salted anew in each process. 0: none.

    It has 52 bits, which JSON carries everywhere: the suite compares hundreds of keys in a run.
    """
    key = key.strip()
    return 1 + hash(key) % _NUMBERS if key else 0


def _json(body: bytes) -> tuple[Any, str | None]:
    """Stricter than Python: NaN and lone surrogates are not JSON, and real providers reject them.

    A body with lone surrogates is read all the same, with `?` for each: the journal shows what else it holds.
    """
    try:
        value = _DECODER.decode(body.decode())
        text = json.dumps(value, ensure_ascii=False) if b"\\u" in body else ""
    except UnicodeDecodeError:
        return None, "the body is not UTF-8"
    except RecursionError:
        return None, "the body is nested too deeply"
    except ValueError as problem:
        return None, str(problem)[:200]
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace")), "the body holds a lone surrogate"
    return value, None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
"""Shared: json.loads would build one for each request."""
