"""LiteLLM's proxy answers 500 to a body that is JSON but no object."""

from plain import run
from plain_client import ask
from plain_provider import silence


def look(url: str) -> tuple[bool, str]:
    answer = ask(f"{url}/v1/chat/completions", b"[]")
    return answer.status >= 500, f"the body []: status {answer.status} with {answer.body[:60]!r}"


run(silence, look)
