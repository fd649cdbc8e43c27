"""Gemini's dialect: how each fault of a script looks, in each framing."""

from __future__ import annotations

import json

import pytest

from tests.fake_providers.gemini_kit import (
    ARRAY,
    FRAMINGS,
    SSE,
    WHOLE,
    fault,
    payload,
    replied,
    request,
    script,
)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("keys", "code", "status", "details"),
    [
        ('"status"\nstatus = 400', 400, "INVALID_ARGUMENT", []),
        ('"status"\nstatus = 401', 400, "INVALID_ARGUMENT", ["ErrorInfo", "LocalizedMessage"]),
        ('"status"\nstatus = 401\ntype = "UNAUTHENTICATED"', 401, "UNAUTHENTICATED", []),
        ('"status"\nstatus = 403', 403, "PERMISSION_DENIED", []),
        ('"status"\nstatus = 418', 418, "FAILED_PRECONDITION", []),
        ('"status"\nstatus = 429', 429, "RESOURCE_EXHAUSTED", ["ErrorInfo", "QuotaFailure", "Help"]),
        (
            '"status"\nstatus = 429\nretry_after_s = 26',
            429,
            "RESOURCE_EXHAUSTED",
            ["ErrorInfo", "QuotaFailure", "Help", "RetryInfo"],
        ),
        ('"status"\nstatus = 500\nretry_after_ms = 50', 500, "INTERNAL", ["RetryInfo"]),
        ('"status"\nstatus = 503', 503, "UNAVAILABLE", []),
        ('"status"\nstatus = 504\ncode = "TOO_SLOW"', 504, "DEADLINE_EXCEEDED", ["ErrorInfo"]),
        ('"status"\nstatus = 507', 507, "INTERNAL", []),
    ],
)
def test_status_faults_have_googles_error_shape(
    keys: str, code: int, status: str, details: list[str], framing: str
) -> None:
    reply = replied(request(framing=framing), fault(keys, "[[steps]]\nwait_ms = 40"))
    assert (reply.status, reply.head_due, reply.end, reply.faulted) == (code, 0.04, "complete", True)
    answer = json.loads(payload(reply))
    if framing == ARRAY:
        (answer,) = answer
    error = answer["error"]
    assert (error["code"], error["status"]) == (code, status)
    assert error["message"]
    assert [detail["@type"].rpartition(".")[2] for detail in error.get("details", [])] == details


def test_the_retry_delay_is_a_duration_and_the_finer_one_wins() -> None:
    reply = replied(request(), fault('"status"\nstatus = 429\nretry_after_s = 1\nretry_after_ms = 50', ""))
    details = json.loads(payload(reply))["error"]["details"]
    assert details[-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.050s"}
    assert details[1]["violations"][0]["quotaDimensions"]["model"] == "gemini-2.5-flash"


@pytest.mark.parametrize(("kind", "expected"), [("empty", b""), ("html", b"<html>")])
def test_status_faults_may_have_other_bodies(kind: str, expected: bytes) -> None:
    reply = replied(request(), fault(f'"status"\nstatus = 502\nbody = "{kind}"', ""))
    assert payload(reply).startswith(expected)
    assert bool(payload(reply)) == bool(expected)


def test_an_error_follows_events_bare_and_ends_an_array() -> None:
    error = '{\n  "error": {\n    "code": 500,\n    "message": "m",\n    "status": "INTERNAL"\n  }\n}\n'
    events = replied(request(), fault('"error"\nmessage = "m"'))
    assert events.frames[-1].payload.decode() == error
    assert events.end == "complete"
    array = replied(request(framing=ARRAY), fault('"error"\nmessage = "m"'))
    assert array.frames[-1].payload.decode() == f",\r\n{error}]"
    assert len(json.loads(payload(array))) == 3
    whole = replied(request(framing=WHOLE), fault('"error"\nmessage = "m"'))
    assert (whole.status, payload(whole).decode()) == (500, error)


@pytest.mark.parametrize("framing", [SSE, ARRAY])
def test_a_malformed_event_is_followed_by_good_ones(framing: str) -> None:
    steps = '[[steps]]\nfault = "malformed"\n[[steps]]\ntokens = ["Two"]'
    frames = replied(request(framing=framing), script(steps)).frames
    start, end = (b"data: ", b"\r\n\r\n") if framing == SSE else (b"[", b'"brok')
    assert frames[0].payload.startswith(start)
    assert frames[0].payload.endswith(end)
    assert b'"text": "brok' in frames[0].payload
    assert b'"Two"' in frames[1].payload
    assert b"STOP" in frames[-1].payload


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("end", ["close", "cut", "reset", "stall"])
def test_a_broken_connection_leaves_a_reply_unfinished(end: str, framing: str) -> None:
    reply = replied(request(framing=framing), fault(f'"{end}"'))
    assert (reply.end == end, reply.faulted) == (True, True)
    assert bool(reply.torn) == (end == "cut")
    if framing != WHOLE:
        assert b"STOP" not in payload(reply)
        assert [frame.text for frame in reply.frames] == ["One", " two"]
    elif end == "stall":
        assert reply.status is None
    else:
        assert reply.head_due == reply.end_due == pytest.approx(0.02)
        with pytest.raises(json.JSONDecodeError):
            json.loads(payload(reply) + reply.torn)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_nothing_at_all_and_garbage(framing: str) -> None:
    nothing = replied(request(framing=framing), fault('"close"', ""))
    assert (nothing.status, nothing.frames, nothing.end) == (None, (), "close")
    garbage = replied(request(framing=framing), fault('"garbage"', ""))
    assert garbage.status is None
    assert not payload(garbage).startswith(b"HTTP")
