"""CHAT: `POST /api/chat`."""

from __future__ import annotations

from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import requirement
from chatproof.harness.client.http import Deadlines, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import RESPONSE
from chatproof.harness.protocol.checks.err import is_http_error, no_internals
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import is_text
from chatproof.harness.protocol.transcript import Transcript


async def chat(case: Case, script: str) -> Transcript:
    """Ask at /api/chat and give the answer."""
    return await case.ask_plain(script=script, once=True, deadlines=Deadlines(silence=30))


def object_of(answer: Transcript) -> dict[str, Any] | None:
    """The answer's JSON object, or None where there is none."""
    value = json_of(answer)
    return value if isinstance(value, dict) else None


@requirement("CHAT-01", "CHAT-02")
async def test_a_message_is_answered_with_an_object(case: Case) -> None:
    """Status 200 and a JSON object with the reply."""
    answer = await chat(case, "hello")
    body = object_of(answer)
    seen = answer.outcome() if answer.is_unanswered else f"status {answer.status} with {shown(answer.body, 400)}"
    case.holds("CHAT-01", answer.status == 200 and body is not None, seen, "200 and a JSON object", answer)
    response = (body or {}).get(RESPONSE)
    kept = is_text(response)
    if case.lane.provider:
        kept = isinstance(response, str) and response.strip() == case.provider.text("hello").strip()
    case.holds("CHAT-02", kept, f"response {shown(response)}", "the reply as a string", answer)


@requirement("CHAT-03", "ERR-04")
async def test_a_provider_failure_is_no_answer(case: Case) -> None:
    """The server answers with a 4xx or 5xx and JSON with an error."""
    case.needs_provider()
    for script in ("server-error", "bad-key", "drop-start", "cut-mid"):
        answer = await chat(case, script)
        kept = answer.status is not None and 400 <= answer.status <= 599
        kept = kept and answer.error_text is not None
        seen = f"status {answer.status} with {shown(answer.body, 400)}" if answer.status == 200 else answer.outcome()
        seen = f"after {case.provider.does(script)}: {seen}"
        case.holds("CHAT-03", kept, seen, "4xx or 5xx and JSON with a string `error`", answer)
        if is_http_error(answer):
            case.conforms(answer, no_internals(case.lane.scene.key))
    if not any(record.id == "ERR-04" for record in case.records):
        case.cannot_judge("ERR-04", "no failure was answered with an error")
