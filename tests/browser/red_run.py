"""A run in which most rows are red, with exchanges of every shape: for a look at its report. Made without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice

from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.protocol.sent import SentRequest
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from chatproof.harness.report import RunSummary
from chatproof.harness.report.evidence import Evidence, ProviderRequest, SeenExchange, evidence
from chatproof.harness.report.failure_screen import screen
from chatproof.harness.report.repetition import curl
from chatproof.harness.report.verdicts import Overall, Row, Verdict

RED = 70  # rows
LONG_WORD = "a-session-id-without-any-place-to-break-" * 8
SEEN = (
    "no completion: 3 tokens, no terminal event, truncated (the connection was closed without an answer)",
    f"GET '{LONG_WORD}': status 404 {{'error': 'No such session.'}}",
    'status 500 with \'{"error": "Chat streaming failed: name `Response` is not defined"}\'',
    "0 of 7 characters had arrived when the provider went on, 299 ms after it wrote them; they never came",
)
REASON = "the provider was never asked: status 503 with 'busy'"


def stream(shape: int, at: float = 50.0) -> tuple[Transcript, Sequence[ProviderRequest]]:
    """An exchange with its provider requests; `shape` chooses how it went."""
    over = (Transport.SSE, Transport.WEBSOCKET, Transport.POLLING)[shape % 3]
    reply = Transcript(over, request=f"POST /api/chat/stream {{'message': '{'hello ' * 30}'}}", asked_at=at)
    count, pause = (3, 5, 40, 120, 600)[shape % 5], (0.001, 0.05, 0.3)[shape % 3]
    writes = [ProviderWrite(at + 0.1 + number * pause, f"word{number} ", 120, 1) for number in range(count)]
    if over is Transport.SSE:
        reply.status, reply.answered_at, reply.headers = 200, at + 0.05, [("content-type", "text/event-stream")]
    for number, write in enumerate(writes):
        held = write.at if shape % 4 else at + 0.1 + (number // 9 + 1) * 9 * pause  # in clumps
        body = {"token": write.text, "count": number + 1, "partial": ""}
        if over is Transport.SSE:
            reply.read(held, f"data: {json.dumps(body)}\n\n".encode())
        else:
            reply.event(held, "chat_token", body)
    last = writes[-1].at + 9 * pause + 0.02
    end = (End.COMPLETE, End.LEFT, End.TIMEOUT, End.TRUNCATED, End.RESET)[shape % 5]
    reply.ended(
        last if end is not End.LEFT else at + 0.12, end, "" if end is End.COMPLETE else "nothing for 10.0 s " * 4
    )
    how = ("completed", "faulted", "client_closed", "client_reset", None)[shape % 5]
    asked = [
        ProviderRequest("openai", "paced", 200, at + 0.02, writes, how, None if how is None else last),
        ProviderRequest("openai", "title", 503, at + 0.03, writes[:1], "faulted", at + 0.2),
    ]
    return reply, asked[: 1 + shape % 2]


def refusal(at: float = 50.0) -> Transcript:
    """An answer in one piece."""
    reply = Transcript(Transport.SSE, request="POST /api/chat {}", asked_at=at, status=404, answered_at=at + 0.01)
    reply.headers = [("content-type", "text/html")]
    reply.read(at + 0.01, f"<h1>Not found</h1><p>{LONG_WORD}</p>".encode())
    reply.ended(at + 0.02, End.COMPLETE)
    return reply


def red_run() -> RunSummary:
    """Its summary."""
    rows, shown = [], []
    for number, one in enumerate(contract()):
        if number >= RED:
            rows.append(Row(one, Verdict.PASSED))
            continue
        if number % 10 == 9:
            rows.append(Row(one, Verdict.NOT_TESTABLE, REASON, provider="openai" if one.needs_provider else None))
            continue
        row, exchange = violated(number)
        rows.append(row)
        shown.append(exchange)
    return RunSummary(
        target="http://127.0.0.1:18012",
        verdict=Overall.FAIL,
        rows=rows,
        titles=contract().titles,
        seconds=83.0,
        began=datetime(2026, 11, 29, 12, 0, tzinfo=UTC),
        profiles=["core", "socketio", "limits", "chat"],
        providers=["openai"],
        evidence=shown,
        command="chatproof check --start 'node server.js --port {port}'",
        by_hand="chatproof providers --port 40001 &\nOPENAI_BASE_URL=http://127.0.0.1:40001/v1 node server.js &",
    )


def violated(number: int) -> tuple[Row, Evidence]:
    """A red row with its exchange. Several moments of the exchange violate it, together with other rows."""
    one = list(contract())[number]
    reply, asked = (refusal(), ()) if number % 7 == 6 else stream(number)
    moments = [read.at for read in reply.reads] or [message.at for message in reply.messages]
    spots: list[tuple[str, float | None]] = [(one.id, at) for at in islice(moments, 0, None, max(1, len(moments) // 4))]
    spots += [("SSE-06", moments[0]), ("TOK-04", moments[-1]), ("END-01", None)]
    seen = next(islice(cycle(SEEN), number, None))
    finding = Violation(seen, "one completion, as the last event", moments[-1])
    body = json.dumps({"message": "Please say hello. " * 12, "session_id": LONG_WORD}).encode()
    line = curl(SentRequest("POST", "http://127.0.0.1:18012/api/chat/stream", (("Accept", "*/*"),), body))
    provider = "openai" if one.needs_provider else None
    texts = (screen(one, finding, reply, 'paced ("Twenty tokens, 50 ms apart")'),) * (1 + number % 3)
    row = Row(one, Verdict.VIOLATED, f"{seen} ({number})", finding.expected, texts, provider, repeat=line)
    exchange = evidence(f"test_{number}", SeenExchange(reply, {one.id: None}, spots), asked, provider, moments[-1] + 1)
    return row, exchange


def ids(summary: RunSummary) -> Iterator[str]:
    """The ids of the red rows."""
    return (row.requirement.id for row in summary.rows if row.verdict is not Verdict.PASSED)
