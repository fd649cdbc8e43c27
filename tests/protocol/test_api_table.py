"""The table of an own api: what it makes of a conversation and of events, and what is told of a bad one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from chatproof.harness.protocol.apis.api import (
    Conversation,
    Endpoint,
    Failure,
    Finish,
    Framing,
    History,
    HttpAsk,
    Named,
    Other,
    Part,
    Role,
    SocketAsk,
    Text,
    Turn,
)
from chatproof.harness.protocol.apis.api_table import read_table
from chatproof.harness.protocol.apis.table_api import TableApi
from chatproof.harness.protocol.apis.table_keys import TableError
from chatproof.harness.protocol.messages import Kind, decode_object
from chatproof.harness.protocol.transcript import End, Transcript, Transport

SERVERS = Path(__file__).parent.parent / "servers" / "apis"
LATER = Conversation(
    (Turn(Role.USER, "Hi {model}"), Turn(Role.ASSISTANT, "Hello"), Turn(Role.USER, "And?")), "c/1", "r1", "tok"
)
LEAST: dict[str, Any] = {
    "name": "mine",
    "path": "/ask",
    "body": {"q": "{message}"},
    "text": {"pointer": "/t"},
    "end": {"mark": "[DONE]"},
}


def api(**more: Any) -> TableApi:
    found = read_table({**LEAST, **more})
    assert isinstance(found, TableApi)
    return found


def parts(one: TableApi, data: str, name: str = "message") -> tuple[Part, ...]:
    return tuple(one.read(name, data, decode_object(data).body))


# -- asking


def test_an_ask_is_filled_from_the_conversation() -> None:
    body = {"q": "{message}", "thread": "{conversation}", "n": 1, "of": ["{run}", {"as": "{model}!", "{run}": None}]}
    one = api(
        body=body,
        model="big",
        path="/t/{conversation}?m={model}",
        headers={"X-Run": "{run}"},
        credential="X-Key: k {credential}",
    )
    wanted = {"q": "And?", "thread": "c/1", "n": 1, "of": ["r1", {"as": "big!", "r1": None}]}
    assert one.ask(LATER) == HttpAsk("/t/c%2F1?m=big", (("X-Run", "r1"), ("X-Key", "k tok")), wanted)
    assert one.history is History.SERVER


def test_a_conversation_without_an_id_is_called_by_its_run() -> None:
    asked = Conversation((Turn(Role.USER, "Hi"),), None, "r1")
    assert api(body={"q": "{message}", "id": "{conversation}"}).ask(asked) == HttpAsk(
        "/ask", (), {"q": "Hi", "id": "r1"}
    )


def test_what_a_user_says_is_never_taken_for_a_placeholder() -> None:
    said = Conversation((Turn(Role.USER, "{run} {{run}}"),), None, "r1")
    assert api(body={"q": "{message}", "as": "{{message}}"}).ask(said).body == {"q": "{run} {{run}}", "as": "{message}"}


def test_the_history_is_all_turns_or_what_was_before_the_message() -> None:
    whole = api(body={"messages": "{history}"})
    assert whole.history is History.CLIENT
    assert whole.ask(LATER).body == {
        "messages": [
            {"role": "user", "content": "Hi {model}"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "And?"},
        ]
    }
    turn, roles = {"who": "{role}", "parts": [{"text": "{text}"}]}, {"assistant": "ai"}
    before = api(body={"before": "{history}", "now": "{message}"}, turn=turn, roles=roles).ask(LATER).body
    assert before == {
        "before": [{"who": "user", "parts": [{"text": "Hi {model}"}]}, {"who": "ai", "parts": [{"text": "Hello"}]}],
        "now": "And?",
    }


def test_a_server_may_choose_the_id_of_a_conversation() -> None:
    """A new one has none; the id is told in an event, and sent from then on."""
    one = api(
        path="/t?c={conversation}", body={"q": "{message}", "id": "{conversation}"}, conversation={"pointer": "/thread"}
    )
    new = Conversation((Turn(Role.USER, "Hi"),), None, "r1")
    assert one.ask(new) == HttpAsk("/t?c=", (), {"q": "Hi"})
    assert one.ask(LATER).body == {"q": "And?", "id": "c/1"}
    told = reply(one, 'data: {"thread": "t7"}', 'data: {"thread": "t8"}', "data: [DONE]")
    assert (told.conversation, told.run) == ("t7", "")
    assert one.names_conversations
    assert not api().names_conversations


def test_who_carries_the_turns_can_be_declared() -> None:
    both = {"q": "{history}", "id": "{conversation}"}
    assert api().history is History.NOBODY
    assert api(body=both).history is History.CLIENT
    assert api(body=both, history="server").history is History.SERVER
    assert api(body=both, history="either").history is History.EITHER


def test_a_get_has_the_message_in_its_path() -> None:
    asked = Conversation((Turn(Role.USER, "a b/é?\ud800"),), None, "r1")
    table = {name: value for name, value in LEAST.items() if name != "body"} | {
        "method": "GET",
        "path": "/a?q={message}",
    }
    assert read_table(table).ask(asked) == HttpAsk("/a?q=a%20b%2F%C3%A9%3F%ED%A0%80", (), None, "GET")


# -- reading


@pytest.mark.parametrize(
    ("rule", "data", "said"),
    [
        ({"pointer": "/t"}, '{"t": "Hi"}', (Text("Hi"),)),
        ({"pointer": "/t"}, '{"t": ""}', (Other(),)),
        ({"pointer": "/t"}, '{"t": 5}', (Other(),)),
        ({"pointer": "/t"}, '{"t": null}', (Other(),)),
        ({"pointer": "/t"}, "not json", ()),
        ({"pointer": "/t"}, '"{\\"t\\": \\"Hi\\"}"', (Other(),)),
        ({"pointer": ""}, '"{ Hi"', (Text("{ Hi"),)),
        ({"pointer": "/1", "where": "/0", "equals": "t"}, '["t", "Hi"]', (Text("Hi"),)),
        (
            {"pointer": "/a/0/b", "snapshot": True, "block": "/i"},
            '{"a": [{"b": "Hi"}], "i": 7}',
            (Text("Hi", True, block="7"),),
        ),
        ({"pointer": "/t", "where": "/k", "equals": "say"}, '{"t": "Hi", "k": "say"}', (Text("Hi"),)),
        ({"pointer": "/t", "where": "/k", "equals": "say"}, '{"t": "Hi", "k": "think"}', (Other(),)),
        ({"pointer": "/t", "where": "/k", "prefix": "s"}, '{"t": "Hi", "k": "say"}', (Text("Hi"),)),
        ({"pointer": "/t", "where": "/k", "prefix": "s"}, '{"t": "Hi", "k": 5}', (Other(),)),
        ({"pointer": "/t", "where": "/k", "equals": 1}, '{"t": "Hi", "k": 1.0}', (Text("Hi"),)),
        ({"pointer": "/t", "where": "/k", "equals": 1}, '{"t": "Hi", "k": true}', (Other(),)),
        ({"pointer": "/t", "where": "/k", "equals": False}, '{"t": "Hi", "k": 0}', (Other(),)),
        ({"pointer": "/t", "where": "/k"}, '{"t": "Hi", "k": {}}', (Other(),)),
        ({"pointer": "/t", "event": "token"}, '{"t": "Hi"}', (Other(),)),
        ({"raw": True}, "Hi there", (Text("Hi there"),)),
        ({"raw": True}, "42", (Text("42"),)),
        ({"raw": True}, "[DONE]", (Finish(None, True),)),
    ],
)
def test_text_stands_where_the_rule_says(rule: dict[str, Any], data: str, said: tuple[Part, ...]) -> None:
    assert parts(api(text=rule), data) == said


@pytest.mark.parametrize(
    ("rule", "data", "is_end"),
    [
        ({"mark": "[DONE]"}, " [DONE] ", True),
        ({"mark": "[DONE]"}, '"[DONE]"', False),
        ({"mark": "0"}, "0", True),
        ({"pointer": "/done", "equals": True}, '{"done": true}', True),
        ({"pointer": "/done", "equals": True}, '{"done": "true"}', False),
        ({"pointer": "/done", "equals": True}, '{"done": 1}', False),
        ({"pointer": "/why"}, '{"why": "stop"}', True),
        ({"pointer": "/why"}, '{"why": null}', False),
        ({"where": "/k", "equals": "end"}, '{"k": "end"}', True),
        ({"where": "/k", "prefix": "end"}, '{"k": "end.ok"}', True),
        ({"event": "end"}, "{}", False),
    ],
)
def test_the_end_is_what_the_rule_says(rule: dict[str, Any], data: str, is_end: bool) -> None:
    assert any(isinstance(part, Finish) for part in parts(api(end=rule), data)) is is_end


def test_one_event_may_hold_text_and_end() -> None:
    one = api(end={"pointer": "/why"})
    assert parts(one, '{"t": "!", "why": "stop"}') == (Text("!"), Finish("stop", True))
    named = api(end={"event": "end"}, run={"pointer": "/id"})
    assert parts(named, '{"id": "r7"}', "end") == (Named("r7"), Finish(None, True))


def test_an_error_is_no_text_and_no_end() -> None:
    one = api(error=[{"where": "/k", "equals": "err", "pointer": "/t"}, {"event": "error"}, {"pointer": "/fault/text"}])
    assert parts(one, '{"k": "err", "t": "no", "why": "stop"}') == (Failure("no"),)
    assert parts(one, "it broke", "error") == (Failure("it broke"),)
    assert parts(one, '{"code": 5}', "error") == (Failure(None),)
    assert parts(one, '{"fault": {"text": "no"}}') == (Failure("no"),)
    assert parts(one, '{"fault": null, "t": "Hi"}') == (Text("Hi"),)


def reply(one: TableApi, *events: str, end: End = End.COMPLETE, status: int = 200) -> Transcript:
    found = Transcript(Transport.SSE, api=one)
    found.answered(0.0, status, [])
    found.read(1.0, "".join(f"{event}\n\n" for event in events).encode())
    found.ended(9.0, end)
    return found


def test_the_mark_behind_an_error_does_not_make_it_a_success() -> None:
    failed = reply(api(error={"pointer": "/e"}), 'data: {"t": "Hi"}', 'data: {"e": "no"}', "data: [DONE]")
    assert failed.completion is None
    assert not failed.is_success
    assert [one.kind for one in failed.messages] == [Kind.TOKEN, Kind.ERROR, Kind.OTHER]


def test_two_signs_of_the_end_are_one_end() -> None:
    twice = reply(api(end=[{"mark": "[DONE]"}, {"pointer": "/why"}]), 'data: {"why": "stop"}', "data: [DONE]")
    assert [one.kind for one in twice.messages] == [Kind.COMPLETION, Kind.OTHER]


def test_the_end_of_the_body_may_be_the_end() -> None:
    one = api(end={"close": True})
    assert reply(one, 'data: {"t": "Hi"}').is_success
    assert not reply(one, 'data: {"t": "Hi"}', end=End.TRUNCATED).is_success
    assert not reply(one, status=500).is_success


def test_raw_text_of_several_lines_is_one_text() -> None:
    assert (
        reply(api(text={"raw": True}), "data: one\ndata: two", "data:  three", "data: [DONE]").text == "one\ntwo three"
    )


@pytest.mark.parametrize(
    ("body", "more", "text"),
    [
        (b'{"error": "no"}', {}, "no"),
        (b'{"error": {"message": "no"}}', {}, "no"),
        (b'{"detail": "no"}', {}, "no"),
        (b"Service unavailable", {}, "Service unavailable"),
        (b"<html>502</html>", {}, None),
        (b"", {}, None),
        (b"[]", {}, None),
        (b"\xff\xfe", {}, "\ufffd\ufffd"),
        (b'{"fault": {"text": "no"}}', {"error": {"pointer": "/fault/text"}}, "no"),
        (b'{"problem": ["no"]}', {"refusal": "/problem/0"}, "no"),
        (b'{"error": "no"}', {"refusal": "/problem"}, None),
    ],
)
def test_a_refusal_has_a_text(body: bytes, more: dict[str, Any], text: str | None) -> None:
    assert api(**more).error_of(body) == text


def test_socket_io_has_names_of_its_own() -> None:
    table = tomllib.loads((SERVERS / "made-up.toml").read_text(encoding="utf-8"))["api"]
    one = read_table(table)
    assert one.has_sockets
    assert one.emit(LATER) == SocketAsk("talk", {"question": "And?", "thread": "c/1"})
    assert tuple(one.read_emitted("piece", "Hi")) == (Text("Hi"),)
    assert tuple(one.read_emitted("finished", None)) == (Finish(),)
    assert tuple(one.read_emitted("trouble", {"text": "no"})) == (Failure("no"),)
    assert tuple(one.read_emitted("other", {"text": "no"})) == (Other(),)
    assert not api().has_sockets
    with pytest.raises(LookupError, match="mine has no Socket"):
        api().emit(LATER)


def test_endpoints_are_read() -> None:
    one = api(
        path="/t/{conversation}",
        stop={"path": "{path}/stop", "body": {"id": "{run}"}},
        resume={"path": "/r/{run}", "headers": {"Last-Event-ID": "{last_event}"}},
    )
    assert one.stop == Endpoint("POST", "{path}/stop", (), {"id": "{run}"})
    assert one.about(one.stop, LATER) == HttpAsk("/t/c%2F1/stop", (("Authorization", "Bearer tok"),), {"id": "r1"})
    assert one.resume is not None
    assert one.about(one.resume, LATER, "s", "9").path == "/r/s"


def test_a_built_in_api_can_be_changed() -> None:
    one = read_table({"like": "ai-sdk", "path": "/chat", "resume": {"path": "{path}/{conversation}/stream"}})
    assert (one.name, one.path, one.resume) == ("ai-sdk", "/chat", Endpoint("GET", "{path}/{conversation}/stream"))


def test_the_documents_events_can_be_resumed_by_a_table_of_ones_own() -> None:
    page = (Path(__file__).parents[2] / "docs" / "resume.md").read_text(encoding="utf-8")
    block = next(one for one in page.split("```toml\n")[1:] if one.startswith('[api]\nname = "my-chat"'))
    one = read_table(tomllib.loads(block.partition("```")[0])["api"])
    asked = one.ask(LATER)
    assert (asked.path, asked.body) == ("/api/chat/stream", {"message": "And?", "session_id": "c/1"})
    events = (
        {"token": "Hi", "count": 1, "partial": "Hi"},
        {"done": True, "tokens": 1, "full_response": "Hi"},
        {"error": "It broke."},
    )
    parts = [part for event in events for part in one.read("message", json.dumps(event), event)]
    assert parts == [Text("Hi"), Finish(closes=True), Failure("It broke.")]
    assert one.resume
    assert one.about(one.resume, LATER).path == "/api/chat/stream/c%2F1"


def test_the_lines_of_the_tests_are_what_they_say() -> None:
    one = read_table(tomllib.loads((SERVERS / "lines.toml").read_text(encoding="utf-8"))["api"])
    assert (one.framing, one.history) == (Framing.NDJSON, History.CLIENT)


# -- what is told of a bad table


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": None}, "api.name: is missing"),
        ({"name": "ai-sdk"}, "api.name: 'ai-sdk' is an api that is built in"),
        ({"name": "My Api"}, "api.name: 'My Api': only lower-case letters"),
        ({"name": "sockets"}, "api.name: 'sockets' stands for several apis"),
        ({"name": 5}, "api.name: is not a text: 5"),
        ({"nmae": "x"}, "api.nmae: unknown key; did you mean name?"),
        ({"txt": {}, "text": None}, "api.txt: unknown key; did you mean text?"),
        ({"x y": 1}, "api.'x y': unknown key; known: name"),
        ({"path": None}, "api.path: is missing"),
        ({"path": "ask"}, "api.path: 'ask' is no path"),
        ({"path": "/a b"}, "api.path: '/a b' is no path"),
        ({"path": "/é"}, "api.path: '/é' is no path"),
        ({"path": "/{mesage}"}, "api.path: there is no placeholder {mesage} here; did you mean {message}?"),
        ({"path": "/{history}"}, "api.path: there is no placeholder {history} here; known here: {message}"),
        ({"body": None}, "api.body: is missing"),
        ({"body": {}}, "api.body: nothing says what the user said"),
        ({"body": {"q": "hello"}}, "api.body: nothing says what the user said"),
        ({"body": {"q": "{msg}"}}, "api.body: there is no placeholder {msg} here"),
        ({"body": {"q": "a {history}"}}, "api.body: 'a {history}': {history} is a list"),
        ({"body": {"q": "{message}", "at": float("nan")}}, "api.body: holds what JSON does not have"),
        (
            {"body": {"q": "{message}", "at": tomllib.loads("a=2026-01-01")["a"]}},
            "api.body: holds what JSON does not have",
        ),
        ({"body": "{message}"}, "api.body: is not a table"),
        ({"method": "GET"}, "api.body: a GET has none"),
        ({"method": "BREW"}, "api.method: 'BREW' is not known; known: POST"),
        ({"headers": {"X-A": 5}}, "api.headers.X-A: is not a text: 5"),
        ({"headers": {"X A": "1"}}, "api.headers.X A: 'X A' is no name of a header"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "api.headers.X-A: '1\\r\\nX-B: 2' has letters that no header can have"),
        ({"headers": {"Content-Length": "1"}}, "api.headers.Content-Length: chatproof itself writes Content-Length"),
        ({"headers": {"X-A": "{message}"}}, "api.headers.X-A: there is no placeholder {message} here"),
        ({"credential": "X-Key"}, "api.credential: 'X-Key' is no header with {credential}"),
        ({"model": "big"}, "api.model: is never sent"),
        ({"body": {"q": "{message}", "m": "{model}"}}, "api.model: is missing, and the table has {model}"),
        ({"framing": "jsonl"}, "api.framing: 'jsonl' is not known; did you mean 'ndjson'?"),
        ({"history": "client"}, "api.history: 'client' needs {history}"),
        ({"history": "sever"}, "api.history: 'sever' is not known; did you mean 'server'?"),
        ({"turn": {"a": "b"}}, "api.turn: nothing says what was said"),
        ({"roles": {"system": "x"}}, "api.roles.system: is no role"),
        ({"refusal": "error"}, "api.refusal: 'error' is no JSON pointer"),
        ({"text": None}, "api.text: is missing"),
        ({"text": []}, "api.text: is missing"),
        ({"text": "/t"}, "api.text: is neither a table nor a list of tables"),
        ({"text": {}}, "api.text.pointer: is missing"),
        (
            {"text": {"pointer": "$.t"}},
            "api.text.pointer: '$.t' is no JSON pointer: it begins with a slash, as in '/t'",
        ),
        ({"text": [{"pointer": "/t"}, {"pointr": "/t"}]}, "api.text[1].pointr: unknown key; did you mean pointer?"),
        ({"text": {"pointer": "/t", "equals": "x"}}, "api.text.equals: needs where"),
        (
            {"text": {"pointer": "/t", "where": "/k", "equals": "x", "prefix": "y"}},
            "api.text.prefix: stands beside equals",
        ),
        ({"text": {"pointer": "/t", "where": "/k", "equals": ["x"]}}, "api.text.equals: is not a text, a number"),
        ({"text": {"pointer": "/t", "snapshot": "yes"}}, "api.text.snapshot: is not true or false: 'yes'"),
        ({"text": {"pointer": "/t", "raw": True}}, "api.text.pointer: stands beside raw"),
        ({"end": None}, "api.end: is missing"),
        ({"end": {}}, "api.end.event: is missing, and so are mark, where, pointer"),
        ({"end": {"equals": True}}, "api.end.event: is missing"),
        ({"end": {"event": "x", "equals": True}}, "api.end.equals: needs where"),
        ({"end": {"mark": ""}}, "api.end.mark: is not a text: ''"),
        ({"error": {"text": "/e"}}, "api.error.text: unknown key"),
        ({"run": [{"pointer": "/r"}]}, "api.run: is one table"),
        ({"socketio": {}}, "api.socketio.ask: is missing"),
        ({"socketio": {"ask": "talk"}}, "api.socketio.text: is missing"),
        ({"socketio": {"ask": "talk", "text": {"raw": True}}}, "api.socketio.text.raw: unknown key"),
        ({"socketio": {"ask": "talk", "payload": {"a": 1}}}, "api.socketio.payload: nothing says what the user said"),
        ({"stop": {"path": "/stop"}}, "api.stop.path: '/stop': nothing says which reply is meant"),
        ({"stop": {"path": "/stop/{id}"}}, "api.stop.path: there is no placeholder {id} here"),
        ({"resume": {"path": "/r/{run}", "body": {}}}, "api.resume.body: a GET has none"),
        ({"like": "ai-sdk"}, "api.name: unknown key; known beside like: like, path"),
        ({**dict.fromkeys(LEAST), "like": "chat-stream"}, "api.like: 'chat-stream' stops a reply when"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_key(change: dict[str, Any], says: str) -> None:
    table = {name: value for name, value in {**LEAST, **change}.items() if value is not None}
    with pytest.raises(TableError) as caught:
        read_table(table)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
