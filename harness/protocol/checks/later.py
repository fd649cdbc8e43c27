"""SES-15 and SIO-14: a later reply of a session, or of a socket, compared with a first one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chatproof.harness.protocol.apis.chat_stream import chat_stream as fields
from chatproof.harness.protocol.apis.chat_stream.completion_checks import (
    completion_is_typed,
    duration_is_true,
    tokens_equal_last_count,
)
from chatproof.harness.protocol.apis.chat_stream.token_checks import TOKEN_CHECKS
from chatproof.harness.protocol.checks import sio
from chatproof.harness.protocol.checks.reply_form import checks_of
from chatproof.harness.protocol.checks.tok import text_is
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation, check, violations
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.transcript import Transcript, Transport

SAID = 60  # characters of a text in a message

OVER_SOCKETS = (sio.one_terminal_event, *TOKEN_CHECKS, completion_is_typed, tokens_equal_last_count)


def answered_as(
    requirement_id: str,
    which: str,
    first: Transcript,
    before: Sequence[Transcript] = (),
    text: str | None = None,
    said: Sequence[str] = (),
    why: str = "",
) -> Check:
    """A reply is whole and has the form that a first one has.

    What the first one does not keep either is no matter of later replies, and left to its own row.

    Args:
        which: the reply in words, such as `the second exchange of a session`.
        before: the replies in front of it, in the same session or on the same socket.
        text: what the provider said in it, or None where nobody knows.
        said: what the provider said, or would have said, in the replies in front of it.
        why: why it did not succeed, if that is known.
    """

    @check(requirement_id)
    def look(reply: Transcript) -> Iterator[Finding]:
        if not first.is_success:
            yield Unjudged(f"there is no first reply to compare with: {first.outcome()}")
            return
        if not reply.is_success:
            seen = f"{which}: {reply.outcome()}{why and f'; {why}'}"
            yield Violation(seen, "a whole reply, as the first one", reply.ended_at)
            return
        of_text = () if text is None else (text_is(text),)
        own = checks_of(reply.api) if reply.transport is Transport.SSE else OVER_SOCKETS
        for one in (*of_text, *own, duration_is_true):
            if one in of_text or not violations(one(first)):
                for found in violations(one(reply)):
                    seen = _left_over(one.id, reply, before, text, said) or found.seen
                    yield replace(found, seen=f"{which}: {seen}")

    return look


def of_place(which: str, one: Check) -> Check:
    """The same check, whose violations say of which reply they are."""

    def look(reply: Transcript) -> Iterator[Finding]:
        for found in one(reply):
            yield replace(found, seen=f"{which}: {found.seen}") if isinstance(found, Violation) else found

    return Check(one.id, look)


def _left_over(
    check_id: str, reply: Transcript, before: Sequence[Transcript], text: str | None, said: Sequence[str]
) -> str:
    """What a reply has of the replies in front of it, in words, or nothing."""
    if check_id == "TOK-04":
        return _in_its_text(reply, [*_said(before), *said], text or "")
    last = reply.tokens[-1].body if reply.tokens else {}
    start = reply.tokens[0].body if reply.tokens else {}
    end = reply.completion.body if reply.completion else {}
    if check_id == "TOK-02":
        return _goes_on("count", start.get(fields.COUNT), before, 1)
    if check_id == "TOK-03":
        return _begins_with("partial", start.get(fields.PARTIAL), before)
    if check_id == "END-03":
        return _adds_up(end.get(fields.TOKENS), last.get(fields.COUNT), before)
    if check_id == "END-04":
        return _begins_with("full_response", end.get(fields.FULL_RESPONSE), before)
    return ""


def _in_its_text(reply: Transcript, said: Sequence[str], text: str) -> str:
    got = reply.text
    tokens = [one.token for one in reply.tokens]
    if len(tokens) > 1 and tokens[::2] == tokens[1::2]:
        return f"each token came twice: {shown(got, SAID)}"
    for one in said:
        if got == one:
            return f"the reply is that of an earlier exchange: {shown(got, SAID)}"
        if got == one + text:
            return f"the reply begins with that of an earlier exchange: {shown(one, SAID)}"
        if len(one) > len(text) / 2 and one in got:
            return f"the reply holds that of an earlier exchange, {shown(one, SAID)}: {shown(got, 2 * SAID)}"
        rest = got.removesuffix(text)
        if rest != got and rest and rest in one:
            return f"the reply begins with a part of an earlier one: {shown(rest, SAID)}"
    return ""


def _goes_on(name: str, value: Any, before: Sequence[Transcript], step: int) -> str:
    for ends in _sums([_count_of(one) for one in before]):
        if ends and is_integer(value) and value == ends + step:
            return f"`{name}` begins at {value}: it goes on from the {ends} of what came before"
    return ""


def _begins_with(name: str, value: Any, before: Sequence[Transcript]) -> str:
    said = _said(before)
    for one in ("".join(said), *said):
        if one and isinstance(value, str) and value.startswith(one):
            return f"`{name}` begins with the reply of an earlier exchange: {shown(value, 2 * SAID)}"
    return ""


def _adds_up(tokens: Any, count: Any, before: Sequence[Transcript]) -> str:
    if not is_integer(tokens) or not is_integer(count):
        return ""
    counts = [_count_of(one) for one in before]
    if any(each and tokens == count + each for each in _sums(counts)):
        return f"`tokens` is {tokens}, the sum of this reply's {count} and of those before it"
    if tokens in counts:
        return f"`tokens` is {tokens}, that of an earlier reply; this one has {count}"
    return ""


def _count_of(reply: Transcript) -> int:
    return len(reply.tokens)


def _sums(counts: Sequence[int]) -> list[int]:
    """What a server may have added: the counts of the last reply, of the last two, and so on."""
    return [sum(counts[start:]) for start in range(len(counts) - 1, -1, -1)]


def _said(before: Sequence[Transcript]) -> list[str]:
    return [one.text for one in before if one.text]
