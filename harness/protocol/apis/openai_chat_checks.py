"""OAI: what OpenAI's reference demands of a stream of chat completion chunks.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Iterator

from chatproof.harness.protocol.apis.openai_chat import END_MARK
from chatproof.harness.protocol.apis.stream_marks import Datum, data_of
from chatproof.harness.protocol.checks.sse import needs_stream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Finding, Unjudged, Violation, check
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
        yield Violation(f"after {END_MARK} came {shown(after.text, 120)}", expected, after.stamped.at, after.stamped)


@check("OAI-02")
@needs_stream
def chunks_are_of_one_completion(transcript: Transcript) -> Iterator[Finding]:
    """Each chunk is a `chat.completion.chunk` with a list of choices, and all have one `id`."""
    name: object = None
    chunks = [one for one in data_of(transcript) if one.body and not one.body.get("error")]
    if not chunks:
        yield Unjudged(f"no chunk came: {transcript.outcome()}")
    for one in chunks:
        fault = _fault(one, name)
        if fault:
            yield Violation(*fault, one.stamped.at, one.stamped)
            return
        name = one.body["id"]


def _fault(chunk: Datum, name: object) -> tuple[str, str] | None:
    """What is wrong with a chunk and what is expected, or None."""
    body = chunk.body
    if body.get("object") != "chat.completion.chunk":
        return f"object {shown(body.get('object'))}", "object 'chat.completion.chunk'"
    if not isinstance(body.get("choices"), list):
        return f"choices {shown(body.get('choices'))}", "a list of choices"
    if not isinstance(body.get("id"), str) or not body["id"]:
        return f"id {shown(body.get('id'))}", "id: a text"
    if name is not None and body["id"] != name:
        return f"id {shown(body['id'])} after {shown(name)}", "the same id in every chunk of a reply"
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
        for choice in one.body.get("choices") or ():
            if not isinstance(choice, dict):
                continue
            delta = choice.get("delta")
            if reason is not None and isinstance(delta, dict) and delta.get("content"):
                seen = f"text {shown(delta['content'])} after finish_reason {shown(reason)}"
                yield Violation(seen, expected, one.stamped.at, one.stamped)
                return
            found = choice.get("finish_reason")
            if found is None:
                continue
            if reason is not None or found not in REASONS:
                seen = f"finish_reason {shown(found)}" + (f" after {shown(reason)}" if reason is not None else "")
                yield Violation(seen, expected, one.stamped.at, one.stamped)
                return
            reason = found
    if reason is None:
        yield Violation(f"no finish_reason: {transcript.outcome()}", expected)


@check("OAI-04")
def error_is_an_object_with_a_message(transcript: Transcript) -> Iterator[Finding]:
    """`{"error": {"message": …}}`, in the stream and as the body of a refusal: the official clients read `message`."""
    expected = 'an object {"error": {"message": "…"}}'
    if transcript.status != 200 and transcript.status is not None:
        if transcript.error_text is None or b'"message"' not in transcript.body:
            yield Violation(f"status {transcript.status} with {shown(transcript.body, 200)}", expected)
        return
    errors = [one for one in data_of(transcript) if one.body.get("error")]
    if not errors:
        yield Unjudged(f"no error came: {transcript.outcome()}")
    for one in errors:
        error = one.body["error"]
        if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
            yield Violation(f"error {shown(error, 200)}", expected, one.stamped.at, one.stamped)


def _last(data: list[Datum]) -> str:
    return shown(data[-1].text, 120) if data else "none"


STREAM_CHECKS = (done_is_last, chunks_are_of_one_completion, one_known_reason_at_the_end)
