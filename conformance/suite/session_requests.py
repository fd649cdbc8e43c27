"""Exchanges in a session, and requests about it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable, TooLate, without
from chatproof.conformance.suite.provider import cases_in, upstream_text, upstream_texts
from chatproof.harness.client.http import HttpRequest, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import MESSAGES, SESSIONS_PATH
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Kind, is_integer
from chatproof.harness.protocol.transcript import Transcript

ESCAPES = re.compile(r'(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]')  # of JSON (RFC 8259, 7)


async def look_up(case: Case, session: str, method: str = "GET", credential: str | None = None) -> Transcript:
    """GET or DELETE a session."""
    return await case.request(HttpRequest(method, SESSIONS_PATH + quote(session, safe=""), headers=bearer(credential)))


async def count_of(case: Case, session: str, credential: str | None = None) -> int | None:
    """A session's `messages`, or None where there is no such number. Raises NotTestable where nothing is answered."""
    answer = await look_up(case, session, credential=credential)
    if answer.is_unanswered:
        raise NotTestable(f"GET of a session: {answer.outcome()}")
    count = object_of(answer).get(MESSAGES)
    return int(count) if is_integer(count) else None


def object_of(answer: Transcript) -> dict[str, Any]:
    """The answer's JSON object; empty where there is none."""
    value = json_of(answer)
    return value if isinstance(value, dict) else {}


def said_by(answer: Transcript) -> str:
    """An answer's status and body, or why there is none."""
    if answer.is_unanswered:
        return answer.outcome()
    return f"status {answer.status} with {shown(object_of(answer) or answer.body, 400)}"


async def exchange(case: Case, text: str, session: str | None, **how: Any) -> Transcript:
    """An exchange that must succeed for the test to go on. Raises NotTestable."""
    reply = await case.ask(text, session=session, **how)
    if not case.lane.succeeded(reply):
        raise without(reply, f"an ordinary exchange failed: {reply.outcome()}")
    return reply


def is_answered(case: Case, reply: Transcript) -> bool:
    """Whether a reply, or an answer of `/api/chat`, came whole."""
    is_answer = reply.status == 200 and bool(object_of(reply)) and reply.error_text is None
    return case.lane.succeeded(reply) or is_answer


async def sent_upstream(case: Case, reply: Transcript) -> str:
    """All text of the provider request behind a reply. Raises NotTestable where there is no request."""
    if (entry := await case.provider.asked(reply)) is None:
        raise TooLate(f"the provider was never asked: {reply.outcome()}")
    return upstream_text(entry)


async def of_others(case: Case, reply: Transcript) -> list[str]:
    """The texts in the provider's requests for a reply that hold the case id of another ask."""
    if case.lane.succeeded(reply):
        await sent_upstream(case, reply)
    texts = [text for entry in await case.provider.entries(reply) for text in upstream_texts(entry.body)]
    return [text for text in dict.fromkeys(texts) if cases_in(text) - {reply.case}]


async def exchange_behind_odd_letters(
    case: Case, requirement_id: str, text: str, session: str, before: str, **how: Any
) -> Transcript:
    """A second exchange. That it fails behind a first one of odd letters, and not behind an ordinary one, violates the
    row. `before`: the odd letters. Raises NotTestable where it fails."""
    reply = await case.ask(text, session=session, **how)
    if case.lane.succeeded(reply):
        return reply
    seen = f"the second exchange fails behind a first one that holds {shown(before)}: {reply.outcome()}"
    if not reply.did_not_come:
        plain = case.lane.new_session()
        for one in ("Please say hello.", text):
            await exchange(case, one, plain, **how)
        case.holds(requirement_id, False, seen, "a reply, as behind an ordinary first one", reply)
    raise without(reply, seen)


def without_escapes(text: str) -> str:
    """A text with JSON's escapes as the letters that they stand for: which ones are escaped differs from one encoder to
    the next."""
    return ESCAPES.sub(lambda found: str(json.loads(f'"{found[0]}"')), text)


async def judge_letters(
    case: Case, requirement_id: str, first: Transcript, second: Transcript, message: str, answer: str, got: str
) -> None:
    """Judge that the provider gets the first exchange letter for letter with the second message.

    What the first exchange lost on its own way is left to REQ-07 and TOK-04: `got` is what the client got of `answer`.
    A server that tells its provider of the conversation as JSON escapes letters.
    """
    before, after = await sent_upstream(case, first), await sent_upstream(case, second)
    said = {"the first message": message} if message in before else {}
    if got.strip() == answer.strip():
        said["the first reply"] = answer.strip()
    for what, text in said.items():
        kept = text in after or text in without_escapes(after)
        lost = [shown(piece) for piece in dict.fromkeys(text.split()) if piece not in after]
        seen = (
            f"{what} changed on its way into the next request: {', '.join(lost) or 'its blanks and line breaks'} lost"
        )
        case.holds(requirement_id, kept, f"{seen}, in {shown(after, 400)}", f"as it was said: {shown(text)}", second)


async def judge_deletion(
    case: Case, session: str, first: Transcript, after_one: int | None, credential: str | None = None
) -> None:
    """Judge the answers to DELETE (SES-04) and then GET, and what the next message takes to the provider (SES-05).

    `first`: the session's first exchange; `after_one`: its `messages` after that; `credential`: its owner's token.
    """
    whose = "with its owner's token: " if credential else ""
    answer = await look_up(case, session, "DELETE", credential)
    body = object_of(answer)
    kept = answer.status == 200 and body.get("success") is True and isinstance(body.get("message"), str)
    case.holds("SES-04", kept, whose + said_by(answer), "status 200, success: true, a string `message`", answer)
    gone = await look_up(case, session, credential=credential)
    left = object_of(gone).get(MESSAGES)
    empty = max(0, (after_one or 0) - 2)  # what a session has before its first exchange
    kept = gone.status in (404, 410) or (gone.status == 200 and is_integer(left) and left <= empty)
    seen = f"{whose}GET afterwards: status {gone.status}, messages {shown(left)}"
    case.holds("SES-05", kept, seen, "404, or no messages", gone)
    if case.lane.provider:
        last = await case.ask("What was the word?", session=session, credential=credential)
        await judge_forgotten(case, "SES-05", last, first, whose)


async def judge_forgotten(
    case: Case, requirement_id: str, reply: Transcript, before: Transcript, where: str = ""
) -> None:
    """Judge that nothing said before a deletion goes to the provider. A server may refuse every later use of the id.
    `where`: how the message begins."""
    if await is_refusal(case, reply):
        case.holds(requirement_id, True, reply.outcome(), "nothing from before the deletion")
        return
    if not is_answered(case, reply):
        raise without(reply, f"an ask in the deleted session failed: {reply.outcome()}")
    upstream = await sent_upstream(case, reply)
    old = "marzipan" in upstream or before.case in upstream
    seen = f"{where}sent to the provider: {shown(upstream, 300)}"
    case.holds(requirement_id, not old, seen, "nothing from before the deletion", reply)


async def is_refusal(case: Case, reply: Transcript) -> bool:
    """Whether a server turned an ask away, instead of failing: by a 4xx or 503, or by an error without asking its
    provider."""
    if reply.status is not None and (400 <= reply.status < 500 or reply.status == 503):
        return True
    is_error = bool(reply.of(Kind.ERROR)) and not reply.tokens
    return is_error and case.lane.provider is not None and not await case.provider.entries(reply)
