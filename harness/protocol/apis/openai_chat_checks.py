"""OAI: what OpenAI's reference demands of a stream of chat completion chunks.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatproof.harness.protocol.apis.openai_chat import END_MARK
from chatproof.harness.protocol.apis.stream_marks import Datum, data_of, no_objects
from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.checks.sse import needs_stream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Finding, Unjudged, Violation, check
from chatproof.harness.protocol.messages import decode_object
from chatproof.harness.protocol.transcript import Transcript

REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


@check("OAI-01")
@needs_stream
def done_is_last(transcript: Transcript) -> Iterator[Finding]:
    """`[DONE]`, once, and nothing after it; also behind an error object, where it may be missing."""
    expected = f"one event `data: {END_MARK}`, as the last one"
    data = list(data_of(transcript))
    marks = [number for number, one in enumerate(data) if one.text.strip() == END_MARK]
    if not marks and transcript.terminal is not None and not transcript.is_success:
        yield Unjudged(f"the reply did not end well: {transcript.outcome()}")
    elif not marks:
        yield Violation(f"the last of {len(data)} events is {_last(data)}", expected)
    elif marks[0] != len(data) - 1:
        after = data[marks[0] + 1]
        yield after.breaks(f"after {END_MARK} came {shown(after.text, 120)}", expected)
    elif data[-1].is_dropped:
        yield data[-1].breaks(f"no blank line behind {END_MARK}, so that clients drop the mark", expected)


@check("OAI-02")
@needs_stream
def chunks_are_of_one_completion(transcript: Transcript) -> Iterator[Finding]:
    """Each event but the mark is a `chat.completion.chunk` with a list of choices, and all have one `id`.

    A chunk without choices may lack the other two: Azure begins with such a one, and every client passes it over.
    """
    name: object = None
    yield from no_objects(transcript, END_MARK)
    chunks = [one for one in data_of(transcript) if one.body and not one.body.get("error")]
    if not chunks:
        yield Unjudged(f"no chunk came: {transcript.outcome()}")
    for one in chunks:
        if fault := _fault(one.body, name):
            yield one.breaks(*fault)
            return
        name = one.body["id"] if one.body["choices"] else name


def _fault(body: dict[str, Any], name: object) -> tuple[str, str] | None:
    """What is wrong with a chunk and what is expected, or None."""
    if not isinstance(body.get("choices"), list):
        return f"choices {shown(body.get('choices'))}", "a list of choices"
    if not body["choices"]:
        return None
    if body.get("object") != "chat.completion.chunk":
        return f"object {shown(body.get('object'))}", "object 'chat.completion.chunk'"
    if not isinstance(body.get("id"), str) or not body["id"]:
        return f"id {shown(body.get('id'))}", "id: a text"
    if name is not None and body["id"] != name:
        return f"id {shown(body['id'])} after {shown(name)}", "the same id in every chunk of a reply"
    for choice in body["choices"]:
        if isinstance(choice, dict) and "message" in choice and "delta" not in choice:
            return f"a choice without a delta: {shown(choice, 120)}", "a delta in each choice"
    return None


@check("OAI-03")
@needs_stream
def one_known_reason_at_the_end(transcript: Transcript) -> Iterator[Finding]:
    """One `finish_reason` of the documented ones, and no text after it."""
    reason, expected = None, f"one finish_reason, of {', '.join(REASONS)}, behind all text"
    if transcript.terminal is not None and not transcript.is_success:
        yield Unjudged(f"the reply did not end well: {transcript.outcome()}")
        return
    for one in data_of(transcript):
        choices = one.body.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict) or choice.get("index", 0) != 0:
                continue
            delta, found = choice.get("delta"), choice.get("finish_reason")
            if reason is not None and isinstance(delta, dict) and delta.get("content"):
                yield one.breaks(f"text {shown(delta['content'])} after finish_reason {shown(reason)}", expected)
                return
            if found is not None and (reason is not None or found not in REASONS):
                after = f" after {shown(reason)}" if reason is not None else ""
                yield one.breaks(f"finish_reason {shown(found)}{after}", expected)
                return
            reason = found if found is not None else reason
    if reason is None:
        yield Violation(f"no finish_reason: {transcript.outcome()}", expected)


@check("OAI-04")
def error_is_an_object_with_a_message(transcript: Transcript) -> Iterator[Finding]:
    """`{"error": {"message": …}}`, in the stream and as the body of a refusal: the official clients read `message`."""
    expected = 'an object {"error": {"message": "…"}}'
    if is_http_error(transcript):
        body = decode_object(transcript.body.decode("utf-8", "replace")).body or {}
        if not _has_message(body):
            yield Violation(f"status {transcript.status} with {shown(transcript.body, 200)}", expected)
        return
    errors = [one for one in data_of(transcript) if one.body.get("error")]
    if not errors:
        yield from no_objects(transcript, END_MARK)
        yield Unjudged(f"no error came: {transcript.outcome()}")
    for one in errors:
        if not _has_message(one.body):
            yield one.breaks(f"error {shown(one.body['error'], 200)}", expected)


def _has_message(body: dict[str, Any] | Any) -> bool:
    error = body.get("error")
    return isinstance(error, dict) and isinstance(error.get("message"), str) and error["message"] != ""


def _last(data: list[Datum]) -> str:
    return shown(data[-1].text, 120) if data else "none"


STREAM_CHECKS = (done_is_last, chunks_are_of_one_completion, one_known_reason_at_the_end)
