"""What counts as accepted within a rate limit, and the addresses that a server takes for other clients."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from types import SimpleNamespace
from typing import cast

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.clients import accepted, not_accepted, refused
from chatproof.harness.client.connection import addresses_beside_loopback
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, STREAM_PATH
from chatproof.harness.protocol.transcript import End, Transcript, Transport

TOKEN = b'data: {"token": "Hi", "count": 1, "partial": "Hi"}\n\n'
DONE = b'data: {"done": true, "tokens": 1, "full_response": "Hi"}\n\n'
ERROR = b'data: {"error": "Busy."}\n\n'


def a_case(has_fakes: bool = True) -> Case:
    provider = SimpleNamespace(text=lambda script: "Hi")
    lane = SimpleNamespace(provider=provider if has_fakes else None, succeeded=lambda reply: reply.is_success)
    return cast(Case, SimpleNamespace(lane=lane))


def answer(status: int | None, body: bytes = b"", end: End = End.COMPLETE) -> Transcript:
    found = Transcript(Transport.SSE)
    if status:
        found.answered(0.0, status, [])
    found.read(0.0, body)
    found.ended(0.0, end)
    return found


@pytest.mark.parametrize(
    ("body", "is_whole"),
    [
        (TOKEN + DONE, True),
        (TOKEN, False),
        (TOKEN + ERROR, False),
        (ERROR, False),
        (DONE, False),
        (TOKEN.replace(b"Hi", b"H") + DONE, False),
    ],
)
def test_a_stream_is_accepted_if_it_is_whole(body: bytes, is_whole: bool) -> None:
    whole, one = answer(200, TOKEN + DONE), answer(200, body)
    assert (one in accepted(a_case(), STREAM_PATH, [whole, one])) == is_whole
    assert (one in not_accepted(a_case(), STREAM_PATH, [whole, one])) != is_whole


@pytest.mark.parametrize(
    ("body", "is_whole"),
    [(b'{"response": "Hi"}', True), (b'{"response": ""}', False), (b'{"error": "Busy."}', False), (b"Hi", False)],
)
def test_an_object_is_accepted_if_it_holds_the_reply(body: bytes, is_whole: bool) -> None:
    whole, one = answer(200, b'{"response": "Hi"}'), answer(200, body)
    assert (one in accepted(a_case(), CHAT_PATH, [whole, one])) == is_whole


def test_replies_that_are_all_without_text_are_the_business_of_other_rows() -> None:
    found = [answer(200, b'{"reply": "Hi"}') for _ in range(2)]
    assert accepted(a_case(), CHAT_PATH, found) == found


@pytest.mark.parametrize("status", [None, 302, 400, 429, 500, 503])
def test_other_statuses_are_not_accepted(status: int | None) -> None:
    one = answer(status)
    assert accepted(a_case(), STREAM_PATH, [one]) == []
    assert not_accepted(a_case(), STREAM_PATH, [one]) == ([] if status in (None, 429) else [one])
    assert refused([one]) == ([one] if status == 429 else [])


def test_without_the_fakes_a_failure_may_be_the_models() -> None:
    found = [answer(500), answer(200, ERROR), answer(400)]
    assert accepted(a_case(has_fakes=False), STREAM_PATH, found) == found[:2]


def test_other_addresses_of_this_machine_can_ask_a_server_on_loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target("http", "127.0.0.1", server.getsockname()[1])
        for address in addresses_beside_loopback(target):  # none in a container without a network
            assert not ip_address(address).is_loopback
            with socket.create_connection((target.host, target.port), 5, (address, 0)) as client:
                assert client.getsockname()[0] == address
    assert list(addresses_beside_loopback(Target("http", "192.0.2.77", 80))) == []
