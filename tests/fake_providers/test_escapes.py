"""What `ascii`, `raw` and `should_retry` in a script change on the wire, in every dialect."""

from __future__ import annotations

import httpx
import pytest

from tests.fake_providers.kit import Served

SEPARATOR = "\u2028"
TEXT = "scenario odd"
MESSAGES = [{"role": "user", "content": TEXT}]
ASKS = {
    "openai": ("/v1/chat/completions", {"model": "gpt-4o", "messages": MESSAGES}),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", {"contents": [{"parts": [{"text": TEXT}]}]}),
    "local": ("/api/chat", {"model": "llama3.2", "messages": MESSAGES, "stream": False}),
}


def script(*lines: str) -> str:
    said = "".join(f"{line}\n" for line in lines)
    return f'about = "A line separator."\n{said}[[steps]]\ntokens = ["a\\u2028é"]\n'


@pytest.mark.parametrize(
    ("line", "escaping"),
    [("", {"gemini", "local"}), ("raw = true", set()), ("ascii = true", {"openai", "gemini", "local"})],
    ids=["as the API does", "raw", "ascii"],
)
@pytest.mark.parametrize("dialect", ASKS)
async def test_a_line_separator_is_escaped_as_the_script_says(
    served: Served, dialect: str, line: str, escaping: set[str]
) -> None:
    path, body = ASKS[dialect]
    async with httpx.AsyncClient(trust_env=False) as client:
        put = await client.put(f"{served.url}/_fake/scripts/odd", content=script(line))
        assert put.status_code == 200, put.text
        headers = {"authorization": "Bearer sk-x", "x-goog-api-key": "x"}
        answer = await client.post(f"{served.url}{path}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert (SEPARATOR in answer.content.decode()) is (dialect not in escaping)


@pytest.mark.parametrize(
    ("line", "header"), [("", None), ("should_retry = true", "true"), ("should_retry = false", "false")]
)
async def test_a_script_says_whether_to_retry(served: Served, line: str, header: str | None) -> None:
    path, body = ASKS["openai"]
    text = f'about = "Busy."\n[[steps]]\nfault = "status"\nstatus = 503\n{line}\n'
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.put(f"{served.url}/_fake/scripts/odd", content=text)
        answer = await client.post(f"{served.url}{path}", json=body, headers={"authorization": "Bearer sk-x"})
    assert (answer.status_code, answer.headers.get("x-should-retry")) == (503, header)
