"""npm ai with resumable-stream: one provider that breaks its connection ends the server's process for all.

resumable-stream 2.2.13 reads the reply by promises of which nobody handles the rejection. Node ends a process for that,
unless it is told otherwise; Next.js, which the package's documentation shows, writes it to its log and goes on.
"""

import time

from plain import run
from plain_client import ASK_AI_SDK, ask
from plain_provider import a_word_and_a_broken_connection


def look(url: str) -> tuple[bool, str]:
    first = ask(f"{url}/api/chat", ASK_AI_SDK)
    if "All" not in "".join(first.data):
        raise ValueError(f"the first reply has no word: {first.status} {first.body[:80]}")
    time.sleep(2)  # until the process has ended
    after = ask(f"{url}/api/chat", ASK_AI_SDK)
    seen = after.broke or f"status {after.status}"
    return "Refused" in after.broke, f"the provider's connection broke; the next request to the server: {seen}"


run(a_word_and_a_broken_connection, look)
