"""The script that the bare server plays, and its events with room for stamps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownScript:
    """Seconds to the first token and between tokens, and the number of tokens."""

    first_token: float = 0.2
    inter_token: float = 0.01
    tokens: int = 100

    @property
    def seconds(self) -> float:
        """How long one reply takes."""
        return self.first_token + self.inter_token * (self.tokens - 1)

    def due(self, index: int) -> float:
        """When write `index` is due, in seconds after the request; the completion is due with the last token."""
        return self.first_token + self.inter_token * min(index, self.tokens - 1)


def token_events(script: KnownScript) -> list[tuple[bytes, bytes]]:
    """Per token, the JSON object up to and from its three stamps `received`, `due` and `sent`.

    Stamps are time.monotonic_ns() in 19 digits, as strings, so that the length of every event is known beforehand.
    """
    events, partial = [], ""
    for index in range(script.tokens):
        token = f" word{index % 10}"
        partial += token
        text = f'{{"token": "{token}", "count": {index + 1}, "partial": "{partial}", "received": "'
        events.append((text.encode(), b'"}'))
    return events


def completion(script: KnownScript) -> bytes:
    """The JSON object of the completion."""
    full = "".join(f" word{index % 10}" for index in range(script.tokens))
    rate = script.tokens / script.seconds
    text = (
        f'{{"done": true, "tokens": {script.tokens}, "duration": {script.seconds:.3f}, '
        f'"tokens_per_second": {rate:.2f}, "full_response": "{full}", "user": "anonymous", '
        '"timestamp": "2025-11-20T18:15:30.123456"}'
    )
    return text.encode()
