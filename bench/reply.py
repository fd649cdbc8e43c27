"""The request to every provider, for the same hundred tokens, and the check that the reply has them.

Each token is a word of four letters and a space, so that all servers split the text alike: ours by the script's list,
aimock by characters (`--chunk-size 5`), llmock by words.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any, Final

import h11

WORDS: Final = ["".join(letters) + " " for letters in product("bdklmnprst", "aeio", "ln", "ao")][:100]
TEXT: Final = "".join(WORDS)
TOKENS: Final = len(WORDS)
CHARACTERS: Final = len(WORDS[0])
PACE_MS: Final = 20

_ABOUT: Final = 'about = "A hundred tokens to measure."\n'
_STEPS: Final = f"[[steps]]\ntokens = {json.dumps(WORDS)}\n"
SCRIPTS: Final = {
    "bench-joined": _ABOUT + _STEPS,
    "bench-each": f'{_ABOUT}writes = "each"\n{_STEPS}',
    "bench-paced": f"{_ABOUT}[timing]\ninter_token_ms = {PACE_MS}\n{_STEPS}",
}
"""The scripts for our own server as TOML, by name."""


class WrongReply(Exception):
    """A server sent another reply than the expected one. Its text is one line."""


def request(script: str) -> bytes:
    """Build the HTTP request. Peers take the script's name for ordinary text."""
    messages = [{"role": "user", "content": f"scenario {script}"}]
    body = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": messages}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer bench\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def events_in(raw: bytes) -> int:
    """Count the events of a complete HTTP response. Raises WrongReply unless they are exactly the text, then [DONE]."""
    events = body(raw).decode().split("\n\n")
    if events.pop() or events[-1:] != ["data: [DONE]"]:
        raise WrongReply(f"the stream does not end with [DONE] but with {events[-1:]}")
    pieces: list[str] = []
    for event in events[:-1]:
        choices: list[dict[str, Any]] = json.loads(event.removeprefix("data: "))["choices"]
        pieces += [choice["delta"]["content"] for choice in choices if choice["delta"].get("content")]
    if "".join(pieces) != TEXT or len(pieces) != TOKENS:
        raise WrongReply(f"expected {TOKENS} pieces of {TEXT[:20]!r}…, got {len(pieces)}: {''.join(pieces)[:40]!r}…")
    return len(events)


def body(raw: bytes) -> bytes:
    """Return the body of an HTTP response. Raises WrongReply if it is incomplete or its status is not 200."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="POST", target="/", headers=[("host", "bench"), ("content-length", "0")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(raw)
    parser.receive_data(b"")  # the end of the connection, which ends a body without a length
    body = b""
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as problem:
            raise WrongReply(f"the response is incomplete ({problem}): …{raw[-80:]!r}") from problem
        if isinstance(event, h11.Response) and event.status_code != 200:
            raise WrongReply(f"status {event.status_code}: {raw[-300:]!r}")
        if isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return body
