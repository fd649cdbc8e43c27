"""The api seam: how the document's api asks and reads, and that a transcript leaves both to its api."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chatproof.harness.protocol.apis.api import (
    Api,
    BaseApi,
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
    Usage,
)
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM, body_of
from chatproof.harness.protocol.checks.end import one_completion_and_last
from chatproof.harness.protocol.checks.err import error_ends_the_reply
from chatproof.harness.protocol.checks.tok import text_is
from chatproof.harness.protocol.messages import JsonObject, Kind
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from tests.protocol.kit import is_kept, violated

HELLO = Conversation((Turn(Role.USER, "Hi"),), id="s1", run="r1", credential="a.b.c")


def test_the_document_asks_with_the_new_message_and_the_sessions_id() -> None:
    """The server keeps the turns, so neither earlier ones nor the run's id are sent."""
    later = Conversation((Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Hello"), Turn(Role.USER, "And?")), "s1", "r2")
    assert CHAT_STREAM.history is History.SERVER
    assert CHAT_STREAM.ask(later) == HttpAsk("/api/chat/stream", (), {"message": "And?", "session_id": "s1"})
    assert CHAT_STREAM.ask(HELLO).headers == (("Authorization", "Bearer a.b.c"),)
    assert CHAT_STREAM.emit(HELLO) == SocketAsk("chat_stream", {"message": "Hi", "session_id": "s1"})
    assert CHAT_STREAM.ask_chat(HELLO).path == "/api/chat"


def test_a_conversation_without_an_id_sends_none() -> None:
    assert CHAT_STREAM.ask(Conversation((Turn(Role.USER, "Hi"),))).body == {"message": "Hi"}
    assert (body_of(), body_of(5, None)) == ({}, {"message": 5, "session_id": None})


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ({"token": "Hi", "count": 1, "partial": "Hi"}, (Text("Hi"),)),
        ({"token": 5}, (Text(""),)),
        ({"token": "Hi", "done": True}, (Text("Hi"),)),
        ({"done": True, "tokens": 1}, (Finish(),)),
        ({"error": "no"}, (Failure("no"),)),
        ({"error": {"code": 1}}, (Failure(None),)),
        ({"error": None, "hint": 1}, (Other(),)),
        (None, ()),
    ],
)
def test_the_document_reads_one_part_an_event(body: JsonObject | None, parts: tuple[Part, ...]) -> None:
    assert repr(tuple(CHAT_STREAM.read("message", "", body))) == repr(parts)  # their types count as well


def test_the_documents_socket_events_are_told_by_name() -> None:
    assert tuple(CHAT_STREAM.read_emitted("chat_token", {"token": "Hi"})) == (Text("Hi"),)
    assert tuple(CHAT_STREAM.read_emitted("chat_complete", {})) == (Finish(),)
    assert tuple(CHAT_STREAM.read_emitted("chat_stream_error", {"error": "no"})) == (Failure("no"),)
    assert tuple(CHAT_STREAM.read_emitted("token", {"token": "Hi"})) == (Other(),)


@pytest.mark.parametrize(("body", "text"), [(b'{"error": "no"}', "no"), (b'{"error": " "}', None), (b"no", None)])
def test_an_error_body_has_a_text(body: bytes, text: str | None) -> None:
    assert CHAT_STREAM.error_of(body) == text


class Snapshots(BaseApi):
    """An api of the test's own: snapshots, several parts in one event, and an end mark that is not JSON."""

    name, path = "snapshots", "/ask"
    history, framing = History.CLIENT, Framing.SSE
    ends_at_error = True

    def ask(self, conversation: Conversation) -> HttpAsk:
        return HttpAsk(self.path, (), {"turns": [turn.text for turn in conversation.turns]})

    def emit(self, conversation: Conversation) -> SocketAsk:
        return SocketAsk("ask", {})

    def read(self, name: str, text: str, body: JsonObject | None) -> Sequence[Part]:
        if text == "[DONE]":
            return (Finish("stop"),)
        parts: dict[str, Any] = dict(body or {})
        found: list[Part] = [Text(parts["thought"], channel="thoughts")] if "thought" in parts else []
        found += [Text(parts["all"], snapshot=True, block=parts.get("block", ""))] if "all" in parts else []
        found += [Usage(parts["usage"])] if "usage" in parts else []
        found += [Named(parts["run"])] if "run" in parts else []
        return found

    def read_emitted(self, name: str, data: Any) -> Sequence[Part]:
        return self.read(name, "", data)

    def error_of(self, body: bytes) -> str | None:
        return body.decode() or None


def read(*events: str) -> Transcript:
    api: Api = Snapshots()
    reply = Transcript(Transport.SSE, status=200, api=api)
    for number, event in enumerate(events):
        reply.read(float(number), f"data: {event}\n\n".encode())
    reply.ended(9.0, End.COMPLETE)
    return reply


def test_a_transcript_leaves_the_reading_to_its_api() -> None:
    """One event may give several parts; thoughts are no text of the reply; the same checks judge it."""
    reply = read('{"thought": "hm", "all": "One"}', '{"all": "One two", "usage": 2}', "[DONE]")
    assert [one.kind for one in reply.messages] == [Kind.OTHER, Kind.TOKEN, Kind.TOKEN, Kind.OTHER, Kind.COMPLETION]
    assert [one.token for one in reply.tokens] == ["One", " two"]
    assert reply.text == "One two"
    assert reply.terminal is reply.completion
    assert is_kept(one_completion_and_last, reply)
    assert is_kept(text_is("One two"), reply)


def test_snapshots_of_several_blocks_add_up() -> None:
    reply = read('{"all": "One", "block": "a"}', '{"all": " two", "block": "b"}', '{"all": " two!", "block": "b"}')
    assert reply.text == "One two!"


def test_the_last_snapshot_is_what_a_client_shows() -> None:
    """A server may close what is open in each snapshot; one that begins anew has lost what stood there."""
    closed = read('{"all": "**bo**"}', '{"all": "**bold**"}', '{"all": "**bold** words"}', "[DONE]")
    assert [one.token for one in closed.tokens] == ["**bo", "ld**", " words"]
    anew = read('{"all": "One"}', '{"all": "One two"}', '{"all": " three"}', '{"all": " three"}', "[DONE]")
    assert [one.token for one in anew.tokens] == ["", "", " three"]
    assert violated(text_is("One two three"), anew)
    other = read('{"all": "One", "block": "a"}', '{"all": "Two", "block": "b"}', '{"all": "", "block": "a"}')
    assert other.text == "Two"


def test_an_error_without_a_text_is_a_finding_and_has_an_outcome() -> None:
    reply = Transcript(Transport.SSE, status=200)
    reply.read(1.0, b'data: {"error": {"code": 1}}\n\n')
    reply.ended(2.0, End.COMPLETE)
    assert violated(error_ends_the_reply, reply) == ["an error event {'error': {'code': 1}}"]
    assert reply.outcome() == "error event {'error': {'code': 1}}"


def test_a_reply_is_named_once_and_its_name_is_no_event() -> None:
    """The server's own id of the ask, by which it is stopped or resumed."""
    reply = read('{"run": "r-1", "all": "One"}', '{"run": "r-2"}', "[DONE]")
    assert reply.run == "r-1"
    assert [one.kind for one in reply.messages] == [Kind.TOKEN, Kind.COMPLETION]


def test_an_endpoint_is_asked_about_a_run() -> None:
    """What is filled into the path is percent-encoded, and the ask's own path is taken as it is, without its query."""
    asked = Conversation((Turn(Role.USER, "Hi"),), id="a/b", run="mine")
    resume = Endpoint("GET", "{path}/{conversation}/stream", (("Last-Event-ID", "{last_event}"),))
    assert resume.ask("/api/chat?v=2", asked, last_event="7") == HttpAsk(
        "/api/chat/a%2Fb/stream", (("Last-Event-ID", "7"),), None, "GET"
    )
    stop = Endpoint("POST", "/stop", body={"task": "{run}", "note": "{{run}} of {run}"})
    assert stop.ask("/", asked).body == {"task": "mine", "note": "{run} of mine"}
    assert stop.ask("/", asked, run="theirs").body == {"task": "theirs", "note": "{run} of theirs"}
    nameless = Conversation((Turn(Role.USER, "Hi"),), run="mine")
    assert resume.ask("/api/chat", nameless).path == "/api/chat/mine/stream"


def test_an_endpoint_is_asked_with_the_users_credential() -> None:
    """As the ask is; built-in apis have no endpoints unless they are given some."""
    asked = Conversation((Turn(Role.USER, "Hi"),), id="c1", run="mine", credential="abc")
    stop = Endpoint("DELETE", "{path}/{run}")
    assert CHAT_STREAM.stop is None
    assert CHAT_STREAM.about(stop, asked, "r 1") == HttpAsk(
        "/api/chat/stream/r%201", (("Authorization", "Bearer abc"),), None, "DELETE"
    )
