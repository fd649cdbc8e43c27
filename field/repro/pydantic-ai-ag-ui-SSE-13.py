"""pydantic-ai's AG-UI adapter sends its stream without `X-Accel-Buffering: no`.

nginx holds a reply back in its buffers, unless this header says no
(https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering). AG-UI's specification does not ask for it.
"""

from plain import ASK_AG_UI, a_reply, run, without_the_header

run(a_reply, without_the_header("/", ASK_AG_UI))
