"""npm ai waits for the first chunk without an end, although it is given `timeout: { chunkMs: 10_000 }`.

Its documentation: "the call will abort if no new chunk is received within this duration". The timer starts with the
first chunk: a provider that takes the request and never answers is waited for. Version 7 has `firstChunkMs`.
Reported: https://github.com/vercel/ai/issues/16538
"""

from plain import ASK_AI_SDK, ask, run, silence


def look(url: str) -> tuple[bool, str]:
    answer = ask(f"{url}/api/chat", ASK_AI_SDK, silence=20)
    ended = {"error", "abort"} & set(answer.kinds) or answer.status >= 400
    seen = f"an error ({answer.status})" if ended else f"no error: {answer.broke or answer.kinds}"
    return not ended, f"the provider never answered, timeout.chunkMs is 10 s; the client got {seen}"


run(silence, look)
