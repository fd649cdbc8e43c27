"""What transcripts keep: bounded one by one, and all together."""

from __future__ import annotations

import gc
import json
import time

from chatproof.harness.protocol.checks.err import internals
from chatproof.harness.protocol.memory_budget import LONGEST_LINE, MB, MemoryBudget, SizeLimits
from chatproof.harness.protocol.transcript import End, Transcript, Transport


def reply(limits: SizeLimits | None = None, budget: MemoryBudget | None = None) -> Transcript:
    return Transcript(Transport.SSE, status=200, limits=limits, budget=budget)


def event(text: str) -> bytes:
    return f"data: {json.dumps({'token': text, 'count': 1, 'partial': text})}\n\n".encode()


def test_a_body_past_its_limit_ends_the_reply() -> None:
    one = reply(SizeLimits(body=MB))
    for _ in range(5):
        one.read(1.0, event("x" * 100_000))
    for at in (2.0, 3.0):
        one.read(at, event("x" * 100_000))
    assert (one.end, one.ended_at) == (End.TOO_LARGE, 2.0)
    assert one.fault == "more than 1 MB in one reply; reading stopped"
    assert len(one.tokens) == 6


def test_lines_and_a_line_without_an_end_end_the_reply() -> None:
    many, long = reply(SizeLimits(lines=100)), reply(SizeLimits())
    many.read(1.0, b"\n" * 101)
    long.read(1.0, b"x" * (LONGEST_LINE + 1))
    assert many.fault == "more than 100 lines in one reply; reading stopped"
    assert long.fault == "a line of more than 512 KB in one reply; reading stopped"


def test_events_past_their_limit_end_a_reply_over_sockets() -> None:
    one = Transcript(Transport.WEBSOCKET, limits=SizeLimits(body=MB, lines=10))
    for _ in range(12):
        one.event(1.0, "chat_token", {"token": "a"})
    assert (len(one.messages), one.fault) == (11, "more than 10 events in one reply; reading stopped")


def test_of_a_long_reply_texts_on_the_wire_are_kept_in_part_and_what_they_say_whole() -> None:
    one = reply()
    for _ in range(100):
        one.read(1.0, event("y" * 20_000))
    assert one.text == "y" * 2_000_000
    assert one.length == 100 * len(event("y" * 20_000))
    assert len(one.body) < MB
    assert sum(read.size for read in one.reads) == one.length


def test_the_reply_that_is_largest_for_what_was_asked_makes_room() -> None:
    budget = MemoryBudget(limit=4 * MB)
    honest = reply(SizeLimits.for_tokens(2_000), budget)
    for _ in range(30):
        honest.read(1.0, event("x" * 20_000))
    flood = reply(SizeLimits.for_tokens(0), budget)
    for _ in range(100):
        flood.read(2.0, event("x" * 20_000))
    assert (honest.end, len(honest.tokens)) == (None, 30)
    assert flood.end is End.TOO_LARGE
    assert (honest.is_shed, flood.is_shed) == (False, True)
    assert flood.fault == "all replies together took more than 4 MB; reading stopped"
    assert budget.total < budget.limit


def test_what_is_forgotten_counts_no_more() -> None:
    budget = MemoryBudget()
    for _ in range(3):
        one = reply(None, budget)
        one.read(1.0, event("x" * 10_000))
    assert budget.total == one.weight > 10_000
    del one
    assert budget.total == 0


def test_replies_that_wait_for_the_garbage_collector_take_nothing_from_the_others() -> None:
    budget, honest = MemoryBudget(limit=4 * MB), []
    gc.disable()
    try:
        for _ in range(6):
            one = reply(SizeLimits.for_tokens(2_000), budget)
            for _ in range(30):
                one.read(1.0, event("x" * 20_000))
            honest.append((one.end, len(one.tokens)))
            circle: list[object] = [one]
            circle.append(circle)
            del one, circle
    finally:
        gc.enable()
    assert honest == [(None, 30)] * 6


def test_json_that_takes_much_more_memory_than_its_text_counts_for_it() -> None:
    one = reply()
    one.read(1.0, b'data: {"more": [' + b"{}," * 50_000 + b"{}]}\n\n")
    assert one.weight > 50_000 * 64


def test_internals_are_found_in_no_time_whatever_a_server_sends() -> None:
    hostile = ("\n" * 400_000, " " * 400_000, ",/a/b" * 80_000, "at " * 100_000, "/" * 400_000, "a." * 200_000)
    begun = time.process_time()
    for text in hostile:
        assert internals(text) is None
        assert internals(text[:30_000] + ' File "app.py", line 3' + text) == ("a Python traceback", 30_001)
    assert time.process_time() - begun < 20
