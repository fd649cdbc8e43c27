"""Bodies that are no message, and odd values in a body. Each gets names of its own: a server may keep what it is sent,
and give that to its provider ever after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chatproof.conformance.suite.lane import Lane
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ABSENT, body_of
from chatproof.harness.protocol.transcript import Transcript

JSON = (("Content-Type", "application/json"),)
ODD_IDS: tuple[Any, ...] = (5, 1.5, True, [], ["a"], {}, {"a": 1}, None)
_NO_MESSAGE: tuple[Any, ...] = (ABSENT, None, 5, True, ["hello"], {"text": "hello"})
_NO_OBJECT = (  # in each, SESSION becomes a session id
    b"",
    b"hello",
    b'{"session_id": "SESSION", "message": "hello"',
    b"{'message': 'hello', 'session_id': 'SESSION'}",
    b'{"message": "caf\xe9", "session_id": "SESSION"}',
    b"\xff\xfe\x00",
    b"[]",
    b'["hello"]',
    b'"hello"',
    b"5",
    b"null",
)


@dataclass(frozen=True, slots=True)
class OddBody:
    """A body, and the case id in its message."""

    case: str
    value: dict[str, Any]

    def __str__(self) -> str:
        return json.dumps(self.value)  # a lone surrogate goes as \ud800: its raw bytes would not be UTF-8


def without_message(lane: Lane) -> Iterator[dict[str, Any]]:
    """Objects in which `message` is missing, or has another type."""
    for message in _NO_MESSAGE:
        yield body_of(message, lane.new_session())


def no_objects(lane: Lane) -> Iterator[bytes]:
    """Bodies that are empty, not JSON, not UTF-8, or not an object."""
    for pattern in _NO_OBJECT:
        yield pattern.replace(b"SESSION", lane.new_session().encode())


def odd_bodies(lane: Lane) -> Iterator[OddBody]:
    """A `session_id` of another type, and lone surrogates in the message and in the id."""

    def odd(text: str = "", session: Any = ABSENT) -> OddBody:
        name = lane.new_case()
        message = f"{text}{lane.message('Please say hello.', 'hello', name)}"
        return OddBody(name, body_of(message, lane.new_session() if session is ABSENT else session))

    yield from (odd(session=value) for value in ODD_IDS)
    yield odd("\ud800 ")
    yield odd(session=f"{lane.new_session()}\udfff")


def refused(answer: Transcript) -> bool:
    """Whether the answer is a 4xx."""
    return answer.status is not None and 400 <= answer.status <= 499
