"""Read the table of an own api. docs/apis.md explains its keys; `chatproof api --sample` proposes one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from chatproof.harness.protocol.apis.api import Api, Endpoint, Framing, Headers, History, Role
from chatproof.harness.protocol.apis.event_rule import EventRule
from chatproof.harness.protocol.apis.known_apis import KNOWN_APIS
from chatproof.harness.protocol.apis.placeholders import named_in
from chatproof.harness.protocol.apis.table_api import BEARER, TURN, EventRules, SocketTable, TableApi, TextRule
from chatproof.harness.protocol.apis.table_keys import Keys, TableError
from chatproof.harness.protocol.requirements import NOT_NAMES, OWN_API

IN_PATH: Final = ("message", "conversation", "run", "model")
IN_HEADERS: Final = ("conversation", "run", "model", "credential")
IN_BODY: Final = ("message", "conversation", "run", "model", "history", "credential")
IN_TURN: Final = ("role", "text")
OF_ENDPOINT: Final = ("path", "conversation", "run", "last_event")
METHODS: Final = ("POST", "GET", "PUT", "PATCH", "DELETE")
ASKS: Final = ("POST", "PUT", "GET")
READING: Final = ("text", "end", "error", "run", "conversation")
ASKING: Final = (
    "name",
    "method",
    "path",
    "headers",
    "body",
    "credential",
    "model",
    "framing",
    "history",
    "turn",
    "roles",
)
TABLE: Final = (*ASKING, "refusal", *READING, "socketio", "stop", "resume", "like")
LIKE: Final = ("like", "path", "model", "stop", "resume")
RULE: Final = ("event", "where", "equals", "prefix", "pointer")
ENDPOINT: Final = ("method", "path", "headers", "body")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: the name of a header
_PATH: Final = re.compile(r"/[!-~]*")
_OURS: Final = ("host", "content-length", "transfer-encoding", "content-type", "connection")


def read_table(table: Mapping[str, Any]) -> Api:
    """The api that a table describes.

    Raises:
        TableError: one line that names the key and says what to write.
    """
    if "like" in table:
        return _variant(Keys(table, "api", LIKE, " beside like"))
    keys = Keys(table, "api", TABLE)
    name = keys.text("name")
    if name is None:
        raise TableError("api.name", "is missing: it is what reports call the api")
    if name in KNOWN_APIS:
        raise TableError("api.name", f"{name!r} is an api that is built in; to change a part of one, write like = …")
    if name in NOT_NAMES:
        raise TableError("api.name", f"{name!r} stands for several apis in the contract; choose another name")
    if not _NAME.fullmatch(name):
        raise TableError("api.name", f"{name!r}: only lower-case letters, digits, dots, dashes and underscores")
    method = keys.word("method", ASKS) or "POST"
    path, headers, body = _path(keys, IN_PATH), _headers(keys, IN_HEADERS), keys.table("body")
    if method == "GET" and body is not None:
        raise TableError("api.body", "a GET has none; write the message into the path, as in /ask?q={message}")
    if method != "GET" and body is None:
        raise TableError("api.body", 'is missing: what to send, as in body = { question = "{message}" }')
    _check_body("api.body", body, IN_BODY)
    asked = {*named_in(path), *named_in([value for _, value in headers]), *named_in(body)}
    if not asked & {"message", "history"}:
        raise TableError("api.body", "nothing says what the user said: write {message}, or {history} for all turns")
    turn, roles = keys.table("turn"), keys.texts("roles")
    check_places("api.turn", turn, IN_TURN)
    if turn is not None and "text" not in named_in(turn):
        raise TableError("api.turn", "nothing says what was said: write {text}")
    if unknown := roles.keys() - set(Role):
        raise TableError(f"api.roles.{min(unknown)}", f"is no role; known: {', '.join(Role)}")
    return TableApi(
        name=name,
        path=path,
        method=method,
        headers=headers,
        body=body,
        credential=_credential(keys),
        model=_model(keys, asked),
        framing=Framing(keys.word("framing", list(Framing)) or Framing.SSE),
        history=_history(keys, asked),
        turn=TURN if turn is None else turn,
        roles=roles,
        refusal=keys.pointer("refusal"),
        reading=_reading(keys, is_socket=False),
        ends_with_body=any(one.switch("close") for one in keys.tables("end", (*RULE, "mark", "close"))),
        socket=_socket(keys, body),
        stop=_endpoint(keys, "stop", "POST"),
        resume=_endpoint(keys, "resume", "GET"),
    )


def _variant(keys: Keys) -> Api:
    """A built-in api with some things of its own; never the API document's, which says how a reply is stopped."""
    if keys.text("like") == OWN_API:
        why = "stops a reply when its connection closes, and has no other way; docs/resume.md shows what to write"
        raise TableError("api.like", f"{OWN_API!r} {why}")
    known: Any = KNOWN_APIS[keys.word("like", [name for name in KNOWN_APIS if name != OWN_API]) or ""]
    given: dict[str, Any] = {
        "path": _path(keys, ()) if "path" in keys.values else None,
        "model": keys.text("model"),
        "stop": _endpoint(keys, "stop", "POST"),
        "resume": _endpoint(keys, "resume", "GET"),
    }
    if given["model"] and not hasattr(known, "model"):
        raise TableError("api.model", f"{known.name} names no model")
    return replace(known, **{name: one for name, one in given.items() if one})  # type: ignore[no-any-return]


def _check_body(key: str, body: Any, known: Iterable[str]) -> None:
    """Check what is sent as JSON. Raises TableError."""
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise TableError(key, "holds what JSON does not have, such as a date or nan") from problem
    check_places(key, body, known)


def check_places(key: str, value: Any, known: Iterable[str]) -> None:
    """Check the placeholders in a value. Raises TableError."""
    for name in named_in(value):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {{{near[0]}}}?" if near else f"known here: {', '.join(f'{{{one}}}' for one in known)}"
            raise TableError(key, f"there is no placeholder {{{name}}} here; {hint} (as a text: {{{{{name}}}}})")
    for text in _texts(value):
        if "history" in known and "history" in named_in(text) and text != "{history}":
            raise TableError(
                key, f"{text!r}: {{history}} is a list, so it stands alone, as in messages = '{{history}}'"
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _path(keys: Keys, known: Iterable[str]) -> str:
    path, key = keys.text("path"), keys.full("path")
    if path is None:
        raise TableError(key, "is missing: where the server is asked, as in /v2/talk")
    own = path.removeprefix("{path}") if "path" in known else path
    if not _PATH.fullmatch(own or "/"):
        raise TableError(key, f"{path!r} is no path: it begins with a slash and has no spaces or letters beyond ASCII")
    check_places(key, path, known)
    return path


def _headers(keys: Keys, known: Iterable[str]) -> Headers:
    found = keys.texts("headers")
    for name, value in found.items():
        _check_header(f"{keys.full('headers')}.{name}", name, value, known)
    return tuple(found.items())


def _check_header(key: str, name: str, value: str, known: Iterable[str]) -> None:
    if not _TOKEN.fullmatch(name):
        raise TableError(key, f"{name!r} is no name of a header")
    if name.lower() in _OURS:
        raise TableError(key, f"chatproof itself writes {name}")
    if not value.isascii() or not value.isprintable():
        raise TableError(key, f"{value!r} has letters that no header can have")
    check_places(key, value, known)


def _credential(keys: Keys) -> tuple[str, str]:
    if (line := keys.text("credential")) is None:
        return BEARER
    name, colon, value = (part.strip() for part in line.partition(":"))
    if not colon or "credential" not in named_in(value):
        raise TableError(
            "api.credential", f"{line!r} is no header with {{credential}}, as in 'X-Token: {{credential}}'"
        )
    _check_header("api.credential", name, value, IN_HEADERS)
    return name, value


def _model(keys: Keys, asked: set[str]) -> str:
    model = keys.text("model")
    if model is None and "model" in asked:
        raise TableError("api.model", "is missing, and the table has {model}")
    if model is not None and "model" not in asked:
        raise TableError("api.model", "is never sent: write {model} where it belongs, as in body.model")
    return model or ""


def _history(keys: Keys, asked: set[str]) -> History:
    declared = keys.word("history", list(History))
    if declared is None:
        return History.CLIENT if "history" in asked else History.SERVER if "conversation" in asked else History.NOBODY
    needed = {
        History.CLIENT: ("history",),
        History.SERVER: ("conversation",),
        History.EITHER: ("history", "conversation"),
    }
    for place in needed.get(history := History(declared), ()):
        if place not in asked:
            raise TableError("api.history", f"{declared!r} needs {{{place}}} in the path, a header or the body")
    return history


def _reading(keys: Keys, is_socket: bool) -> EventRules:
    """The rules about events. Those of Socket.IO have no data that is no JSON, and no end of a body."""
    mark = () if is_socket else ("mark",)
    texts = [_text(one) for one in keys.tables("text", (*RULE, *(() if is_socket else ("raw",)), "snapshot", "block"))]
    if not texts:
        raise TableError(
            keys.full("text"), 'is missing: where a reply has its text, as in text = { pointer = "/text" }'
        )
    ends = keys.tables("end", (*RULE, *mark, *(() if is_socket else ("close",))))
    if not ends:
        more = "" if is_socket else ", or { close = true } where only the connection's end shows it"
        raise TableError(keys.full("end"), f"is missing: which event says that a reply is whole{more}")
    rules = [_rule(one, "event", *mark, "where", "pointer") for one in ends if not one.values.get("close")]
    errors = [_rule(one, "event", *mark, "where", "pointer") for one in keys.tables("error", (*RULE, *mark))]
    run = keys.one_table("run", RULE)
    told = keys.one_table("conversation", RULE)
    ids = [_rule(one, "pointer") if one else None for one in (run, told)]
    return EventRules(tuple(texts), tuple(rules), tuple(errors), *ids)


def _text(keys: Keys) -> TextRule:
    raw = keys.switch("raw")
    if raw and "pointer" in keys.values:
        raise TableError(keys.full("pointer"), "stands beside raw = true, which takes the event's whole data as text")
    for key in ("equals", "prefix"):
        if key in keys.values and "where" not in keys.values:
            raise TableError(keys.full(key), "needs where: the place that says which events hold text")
    rule = _rule(keys) if raw else _rule(keys, "pointer")
    return TextRule(replace(rule, raw=raw), keys.switch("snapshot"), keys.pointer("block"))


def _rule(keys: Keys, *one_of: str) -> EventRule:
    """A rule, which needs one of some keys."""
    if one_of and not keys.values.keys() & set(one_of):
        first, *others = one_of
        more = f", and so are {', '.join(others)}: one of them says which events are meant" if others else ""
        raise TableError(keys.full(first), f"is missing{more}")
    if {"equals", "prefix"} <= keys.values.keys():
        raise TableError(keys.full("prefix"), "stands beside equals; write one of the two")
    for key in ("equals", "prefix"):
        if key in keys.values and not keys.values.keys() & {"where", "pointer"}:
            raise TableError(keys.full(key), "needs where: the place that is compared")
    return EventRule(
        event=keys.text("event") or "",
        mark=(keys.text("mark") or "").strip(),
        where=keys.pointer("where"),
        equals=keys.scalar("equals"),
        prefix=keys.text("prefix"),
        pointer=keys.pointer("pointer"),
    )


def _socket(keys: Keys, body: Mapping[str, Any] | None) -> SocketTable | None:
    if (own := keys.one_table("socketio", ("ask", "payload", *READING))) is None:
        return None
    if (ask := own.text("ask")) is None:
        raise TableError(own.full("ask"), "is missing: the event that asks")
    payload = own.table("payload")
    payload = body if payload is None else payload
    if not {*named_in(payload)} & {"message", "history"}:
        raise TableError(own.full("payload"), "nothing says what the user said: write {message} or {history}")
    _check_body(own.full("payload"), payload, IN_BODY)
    return SocketTable(ask, payload or {}, _reading(own, is_socket=True))


def _endpoint(keys: Keys, name: str, method: str) -> Endpoint | None:
    if (own := keys.one_table(name, ENDPOINT)) is None:
        return None
    body, path, verb = own.table("body"), _path(own, OF_ENDPOINT), own.word("method", METHODS) or method
    _check_body(own.full("body"), body, OF_ENDPOINT[1:])
    headers = _headers(own, OF_ENDPOINT[1:])
    if verb == "GET" and body is not None:
        raise TableError(own.full("body"), "a GET has none")
    if not {*named_in(path), *named_in(body), *named_in([value for _, value in headers])} & {"conversation", "run"}:
        raise TableError(
            own.full("path"), f"{path!r}: nothing says which reply is meant; write {{conversation}} or {{run}}"
        )
    return Endpoint(verb, path, headers, body)
