"""npm ai with resumable-stream sends nothing while its provider is silent.

The standard for server-sent events advises a comment every 15 s or so, as some proxies end connections that are silent
(https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes). Reported:
https://github.com/vercel/ai/issues/9655
"""

from plain import run
from plain_client import ASK_AI_SDK
from plain_faults import silent_with_its_provider
from plain_provider import headers_then_silence

run(headers_then_silence, silent_with_its_provider("/api/chat", ASK_AI_SDK))
