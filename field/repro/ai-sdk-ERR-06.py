"""npm ai waits for the first chunk without an end, although it is given `timeout: { chunkMs: 10_000 }`.

Its documentation: "the call will abort if no new chunk is received within this duration". The timer starts with the
first chunk: a provider that takes the request and never answers is waited for. Version 7 has `firstChunkMs`.
Reported: https://github.com/vercel/ai/issues/16538
"""

from plain import run
from plain_faults import ai_sdk_without_an_answer
from plain_provider import silence

run(silence, ai_sdk_without_an_answer("/api/chat"))
