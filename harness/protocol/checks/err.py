"""ERR: errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from chatproof.harness.protocol.excerpts import counted, shown, shown_part
from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation, check
from chatproof.harness.protocol.messages import Kind, is_text
from chatproof.harness.protocol.transcript import End, Transcript, Transport

# What stack traces and source paths look like in the common languages. Words, routes and model names must not match.
_SOURCE = r"(?:py|pyc|js|mjs|cjs|ts|tsx|jsx|go|rb|rs|java|kt|php|ex|exs)"
_INTERNALS = (
    ("a Python traceback", re.compile(r"Traceback \(most recent call last\)|File \"[^\"]+\", line \d+")),
    ("a stack frame", re.compile(r"^[ \t]*at [^\n]*\([^()\s]*\.\w{1,5}:\d+(?::\d+)?\)\s*$", re.MULTILINE)),
    ("a stack frame", re.compile(r"^[ \t]*at [^\s()]*[/\\][^\s()]*\.\w{1,4}:\d+:\d+\s*$", re.MULTILINE)),
    ("a stack frame", re.compile(r"^[ \t]*at [^\n]+ in [^\n]+:line \d+", re.MULTILINE)),
    ("a Go stack", re.compile(r"goroutine \d+ \[")),
    ("a Rust panic", re.compile(r"thread '[^']*' panicked at")),
    ("a Java stack", re.compile(r"Exception in thread \"")),
    # two folders or a line number: a route such as /favicon.js is not a source path
    (
        "a source path",
        re.compile(rf"(?<![\w:/.-])(?:/|\.{{1,2}}/|[A-Za-z]:[\\/])[\w.@-]+[/\\][^\s'\"<>]*\.{_SOURCE}\b"),
    ),
    ("a source path", re.compile(rf"(?<![\w:.])[\w./\\-]+\.(?:{_SOURCE}|c|cc|cpp|cs|swift):\d+\b")),
    ("a source path", re.compile(r"\b(?:site-packages|node_modules)[/\\]|/home/\w+/|\.cargo/registry")),
)

LOOKED_AT = 64 * 1024  # characters of an error
PART, OVERLAP = 2_000, 400  # characters that are searched at once, and that two parts share
ERRORS = 20  # events of one reply that are looked at


@check("ERR-01")
def error_ends_the_reply(transcript: Transcript) -> Iterator[Finding]:
    """An error event has a text and is the last event."""
    for index, message in enumerate(transcript.messages):
        if message.kind is not Kind.ERROR:
            continue
        if not is_text(message.text):
            yield Violation(f"an error event {shown(dict(message.body))}", "an error with a text", message.at, message)
        behind = [one for one in transcript.messages[index + 1 :] if one.kind is not Kind.OTHER]
        if behind:
            seen = f"{counted(len(behind), 'event')} after the error: {shown(dict(behind[0].body))}"
            yield Violation(seen, "the error is the last event", behind[0].at, behind[0])
        return
    yield Unjudged(f"no error event came: {transcript.outcome()}")


def is_http_error(transcript: Transcript) -> bool:
    """Whether the server reports an error by HTTP status, which is legal before the first token."""
    return transcript.status is not None and 400 <= transcript.status <= 599


def fails_as_error(requirement_id: str, where: str = "") -> Check:
    """The reply ends in an error event or an HTTP error, and never in a completion. `where`: what the reply was."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        expected, completion = "an error, and no completion", transcript.completion
        if transcript.api.ends_at_error and transcript.terminal is not completion:
            completion = None
        if transcript.end is End.REFUSED:
            yield Unjudged(f"the server could not be asked: {transcript.outcome()}")
        elif completion:
            seen = f"{where}a completion: {shown(dict(completion.body))}"
            yield Violation(seen, expected, completion.at, completion)
        elif is_http_error(transcript):
            if transcript.error_text is None:
                seen = f"{where}status {transcript.status} with the body {shown(transcript.body, 200)}"
                yield Violation(seen, "an error body with a non-empty text")
        elif not transcript.of(Kind.ERROR):
            seen = f"{where}no error: {transcript.outcome()}{_instead(transcript)}"
            yield Violation(seen, expected, transcript.ended_at)

    return look


def _instead(transcript: Transcript) -> str:
    """What came in place of an error: an answer that is no stream, or an event with no text in its `error`."""
    if transcript.transport is Transport.SSE and not transcript.messages and transcript.body:
        return f", with the body {shown(transcript.body, 200)}"
    last = transcript.messages[-1] if transcript.messages else None
    return f", and {shown(dict(last.body))}" if last and "error" in last.body else ""


def no_tokens(requirement_id: str) -> Check:
    """Not one token event: the provider said nothing."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if transcript.tokens:
            first = transcript.tokens[0]
            seen = f"a token that the provider never said: {shown(first.token)}"
            yield Violation(seen, "no token", first.at, first)

    return look


def no_internals(*secrets: str) -> Check:
    """No error text, no error body and none of its X- headers shows a traceback, a source path or one of `secrets`."""

    @check("ERR-04")
    def look(transcript: Transcript) -> Iterator[Finding]:
        return _reveals(transcript, "an error that shows no internals", lambda text: internals(text, *secrets))

    return look


def no_provider_details(address: str, *marks: str) -> Check:
    """No error text, no error body and none of its X- headers shows the provider's address or its own error.

    Args:
        address: `host:port`; the port alone shows it too.
        marks: pieces of the error that the provider sent, which stand nowhere else.
    """
    port = re.compile(rf"(?<![\w.]){re.escape(address.rpartition(':')[2])}(?!\w)")

    def found_in(text: str) -> tuple[str, int] | None:
        for mark in marks:
            if (at := text.find(mark)) >= 0:
                return "the provider's own error", at
        if (at := text.find(address)) >= 0:
            return "the provider's address", at
        match = port.search(text[:LOOKED_AT])
        return ("the provider's port", match.start()) if match else None

    @check("ERR-09")
    def look(transcript: Transcript) -> Iterator[Finding]:
        return _reveals(transcript, "an error in the server's own words", found_in)

    return look


def _reveals(transcript: Transcript, expected: str, find: Callable[[str], tuple[str, int] | None]) -> Iterator[Finding]:
    """The first thing that `find` names, with its place, in the errors of a reply."""
    errors = transcript.of(Kind.ERROR)[:ERRORS]
    texts = [str(dict(message.body)) for message in errors] + [one.text for one in errors if one.text]
    if transcript.transport is Transport.SSE and is_http_error(transcript):
        texts.append(transcript.body.decode("utf-8", "replace"))
        texts.append(
            "\n".join(f"{name}: {unquote(value)}" for name, value in transcript.headers if name.startswith("x-"))
        )
    if not texts:
        yield Unjudged(f"no error to look at: {transcript.outcome()}")
    for text in texts:
        if found := find(text):
            what, at = found
            part = shown(text, 400) if at < 300 else shown_part(text, at - 100, at + 300)
            yield Violation(f"{what} in {part}", expected)
            return


def internals(text: str, *secrets: str) -> tuple[str, int] | None:
    """Name what a text gives away of the server's inside, and at which character it stands; or None."""
    for secret in secrets:
        if secret and (at := text.find(secret)) >= 0:
            return "the API key", at
    # in parts: a server can send a text on which a pattern takes time by the square of its length
    for start in range(0, min(len(text), LOOKED_AT), PART - OVERLAP):
        end = min(start + PART, len(text))
        for what, pattern in _INTERNALS:
            match = pattern.search(text, start, end)
            if match and (match.end() < end or end == len(text)):  # else it may go on, and the next part shows it
                return what, match.start()
    return None
