"""LiteLLM's proxy answers 500 to a number that no float can hold, in a field that it passes on."""

import json

from plain import run
from plain_client import ASK_OPENAI, ask
from plain_provider import silence


def look(url: str) -> tuple[bool, str]:
    body = json.dumps(ASK_OPENAI)[:-1] + ', "extra": 1e999}'
    answer = ask(f"{url}/v1/chat/completions", body.encode(), silence=10.0)
    return answer.status >= 500, f"a field of 1e999: status {answer.status} with {answer.body[:120]!r}"


run(silence, look)
