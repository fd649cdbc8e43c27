"""pydantic-ai's Vercel AI adapter sends its stream without `X-Accel-Buffering: no`.

nginx holds a reply back in its buffers, unless this header says no
(https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering). npm `ai` sends it; the documentation of its
protocol does not ask for it.
"""

from plain import run
from plain_client import ASK_AI_SDK
from plain_faults import without_the_header
from plain_provider import a_reply

run(a_reply, without_the_header("/api/chat", ASK_AI_SDK))
