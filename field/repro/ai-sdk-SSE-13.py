"""npm ai sends nothing while its provider is silent.

The standard for server-sent events advises a comment every 15 s or so, as some proxies end connections that are silent
(https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes). Reported:
https://github.com/vercel/ai/issues/9655
"""

from plain import ASK_AI_SDK, headers_then_silence, run, silent_with_its_provider

run(headers_then_silence, silent_with_its_provider("/api/chat", ASK_AI_SDK))
